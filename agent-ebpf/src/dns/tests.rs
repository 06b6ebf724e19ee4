use std::{net::IpAddr, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;

impl Sink for &mut Vec<IpAddr> {
    fn address(&mut self, address: Address) {
        self.push(address.into());
    }
}

/// What is learned from a message, if it is an answer: its name, its addresses, and whether it was read to the end.
fn read(message: &[u8]) -> Result<(String, Vec<IpAddr>, bool), Question> {
    let mut buffer = [0xa5; size_of::<Buffer>()];
    let bytes = message.len().min(MESSAGE_BYTES_MAX);
    buffer[..bytes].copy_from_slice(&message[..bytes]);
    let message = Message::new(&buffer, bytes as u32);
    let mut spelling = Spelling::new();
    match question(message, &mut spelling) {
        Question::Answered { records, count } => {
            let mut found = Vec::new();
            let reading = answers(message, records, count, &mut found);
            assert_eq!(reading.addresses as usize, found.len());
            assert!(spelling.key().is_some());
            Ok((spelling.text(), found, reading.complete))
        }
        other @ (Question::Empty | Question::Odd) => Err(other),
    }
}

fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.') {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

const POINTER_TO_QUESTION: &[u8] = &[0xc0, 12];

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    record.extend_from_slice(&(data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

/// An answer with these records, whose header announces `count` of them.
fn answer(asked: &[u8], count: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![0, 1, 0x81, 0x80, 0, 1];
    message.extend_from_slice(&count.to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(asked);
    message.extend_from_slice(&[0, 1, 0, 1]);
    message.extend(records.concat());
    message
}

#[track_caller]
fn check(records: &[Vec<u8>], expected: &[&str], complete: bool) {
    let message = answer(&name("aPi.example.COM"), records.len() as u16, records);
    let expected: Vec<IpAddr> =
        expected.iter().map(|text| text.parse().expect("an address")).collect();
    assert_eq!(read(&message), Ok(("api.example.com".into(), expected, complete)));
}

#[test]
fn one_address() {
    check(&[record(POINTER_TO_QUESTION, 1, &[192, 0, 2, 1])], &["192.0.2.1"], true);
}

#[test]
fn both_families_and_owners_without_compression() {
    let v6 = record(
        &name("edge.cdn.example"),
        28,
        &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    let chain = record(POINTER_TO_QUESTION, 5, &name("edge.cdn.example"));
    let v4 = record(b"\x04edge\xc0\x2a", 1, &[192, 0, 2, 2]);
    check(&[chain, v6, v4], &["2001:db8::1", "192.0.2.2"], true);
}

#[test]
fn more_addresses_than_any_limit() {
    let records: Vec<_> = (0..1000_u16)
        .map(|n| record(POINTER_TO_QUESTION, 1, &[10, 0, (n >> 8) as u8, n as u8]))
        .collect();
    let message = answer(&name("x"), 1000, &records);
    let (_, found, complete) = read(&message).expect("an answer");
    assert_eq!((found.len(), complete), (1000, true));
}

#[test]
fn addresses_that_lead_nowhere_are_left_out() {
    check(&[record(POINTER_TO_QUESTION, 1, &[0, 0, 0, 0])], &[], true);
}

#[test]
fn a_service_record_needs_a_full_parser() {
    let service = record(POINTER_TO_QUESTION, 65, &[0, 1, 0]);
    check(&[service, record(POINTER_TO_QUESTION, 1, &[192, 0, 2, 1])], &["192.0.2.1"], false);
}

#[test]
fn wrong_lengths_hold_no_address() {
    check(
        &[record(POINTER_TO_QUESTION, 1, &[192, 0, 2]), record(POINTER_TO_QUESTION, 28, &[1; 4])],
        &[],
        true,
    );
}

#[test]
fn a_cut_answer_gives_what_it_has() {
    let whole = answer(
        &name("api.example.com"),
        2,
        &[
            record(POINTER_TO_QUESTION, 1, &[192, 0, 2, 1]),
            record(POINTER_TO_QUESTION, 1, &[192, 0, 2, 2]),
        ],
    );
    let (_, found, complete) = read(&whole[..whole.len() - 1]).expect("an answer");
    assert_eq!((found, complete), (vec!["192.0.2.1".parse().expect("an address")], false));
}

#[test]
fn fewer_records_than_announced() {
    let message =
        answer(&name("api.example.com"), 3, &[record(POINTER_TO_QUESTION, 1, &[192, 0, 2, 1])]);
    let (_, found, complete) = read(&message).expect("an answer");
    assert_eq!((found.len(), complete), (1, false));
}

#[test]
fn a_query_is_empty() {
    let mut message = answer(&name("api.example.com"), 1, &[]);
    message[2] &= 0x7f;
    assert_eq!(read(&message), Err(Question::Empty));
    assert_eq!(read(&[]), Err(Question::Empty));
    assert_eq!(read(&message[..7]), Err(Question::Empty));
}

#[test]
fn what_only_a_full_parser_can_tell() {
    let mut two = answer(&name("api.example.com"), 1, &[]);
    two[5] = 2;
    assert_eq!(read(&two), Err(Question::Odd));
    let odd: [&[u8]; 5] = [b"\xc0\x0c", b"\x40a\x00", b"\x03a.b\x00", b"\x03ab", &[b'a'; 3]];
    for asked in odd {
        let mut message = answer(asked, 1, &[]);
        message.truncate(12 + asked.len());
        assert_eq!(read(&message), Err(Question::Odd), "{asked:?}");
    }
}

#[test]
fn a_name_of_pointers_to_itself_ends() {
    let message = answer(&name("a"), 1, &[record(&[0xc0, 12], 1, &[1, 2, 3])]);
    assert!(read(&message).is_ok());
}

proptest! {
    #[test]
    fn random_bytes_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_random_tail_is_no_trouble(count in any::<u16>(), tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&answer(&name("api.example.com"), count, &[tail]));
    }

    #[test]
    fn any_cut_gives_a_part_of_the_whole(cut in 0_usize..200) {
        let records = [
            record(&name("edge.cdn.example"), 5, &name("other.cdn.example")),
            record(POINTER_TO_QUESTION, 1, &[192, 0, 2, 1]),
            record(&name("other.cdn.example"), 28, &[0x20; 16]),
        ];
        let whole = answer(&name("api.example.com"), 3, &records);
        let (_, all, _) = read(&whole).expect("an answer");
        if let Ok((_, some, complete)) = read(&whole[..cut.min(whole.len())]) {
            prop_assert!(all.starts_with(&some));
            prop_assert_eq!(complete, cut >= whole.len());
        }
    }
}
