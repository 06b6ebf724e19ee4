//! Vertex `predict`: text embeddings count their tokens one text at a time. Other models state nothing.

use super::Dialect;
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::ERROR;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value, whole};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Tree};

static ROOT: Node = Node {
    fields: Fields::of(&[("predictions", Tree(&PREDICTIONS)), ("error", Tree(&ERROR))]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

static PREDICTIONS: Node = Node { items: Tree(&PREDICTION), ..Node::EMPTY };
static PREDICTION: Node =
    Node { fields: Fields::of(&[("embeddings", Tree(&EMBEDDINGS))]), ..Node::EMPTY };
static EMBEDDINGS: Node = Node {
    fields: Fields::of(&[("statistics", Tree(&STATISTICS)), ("values", Seen(Field::Content))]),
    ..Node::EMPTY
};
static STATISTICS: Node =
    Node { fields: Fields::of(&[("token_count", Leaf(Field::Detail))]), ..Node::EMPTY };

pub(crate) struct VertexPredict {
    facts: Facts,
    tokens: Option<u64>,
    /// A count that is no whole number: then there is no sum.
    uncounted: bool,
}

impl VertexPredict {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key), tokens: None, uncounted: false }
    }
}

impl Dialect for VertexPredict {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        if let Some(tokens) = self.tokens.take().filter(|_| !self.uncounted) {
            self.facts.figure(Field::InputTokens, tokens);
        }
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

impl Sink for VertexPredict {
    fn begin(&mut self, scope: Field) {
        self.facts.begin(scope);
    }

    fn end(&mut self, scope: Field) {
        self.facts.end(scope);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Detail, Value::Number(count)) => match whole(count) {
                Some(count) => {
                    self.tokens = Some(self.tokens.unwrap_or(0).saturating_add(count));
                }
                None => self.uncounted = true,
            },
            _ => self.facts.value(field, value),
        }
    }
}
