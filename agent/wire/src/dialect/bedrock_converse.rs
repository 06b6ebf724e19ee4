//! Bedrock Converse and ConverseStream. Usage is exclusive: cached tokens come on top of `inputTokens`; where the
//! total says otherwise (some families count them twice), it is believed. The body names no model.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use super::{Dialect, Interest};
use crate::answer::Answer;
use crate::call::Unread;
use crate::facts::{Facts, small};
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value, whole};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

/// A response, or the payload of one event: their names do not clash.
static ROOT: Node = Node {
    fields: Fields::of(&[
        ("output", Tree(&OUTPUT)),
        ("stopReason", Leaf(Field::FinishReason)),
        ("usage", Tree(&USAGE)),
        ("contentBlockIndex", Leaf(Field::ItemIndex)),
        ("start", Tree(&BLOCK)),
        ("delta", Tree(&DELTA)),
        ("message", Leaf(Field::OuterMessage)),
        // InvokeModel names an event by a field around it.
        ("contentBlockStart", Tree(&ROOT)),
        ("contentBlockDelta", Tree(&ROOT)),
        ("messageStop", Tree(&ROOT)),
        ("metadata", Tree(&METADATA)),
    ]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

/// The last event.
static METADATA: Node = Node {
    scope: Some(Field::Items),
    fields: Fields::of(&[("usage", Tree(&USAGE))]),
    ..Node::EMPTY
};

static OUTPUT: Node = Node { fields: Fields::of(&[("message", Tree(&MESSAGE))]), ..Node::EMPTY };
static MESSAGE: Node = Node { fields: Fields::of(&[("content", Tree(&CONTENT))]), ..Node::EMPTY };
static CONTENT: Node = Node { items: Tree(&BLOCK), ..Node::EMPTY };

static BLOCK: Node = Node {
    fields: Fields::of(&[("text", Seen(Field::Content)), ("toolUse", Tree(&CALL))]),
    ..Node::EMPTY
};

static CALL: Node = Node {
    scope: Some(Field::Item),
    fields: Fields::of(&[
        ("name", Leaf(Field::CallName)),
        ("input", Text(Field::CallArguments)),
        ("type", Leaf(Field::ItemType)),
    ]),
    ..Node::EMPTY
};

static DELTA: Node = Node {
    fields: Fields::of(&[
        ("text", Seen(Field::Content)),
        ("reasoningContent", Seen(Field::Content)),
        ("toolUse", Tree(&CALL_DELTA)),
    ]),
    ..Node::EMPTY
};

static CALL_DELTA: Node = Node {
    scope: Some(Field::CallDelta),
    fields: Fields::of(&[("input", Text(Field::CallArguments))]),
    ..Node::EMPTY
};

static USAGE: Node = Node {
    scope: Some(Field::Usage),
    fields: Fields::of(&[
        ("inputTokens", Leaf(Field::InputTokens)),
        ("outputTokens", Leaf(Field::OutputTokens)),
        ("totalTokens", Leaf(Field::TotalTokens)),
        ("cacheReadInputTokens", Leaf(Field::Cached)),
        ("cacheWriteInputTokens", Leaf(Field::CacheWrite)),
        // Nova's own names.
        ("cacheReadInputTokenCount", Leaf(Field::Cached)),
        ("cacheWriteInputTokenCount", Leaf(Field::CacheWrite)),
        ("cacheDetails", Tree(&WRITES)),
    ]),
    ..Node::EMPTY
};

static WRITES: Node = Node { items: Tree(&WRITE), ..Node::EMPTY };
static WRITE: Node = Node {
    scope: Some(Field::Detail),
    fields: Fields::of(&[("ttl", Leaf(Field::Modality)), ("inputTokens", Leaf(Field::Detail))]),
    ..Node::EMPTY
};

pub(crate) struct BedrockConverse {
    facts: Facts,
    index: Option<u32>,
    /// This document begins a call.
    begins: bool,
    runs_at_server: bool,
    server_calls: u32,
    /// Calls whose arguments may still come.
    open_calls: Vec<u32>,
    lifetime: Option<Field>,
    count: Option<u64>,
}

impl BedrockConverse {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self {
            facts: Facts::new(hash_key),
            index: None,
            begins: false,
            runs_at_server: false,
            server_calls: 0,
            open_calls: Vec::new(),
            lifetime: None,
            count: None,
        }
    }

    fn end_call(&mut self) {
        if self.runs_at_server {
            self.server_calls += 1;
            self.facts.calls.forget();
        } else {
            self.facts.calls.end();
            self.begins = true;
        }
    }

    fn end_read_document(&mut self) {
        let index = self.index.unwrap_or(0);
        if self.facts.streamed && self.begins {
            self.facts.calls.place_last((0, index));
            self.open_calls.push(index);
        }
        if self.open_calls.contains(&index) {
            self.facts.calls.delta_index(index);
            self.facts.calls.settle(0);
        } else {
            self.facts.calls.drop_pending();
        }
    }
}

impl Dialect for BedrockConverse {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn event(&mut self, name: &[u8]) -> Interest {
        match name {
            b"messageStart" | b"contentBlockStop" => return Interest::Pass,
            // The last event.
            b"metadata" => self.facts.terminal = true,
            b"contentBlockDelta" => self.facts.content = true,
            _ if name.ends_with(b"Exception") => {
                self.facts.terminal = true;
                self.facts.error.name();
                self.facts.error.value(Field::OuterKind, Value::Text(name));
            }
            _ => {}
        }
        Interest::Read
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        if read.is_ok() {
            self.end_read_document();
            self.facts.terminal |= !self.facts.streamed;
        } else {
            self.facts.terminal = false;
        }
        self.index = None;
        self.begins = false;
        self.facts.end_document(read);
    }

    fn unread(&mut self, why: Unread) {
        self.facts.unread(why);
    }

    fn has_content(&self) -> bool {
        self.facts.content
    }

    fn finish(mut self: Box<Self>, status: u16) -> Answer {
        self.facts.server_tool_calls = Some(self.server_calls);
        self.facts.finish(status, Figures::exclusive)
    }
}

impl Sink for BedrockConverse {
    fn begin(&mut self, scope: Field) {
        match scope {
            Field::Item => {
                self.runs_at_server = false;
                self.facts.calls.begin(None);
            }
            Field::Items => self.facts.terminal = true,
            _ => self.facts.begin(scope),
        }
    }

    fn end(&mut self, scope: Field) {
        match scope {
            Field::Item => self.end_call(),
            Field::Detail => {
                if let (Some(lifetime), Some(count)) = (self.lifetime.take(), self.count.take()) {
                    self.facts.figure(lifetime, count);
                }
            }
            _ => self.facts.end(scope),
        }
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::ItemIndex, Value::Number(index)) => self.index = small(index),
            (Field::ItemType, Value::Text(kind)) => {
                self.runs_at_server = kind == b"server_tool_use"
            }
            (Field::Modality, Value::Text(b"5m")) => self.lifetime = Some(Field::CacheWrite5m),
            (Field::Modality, Value::Text(b"1h")) => self.lifetime = Some(Field::CacheWrite1h),
            (Field::Detail, Value::Number(count)) => self.count = whole(count),
            (Field::FinishReason, Value::Text(reason)) => self.facts.reason(0, reason),
            _ => self.facts.value(field, value),
        }
    }
}
