//! OpenAI responses: one `response` object, also told by the events of a stream. Usage is inclusive.
//! An item of the output is told up to three times; the last telling counts.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use super::{Dialect, Interest};
use crate::answer::{Answer, ToolCall};
use crate::call::Unread;
use crate::calls::{hash::ArgumentsHash, short_name};
use crate::error::ERROR;
use crate::facts::{Facts, small};
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;
use Shape::{Leaf, Text, Tree};

/// More items than this in one output are not told apart.
const ITEMS_MAX: usize = 1024;

/// A response, or an event that holds one or a part of one.
static ROOT: Node = Node {
    fields: Fields::of(&[
        ("type", Leaf(Field::Type)),
        ("output_index", Leaf(Field::ItemIndex)),
        ("item", Tree(&ITEM)),
        ("response", Tree(&ROOT)),
        ("model", Leaf(Field::Model)),
        ("status", Leaf(Field::Status)),
        ("incomplete_details", Tree(&INCOMPLETE)),
        ("output", Tree(&OUTPUT)),
        ("usage", Tree(&USAGE)),
        ("service_tier", Leaf(Field::ServiceTier)),
        ("error", Tree(&ERROR)),
        ("code", Leaf(Field::OuterCode)),
        ("message", Leaf(Field::OuterMessage)),
    ]),
    ..Node::EMPTY
};

static START: Shape = Tree(&ROOT);

static INCOMPLETE: Node =
    Node { fields: Fields::of(&[("reason", Leaf(Field::FinishReason))]), ..Node::EMPTY };

static OUTPUT: Node = Node { scope: Some(Field::Items), items: Tree(&ITEM), ..Node::EMPTY };

static ITEM: Node = Node {
    scope: Some(Field::Item),
    fields: Fields::of(&[
        ("type", Leaf(Field::ItemType)),
        ("name", Leaf(Field::CallName)),
        ("arguments", Text(Field::CallArguments)),
        // Custom tools, shells and computers name their arguments in their own way.
        ("input", Text(Field::CallArguments)),
        ("action", Text(Field::CallArguments)),
        ("operation", Text(Field::CallArguments)),
        ("execution", Leaf(Field::Status)),
    ]),
    ..Node::EMPTY
};

static USAGE: Node = Node {
    scope: Some(Field::Usage),
    fields: Fields::of(&[
        ("input_tokens", Leaf(Field::InputTokens)),
        ("output_tokens", Leaf(Field::OutputTokens)),
        ("total_tokens", Leaf(Field::TotalTokens)),
        ("input_tokens_details", Tree(&INPUT_DETAILS)),
        ("output_tokens_details", Tree(&OUTPUT_DETAILS)),
        // OpenRouter; xAI.
        ("cost", Leaf(Field::StatedCost)),
        ("is_byok", Leaf(Field::OwnKey)),
        ("cost_in_usd_ticks", Leaf(Field::StatedCostTicks)),
    ]),
    ..Node::EMPTY
};

static INPUT_DETAILS: Node = Node {
    fields: Fields::of(&[
        ("cached_tokens", Leaf(Field::Cached)),
        ("cache_write_tokens", Leaf(Field::CacheWrite)),
        ("audio_tokens", Leaf(Field::InputAudio)),
    ]),
    ..Node::EMPTY
};

static OUTPUT_DETAILS: Node = Node {
    fields: Fields::of(&[
        ("reasoning_tokens", Leaf(Field::Reasoning)),
        ("audio_tokens", Leaf(Field::OutputAudio)),
    ]),
    ..Node::EMPTY
};

pub(crate) struct OpenAiResponses {
    facts: Facts,
    key: [u8; 32],
    kind: Kind,
    status: Option<String>,
    incomplete: Option<String>,
    items: Vec<(u32, Item)>,
    item: Option<Reading>,
    item_index: Option<u32>,
    /// Inside `output`: the position of the next item.
    output_at: Option<u32>,
}

/// What the current document is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Response,
    Terminal,
    Other,
}

enum Item {
    Client(ToolCall),
    /// Run by the provider. All but calls of other people's servers are billed by the piece.
    Server {
        is_billed: bool,
    },
    Neither,
}

struct Reading {
    kind: String,
    name: String,
    runs_at_server: bool,
    hash: ArgumentsHash,
}

impl OpenAiResponses {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self {
            facts: Facts::new(hash_key),
            key: hash_key,
            kind: Kind::Response,
            status: None,
            incomplete: None,
            items: Vec::new(),
            item: None,
            item_index: None,
            output_at: None,
        }
    }

    fn begin_item(&mut self) {
        if self.output_at == Some(0) {
            // The whole output is told: earlier tellings of its parts are done with.
            self.items.clear();
        }
        let hash = ArgumentsHash::new(&self.key);
        self.item =
            Some(Reading { kind: String::new(), name: String::new(), runs_at_server: true, hash });
    }

    fn end_item(&mut self) {
        let Some(at) = self.output_at else { return };
        self.output_at = Some(at + 1);
        self.keep_item(at);
    }

    fn keep_item(&mut self, index: u32) {
        let Some(reading) = self.item.take() else { return };
        let item = reading.finish();
        match self.items.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => self.items[at].1 = item,
            Err(at) if self.items.len() < ITEMS_MAX => self.items.insert(at, (index, item)),
            Err(_) => {}
        }
    }

    fn end_read_document(&mut self) {
        if let Some(index) = self.item_index {
            self.keep_item(index);
        }
        if self.kind == Kind::Terminal || !self.facts.streamed {
            self.facts.terminal = true;
            if let Some(reason) = self.incomplete.take().or(self.status.take()) {
                self.facts.reason(0, reason.as_bytes());
            }
        }
    }
}

impl Reading {
    fn finish(mut self) -> Item {
        match self.kind.as_str() {
            "function_call" | "custom_tool_call" | "local_shell_call" | "shell_call"
            | "apply_patch_call" | "computer_call" => {
                let name = if self.name.is_empty() { self.kind } else { self.name };
                Item::Client(ToolCall { name, arguments_hash: self.hash.finish() })
            }
            "tool_search_call" if !self.runs_at_server => {
                Item::Client(ToolCall { name: self.kind, arguments_hash: self.hash.finish() })
            }
            kind if kind.ends_with("_call") => Item::Server { is_billed: kind != "mcp_call" },
            _ => Item::Neither,
        }
    }
}

impl Dialect for OpenAiResponses {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn event(&mut self, name: &[u8]) -> Interest {
        if name.ends_with(b".delta") {
            self.facts.content = true;
            return Interest::Pass;
        }
        let told_again = [&b"response.output_item.done"[..], b"response.done"];
        let part_done = name.ends_with(b".done") && !told_again.contains(&name);
        match name {
            b"response.in_progress" | b"response.content_part.added" => Interest::Pass,
            _ if part_done => Interest::Pass,
            _ => Interest::Read,
        }
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        match read {
            Ok(()) => self.end_read_document(),
            Err(_) if !self.facts.streamed => self.items.clear(),
            Err(_) => {}
        }
        self.kind = Kind::Other;
        self.item = None;
        self.item_index = None;
        self.output_at = None;
        self.status = None;
        self.incomplete = None;
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
        let (mut server, mut billed) = (0, 0);
        for (_, item) in self.items {
            match item {
                Item::Client(call) => answer.tool_calls.push(call),
                Item::Server { is_billed } => {
                    server += 1;
                    billed += u64::from(is_billed);
                }
                Item::Neither => {}
            }
        }
        if let Some(usage) = &mut answer.usage {
            usage.unpriced_calls = billed;
        }
        answer.server_tool_calls = answer.error.is_none().then_some(server);
        answer
    }
}

impl Sink for OpenAiResponses {
    fn begin(&mut self, scope: Field) {
        match scope {
            Field::Items => self.output_at = Some(0),
            Field::Item => {
                self.facts.content |= !self.facts.streamed;
                self.begin_item();
            }
            _ => self.facts.begin(scope),
        }
    }

    fn end(&mut self, scope: Field) {
        match scope {
            Field::Items => self.output_at = None,
            Field::Item => self.end_item(),
            _ => self.facts.end(scope),
        }
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        if let (Field::CallArguments, Some(item)) = (field, &mut self.item) {
            item.hash.add(bytes);
        }
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value, &mut self.item) {
            (Field::ItemType, Value::Text(kind), Some(item)) => item.kind = short_name(kind),
            (Field::CallName, Value::Text(name), Some(item)) => item.name = short_name(name),
            (Field::Status, Value::Text(at), Some(item)) => item.runs_at_server = at != b"client",
            (Field::ItemIndex, Value::Number(index), _) => self.item_index = small(index),
            (Field::Status, Value::Text(status), None) => self.status = Some(short_name(status)),
            (Field::FinishReason, Value::Text(reason), _) => {
                self.incomplete = Some(short_name(reason))
            }
            (Field::Type, Value::Text(kind), _) => self.document_kind(kind),
            _ => self.facts.value(field, value),
        }
    }
}

impl OpenAiResponses {
    fn document_kind(&mut self, kind: &[u8]) {
        match kind {
            b"response.completed"
            | b"response.incomplete"
            | b"response.failed"
            | b"response.cancelled"
            | b"response.done" => self.kind = Kind::Terminal,
            b"error" => {
                self.facts.terminal = true;
                self.facts.error.name();
                self.facts.error.value(Field::OuterKind, Value::Text(kind));
            }
            _ if kind.ends_with(b".delta") => self.facts.content = true,
            _ => {}
        }
    }
}
