//! Tool calls as they are told, whole or in pieces that may cross. Arguments are hashed, never kept.
//! Knows no dialect.

pub(crate) mod hash;

use crate::answer::ToolCall;
use hash::ArgumentsHash;

/// More calls than this in one answer are not told apart; no answer has a tenth of it.
const CALLS_MAX: usize = 1024;
/// Calls whose arguments may still grow; the oldest is closed when one more begins.
const OPEN_MAX: usize = 16;
/// Argument bytes held until the end of the chunk says whose they are. Beyond, the hash is given up.
const HELD_MAX: usize = 256 * 1024;
/// Held space that is kept for the next chunk.
const HELD_KEPT: usize = 4 * 1024;
const NAME_MAX: usize = 128;

/// Which call of which choice.
pub(crate) type Place = (u32, u32);

pub(crate) struct Calls {
    key: [u8; 32],
    calls: Vec<Open>,
    pending: Vec<Delta>,
    held: Vec<u8>,
}

struct Open {
    place: Option<Place>,
    id: u64,
    name: String,
    hash: ArgumentsHash,
    /// Its arguments were told at once; pieces that follow replace them.
    whole: bool,
}

/// A piece of a call, until its chunk has told everything about it.
struct Delta {
    index: Option<u32>,
    id: u64,
    name: String,
    held: std::ops::Range<usize>,
    lost: bool,
}

impl Calls {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, calls: Vec::new(), pending: Vec::new(), held: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.pending.clear();
        self.held.clear();
    }

    /// A call begins: told whole, or in pieces if its place is known.
    pub(crate) fn begin(&mut self, place: Option<Place>) {
        if self.calls.len() >= CALLS_MAX {
            return;
        }
        let mut open = 0;
        for call in self.calls.iter_mut().rev() {
            open += usize::from(call.hash.is_open());
            if open >= OPEN_MAX {
                call.hash.close();
            }
        }
        let hash = ArgumentsHash::new(&self.key);
        self.calls.push(Open { place, id: 0, name: String::new(), hash, whole: place.is_none() });
    }

    /// The call that began last was none after all.
    pub(crate) fn forget(&mut self) {
        self.calls.pop();
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.calls.truncate(len);
    }

    pub(crate) fn name(&mut self, name: &[u8]) {
        if let Some(call) = self.calls.last_mut() {
            call.name = short_name(name);
        }
    }

    pub(crate) fn arguments(&mut self, piece: &[u8]) {
        if let Some(call) = self.calls.last_mut() {
            call.hash.add(piece);
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some(call) = self.calls.last_mut() {
            call.hash.close();
        }
    }

    pub(crate) fn begin_delta(&mut self) {
        let at = self.held.len();
        self.pending.push(Delta {
            index: None,
            id: 0,
            name: String::new(),
            held: at..at,
            lost: false,
        });
    }

    pub(crate) fn delta_index(&mut self, index: u32) {
        if let Some(delta) = self.pending.last_mut() {
            delta.index = Some(index);
        }
    }

    pub(crate) fn delta_id(&mut self, id: &[u8]) {
        if let Some(delta) = self.pending.last_mut() {
            delta.id = fingerprint(id);
        }
    }

    pub(crate) fn delta_name(&mut self, name: &[u8]) {
        if let Some(delta) = self.pending.last_mut() {
            delta.name = short_name(name);
        }
    }

    pub(crate) fn delta_arguments(&mut self, piece: &[u8]) {
        let Some(delta) = self.pending.last_mut() else { return };
        if self.held.len() + piece.len() > HELD_MAX {
            delta.lost = true;
            return;
        }
        self.held.extend_from_slice(piece);
        delta.held.end = self.held.len();
    }

    /// Everything about the pieces of this choice has been told.
    pub(crate) fn settle(&mut self, choice: u32) {
        for number in 0..self.pending.len() {
            let delta = &mut self.pending[number];
            let place = (choice, delta.index.unwrap_or(number as u32));
            let (id, name, held, lost) =
                (delta.id, std::mem::take(&mut delta.name), delta.held.clone(), delta.lost);
            let Some(at) = self.place(place, id) else { continue };
            let call = &mut self.calls[at];
            if call.name.is_empty() {
                call.name = name;
            }
            if id != 0 {
                call.id = id;
            }
            if call.whole && !held.is_empty() {
                call.whole = false;
                call.hash = ArgumentsHash::new(&self.key);
            }
            call.hash.add(&self.held[held]);
            if lost {
                call.hash.give_up();
            }
        }
        self.drop_pending();
        self.held.shrink_to(HELD_KEPT);
    }

    /// The call at this place; a new one if the place is new, or if another id took it.
    fn place(&mut self, place: Place, id: u64) -> Option<usize> {
        let known = self.calls.iter().rposition(|call| call.place == Some(place));
        if let Some(at) = known {
            let call = &self.calls[at];
            if id == 0 || call.id == 0 || call.id == id {
                return Some(at);
            }
        }
        let before = self.calls.len();
        self.begin(Some(place));
        (self.calls.len() > before).then_some(before)
    }

    /// Where the call that began last is, now that it is known.
    pub(crate) fn place_last(&mut self, place: Place) {
        if let Some(call) = self.calls.last_mut() {
            call.place = Some(place);
        }
    }

    pub(crate) fn drop_pending(&mut self) {
        self.pending.clear();
        self.held.clear();
    }

    pub(crate) fn finish(self) -> Vec<ToolCall> {
        let done =
            |mut call: Open| ToolCall { name: call.name, arguments_hash: call.hash.finish() };
        self.calls.into_iter().map(done).collect()
    }
}

pub(crate) fn short_name(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(NAME_MAX)]).into_owned()
}

/// Tells ids apart within one answer (FNV-1a); never 0 for an id.
fn fingerprint(id: &[u8]) -> u64 {
    if id.is_empty() {
        return 0;
    }
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    id.iter().fold(0xcbf2_9ce4_8422_2325, mix).max(1)
}
