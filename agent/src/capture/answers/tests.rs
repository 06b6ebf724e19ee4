use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RData, Record, RecordType},
};
use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names::new(&[
        NameRule::Exact("api.openai.com".to_owned()),
        NameRule::Suffix("OpenAI.azure.com.".to_owned()),
    ])
}

fn answer(asked: &str, addresses: &[&str]) -> Vec<u8> {
    let name = Name::from_ascii(asked).expect("a name");
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(name.clone(), RecordType::A));
    for address in addresses {
        let data = match address.parse().expect("an address") {
            IpAddr::V4(address) => RData::A(address.into()),
            IpAddr::V6(address) => RData::AAAA(address.into()),
        };
        message.add_answer(Record::from_rdata(name.clone(), 60, data));
    }
    message.to_vec().expect("a message")
}

#[track_caller]
fn check(message: &[u8], expected: &[&str]) {
    let expected: Vec<IpAddr> =
        expected.iter().map(|text| text.parse().expect("an address")).collect();
    assert_eq!(addresses(message, &names()), expected);
}

#[test]
fn listed_names_count() {
    check(&answer("api.openai.com.", &["192.0.2.1", "2001:db8::1"]), &["192.0.2.1", "2001:db8::1"]);
    check(&answer("API.openai.com.", &["192.0.2.1"]), &["192.0.2.1"]);
    check(&answer("mine.openai.azure.com.", &["192.0.2.1"]), &["192.0.2.1"]);
}

#[test]
fn other_names_do_not() {
    check(&answer("www.openai.com.", &["192.0.2.1"]), &[]);
    check(&answer("evilopenai.azure.com.", &["192.0.2.1"]), &[]);
    check(&answer("openai.azure.com.", &["192.0.2.1"]), &[]);
}

#[test]
fn a_sinkhole_is_not_learned() {
    check(&answer("api.openai.com.", &["0.0.0.0", "::"]), &[]);
}

#[test]
fn a_cut_answer_gives_what_it_has() {
    let message = answer("api.openai.com.", &["192.0.2.1", "192.0.2.2"]);
    check(&message[..message.len() - 2], &["192.0.2.1"]);
    let foreign = answer("www.openai.com.", &["192.0.2.1", "192.0.2.2"]);
    check(&foreign[..foreign.len() - 2], &[]);
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_messages(cuts in prop::collection::vec(1_usize..40, 1..30)) {
        let messages = [answer("api.openai.com.", &["192.0.2.1"]), Vec::new(), answer("b.", &["192.0.2.2"])];
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(&(message.len() as u16).to_be_bytes());
            stream.extend_from_slice(message);
        }
        let mut streams = Streams::default();
        let mut found = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            found.extend(streams.push(1, piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, messages.to_vec());
        prop_assert!(streams.open.is_empty());
    }

    #[test]
    fn random_bytes_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = addresses(&bytes, &names());
    }
}

#[test]
fn more_streams_than_kept_forget_the_oldest() {
    let mut streams = Streams::default();
    for stream in 0..=STREAMS_MAX as u64 {
        assert_eq!(streams.push(stream, &[0, 2, 1]), Vec::<Vec<u8>>::new());
    }
    assert_eq!(streams.open.len(), STREAMS_MAX);
    assert_eq!(streams.push(1, &[2]), [[1, 2]]);
}
