//! Names as keys of a longest-prefix trie: reversed, lower case, so that a suffix of the name is a prefix of the key.
//!
//! `api.example.com` becomes `moc.elpmaxe.ipa\0`, and the suffix rule `example.com` becomes `moc.elpmaxe.`: it matches
//! whole labels only, and a longer name never matches an exact rule.

/// Bytes of the longest name and its end, rounded up to what the trie takes.
pub const KEY_BYTES: usize = 256;

/// A name in text has at most this many bytes (RFC 1035, without the root label).
pub const NAME_BYTES_MAX: usize = 253;

/// A label has at most this many bytes.
const LABEL_BYTES_MAX: usize = 63;

/// A name that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    key: [u8; KEY_BYTES],
    bytes: usize,
}

impl Rule {
    /// Matches this name only.
    #[must_use]
    pub fn exact(name: &str) -> Option<Self> {
        Self::new(name, 0)
    }

    /// Matches every name below this one.
    #[must_use]
    pub fn suffix(name: &str) -> Option<Self> {
        Self::new(name, b'.')
    }

    fn new(name: &str, end: u8) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
        if !is_name(name) {
            return None;
        }
        let mut key = [0; KEY_BYTES];
        for (to, from) in key.iter_mut().zip(name.iter().rev()) {
            *to = from.to_ascii_lowercase();
        }
        key[name.len()] = end;
        Some(Self { key, bytes: name.len() + 1 })
    }

    #[must_use]
    pub const fn key(&self) -> [u8; KEY_BYTES] {
        self.key
    }

    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.bytes as u32 * 8
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name
            .split(|byte| *byte == b'.')
            .all(|label| (1..=LABEL_BYTES_MAX).contains(&label.len()))
}

/// Where every key ends, in the part of the buffer behind the prefix.
const SPELLING_END: usize = KEY_BYTES;

/// Bytes that the kernel puts before a key: the number of bits that count.
const PREFIX_BYTES: usize = 4;

/// A name as it is read from a message, written from the end towards the front, so that it comes out reversed without
/// a second pass. The key is the window of `KEY_BYTES` from where the writing stopped.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Spelling {
    length: u32,
    buffer: [u8; PREFIX_BYTES + 2 * KEY_BYTES],
}

impl Spelling {
    #[must_use]
    pub const fn new() -> Self {
        Self { length: 0, buffer: [0; PREFIX_BYTES + 2 * KEY_BYTES] }
    }

    #[inline(always)]
    pub fn clear(&mut self) {
        self.length = 0;
        self.buffer[PREFIX_BYTES + SPELLING_END - 1] = 0;
    }

    /// Appends a byte of a label; false if the name is too long.
    #[inline(always)]
    pub fn push(&mut self, byte: u8) -> bool {
        let length = self.length as usize;
        if length >= NAME_BYTES_MAX {
            return false;
        }
        self.buffer[PREFIX_BYTES + SPELLING_END - 2 - length] = byte.to_ascii_lowercase();
        self.length = self.length.wrapping_add(1);
        true
    }

    /// Starts a label.
    #[inline(always)]
    pub fn separate(&mut self) -> bool {
        self.length == 0 || self.push(b'.')
    }

    /// The name as it is read.
    #[cfg(not(target_arch = "bpf"))]
    #[must_use]
    pub fn text(&self) -> std::string::String {
        let end = PREFIX_BYTES + SPELLING_END - 1;
        self.buffer[end - self.length as usize..end]
            .iter()
            .rev()
            .map(|byte| char::from(*byte))
            .collect()
    }

    /// The key for a look-up: the number of bits, then the bytes. More follows than counts.
    #[inline(always)]
    pub fn key(&mut self) -> Option<&[u8; PREFIX_BYTES + KEY_BYTES]> {
        let length = self.length as usize;
        if length > NAME_BYTES_MAX {
            return None;
        }
        let bits = (self.length + 1) * 8;
        let start = SPELLING_END - 1 - length;
        let [a, b, c, d] = bits.to_ne_bytes();
        self.buffer[start] = a;
        self.buffer[start + 1] = b;
        self.buffer[start + 2] = c;
        self.buffer[start + 3] = d;
        // SAFETY: `start` is below `KEY_BYTES`, and the buffer has a key's length behind that.
        Some(unsafe { &*self.buffer.as_ptr().add(start).cast() })
    }
}

impl Default for Spelling {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
