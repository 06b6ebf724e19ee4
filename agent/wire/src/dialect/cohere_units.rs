//! Cohere's embeddings and rerank: only what is billed matters. Both versions tell it alike; neither names a model.

use super::Dialect;
use super::cohere_chat_v2::USAGE;
use crate::answer::Answer;
use crate::call::Unread;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value, whole};
use crate::usage::Figures;
use Shape::{Seen, Tree};

static ROOT: Node = Node {
    fields: Fields::of(&[
        ("embeddings", Seen(Field::Content)),
        ("results", Seen(Field::Content)),
        ("meta", Tree(&USAGE)),
    ]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

pub(crate) struct CohereUnits {
    facts: Facts,
    image_tokens: u64,
}

impl CohereUnits {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key), image_tokens: 0 }
    }
}

impl Dialect for CohereUnits {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        self.facts.terminal |= read.is_ok();
        self.facts.end_document(read);
    }

    fn unread(&mut self, why: Unread) {
        self.facts.unread(why);
    }

    fn has_content(&self) -> bool {
        self.facts.content
    }

    fn finish(self: Box<Self>, status: u16) -> Answer {
        let mut answer = self.facts.finish(status, Figures::inclusive);
        // Images have a price of their own.
        if let Some(usage) = &mut answer.usage
            && self.image_tokens > 0
        {
            usage.unpriced_calls = 1;
        }
        answer
    }
}

impl Sink for CohereUnits {
    fn begin(&mut self, scope: Field) {
        self.facts.begin(scope);
    }

    fn end(&mut self, scope: Field) {
        self.facts.end(scope);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Detail, Value::Number(count)) => self.image_tokens = whole(count).unwrap_or(0),
            _ => self.facts.value(field, value),
        }
    }
}
