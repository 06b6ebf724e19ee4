//! HTTP/1.1 message framing: where a body ends. Knows bytes and header values; knows no socket, and
//! never changes a byte. What it cannot follow with certainty it refuses, so that the caller stops
//! interpreting and only carries bytes (two readings of one message are how requests are smuggled).

use std::ops::Range;

use httparse::Header;

/// A chunk-size line longer than this (size and extensions) is not from a real peer.
const CHUNK_LINE_BYTES_MAX: usize = 4096;
/// Trailers longer than this are not followed.
const TRAILER_BYTES_MAX: usize = 64 * 1024;

/// The framing of a message cannot be known for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous(pub(crate) &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// What is left of one message body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked(Chunk),
    /// Until the peer closes; only an answer may be framed so.
    UntilClose,
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    Size { digits: u8, size: u64, line: usize, state: SizeLine },
    Data(u64),
    DataEnd { carriage_return: bool },
    Trailers { line: usize, total: usize, carriage_return: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SizeLine {
    Digits,
    Extension,
    CarriageReturn,
}

impl Chunk {
    const START: Self = Self::Size { digits: 0, size: 0, line: 0, state: SizeLine::Digits };
}

impl Framing {
    /// RFC 9112 section 6.3, for a request.
    pub(crate) fn of_request(
        version: Version,
        method: &str,
        headers: &[Header<'_>],
    ) -> Result<Self, Ambiguous> {
        if method == "CONNECT" {
            return Err(Ambiguous("CONNECT makes a tunnel"));
        }
        match Lengths::read(version, headers)? {
            Lengths { chunked: true, .. } => Ok(Self::Chunked(Chunk::START)),
            Lengths { length: Some(length), .. } => Ok(Self::length(length)),
            Lengths { .. } => Ok(Self::Done),
        }
    }

    /// RFC 9112 section 6.3, for the answer to `method`.
    pub(crate) fn of_response(
        version: Version,
        method: &str,
        status: u16,
        headers: &[Header<'_>],
    ) -> Result<Self, Ambiguous> {
        if method == "HEAD" || status == 204 || status == 304 || (100..200).contains(&status) {
            return Ok(Self::Done);
        }
        match Lengths::read(version, headers)? {
            Lengths { chunked: true, .. } => Ok(Self::Chunked(Chunk::START)),
            Lengths { length: Some(length), .. } => Ok(Self::length(length)),
            Lengths { .. } => Ok(Self::UntilClose),
        }
    }

    fn length(length: u64) -> Self {
        if length == 0 { Self::Done } else { Self::Length(length) }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Follows the framing through `bytes` and hands every run of body data to `data`. Returns how many
    /// bytes belong to this message; fewer than given only when the message ends inside them.
    pub(crate) fn advance(
        &mut self,
        bytes: &[u8],
        data: &mut impl FnMut(&[u8]),
    ) -> Result<usize, Ambiguous> {
        match self {
            Self::Done => Ok(0),
            Self::UntilClose => {
                data(bytes);
                Ok(bytes.len())
            }
            Self::Length(left) => {
                let range = take(bytes, 0, left);
                data(&bytes[range.clone()]);
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(range.end)
            }
            Self::Chunked(chunk) => {
                let (consumed, done) = chunk.advance(bytes, data)?;
                if done {
                    *self = Self::Done;
                }
                Ok(consumed)
            }
        }
    }
}

impl Chunk {
    fn advance(
        &mut self,
        bytes: &[u8],
        data: &mut impl FnMut(&[u8]),
    ) -> Result<(usize, bool), Ambiguous> {
        let mut at = 0;
        while at < bytes.len() {
            if let Self::Data(left) = self {
                let range = take(bytes, at, left);
                at = range.end;
                data(&bytes[range]);
                if *left == 0 {
                    *self = Self::DataEnd { carriage_return: false };
                }
                continue;
            }
            let byte = bytes[at];
            at += 1;
            if self.control(byte)? {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// One byte outside chunk data. True when it ended the message.
    fn control(&mut self, byte: u8) -> Result<bool, Ambiguous> {
        match self {
            Self::Size { .. } => self.size_line(byte).map(|()| false),
            Self::Data(_) => Ok(false),
            Self::DataEnd { carriage_return } => match (*carriage_return, byte) {
                (false, b'\r') => {
                    *carriage_return = true;
                    Ok(false)
                }
                (true, b'\n') => {
                    *self = Self::START;
                    Ok(false)
                }
                _ => Err(Ambiguous("a chunk's data does not end in CRLF")),
            },
            Self::Trailers { line, total, carriage_return } => {
                *total += 1;
                if *total > TRAILER_BYTES_MAX {
                    return Err(Ambiguous("trailers are too long"));
                }
                match (*carriage_return, byte) {
                    (true, b'\n') if *line == 0 => return Ok(true),
                    (true, b'\n') => (*line, *carriage_return) = (0, false),
                    (true, _) => return Err(Ambiguous("a bare CR in trailers")),
                    (false, b'\r') => *carriage_return = true,
                    (false, b'\n') => return Err(Ambiguous("a bare LF in trailers")),
                    (false, _) => *line += 1,
                }
                Ok(false)
            }
        }
    }

    fn size_line(&mut self, byte: u8) -> Result<(), Ambiguous> {
        let Self::Size { digits, size, line, state } = self else { return Ok(()) };
        *line += 1;
        if *line > CHUNK_LINE_BYTES_MAX {
            return Err(Ambiguous("a chunk-size line is too long"));
        }
        match (*state, byte) {
            (SizeLine::CarriageReturn, b'\n') => {
                *self = match *size {
                    0 => Self::Trailers { line: 0, total: 0, carriage_return: false },
                    size => Self::Data(size),
                };
            }
            (SizeLine::CarriageReturn, _) => {
                return Err(Ambiguous("a bare CR in a chunk-size line"));
            }
            (SizeLine::Digits, b'\r') if *digits > 0 => *state = SizeLine::CarriageReturn,
            (SizeLine::Extension, b'\r') => *state = SizeLine::CarriageReturn,
            (SizeLine::Digits, b';' | b' ' | b'\t') if *digits > 0 => *state = SizeLine::Extension,
            (SizeLine::Extension, b'\n') => {
                return Err(Ambiguous("a bare LF in a chunk-size line"));
            }
            (SizeLine::Extension, _) => {}
            (SizeLine::Digits, _) => {
                let digit =
                    (byte as char).to_digit(16).ok_or(Ambiguous("a chunk size is not hex"))?;
                if *digits == 15 {
                    return Err(Ambiguous("a chunk size is too large"));
                }
                *digits += 1;
                *size = *size * 16 + u64::from(digit);
            }
        }
        Ok(())
    }
}

/// The next run of at most `left` bytes from `at` on; `left` is lowered by it.
fn take(bytes: &[u8], at: usize, left: &mut u64) -> Range<usize> {
    let available = (bytes.len() - at) as u64;
    let run = available.min(*left);
    *left -= run;
    at..at + run as usize
}

struct Lengths {
    chunked: bool,
    length: Option<u64>,
}

impl Lengths {
    fn read(version: Version, headers: &[Header<'_>]) -> Result<Self, Ambiguous> {
        let mut lengths = Self { chunked: false, length: None };
        let mut coded = false;
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = parse_length(header.value)?;
                if lengths.length.is_some_and(|earlier| earlier != length) {
                    return Err(Ambiguous("content-length is given twice, differently"));
                }
                lengths.length = Some(length);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if coded || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Ambiguous("a transfer coding other than chunked"));
                }
                (coded, lengths.chunked) = (true, true);
            }
        }
        if lengths.chunked && version == Version::Http10 {
            return Err(Ambiguous("HTTP/1.0 knows no transfer coding"));
        }
        if lengths.chunked && lengths.length.is_some() {
            return Err(Ambiguous("both content-length and transfer-encoding are given"));
        }
        Ok(lengths)
    }
}

fn parse_length(value: &[u8]) -> Result<u64, Ambiguous> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Ambiguous("content-length is not a number"));
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(Ambiguous("content-length is too large"))
}

#[cfg(test)]
mod tests;
