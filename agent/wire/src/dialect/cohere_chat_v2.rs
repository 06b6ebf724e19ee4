//! Cohere's chat, version 2. Usage is inclusive; `tokens` are what was read and written, `billed_units` what is paid
//! for. The body names no model.

use super::{Dialect, Interest};
use crate::answer::Answer;
use crate::call::Unread;
use crate::facts::{Facts, small};
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

/// A response, or an event.
static ROOT: Node = Node {
    fields: Fields::of(&[
        ("type", Leaf(Field::Type)),
        ("index", Leaf(Field::ItemIndex)),
        ("delta", Tree(&DELTA)),
        ("message", Tree(&MESSAGE)),
        ("finish_reason", Leaf(Field::FinishReason)),
        ("usage", Tree(&USAGE)),
    ]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

static MESSAGE: Node = Node {
    fields: Fields::of(&[("content", Seen(Field::Content)), ("tool_calls", Tree(&CALLS))]),
    ..Node::EMPTY
};
static CALLS: Node = Node { items: Tree(&CALL), ..Node::EMPTY };
static CALL: Node = Node {
    scope: Some(Field::Call),
    fields: Fields::of(&[("function", Tree(&FUNCTION))]),
    ..Node::EMPTY
};

static DELTA: Node = Node {
    fields: Fields::of(&[
        ("message", Tree(&MESSAGE_DELTA)),
        ("finish_reason", Leaf(Field::FinishReason)),
        ("usage", Tree(&USAGE)),
    ]),
    ..Node::EMPTY
};
/// An event tells one call, not a list.
static MESSAGE_DELTA: Node =
    Node { fields: Fields::of(&[("tool_calls", Tree(&CALL_DELTA))]), ..Node::EMPTY };
static CALL_DELTA: Node = Node {
    scope: Some(Field::CallDelta),
    fields: Fields::of(&[("id", Leaf(Field::CallId)), ("function", Tree(&FUNCTION))]),
    ..Node::EMPTY
};
static FUNCTION: Node = Node {
    fields: Fields::of(&[
        ("name", Leaf(Field::CallName)),
        ("arguments", Text(Field::CallArguments)),
    ]),
    ..Node::EMPTY
};

pub(super) static USAGE: Node = Node {
    scope: Some(Field::Usage),
    fields: Fields::of(&[
        ("tokens", Tree(&TOKENS)),
        ("billed_units", Tree(&BILLED)),
        ("cached_tokens", Leaf(Field::Cached)),
    ]),
    ..Node::EMPTY
};
static TOKENS: Node = Node {
    fields: Fields::of(&[
        ("input_tokens", Leaf(Field::InputTokens)),
        ("output_tokens", Leaf(Field::OutputTokens)),
        ("reasoning_tokens", Leaf(Field::Reasoning)),
    ]),
    ..Node::EMPTY
};
static BILLED: Node = Node {
    fields: Fields::of(&[
        ("input_tokens", Leaf(Field::BilledInput)),
        ("output_tokens", Leaf(Field::BilledOutput)),
        ("search_units", Leaf(Field::SearchUnits)),
        ("image_tokens", Leaf(Field::Detail)),
    ]),
    ..Node::EMPTY
};

pub(crate) struct CohereChatV2 {
    facts: Facts,
    index: Option<u32>,
    /// This event tells a call or a piece of one.
    tells_call: bool,
}

impl CohereChatV2 {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key), index: None, tells_call: false }
    }

    fn document_kind(&mut self, kind: &[u8]) {
        match kind {
            b"tool-call-start" | b"tool-call-delta" => self.tells_call = true,
            b"content-delta" => self.facts.content = true,
            b"message-end" => self.facts.terminal = true,
            _ => {}
        }
    }
}

impl Dialect for CohereChatV2 {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn event(&mut self, name: &[u8]) -> Interest {
        match name {
            b"content-delta" | b"tool-plan-delta" => {
                self.facts.content = true;
                Interest::Pass
            }
            b"message-start" | b"content-start" | b"content-end" | b"tool-call-end" => {
                Interest::Pass
            }
            b"citation-start" | b"citation-end" => Interest::Pass,
            _ => Interest::Read,
        }
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        if read.is_ok() && self.tells_call {
            self.facts.calls.delta_index(self.index.unwrap_or(0));
            self.facts.calls.settle(0);
        } else {
            self.facts.calls.drop_pending();
        }
        self.facts.terminal |= read.is_ok() && !self.facts.streamed;
        self.index = None;
        self.tells_call = false;
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

impl Sink for CohereChatV2 {
    fn begin(&mut self, scope: Field) {
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
            (Field::Type, Value::Text(kind)) => self.document_kind(kind),
            (Field::ItemIndex, Value::Number(index)) => self.index = small(index),
            (Field::FinishReason, Value::Text(reason)) => self.facts.reason(0, reason),
            _ => self.facts.value(field, value),
        }
    }
}
