//! Finding the bytes that matter to JSON. Knows no state.

/// Past this many bytes a string is long enough for a vector search to pay.
const SHORT: usize = 32;

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const SLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);

/// The first quote or backslash at or after `at`, or the end.
#[inline]
pub(super) fn string_stop(bytes: &[u8], mut at: usize) -> usize {
    let long = at + SHORT;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let hit = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ SLASHES);
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
        if at >= long {
            return memchr::memchr2(b'"', b'\\', &bytes[at..])
                .map_or(bytes.len(), |found| at + found);
        }
    }
    while at < bytes.len() && bytes[at] != b'"' && bytes[at] != b'\\' {
        at += 1;
    }
    at
}

/// A high bit in each zero byte, exact up to the first of them.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Past the closing quote of a string that began before `at`; `None` if it does not close here.
#[inline]
pub(super) fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = string_stop(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The end of a number or literal.
#[inline]
pub(super) fn bare_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len()
        && !matches!(bytes[at], b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':' | b'"')
    {
        at += 1;
    }
    at
}

/// The first quote, brace or bracket at or after `at`, or the end.
#[inline]
pub(super) fn bracket_or_quote(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && !STRUCTURE[bytes[at] as usize] {
        at += 1;
    }
    at
}

static STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};
