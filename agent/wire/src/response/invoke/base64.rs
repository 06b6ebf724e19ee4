//! Base64 as it passes. Knows no document.

/// Decoded at a time, in place.
const PIECE: usize = 192;

#[derive(Default)]
pub(super) struct Base64 {
    held: u32,
    bits: u32,
    /// Padding has come: nothing may follow it.
    padded: bool,
    bad: bool,
}

impl Base64 {
    pub(super) fn push(&mut self, text: &[u8], mut to: impl FnMut(&[u8])) {
        let mut piece = [0; PIECE];
        for text in text.chunks(PIECE) {
            let mut len = 0;
            for byte in text {
                let Some(six) = self.digit(*byte) else { continue };
                self.held = self.held << 6 | six;
                self.bits += 6;
                if self.bits >= 8 {
                    self.bits -= 8;
                    piece[len] = (self.held >> self.bits) as u8;
                    len += 1;
                }
            }
            to(&piece[..len]);
        }
    }

    fn digit(&mut self, byte: u8) -> Option<u32> {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                self.padded = true;
                return None;
            }
            _ => {
                self.bad = true;
                return None;
            }
        };
        self.bad |= self.padded;
        Some(u32::from(digit))
    }

    /// The text has ended; whether it was base64. Another may follow.
    pub(super) fn finish(&mut self) -> bool {
        !std::mem::take(self).bad
    }
}
