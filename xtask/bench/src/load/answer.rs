//! The framing of an HTTP/1.1 answer. Knows bytes; knows no socket.

use anyhow::{Context, Result, bail, ensure};

/// Headers that parsing makes room for.
const HEADERS_MAX: usize = 64;

/// How an answer's body is delimited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(usize),
    Chunked,
}

impl Body {
    /// Parse a head of status 200: what follows, and where the head ends. None while it is incomplete.
    pub(super) fn from_head(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(end) = head.parse(bytes)? else {
            return Ok(None);
        };
        ensure!(head.code == Some(200), "status {:?}", head.code);
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                return Ok(Some((Self::Length(std::str::from_utf8(header.value)?.parse()?), end)));
            }
            if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Ok(Some((Self::Chunked, end)));
            }
        }
        bail!("an answer of unknown length")
    }
}

/// Undoes chunked coding, in whatever pieces it arrives.
#[derive(Default)]
pub(super) struct Chunked {
    state: State,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    SizeStart,
    Size(usize),
    Data(usize),
    DataEnd,
    /// The last chunk was seen; an empty line ends the body. Trailers are not expected here.
    LastLine,
    Ended,
}

impl Chunked {
    /// Append the content of `bytes` to `out`; true at the end of the body.
    pub(super) fn decode(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        while let Some((&byte, rest)) = bytes.split_first() {
            self.state = match self.state {
                State::SizeStart => State::Size(digit(byte)?),
                State::Size(0) if byte == b'\n' => State::LastLine,
                State::Size(size) if byte == b'\n' => State::Data(size),
                State::Size(size) if byte == b'\r' => State::Size(size),
                State::Size(size) => State::Size(
                    size.checked_mul(16).context("an impossible chunk size")? + digit(byte)?,
                ),
                State::Data(size) => {
                    let now = size.min(bytes.len());
                    out.extend_from_slice(&bytes[..now]);
                    bytes = &bytes[now..];
                    self.state = if size == now { State::DataEnd } else { State::Data(size - now) };
                    continue;
                }
                State::DataEnd if byte == b'\n' => State::SizeStart,
                State::LastLine if byte == b'\n' => State::Ended,
                state @ (State::DataEnd | State::LastLine) if byte == b'\r' => state,
                State::DataEnd | State::LastLine | State::Ended => {
                    bail!("byte {byte:#04x} where a chunk should end")
                }
            };
            bytes = rest;
        }
        Ok(matches!(self.state, State::Ended))
    }
}

fn digit(byte: u8) -> Result<usize> {
    let value = char::from(byte)
        .to_digit(16)
        .with_context(|| format!("byte {byte:#04x} in a chunk size"))?;
    Ok(usize::try_from(value)?)
}

#[cfg(test)]
mod tests;
