//! Errors as providers tell them, in a body of their own or in the middle of a stream. Knows every shape that is in use;
//! knows no dialect.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

mod class;

pub(crate) use class::class;

use crate::answer::{Message, ProviderError};
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Value};
use crate::retry;

/// Longer words are sentences.
const WORD_MAX: usize = 128;

/// `"error": {…}` or `"error": "…"`.
pub(crate) static ERROR: Node = Node {
    bare: Some(Field::Error),
    fields: Fields::of(&[
        ("type", Shape::Leaf(Field::ErrorKind)),
        ("code", Shape::Leaf(Field::ErrorCode)),
        ("status", Shape::Leaf(Field::ErrorStatus)),
        ("message", Shape::Leaf(Field::ErrorMessage)),
        ("details", Shape::Tree(&DETAILS)),
    ]),
    ..Node::EMPTY
};

/// Google's, each of a kind of its own.
static DETAILS: Node = Node { items: Shape::Tree(&DETAIL), ..Node::EMPTY };
static DETAIL: Node =
    Node { fields: Fields::of(&[("retryDelay", Shape::Leaf(Field::RetryDelay))]), ..Node::EMPTY };

/// A body that came with an error status.
pub(crate) static BODY: Shape = Shape::Tree(&BODY_NODE);

static BODY_NODE: Node = Node {
    fields: Fields::of(&[
        ("error", Shape::Tree(&ERROR)),
        ("object", Shape::Leaf(Field::OuterObject)),
        ("type", Shape::Leaf(Field::OuterKind)),
        ("code", Shape::Leaf(Field::OuterCode)),
        ("message", Shape::Leaf(Field::OuterMessage)),
        ("detail", Shape::Leaf(Field::OuterMessage)),
    ]),
    // Google wraps an error that meets a stream in an array.
    items: Shape::Tree(&BODY_NODE),
    ..Node::EMPTY
};

#[derive(Default)]
pub(crate) struct ErrorRead {
    inner: Words,
    outer: Words,
    /// `"error": "…"`
    flat: Option<String>,
    retry_after_ms: Option<u64>,
    /// The document calls itself an error.
    named: bool,
}

#[derive(Default)]
struct Words {
    kind: Option<String>,
    code: Option<String>,
    code_is_number: bool,
    status: Option<String>,
    message: Option<String>,
}

impl ErrorRead {
    pub(crate) fn value(&mut self, field: Field, value: Value<'_>) {
        let is_number = matches!(value, Value::Number(_));
        match field {
            Field::ErrorCode => self.inner.code_is_number = is_number,
            Field::OuterCode => self.outer.code_is_number = is_number,
            _ => {}
        }
        let place = match field {
            Field::Error => &mut self.flat,
            Field::ErrorKind => &mut self.inner.kind,
            Field::ErrorCode => &mut self.inner.code,
            Field::ErrorStatus => &mut self.inner.status,
            Field::ErrorMessage => &mut self.inner.message,
            Field::OuterKind => &mut self.outer.kind,
            Field::OuterCode => &mut self.outer.code,
            Field::OuterMessage => &mut self.outer.message,
            Field::RetryDelay => {
                if let Value::Text(delay) = value {
                    self.retry_after_ms = retry::delay(&String::from_utf8_lossy(delay));
                }
                return;
            }
            _ => {
                return self.named |= field == Field::OuterObject && value == Value::Text(b"error");
            }
        };
        *place = match value {
            Value::Text(b"") | Value::Null | Value::Seen | Value::Bool(_) => return,
            Value::Text(text) | Value::Number(text) => {
                Some(String::from_utf8_lossy(text).into_owned())
            }
        };
    }

    /// The document says of itself that it is an error.
    pub(crate) fn name(&mut self) {
        self.named = true;
    }

    fn is_told(&self) -> bool {
        let Words { kind, code, status, message, .. } = &self.inner;
        self.named
            || self.flat.is_some()
            || [kind, code, status, message].into_iter().any(Option::is_some)
    }

    /// What was told, if anything was, or if the status says that something went wrong.
    pub(crate) fn finish(self, status: u16) -> Option<ProviderError> {
        if status < 400 && !self.is_told() {
            return None;
        }
        // A flat error is a word (OAuth's `invalid_request`) or a sentence (xAI's, Ollama's).
        let (flat_word, flat_message) = match self.flat {
            Some(text) if is_word(&text) => (Some(text), None),
            flat => (None, flat),
        };
        let is_bare = flat_message.is_some();
        let code_is_number = match self.inner.code {
            Some(_) => self.inner.code_is_number,
            None => self.outer.code_is_number,
        };
        let kind = self
            .inner
            .kind
            .or(self.inner.status)
            .or(flat_word)
            .or(self.outer.kind)
            .filter(|kind| kind.len() <= WORD_MAX);
        let code = self.inner.code.or(self.outer.code).filter(|code| code.len() <= WORD_MAX);
        let message = self.inner.message.or(flat_message).or(self.outer.message);
        let class = class(status, kind.as_deref(), code.as_deref(), message.as_deref());
        let told = || message.as_deref().and_then(retry::in_message);
        let retry_after_ms = self.retry_after_ms.or_else(told);
        Some(ProviderError {
            kind,
            code,
            class,
            retry_after_ms,
            code_is_number,
            is_bare,
            message: message.map(Message),
        })
    }
}

fn is_word(text: &str) -> bool {
    text.len() <= WORD_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}
