//! OpenAI embeddings and their imitators: only a model and a usage matter. Usage is inclusive.

use super::Dialect;
use super::openai_usage::USAGE;
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::ERROR;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;

static ROOT: Node = Node {
    fields: Fields::of(&[
        ("data", Shape::Seen(Field::Content)),
        ("model", Shape::Leaf(Field::Model)),
        ("usage", Shape::Tree(&USAGE)),
        ("error", Shape::Tree(&ERROR)),
    ]),
    ..Node::EMPTY
};

static START: Shape = Shape::Tree(&ROOT);

pub(crate) struct OpenAiEmbeddings {
    facts: Facts,
}

impl OpenAiEmbeddings {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key) }
    }
}

impl Dialect for OpenAiEmbeddings {
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
        self.facts.finish(status, Figures::inclusive)
    }
}

impl Sink for OpenAiEmbeddings {
    fn begin(&mut self, scope: Field) {
        self.facts.begin(scope);
    }

    fn end(&mut self, scope: Field) {
        self.facts.end(scope);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        self.facts.value(field, value);
    }
}
