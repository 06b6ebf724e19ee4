//! The facts of an answer as they come in, in the one vocabulary. Knows no dialect.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use crate::answer::Answer;
use crate::call::Unread;
use crate::calls::{Calls, short_name};
use crate::error::ErrorRead;
use crate::field::Field;
use crate::finish;
use crate::json::{Sink, Value, scaled, whole};
use crate::usage::{Figures, Usage};

/// More choices than this are not told apart.
const CHOICES_MAX: usize = 1024;

pub(crate) struct Facts {
    pub(crate) calls: Calls,
    pub(crate) error: ErrorRead,
    /// Content has been seen.
    pub(crate) content: bool,
    /// The terminal event has been seen.
    pub(crate) terminal: bool,
    pub(crate) server_tool_calls: Option<u32>,
    /// Documents are events of a stream.
    pub(crate) streamed: bool,
    model: Option<String>,
    service_tier: Option<String>,
    figures: Figures,
    spare: Figures,
    /// This document's figures: they count when its end has been seen.
    document: Figures,
    document_spare: Figures,
    /// Whether this document has stated any figure.
    stated: bool,
    in_spare: bool,
    in_delta: bool,
    /// Calls that were told before this document.
    calls_before: usize,
    choice: Choice,
    reasons: Vec<(u32, String)>,
    unread: Option<Unread>,
}

#[derive(Default)]
struct Choice {
    position: u32,
    index: Option<u32>,
    reason: Option<String>,
    is_delta: bool,
    calls_before: usize,
}

impl Facts {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self {
            calls: Calls::new(hash_key),
            error: ErrorRead::default(),
            content: false,
            terminal: false,
            server_tool_calls: None,
            streamed: false,
            model: None,
            service_tier: None,
            figures: Figures::default(),
            spare: Figures::default(),
            document: Figures::default(),
            document_spare: Figures::default(),
            stated: false,
            in_spare: false,
            in_delta: false,
            calls_before: 0,
            choice: Choice::default(),
            reasons: Vec::new(),
            unread: None,
        }
    }

    /// The document has ended. Its figures replace earlier ones; what is broken does not count.
    pub(crate) fn end_document(&mut self, read: Result<(), Unread>) {
        let Some((document, spare)) = self.take_document(read) else { return };
        if !document.is_empty() {
            self.figures = document;
        }
        if !spare.is_empty() {
            self.spare = spare;
        }
    }

    /// The same, but figures replace earlier ones field by field.
    pub(crate) fn end_document_cumulative(&mut self, read: Result<(), Unread>) {
        if let Some((document, spare)) = self.take_document(read) {
            self.figures.update(&document);
            self.spare.update(&spare);
        }
    }

    fn take_document(&mut self, read: Result<(), Unread>) -> Option<(Figures, Figures)> {
        self.choice.position = 0;
        if let Err(why) = read {
            self.break_document(why);
        }
        self.calls_before = self.calls.len();
        if !self.stated {
            return None;
        }
        self.stated = false;
        let (document, spare) =
            (std::mem::take(&mut self.document), std::mem::take(&mut self.document_spare));
        read.is_ok().then_some((document, spare))
    }

    fn break_document(&mut self, why: Unread) {
        self.unread(why);
        self.choice = Choice::default();
        self.in_spare = false;
        self.in_delta = false;
        self.calls.drop_pending();
        self.calls.truncate(self.calls_before);
        if !self.streamed {
            self.calls.clear();
            self.reasons.clear();
            self.server_tool_calls = None;
        }
    }

    pub(crate) fn unread(&mut self, why: Unread) {
        self.unread.get_or_insert(why);
    }

    pub(crate) fn has_reason(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// The reason of a choice; the last one told counts.
    pub(crate) fn reason(&mut self, index: u32, reason: &[u8]) {
        let reason = short_name(reason);
        match self.reasons.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => self.reasons[at].1 = reason,
            Err(at) if self.reasons.len() < CHOICES_MAX => self.reasons.insert(at, (index, reason)),
            Err(_) => {}
        }
    }

    pub(crate) fn figure(&mut self, field: Field, count: u64) {
        self.figures().set(field, count);
    }

    fn figures(&mut self) -> &mut Figures {
        self.stated = true;
        if self.in_spare { &mut self.document_spare } else { &mut self.document }
    }

    fn end_choice(&mut self) {
        let index = self.choice.index.unwrap_or(self.choice.position);
        if let Some(reason) = self.choice.reason.take() {
            self.reason(index, reason.as_bytes());
        }
        if self.choice.is_delta {
            // Writer tells each piece of a stream twice: as a delta and as a message.
            self.calls.truncate(self.choice.calls_before);
        }
        self.calls.settle(index);
        self.choice = Choice { position: self.choice.position + 1, ..Choice::default() };
    }

    pub(crate) fn finish(self, status: u16, convention: fn(&Figures) -> Usage) -> Answer {
        let figures = if self.figures.is_empty() { self.spare } else { self.figures };
        let finish_reasons: Vec<String> =
            self.reasons.into_iter().map(|(_, reason)| reason).collect();
        Answer {
            model: self.model,
            usage: (!figures.is_empty()).then(|| convention(&figures)),
            finish_classes: finish_reasons.iter().map(|reason| finish::class(reason)).collect(),
            finish_reasons,
            tool_calls: self.calls.finish(),
            server_tool_calls: self.server_tool_calls,
            error: self.error.finish(status),
            service_tier: self.service_tier,
            complete: self.terminal,
            unread: self.unread,
        }
    }
}

impl Sink for Facts {
    fn begin(&mut self, scope: Field) {
        match scope {
            Field::Usage => self.document = Figures::default(),
            Field::SpareUsage => {
                self.in_spare = true;
                self.document_spare = Figures::default();
            }
            Field::Choice => {
                self.content |= !self.streamed;
                self.choice.calls_before = self.calls.len();
            }
            Field::Delta => self.choice.is_delta = true,
            Field::Call => self.calls.begin(None),
            Field::CallDelta => {
                self.in_delta = true;
                self.content = true;
                self.calls.begin_delta();
            }
            _ => {}
        }
    }

    fn end(&mut self, scope: Field) {
        match scope {
            Field::SpareUsage => self.in_spare = false,
            Field::Choice => self.end_choice(),
            Field::Call => self.calls.end(),
            Field::CallDelta => self.in_delta = false,
            _ => {}
        }
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        match field {
            Field::CallArguments if self.in_delta => self.calls.delta_arguments(bytes),
            Field::CallArguments => self.calls.arguments(bytes),
            _ => {}
        }
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Content, Value::Seen) => self.content = true,
            (Field::Model, Value::Text(name)) => keep(&mut self.model, name),
            (Field::ServiceTier, Value::Text(name)) => keep(&mut self.service_tier, name),
            (Field::FinishReason, Value::Text(reason)) if !reason.is_empty() => {
                self.choice.reason = Some(short_name(reason));
            }
            (Field::FinishReasonToo, Value::Text(reason)) if !reason.is_empty() => {
                self.choice.reason.get_or_insert_with(|| short_name(reason));
            }
            (Field::ChoiceIndex, Value::Number(index)) => self.choice.index = small(index),
            (Field::CallIndex, Value::Number(index)) => {
                if let Some(index) = small(index) {
                    self.calls.delta_index(index);
                }
            }
            (Field::CallId, Value::Text(id)) if self.in_delta => self.calls.delta_id(id),
            (Field::CallName, Value::Text(name)) if self.in_delta => self.calls.delta_name(name),
            (Field::CallName, Value::Text(name)) => self.calls.name(name),
            (
                Field::Error
                | Field::ErrorKind
                | Field::ErrorCode
                | Field::ErrorStatus
                | Field::ErrorMessage
                | Field::OuterObject
                | Field::OuterKind
                | Field::OuterCode
                | Field::OuterMessage,
                value,
            ) => self.error.value(field, value),
            (Field::StatedCost, Value::Number(dollars)) => {
                self.figures().cost_nanodollars = scaled(dollars, 9);
            }
            (Field::StatedCostTicks, Value::Number(ticks)) => {
                self.figures().cost_nanodollars = scaled(ticks, -1);
            }
            (Field::OwnKey, Value::Bool(own)) => self.figures().own_key = own,
            (figure, Value::Number(text)) => {
                if let Some(count) = whole(text) {
                    self.figures().set(figure, count);
                }
            }
            _ => {}
        }
    }
}

/// Keeps a name, without allocating when it is the same again.
fn keep(place: &mut Option<String>, name: &[u8]) {
    if !name.is_empty() && place.as_ref().is_none_or(|known| known.as_bytes() != name) {
        *place = Some(String::from_utf8_lossy(name).into_owned());
    }
}

pub(crate) fn small(text: &[u8]) -> Option<u32> {
    whole(text).and_then(|index| u32::try_from(index).ok())
}
