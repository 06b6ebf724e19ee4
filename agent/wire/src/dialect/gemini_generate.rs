//! Gemini's `generateContent` and embeddings, on AI Studio and Vertex. Cached tokens are part of `promptTokenCount`;
//! prompts of tools come on top of it, thoughts on top of `candidatesTokenCount`. Figures are cumulative, the last one
//! stated wins field by field. A stream is events, or one array whose elements come as they are made.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use super::Dialect;
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::ERROR;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value, whole};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

/// A response, or the array that streams several.
static ROOT: Node = Node { fields: Fields::of(RESPONSE), items: Tree(&ELEMENT), ..Node::EMPTY };
static START: Shape = Tree(&ROOT);
static ELEMENT: Node =
    Node { scope: Some(Field::Item), fields: Fields::of(RESPONSE), ..Node::EMPTY };

const RESPONSE: &[(&str, Shape)] = &[
    ("candidates", Tree(&CANDIDATES)),
    ("modelVersion", Leaf(Field::Model)),
    ("usageMetadata", Tree(&USAGE)),
    ("error", Tree(&ERROR)),
    ("embedding", Seen(Field::Content)),
    ("embeddings", Seen(Field::Content)),
];

static CANDIDATES: Node = Node { items: Tree(&CANDIDATE), ..Node::EMPTY };

static CANDIDATE: Node = Node {
    scope: Some(Field::Choice),
    fields: Fields::of(&[
        ("content", Tree(&CONTENT)),
        ("finishReason", Leaf(Field::FinishReason)),
        ("index", Leaf(Field::ChoiceIndex)),
    ]),
    ..Node::EMPTY
};

static CONTENT: Node = Node { fields: Fields::of(&[("parts", Tree(&PARTS))]), ..Node::EMPTY };
static PARTS: Node = Node { items: Tree(&PART), ..Node::EMPTY };

static PART: Node = Node {
    fields: Fields::of(&[("text", Seen(Field::Content)), ("functionCall", Tree(&CALL))]),
    ..Node::EMPTY
};

static CALL: Node = Node {
    scope: Some(Field::Call),
    fields: Fields::of(&[("name", Leaf(Field::CallName)), ("args", Text(Field::CallArguments))]),
    ..Node::EMPTY
};

static USAGE: Node = Node {
    scope: Some(Field::Usage),
    fields: Fields::of(&[
        ("promptTokenCount", Leaf(Field::InputTokens)),
        ("candidatesTokenCount", Leaf(Field::OutputTokens)),
        ("totalTokenCount", Leaf(Field::TotalTokens)),
        ("cachedContentTokenCount", Leaf(Field::Cached)),
        ("thoughtsTokenCount", Leaf(Field::Reasoning)),
        ("toolUsePromptTokenCount", Leaf(Field::ToolPrompt)),
        ("promptTokensDetails", Tree(&INPUT_DETAILS)),
        ("cacheTokensDetails", Tree(&CACHE_DETAILS)),
        ("candidatesTokensDetails", Tree(&OUTPUT_DETAILS)),
        ("serviceTier", Leaf(Field::ServiceTier)),
    ]),
    ..Node::EMPTY
};

static INPUT_DETAILS: Node =
    Node { scope: Some(Field::InputAudio), items: Tree(&DETAIL), ..Node::EMPTY };
static CACHE_DETAILS: Node =
    Node { scope: Some(Field::Cached), items: Tree(&DETAIL), ..Node::EMPTY };
static OUTPUT_DETAILS: Node =
    Node { scope: Some(Field::OutputAudio), items: Tree(&DETAIL), ..Node::EMPTY };

static DETAIL: Node = Node {
    scope: Some(Field::Detail),
    fields: Fields::of(&[("modality", Leaf(Field::Modality)), ("tokenCount", Leaf(Field::Detail))]),
    ..Node::EMPTY
};

pub(crate) struct GeminiGenerate {
    facts: Facts,
    /// Of what the details are.
    details: Option<Field>,
    is_audio: bool,
    count: Option<u64>,
    cached_audio: u64,
    input_audio: Option<u64>,
    /// Elements of an array have been read.
    in_array: bool,
}

impl GeminiGenerate {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self {
            facts: Facts::new(hash_key),
            details: None,
            is_audio: false,
            count: None,
            cached_audio: 0,
            input_audio: None,
            in_array: false,
        }
    }

    fn end_detail(&mut self) {
        let count = self.count.take().filter(|_| std::mem::take(&mut self.is_audio));
        let Some(count) = count else { return };
        match self.details {
            Some(Field::InputAudio) => self.input_audio = Some(count),
            Some(Field::Cached) => self.cached_audio = count,
            _ => self.facts.figure(Field::OutputAudio, count),
        }
    }

    fn end_usage(&mut self) {
        if let Some(audio) = self.input_audio.take() {
            self.facts.figure(Field::InputAudio, audio.saturating_sub(self.cached_audio));
        }
        self.cached_audio = 0;
    }
}

impl Dialect for GeminiGenerate {
    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        // Neither form of stream has a last word but a reason; the array has its bracket.
        self.facts.terminal |= read.is_ok() && (self.in_array || !self.facts.streamed);
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
        self.facts.finish(status, Figures::beside)
    }
}

impl Sink for GeminiGenerate {
    fn begin(&mut self, scope: Field) {
        match scope {
            Field::Item => {
                self.in_array = true;
                self.facts.streamed = true;
            }
            Field::InputAudio | Field::Cached | Field::OutputAudio => self.details = Some(scope),
            _ => self.facts.begin(scope),
        }
    }

    fn end(&mut self, scope: Field) {
        match scope {
            Field::Item => self.facts.end_document_cumulative(Ok(())),
            Field::Detail => self.end_detail(),
            Field::Usage => self.end_usage(),
            _ => self.facts.end(scope),
        }
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            // Vertex may name a reason or a modality by its number.
            (Field::FinishReason, Value::Number(reason)) => {
                self.facts.value(field, Value::Text(reason))
            }
            (Field::Modality, Value::Text(name) | Value::Number(name)) => {
                self.is_audio = matches!(name, b"AUDIO" | b"4");
            }
            (Field::Detail, Value::Number(count)) => self.count = whole(count),
            _ => self.facts.value(field, value),
        }
    }
}
