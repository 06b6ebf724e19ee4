//! What a response's headers add to its body: Bedrock's token counts, a wait, the kind of an error. Knows no body.

use crate::answer::Answer;
use crate::endpoint::Dialect;
use crate::error;
use crate::field::Field;
use crate::retry::RetryHeaders;
use crate::usage::Figures;

const COUNTS: &[(&str, Field)] = &[
    ("x-amzn-bedrock-input-token-count", Field::InputTokens),
    ("x-amzn-bedrock-output-token-count", Field::OutputTokens),
    ("x-amzn-bedrock-cache-read-input-token-count", Field::Cached),
    ("x-amzn-bedrock-cache-write-input-token-count", Field::CacheWrite),
];

pub(super) struct Headers {
    status: u16,
    /// Only the calls of one operation are counted in headers.
    counts: Option<Figures>,
    error_kind: Option<String>,
    retry: RetryHeaders,
}

impl Headers {
    pub(super) fn new(dialect: Dialect, status: u16) -> Self {
        let counted = dialect == Dialect::BedrockInvoke && status < 400;
        Self {
            status,
            counts: counted.then(Figures::default),
            error_kind: None,
            retry: RetryHeaders::default(),
        }
    }

    pub(super) fn read(&mut self, name: &str, value: &[u8]) {
        let Ok(value) = str::from_utf8(value) else { return };
        if self.status >= 400 {
            self.retry.read(name, value);
            if name.eq_ignore_ascii_case("x-amzn-errortype") {
                self.error_kind = value.split(':').next().map(str::to_owned);
            }
        }
        let Some(counts) = &mut self.counts else { return };
        let known = COUNTS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        if let (Some((_, field)), Ok(count)) = (known, value.trim().parse()) {
            counts.set(*field, count);
        }
    }

    /// The body's figures outrank the headers', the headers' wait outranks the body's.
    pub(super) fn complete(self, answer: &mut Answer) {
        let counts = self.counts.filter(|counts| !counts.is_empty());
        if let (None, Some(counts)) = (answer.usage, counts) {
            answer.usage = Some(counts.exclusive());
        }
        let Some(told) = &mut answer.error else { return };
        told.retry_after_ms = self.retry.wait_ms().or(told.retry_after_ms);
        if let (None, Some(kind)) = (&told.kind, &self.error_kind) {
            let message = told.message.as_ref().map(|message| message.reveal());
            told.class = error::class(self.status, Some(kind), told.code.as_deref(), message);
        }
    }
}
