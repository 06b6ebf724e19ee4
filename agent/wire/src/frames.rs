//! AWS event-stream framing, push-based: binary frames with checksums. Knows bytes; knows no provider.
//! Keeps a frame's headers, never its payload.

#[cfg(test)]
pub(crate) mod tests;

use crate::short::Short;
use crate::sse::Events;

/// Lengths and their checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
/// Real headers are below 200 bytes; what is cut off them is not looked at.
const HEADERS_MAX: usize = 512;
/// Larger frames are not allowed by the service.
const FRAME_MAX: u32 = 16 * 1024 * 1024;
/// A header's value that is a text.
const TEXT: u8 = 7;

pub(crate) struct Frames {
    part: Part,
    /// Bytes of this part that are still to come.
    left: usize,
    payload: usize,
    fixed: Short<PRELUDE>,
    headers: Short<HEADERS_MAX>,
    checksum: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Prelude,
    Headers,
    Payload,
    Checksum,
    /// A length or a checksum was wrong: nothing that follows can be trusted.
    Lost,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            part: Part::Prelude,
            left: PRELUDE,
            payload: 0,
            fixed: Short::new(),
            headers: Short::new(),
            checksum: 0,
        }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8], to: &mut impl Events) {
        while !bytes.is_empty() && self.part != Part::Lost {
            let (taken, rest) = bytes.split_at(self.left.min(bytes.len()));
            bytes = rest;
            self.left -= taken.len();
            match self.part {
                Part::Prelude | Part::Checksum => self.fixed.add(taken),
                Part::Headers => self.headers.add(taken),
                Part::Payload => to.data(taken),
                Part::Lost => {}
            }
            if matches!(self.part, Part::Headers | Part::Payload) {
                self.checksum = crc(self.checksum, taken);
            }
            if self.left == 0 {
                self.end_part(to);
            }
        }
    }

    /// No more bytes will come.
    pub(crate) fn finish(&mut self, to: &mut impl Events) {
        let between = self.part == Part::Prelude && self.fixed.is_empty();
        if !between && self.part != Part::Lost {
            self.lose(to);
        }
    }

    /// Parts without a byte end at once.
    fn end_part(&mut self, to: &mut impl Events) {
        while self.left == 0 && self.part != Part::Lost {
            match self.part {
                Part::Prelude => self.end_prelude(to),
                Part::Headers => {
                    if let Some(name) = event_name(self.headers.text()) {
                        to.name(name);
                    }
                    (self.part, self.left) = (Part::Payload, self.payload);
                }
                Part::Payload => (self.part, self.left) = (Part::Checksum, CHECKSUM),
                Part::Checksum => self.end_frame(to),
                Part::Lost => {}
            }
        }
    }

    fn end_prelude(&mut self, to: &mut impl Events) {
        let word = |at: usize| be(&self.fixed.text()[at..at + 4]);
        let (total, headers, checksum) = (word(0), word(4), word(8));
        let around = (PRELUDE + CHECKSUM) as u32;
        let payload = total.checked_sub(around).and_then(|inner| inner.checked_sub(headers));
        let whole = crc(0, &self.fixed.text()[..8]) == checksum && total <= FRAME_MAX;
        let Some(payload) = payload.filter(|_| whole) else { return self.lose(to) };
        self.checksum = crc(0, self.fixed.text());
        self.payload = payload as usize;
        self.headers.clear();
        self.fixed.clear();
        (self.part, self.left) = (Part::Headers, headers as usize);
    }

    fn end_frame(&mut self, to: &mut impl Events) {
        if be(self.fixed.text()) != self.checksum {
            return self.lose(to);
        }
        to.end();
        self.fixed.clear();
        (self.part, self.left) = (Part::Prelude, PRELUDE);
    }

    fn lose(&mut self, to: &mut impl Events) {
        self.part = Part::Lost;
        to.broken();
    }
}

fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// What the frame is: an event's or an exception's type.
fn event_name(mut headers: &[u8]) -> Option<&[u8]> {
    loop {
        let (name_len, rest) = headers.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
        let (kind, rest) = rest.split_first()?;
        if *kind != TEXT {
            return None;
        }
        let (value_len, rest) = rest.split_at_checked(2)?;
        let (value, rest) = rest.split_at_checked(be(value_len) as usize)?;
        if name == b":event-type" || name == b":exception-type" {
            return Some(value);
        }
        headers = rest;
    }
}

/// CRC-32 as in gzip, continued.
fn crc(before: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| CRC[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    !bytes.iter().fold(!before, step)
}

static CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut word = at as u32;
        let mut bit = 0;
        while bit < 8 {
            word = if word & 1 == 1 { 0xedb8_8320 ^ (word >> 1) } else { word >> 1 };
            bit += 1;
        }
        table[at] = word;
        at += 1;
    }
    table
};
