use proptest::prelude::*;

use super::{Frames, crc};
use crate::sse::Events;

#[derive(Default)]
struct Log {
    told: String,
    data: Vec<u8>,
}

impl Events for Log {
    fn name(&mut self, name: &[u8]) {
        self.told.push_str(&format!("({})", String::from_utf8_lossy(name)));
    }

    fn data(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.told.push_str(&format!("[{}]", String::from_utf8_lossy(&data)));
    }

    fn broken(&mut self) {
        self.told.push('!');
    }
}

pub(crate) fn frame(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend(name.bytes());
        head.push(7);
        head.extend((value.len() as u16).to_be_bytes());
        head.extend(value.bytes());
    }
    let mut frame = Vec::new();
    frame.extend((16 + head.len() as u32 + payload.len() as u32).to_be_bytes());
    frame.extend((head.len() as u32).to_be_bytes());
    frame.extend(crc(0, &frame).to_be_bytes());
    frame.extend(head);
    frame.extend(payload.bytes());
    frame.extend(crc(0, &frame).to_be_bytes());
    frame
}

fn read(bytes: &[u8], piece: usize) -> String {
    let mut frames = Frames::new();
    let mut log = Log::default();
    bytes.chunks(piece).for_each(|piece| frames.push(piece, &mut log));
    frames.finish(&mut log);
    log.told
}

fn check(bytes: &[u8], told: &str) {
    for piece in [usize::MAX, 1, 2, 5, 13] {
        assert_eq!(read(bytes, piece), told, "in pieces of {piece}");
    }
}

fn two() -> Vec<u8> {
    let start = frame(&[(":message-type", "event"), (":event-type", "messageStart")], "{\"a\":1}");
    [start, frame(&[(":exception-type", "throttlingException")], "{}")].concat()
}

#[test]
fn checksum_is_the_known_one() {
    assert_eq!(crc(0, b"123456789"), 0xcbf4_3926);
}

#[test]
fn frames() {
    check(&two(), "(messageStart)[{\"a\":1}](throttlingException)[{}]");
    check(&frame(&[], ""), "[]");
    check(b"", "");
}

#[test]
fn a_frame_that_is_cut() {
    let bytes = two();
    check(&bytes[..bytes.len() - 1], "(messageStart)[{\"a\":1}](throttlingException)!");
    check(&bytes[..5], "!");
}

#[test]
fn lengths_that_cannot_be() {
    let mut huge = u32::MAX.to_be_bytes().to_vec();
    huge.extend(0u32.to_be_bytes());
    huge.extend(crc(0, &huge).to_be_bytes());
    check(&huge, "!");
    let mut short = 10u32.to_be_bytes().to_vec();
    short.extend(9u32.to_be_bytes());
    short.extend(crc(0, &short).to_be_bytes());
    check(&short, "!");
}

proptest! {
    /// No single damaged byte passes.
    #[test]
    fn damage_is_found(at in any::<prop::sample::Index>(), change in 1u8..) {
        let mut bytes = two();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(read(&bytes, 7).ends_with('!'));
        prop_assert_eq!(read(&bytes, 1), read(&bytes, usize::MAX));
    }
}
