//! Bedrock's older families by InvokeModel: Titan, Llama, Mistral, Cohere's command, AI21's Jurassic, Claude's text
//! completion. Some count for themselves; the service's own metrics, on the last event of a stream, stand in for the
//! others. No body names a model.

use super::Dialect;
use crate::answer::Answer;
use crate::call::Unread;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value, whole};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

/// The families' names do not clash.
static ROOT: Node = Node {
    fields: Fields::of(&[
        // Titan.
        ("inputTextTokenCount", Leaf(Field::InputTokens)),
        ("totalOutputTextTokenCount", Leaf(Field::OutputTokens)),
        ("outputText", Seen(Field::Content)),
        ("completionReason", Leaf(Field::FinishReason)),
        ("results", Tree(&RESULTS)),
        // Llama.
        ("generation", Seen(Field::Content)),
        ("prompt_token_count", Leaf(Field::InputTokens)),
        ("generation_token_count", Leaf(Field::OutputTokens)),
        ("stop_reason", Leaf(Field::FinishReason)),
        // Claude's text completion; Mistral; Cohere; AI21.
        ("completion", Seen(Field::Content)),
        ("outputs", Tree(&RESULTS)),
        ("generations", Tree(&RESULTS)),
        ("text", Seen(Field::Content)),
        ("finish_reason", Leaf(Field::FinishReason)),
        ("tool_calls", Tree(&CALLS)),
        ("completions", Tree(&RESULTS)),
        ("embedding", Seen(Field::Content)),
        ("embeddings", Seen(Field::Content)),
        ("amazon-bedrock-invocationMetrics", Tree(&METRICS)),
    ]),
    ..Node::EMPTY
};
static START: Shape = Tree(&ROOT);

static RESULTS: Node = Node { items: Tree(&RESULT), ..Node::EMPTY };
static RESULT: Node = Node {
    scope: Some(Field::Choice),
    fields: Fields::of(&[
        ("tokenCount", Leaf(Field::Detail)),
        ("outputText", Seen(Field::Content)),
        ("text", Seen(Field::Content)),
        ("completionReason", Leaf(Field::FinishReasonToo)),
        ("stop_reason", Leaf(Field::FinishReasonToo)),
        ("finish_reason", Leaf(Field::FinishReasonToo)),
        ("finishReason", Tree(&REASON)),
    ]),
    ..Node::EMPTY
};
static REASON: Node =
    Node { fields: Fields::of(&[("reason", Leaf(Field::FinishReasonToo))]), ..Node::EMPTY };

static CALLS: Node = Node { items: Tree(&CALL), ..Node::EMPTY };
static CALL: Node = Node {
    scope: Some(Field::Call),
    fields: Fields::of(&[
        ("name", Leaf(Field::CallName)),
        ("parameters", Text(Field::CallArguments)),
    ]),
    ..Node::EMPTY
};

/// Cached tokens are beside the input.
pub(super) static METRICS: Node = Node {
    scope: Some(Field::SpareUsage),
    fields: Fields::of(&[
        ("inputTokenCount", Leaf(Field::InputTokens)),
        ("outputTokenCount", Leaf(Field::OutputTokens)),
        ("cacheReadInputTokenCount", Leaf(Field::Cached)),
        ("cacheWriteInputTokenCount", Leaf(Field::CacheWrite)),
    ]),
    ..Node::EMPTY
};

pub(crate) struct BedrockText {
    facts: Facts,
    /// Produced by the results of this document.
    produced: Option<u64>,
}

impl BedrockText {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key), produced: None }
    }
}

impl Dialect for BedrockText {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        if let Some(produced) = self.produced.take() {
            self.facts.figure(Field::OutputTokens, produced);
        }
        self.facts.terminal |= read.is_ok() && !self.facts.streamed;
        self.facts.end_document_cumulative(read);
    }

    fn unread(&mut self, why: Unread) {
        self.facts.unread(why);
    }

    fn has_content(&self) -> bool {
        self.facts.content
    }

    fn finish(mut self: Box<Self>, status: u16) -> Answer {
        self.facts.terminal |= self.facts.has_reason();
        self.facts.finish(status, Figures::exclusive)
    }
}

impl Sink for BedrockText {
    fn begin(&mut self, scope: Field) {
        self.facts.begin(scope);
    }

    fn end(&mut self, scope: Field) {
        if scope == Field::SpareUsage {
            self.facts.terminal = true;
        }
        self.facts.end(scope);
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Detail, Value::Number(count)) => {
                if let Some(count) = whole(count) {
                    self.produced = Some(self.produced.unwrap_or(0).saturating_add(count));
                }
            }
            (Field::FinishReason, Value::Text(reason)) if !reason.is_empty() => {
                self.facts.reason(0, reason);
            }
            _ => self.facts.value(field, value),
        }
    }
}
