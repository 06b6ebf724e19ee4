//! Event-stream framing, push-based. Knows bytes and lines; knows no provider. Keeps an event's name, never its data.

#[cfg(test)]
mod tests;

use crate::short::Short;

/// Longer names are cut; no provider's is half as long.
const NAME_MAX: usize = 64;
/// `data`, `event`, `id`, `retry`: a longer field name is none of them.
const FIELD_MAX: usize = 6;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Who wants the events. Data comes in pieces, its lines joined by a newline.
pub(crate) trait Events {
    fn name(&mut self, name: &[u8]);
    fn data(&mut self, bytes: &[u8]);
    fn end(&mut self);
    /// The framing was lost: what came of the last event does not count, and no other will come.
    fn broken(&mut self) {}
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    /// At or in the field's name.
    Field,
    /// After `data:`, before its optional space.
    DataStart,
    Data,
    NameStart,
    Name,
    /// A comment or a field that does not matter.
    Ignored,
}

pub(crate) struct Sse {
    line: Line,
    field: Short<FIELD_MAX>,
    name: Short<NAME_MAX>,
    after_cr: bool,
    /// Nothing but a possible byte-order mark has come.
    at_start: bool,
    has_data: bool,
}

impl Sse {
    pub(crate) fn new() -> Self {
        Self {
            line: Line::Field,
            field: Short::new(),
            name: Short::new(),
            after_cr: false,
            at_start: true,
            has_data: false,
        }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8], to: &mut impl Events) {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while !bytes.is_empty() {
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                return self.part(bytes, to);
            };
            self.part(&bytes[..end], to);
            self.end_line(to);
            let is_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if is_cr {
                self.after_cr = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
    }

    /// No more bytes will come. An event without its blank line counts.
    pub(crate) fn finish(&mut self, to: &mut impl Events) {
        self.end_line(to);
        self.end_event(to);
    }

    /// Part of a line.
    #[inline]
    fn part(&mut self, mut bytes: &[u8], to: &mut impl Events) {
        if self.line == Line::Field {
            bytes = self.read_field(bytes);
        }
        if bytes.is_empty() {
            return;
        }
        if matches!(self.line, Line::DataStart | Line::NameStart) {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.line = if self.line == Line::DataStart { self.start_data(to) } else { Line::Name };
        }
        match self.line {
            Line::Data => to.data(bytes),
            Line::Name => self.name.add(bytes),
            Line::Field | Line::DataStart | Line::NameStart | Line::Ignored => {}
        }
    }

    /// Reads a field name, returns what follows its colon.
    #[inline]
    fn read_field<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let whole = self.field.is_empty() && !self.at_start;
        if whole && let Some(rest) = bytes.strip_prefix(b"data:") {
            self.line = Line::DataStart;
            return rest;
        }
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b':' {
                self.line = self.line_of_field();
                return &bytes[at + 1..];
            }
            self.field.add(&[*byte]);
            if self.at_start && self.field.text() == BOM {
                self.at_start = false;
                self.field.clear();
            }
            if self.field.is_cut() {
                self.line = Line::Ignored;
                return &[];
            }
        }
        &[]
    }

    fn line_of_field(&mut self) -> Line {
        self.at_start = false;
        match self.field.text() {
            b"data" => Line::DataStart,
            b"event" => Line::NameStart,
            _ => Line::Ignored,
        }
    }

    fn start_data(&mut self, to: &mut impl Events) -> Line {
        if self.has_data {
            to.data(b"\n");
        }
        self.has_data = true;
        Line::Data
    }

    fn end_line(&mut self, to: &mut impl Events) {
        match self.line {
            Line::Field if self.field.is_empty() => self.end_event(to),
            Line::DataStart => {
                self.start_data(to);
            }
            Line::NameStart | Line::Name => to.name(self.name.text()),
            Line::Field | Line::Data | Line::Ignored => {}
        }
        self.at_start = false;
        self.line = Line::Field;
        self.field.clear();
        self.name.clear();
    }

    fn end_event(&mut self, to: &mut impl Events) {
        if self.has_data {
            to.end();
        }
        self.has_data = false;
    }
}
