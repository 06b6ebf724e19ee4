use proptest::prelude::*;

use super::{Events, Sse};

#[derive(Default)]
struct Log {
    told: String,
    data: String,
}

impl Events for Log {
    fn name(&mut self, name: &[u8]) {
        self.told.push_str(&format!("({})", String::from_utf8_lossy(name)));
    }

    fn data(&mut self, bytes: &[u8]) {
        self.data.push_str(&String::from_utf8_lossy(bytes));
    }

    fn end(&mut self) {
        self.told.push_str(&format!("[{}]", std::mem::take(&mut self.data)));
    }
}

fn read(stream: &[u8], piece: usize) -> String {
    let mut sse = Sse::new();
    let mut log = Log::default();
    stream.chunks(piece).for_each(|piece| sse.push(piece, &mut log));
    sse.finish(&mut log);
    log.told
}

fn check(stream: &str, told: &str) {
    for piece in [usize::MAX, 1, 2, 3, 7] {
        assert_eq!(read(stream.as_bytes(), piece), told, "{stream:?} in pieces of {piece}");
    }
}

#[test]
fn events() {
    check("data: a\n\ndata: b\n\n", "[a][b]");
    check("event: x\ndata: a\n\n", "(x)[a]");
    check("data: a\nevent: x\n\n", "(x)[a]");
    check("data:a\n\ndata:  a\n\n", "[a][ a]");
    check("id: 7\nretry: 10\ndata: a\n\n", "[a]");
}

#[test]
fn line_ends() {
    check("data: a\r\n\r\ndata: b\r\n\r\n", "[a][b]");
    check("data: a\r\rdata: b\r\r", "[a][b]");
    check("data: a\r\n\ndata: b\n\r\n", "[a][b]");
}

#[test]
fn several_lines_of_data() {
    check("data: a\ndata: b\ndata:\ndata\n\n", "[a\nb\n]");
    check("data:\n\n", "[]");
}

#[test]
fn comments_and_strange_fields() {
    check(": OPENROUTER PROCESSING\n\ndata: a\n\n", "[a]");
    check(":\n:\n\ndatabase: x\ndataset\nda: x\ndata: a\n\n", "[a]");
    check("eventually: x\nDATA: x\n\n", "");
}

#[test]
fn no_final_blank_line() {
    check("data: a\n\ndata: b", "[a][b]");
    check("data: a\n\ndata: b\n", "[a][b]");
    check("event: x", "(x)");
}

#[test]
fn byte_order_mark() {
    check("\u{feff}data: a\n\n", "[a]");
    check("\u{feff}: c\ndata: a\n\n", "[a]");
    check("data: a\n\n\u{feff}data: b\n\n", "[a]");
}

#[test]
fn long_names_are_cut() {
    let stream = format!("event: {}\ndata: a\n\n", "x".repeat(500));
    check(&stream, &format!("({})[a]", "x".repeat(super::NAME_MAX)));
}

proptest! {
    #[test]
    fn any_cut_tells_the_same(stream in "[de: \ravnt\n]{0,80}", piece in 1usize..10) {
        prop_assert_eq!(read(stream.as_bytes(), piece), read(stream.as_bytes(), usize::MAX));
    }
}
