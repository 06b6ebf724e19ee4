//! DNS answers, as far as learning addresses needs them. Knows the wire format; knows no map and no packet. The same
//! code runs in the kernel and in the tests.

use crate::{
    abi::{Address, MESSAGE_BYTES_MAX},
    names::Spelling,
    repeat::{Round, opaque, repeat},
};

const HEADER_BYTES: u32 = 12;
const CLASS_INTERNET: u16 = 1;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_SVCB: u16 = 64;
const TYPE_HTTPS: u16 = 65;

/// A length byte from here on is a pointer, or nothing that is defined.
const LABEL_BYTES_END: u8 = 64;
const POINTER: u8 = 0xc0;

/// A name has at most 127 labels, and a pointer or a zero to end it.
const LABELS_MAX: u32 = 128;

/// The wire form of a name has at most 255 bytes.
const NAME_WIRE_BYTES_MAX: u32 = 255;

/// Bytes of the shortest record: a pointer, type, class, time to live, length.
const RECORD_BYTES_MIN: u32 = 12;

/// No message holds more records.
const RECORDS_MAX: u32 = MESSAGE_BYTES_MAX as u32 / RECORD_BYTES_MIN;

/// A message at the start of a buffer that is always as long: the verifier needs a constant bound.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    buffer: &'a Buffer,
    bytes: u32,
}

/// Room for a message. What follows it is never part of one: it lets the verifier see that a read of a few bytes at any
/// index below the maximum stays inside.
pub type Buffer = [u8; MESSAGE_BYTES_MAX + TAKE_BYTES_MAX];

/// The longest field that is read at once.
const TAKE_BYTES_MAX: usize = 16;

impl<'a> Message<'a> {
    #[must_use]
    #[inline(always)]
    pub const fn new(buffer: &'a Buffer, bytes: u32) -> Self {
        Self { buffer, bytes }
    }

    /// `N` bytes at `at`, if the message has them.
    #[inline(always)]
    fn take<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        const { assert!(N <= TAKE_BYTES_MAX) };
        if at.checked_add(N as u32)? > self.bytes {
            return None;
        }
        let at = opaque(at) as usize & (MESSAGE_BYTES_MAX - 1);
        let mut taken = [0; N];
        let mut index = 0;
        while index < N {
            taken[index] = self.buffer[at + index];
            index += 1;
        }
        Some(taken)
    }

    #[inline(always)]
    fn byte(&self, at: u32) -> Option<u8> {
        self.take::<1>(at).map(|[byte]| byte)
    }

    #[inline(always)]
    fn number(&self, at: u32) -> Option<u16> {
        self.take::<2>(at).map(u16::from_be_bytes)
    }
}

/// What a message asks, if it is an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// Its name is spelled; the records start at `records`.
    Answered { records: u32, count: u16 },
    /// A query, or an answer without records: nothing to learn.
    Empty,
    /// Something that only a full parser can tell.
    Odd,
}

/// Reads the header and the question, and spells its name.
#[inline(always)]
pub fn question(message: Message<'_>, spelling: &mut Spelling) -> Question {
    let (Some(flags), Some(questions), Some(count)) =
        (message.number(2), message.number(4), message.number(6))
    else {
        return Question::Empty;
    };
    let is_response = flags & 0x8000 != 0;
    let is_plain_query = flags & 0x7800 == 0;
    if !is_response || !is_plain_query || count == 0 {
        return Question::Empty;
    }
    if questions != 1 {
        return Question::Odd;
    }
    spelling.clear();
    let mut reader =
        NameReader { message, spelling, at: HEADER_BYTES, left_in_label: 0, end: NameEnd::NotYet };
    repeat(NAME_WIRE_BYTES_MAX, &mut reader);
    match reader.end {
        // Type and class follow the name.
        NameEnd::Root => Question::Answered { records: reader.at.wrapping_add(4), count },
        NameEnd::NotYet | NameEnd::Odd => Question::Odd,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum NameEnd {
    NotYet,
    Root,
    Odd,
}

/// Spells a name, one byte a round.
struct NameReader<'a, 'b> {
    message: Message<'a>,
    spelling: &'b mut Spelling,
    at: u32,
    left_in_label: u32,
    end: NameEnd,
}

impl Round for NameReader<'_, '_> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let Some(byte) = self.message.byte(self.at) else {
            self.end = NameEnd::Odd;
            return false;
        };
        self.at = self.at.wrapping_add(1);
        if self.left_in_label == 0 {
            return self.start_label(byte);
        }
        self.left_in_label -= 1;
        // A dot inside a label would pass for a boundary between two.
        if byte == b'.' || !self.spelling.push(byte) {
            self.end = NameEnd::Odd;
            return false;
        }
        true
    }
}

impl NameReader<'_, '_> {
    #[inline(always)]
    fn start_label(&mut self, length: u8) -> bool {
        if length == 0 {
            self.end = NameEnd::Root;
            return false;
        }
        if length >= LABEL_BYTES_END || !self.spelling.separate() {
            self.end = NameEnd::Odd;
            return false;
        }
        self.left_in_label = u32::from(length);
        true
    }
}

/// Takes the addresses that an answer holds.
pub trait Sink {
    fn address(&mut self, address: Address);
}

/// How the reading of an answer went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    pub addresses: u32,
    /// Every record was read and none needs a full parser.
    pub complete: bool,
}

/// Reads `count` records from `records` on, and gives every address to `sink`, whatever its owner name is: an answer
/// holds the chain from the name that was asked to the addresses.
#[inline(always)]
pub fn answers<S: Sink>(message: Message<'_>, records: u32, count: u16, sink: S) -> Reading {
    let mut reader = RecordReader {
        message,
        sink,
        at: records,
        left: u32::from(count),
        addresses: 0,
        odd: false,
    };
    repeat(RECORDS_MAX, &mut reader);
    Reading { addresses: reader.addresses, complete: reader.left == 0 && !reader.odd }
}

/// Reads one record a round.
struct RecordReader<'a, S> {
    message: Message<'a>,
    sink: S,
    at: u32,
    left: u32,
    addresses: u32,
    odd: bool,
}

impl<S: Sink> Round for RecordReader<'_, S> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        if self.left == 0 || self.record().is_none() {
            return false;
        }
        self.left -= 1;
        true
    }
}

impl<S: Sink> RecordReader<'_, S> {
    #[inline(always)]
    fn record(&mut self) -> Option<()> {
        let after_name = end_of_name(self.message, self.at)?;
        let kind = self.message.number(after_name)?;
        let class = self.message.number(after_name + 2)?;
        let length = self.message.number(after_name + 8)?;
        let data = after_name + 10;
        if class == CLASS_INTERNET {
            match (kind, length) {
                (TYPE_A, 4) => self.found(Address::v4(self.message.take(data)?)),
                (TYPE_AAAA, 16) => self.found(Address::v6(self.message.take(data)?)),
                // They may hold address hints.
                (TYPE_SVCB | TYPE_HTTPS, _) => self.odd = true,
                _ => {}
            }
        }
        self.at = data + u32::from(length);
        Some(())
    }

    #[inline(always)]
    fn found(&mut self, address: Address) {
        if address.is_connectable() {
            self.sink.address(address);
            self.addresses += 1;
        }
    }
}

#[inline(always)]
fn end_of_name(message: Message<'_>, at: u32) -> Option<u32> {
    if message.byte(at)? >= POINTER {
        // Nearly every record.
        return message.byte(at + 1).map(|_| at + 2);
    }
    let mut skipper = NameSkipper { message, at, end: NameEnd::NotYet };
    repeat(LABELS_MAX, &mut skipper);
    (skipper.end == NameEnd::Root).then_some(skipper.at)
}

/// Passes over a name, one label a round.
struct NameSkipper<'a> {
    message: Message<'a>,
    at: u32,
    end: NameEnd,
}

impl Round for NameSkipper<'_> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        let Some(length) = self.message.byte(self.at) else {
            self.end = NameEnd::Odd;
            return false;
        };
        let (step, end) = match length {
            0 => (1, NameEnd::Root),
            1..LABEL_BYTES_END => (1 + u32::from(length), NameEnd::NotYet),
            LABEL_BYTES_END..POINTER => (0, NameEnd::Odd),
            POINTER.. => (2, NameEnd::Root),
        };
        self.at = self.at.wrapping_add(step);
        self.end = end;
        end == NameEnd::NotYet
    }
}

#[cfg(test)]
mod tests;
