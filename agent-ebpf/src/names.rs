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
        && name.split(|byte| *byte == b'.').all(|label| (1..=LABEL_BYTES_MAX).contains(&label.len()))
}
