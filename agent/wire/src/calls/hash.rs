//! A keyed hash of a call's arguments: equal for equal JSON text, white space between tokens aside.

/// Hex digits shown: enough to tell a workload's calls apart.
const SHOWN: usize = 16;

pub(crate) struct ArgumentsHash {
    state: State,
    in_text: bool,
    after_backslash: bool,
}

enum State {
    Open(Box<blake3::Hasher>),
    Closed(String),
}

impl ArgumentsHash {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let hasher = Box::new(blake3::Hasher::new_keyed(key));
        Self { state: State::Open(hasher), in_text: false, after_backslash: false }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(crate) fn add(&mut self, piece: &[u8]) {
        let State::Open(hasher) = &mut self.state else {
            if !piece.is_empty() {
                // It grew after it was closed: no hash is better than a wrong one.
                self.give_up();
            }
            return;
        };
        let mut from = 0;
        for (at, byte) in piece.iter().enumerate() {
            if self.in_text {
                let ends = *byte == b'"' && !self.after_backslash;
                self.in_text = !ends;
                self.after_backslash = *byte == b'\\' && !self.after_backslash;
            } else if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                hasher.update(&piece[from..at]);
                from = at + 1;
            } else {
                self.in_text = *byte == b'"';
            }
        }
        hasher.update(&piece[from..]);
    }

    pub(crate) fn close(&mut self) {
        if let State::Open(hasher) = &self.state {
            let mut hex = hasher.finalize().to_hex();
            hex.truncate(SHOWN);
            self.state = State::Closed(hex.to_string());
        }
    }

    pub(crate) fn give_up(&mut self) {
        self.state = State::Closed(String::new());
    }

    pub(crate) fn finish(&mut self) -> String {
        self.close();
        match &mut self.state {
            State::Closed(hex) => std::mem::take(hex),
            State::Open(_) => String::new(),
        }
    }
}
