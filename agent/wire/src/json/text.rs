//! The inside of a JSON string, in any pieces. Knows escapes; knows no document.

use super::bytes::string_stop;

/// Where in an escape the last push ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Escape {
    None,
    /// After a backslash.
    Start,
    /// After `\u` and some digits.
    Hex {
        digits: u8,
        unit: u16,
        high: u16,
    },
    /// After a high surrogate: its low half should follow.
    High(u16),
    /// After a high surrogate and a backslash.
    HighStart(u16),
}

pub(super) enum Read {
    /// Go on at this index.
    More(usize),
    /// The closing quote was before this index.
    End(usize),
    Bad,
}

const REPLACEMENT: char = '\u{fffd}';

impl Escape {
    /// Reads one run or one escape, passing on what it says.
    pub(super) fn read(&mut self, bytes: &[u8], at: usize, mut to: impl FnMut(&[u8])) -> Read {
        match *self {
            Self::None => match string_stop(bytes, at) {
                stop if stop > at => {
                    to(&bytes[at..stop]);
                    Read::More(stop)
                }
                stop if bytes[stop] == b'"' => Read::End(stop + 1),
                stop => {
                    *self = Self::Start;
                    Read::More(stop + 1)
                }
            },
            Self::Start => self.start(bytes[at], at, 0, &mut to),
            Self::High(high) if bytes[at] == b'\\' => {
                *self = Self::HighStart(high);
                Read::More(at + 1)
            }
            Self::High(_) => {
                *self = Self::None;
                pass_char(REPLACEMENT, &mut to);
                Read::More(at)
            }
            Self::HighStart(high) => {
                if bytes[at] != b'u' {
                    pass_char(REPLACEMENT, &mut to);
                    return self.start(bytes[at], at, 0, &mut to);
                }
                self.start(bytes[at], at, high, &mut to)
            }
            Self::Hex { digits, unit, high } => {
                let Some(digit) = (bytes[at] as char).to_digit(16) else { return Read::Bad };
                let unit = unit << 4 | digit as u16;
                if digits < 3 {
                    *self = Self::Hex { digits: digits + 1, unit, high };
                } else {
                    *self = Self::unit(unit, high, &mut to);
                }
                Read::More(at + 1)
            }
        }
    }

    /// Passes over the string without decoding it.
    pub(super) fn pass(&mut self, bytes: &[u8], mut at: usize) -> Read {
        if *self == Self::Start {
            *self = Self::None;
            at += 1;
        }
        loop {
            let stop = string_stop(bytes, at);
            if stop >= bytes.len() {
                return Read::More(bytes.len());
            }
            if bytes[stop] == b'"' {
                return Read::End(stop + 1);
            }
            if stop + 1 >= bytes.len() {
                *self = Self::Start;
                return Read::More(bytes.len());
            }
            at = stop + 2;
        }
    }

    fn start(&mut self, byte: u8, at: usize, high: u16, to: &mut impl FnMut(&[u8])) -> Read {
        *self = Self::None;
        match byte {
            b'"' | b'\\' | b'/' => to(&[byte]),
            b'b' => to(b"\x08"),
            b'f' => to(b"\x0c"),
            b'n' => to(b"\n"),
            b'r' => to(b"\r"),
            b't' => to(b"\t"),
            b'u' => *self = Self::Hex { digits: 0, unit: 0, high },
            _ => return Read::Bad,
        }
        Read::More(at + 1)
    }

    /// A UTF-16 unit is complete.
    fn unit(unit: u16, high: u16, to: &mut impl FnMut(&[u8])) -> Self {
        let is_low = (0xdc00..0xe000).contains(&unit);
        if high != 0 && is_low {
            let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
            pass_char(char::from_u32(code).unwrap_or(REPLACEMENT), to);
            return Self::None;
        }
        if high != 0 {
            pass_char(REPLACEMENT, to);
        }
        if (0xd800..0xdc00).contains(&unit) {
            return Self::High(unit);
        }
        pass_char(char::from_u32(u32::from(unit)).unwrap_or(REPLACEMENT), to);
        Self::None
    }
}

fn pass_char(c: char, to: &mut impl FnMut(&[u8])) {
    to(c.encode_utf8(&mut [0; 4]).as_bytes());
}
