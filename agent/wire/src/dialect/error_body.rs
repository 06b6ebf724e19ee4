//! Any body that came with an error status, and nothing but its error.

use super::Dialect;
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::{BODY, ErrorRead};
use crate::field::Field;
use crate::json::{Shape, Sink, Value};

#[derive(Default)]
pub(crate) struct ErrorBody {
    error: ErrorRead,
    complete: bool,
    unread: Option<Unread>,
}

impl ErrorBody {
    /// The error's kind came beside the body.
    pub(crate) fn name(&mut self, kind: &[u8]) {
        self.error.name();
        self.error.value(Field::OuterKind, Value::Text(kind));
    }
}

impl Dialect for ErrorBody {
    fn root(&self) -> &'static Shape {
        &BODY
    }

    fn streamed(&mut self) {}

    fn end_document(&mut self, read: Result<(), Unread>) {
        match read {
            Ok(()) => self.complete = true,
            Err(why) => self.unread(why),
        }
    }

    fn unread(&mut self, why: Unread) {
        self.unread.get_or_insert(why);
    }

    fn has_content(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>, status: u16) -> Answer {
        let error = self.error.finish(status);
        Answer { error, complete: self.complete, unread: self.unread, ..Answer::default() }
    }
}

impl Sink for ErrorBody {
    fn value(&mut self, field: Field, value: Value<'_>) {
        self.error.value(field, value);
    }
}
