//! Anthropic messages. Usage is exclusive: cached tokens come on top of `input_tokens`; thinking is part of
//! `output_tokens`. A stream's figures are cumulative, the last one stated wins field by field.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use super::{Dialect, Interest};
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::ERROR;
use crate::facts::{Facts, small};
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;
use Shape::{Leaf, Text, Tree};

/// A message, or an event that holds one or a part of one.
static ROOT: Node = Node {
    fields: Fields::of(&[
        ("type", Leaf(Field::Type)),
        ("index", Leaf(Field::ItemIndex)),
        ("delta", Tree(&DELTA)),
        ("content_block", Tree(&BLOCK)),
        ("message", Tree(&ROOT)),
        ("model", Leaf(Field::Model)),
        ("content", Tree(&CONTENT)),
        ("stop_reason", Leaf(Field::FinishReason)),
        ("usage", Tree(&USAGE)),
        ("error", Tree(&ERROR)),
    ]),
    ..Node::EMPTY
};

static START: Shape = Tree(&ROOT);

static DELTA: Node = Node {
    scope: Some(Field::CallDelta),
    fields: Fields::of(&[
        ("partial_json", Text(Field::CallArguments)),
        ("stop_reason", Leaf(Field::FinishReason)),
    ]),
    ..Node::EMPTY
};

static CONTENT: Node = Node { items: Tree(&BLOCK), ..Node::EMPTY };

static BLOCK: Node = Node {
    scope: Some(Field::Item),
    fields: Fields::of(&[
        ("type", Leaf(Field::ItemType)),
        ("name", Leaf(Field::CallName)),
        ("input", Text(Field::CallArguments)),
    ]),
    ..Node::EMPTY
};

static USAGE: Node = Node {
    scope: Some(Field::Usage),
    fields: Fields::of(&[
        ("input_tokens", Leaf(Field::InputTokens)),
        ("output_tokens", Leaf(Field::OutputTokens)),
        ("cache_read_input_tokens", Leaf(Field::Cached)),
        ("cache_creation_input_tokens", Leaf(Field::CacheWrite)),
        ("cache_creation", Tree(&WRITES)),
        ("output_tokens_details", Tree(&OUTPUT_DETAILS)),
        ("server_tool_use", Tree(&SERVER_TOOLS)),
        ("service_tier", Leaf(Field::ServiceTier)),
    ]),
    ..Node::EMPTY
};

static WRITES: Node = Node {
    fields: Fields::of(&[
        ("ephemeral_5m_input_tokens", Leaf(Field::CacheWrite5m)),
        ("ephemeral_1h_input_tokens", Leaf(Field::CacheWrite1h)),
    ]),
    ..Node::EMPTY
};

static OUTPUT_DETAILS: Node =
    Node { fields: Fields::of(&[("thinking_tokens", Leaf(Field::Reasoning))]), ..Node::EMPTY };

/// Fetches are free, searches are billed by the piece.
static SERVER_TOOLS: Node = Node {
    fields: Fields::of(&[("web_search_requests", Leaf(Field::WebSearches))]),
    ..Node::EMPTY
};

pub(crate) struct AnthropicMessages {
    facts: Facts,
    index: Option<u32>,
    block: Block,
    server_calls: u32,
    /// Calls of the client whose arguments may still come: without one, a delta says nothing.
    open_calls: Vec<u32>,
    document: Document,
}

#[derive(Clone, Copy, PartialEq)]
enum Block {
    None,
    ClientCall,
    ServerCall,
    Other,
}

#[derive(Clone, Copy, PartialEq)]
enum Document {
    Delta,
    Other,
}

impl AnthropicMessages {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self {
            facts: Facts::new(hash_key),
            index: None,
            block: Block::None,
            server_calls: 0,
            open_calls: Vec::new(),
            document: Document::Other,
        }
    }

    fn document_kind(&mut self, kind: &[u8]) {
        match kind {
            b"content_block_delta" => {
                self.document = Document::Delta;
                self.facts.content = true;
            }
            b"message_stop" => self.facts.terminal = true,
            b"error" => {
                self.facts.terminal = true;
                self.facts.error.name();
            }
            _ => {}
        }
    }

    fn end_block(&mut self) {
        match self.block {
            Block::ClientCall => self.facts.calls.end(),
            Block::ServerCall => {
                self.server_calls += 1;
                self.facts.calls.forget();
            }
            Block::None | Block::Other => self.facts.calls.forget(),
        }
    }

    fn end_read_document(&mut self) {
        let index = self.index.unwrap_or(0);
        if self.facts.streamed && self.block == Block::ClientCall {
            self.facts.calls.place_last((0, index));
            self.open_calls.push(index);
        }
        if self.document == Document::Delta && self.open_calls.contains(&index) {
            self.facts.calls.delta_index(index);
            self.facts.calls.settle(0);
        } else {
            self.facts.calls.drop_pending();
        }
    }
}

impl Dialect for AnthropicMessages {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn event(&mut self, name: &[u8]) -> Interest {
        match name {
            b"content_block_delta" => {
                self.facts.content = true;
                if self.open_calls.is_empty() { Interest::Pass } else { Interest::Read }
            }
            b"content_block_stop" | b"ping" => Interest::Pass,
            b"message_stop" => {
                self.facts.terminal = true;
                Interest::Pass
            }
            _ => Interest::Read,
        }
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        if read.is_ok() {
            self.end_read_document();
            self.facts.terminal |= !self.facts.streamed;
        }
        self.index = None;
        self.block = Block::None;
        self.document = Document::Other;
        if self.facts.streamed {
            self.facts.end_document_cumulative(read);
        } else {
            self.facts.end_document(read);
        }
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

impl Sink for AnthropicMessages {
    fn begin(&mut self, scope: Field) {
        match scope {
            Field::Item => {
                self.block = Block::Other;
                self.facts.content |= !self.facts.streamed;
                self.facts.calls.begin(None);
            }
            // A stop reason's event has a `delta`, too: what it is shows at its end.
            Field::CallDelta => {
                let content = self.facts.content;
                self.facts.begin(scope);
                self.facts.content = content;
            }
            _ => self.facts.begin(scope),
        }
    }

    fn end(&mut self, scope: Field) {
        match scope {
            Field::Item => self.end_block(),
            _ => self.facts.end(scope),
        }
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Type, Value::Text(kind)) => self.document_kind(kind),
            (Field::ItemIndex, Value::Number(index)) => self.index = small(index),
            (Field::ItemType, Value::Text(b"tool_use")) => self.block = Block::ClientCall,
            (Field::ItemType, Value::Text(b"server_tool_use" | b"mcp_tool_use")) => {
                self.block = Block::ServerCall
            }
            (Field::FinishReason, Value::Text(reason)) => self.facts.reason(0, reason),
            _ => self.facts.value(field, value),
        }
    }

    fn has_enough(&self) -> bool {
        self.document == Document::Delta && self.open_calls.is_empty() && self.facts.streamed
    }
}
