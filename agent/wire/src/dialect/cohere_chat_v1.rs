//! Cohere's chat, version 1, and its older generate, one document a line while they stream. The last one repeats the
//! whole answer. Usage is inclusive; `tokens` are what was read and written, `billed_units` what is paid for.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use super::Dialect;
use super::cohere_chat_v2::USAGE;
use crate::answer::Answer;
use crate::call::Unread;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

/// A response, or an event; the last event holds the response.
static ROOT: Node = Node {
    fields: Fields::of(&[
        ("event_type", Leaf(Field::Type)),
        ("text", Seen(Field::Content)),
        ("finish_reason", Leaf(Field::FinishReason)),
        ("generations", Tree(&GENERATIONS)),
        ("tool_calls", Tree(&CALLS)),
        ("meta", Tree(&USAGE)),
        ("response", Tree(&RESPONSE)),
    ]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

static RESPONSE: Node = Node {
    scope: Some(Field::Item),
    fields: Fields::of(&[
        ("finish_reason", Leaf(Field::FinishReason)),
        ("generations", Tree(&GENERATIONS)),
        ("tool_calls", Tree(&CALLS)),
        ("meta", Tree(&USAGE)),
    ]),
    ..Node::EMPTY
};

static GENERATIONS: Node = Node { items: Tree(&GENERATION), ..Node::EMPTY };
static GENERATION: Node = Node {
    scope: Some(Field::Choice),
    fields: Fields::of(&[
        ("index", Leaf(Field::ChoiceIndex)),
        ("text", Seen(Field::Content)),
        ("finish_reason", Leaf(Field::FinishReasonToo)),
    ]),
    ..Node::EMPTY
};

static CALLS: Node = Node { items: Tree(&CALL), ..Node::EMPTY };
static CALL: Node = Node {
    scope: Some(Field::Call),
    fields: Fields::of(&[
        ("name", Leaf(Field::CallName)),
        ("parameters", Text(Field::CallArguments)),
    ]),
    ..Node::EMPTY
};

pub(crate) struct CohereChatV1 {
    facts: Facts,
    /// A document could not be read to its end.
    is_broken: bool,
}

impl CohereChatV1 {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key), is_broken: false }
    }
}

impl Dialect for CohereChatV1 {
    const IS_LINES: bool = true;

    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        self.is_broken |= read.is_err();
        self.facts.end_document(read);
    }

    fn unread(&mut self, why: Unread) {
        self.facts.unread(why);
    }

    fn has_content(&self) -> bool {
        self.facts.content
    }

    fn finish(mut self: Box<Self>, status: u16) -> Answer {
        self.facts.terminal = self.facts.has_reason() && !self.is_broken;
        self.facts.finish(status, Figures::inclusive)
    }
}

impl Sink for CohereChatV1 {
    fn begin(&mut self, scope: Field) {
        match scope {
            // The calls are told again.
            Field::Item => self.facts.calls.clear(),
            _ => self.facts.begin(scope),
        }
    }

    fn end(&mut self, scope: Field) {
        self.facts.end(scope);
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Type, Value::Text(b"stream-start")) => self.facts.streamed = true,
            (Field::FinishReason, Value::Text(reason)) if !reason.is_empty() => {
                self.facts.reason(0, reason);
            }
            _ => self.facts.value(field, value),
        }
    }
}
