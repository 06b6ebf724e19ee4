//! A short text put together in place. Knows no meaning.

/// At most `N` bytes; what is longer is cut and says so.
pub(crate) struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

impl<const N: usize> Short<N> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; N], len: 0, cut: false }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.cut = false;
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let taken = &bytes[..bytes.len().min(N - self.len)];
        self.cut |= taken.len() < bytes.len();
        self.bytes[self.len..self.len + taken.len()].copy_from_slice(taken);
        self.len += taken.len();
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }
}
