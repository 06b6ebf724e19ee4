//! Ollama's own chat, generate and embeddings, one document a line while it streams. A prompt that was cached whole has
//! no count, which is not a count of nothing.

use super::Dialect;
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::ERROR;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

static ROOT: Node = Node {
    fields: Fields::of(&[
        ("model", Leaf(Field::Model)),
        ("message", Tree(&MESSAGE)),
        ("response", Seen(Field::Content)),
        ("thinking", Seen(Field::Content)),
        ("embedding", Seen(Field::Item)),
        ("embeddings", Seen(Field::Item)),
        ("done", Leaf(Field::Status)),
        ("done_reason", Leaf(Field::FinishReason)),
        ("prompt_eval_count", Leaf(Field::InputTokens)),
        ("eval_count", Leaf(Field::OutputTokens)),
        ("error", Tree(&ERROR)),
    ]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

static MESSAGE: Node = Node {
    fields: Fields::of(&[
        ("content", Seen(Field::Content)),
        ("thinking", Seen(Field::Content)),
        ("tool_calls", Tree(&CALLS)),
    ]),
    ..Node::EMPTY
};
static CALLS: Node = Node { items: Tree(&CALL), ..Node::EMPTY };
static CALL: Node = Node {
    scope: Some(Field::Call),
    fields: Fields::of(&[("function", Tree(&FUNCTION))]),
    ..Node::EMPTY
};
static FUNCTION: Node = Node {
    fields: Fields::of(&[
        ("name", Leaf(Field::CallName)),
        ("arguments", Text(Field::CallArguments)),
    ]),
    ..Node::EMPTY
};

pub(crate) struct Ollama {
    facts: Facts,
}

impl Ollama {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key) }
    }
}

impl Dialect for Ollama {
    const IS_LINES: bool = true;

    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        self.facts.terminal &= read.is_ok();
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

impl Sink for Ollama {
    fn begin(&mut self, scope: Field) {
        if scope == Field::Call {
            self.facts.content = true;
        }
        self.facts.begin(scope);
    }

    fn end(&mut self, scope: Field) {
        self.facts.end(scope);
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Status, Value::Bool(done)) => self.facts.terminal = done,
            (Field::Item, _) => (self.facts.terminal, self.facts.content) = (true, true),
            (Field::FinishReason, Value::Text(reason)) if !reason.is_empty() => {
                self.facts.reason(0, reason);
            }
            (Field::Error, _) => {
                self.facts.terminal = true;
                self.facts.value(field, value);
            }
            _ => self.facts.value(field, value),
        }
    }
}
