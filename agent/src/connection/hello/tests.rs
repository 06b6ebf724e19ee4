use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncWriteExt, duplex};

use super::*;
use crate::names::NameRule;

/// What a real client says first.
fn hello(name: &str, protocols: &[&str]) -> Vec<u8> {
    crate::install_crypto();
    let mut config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory takes all");
    bytes
}

/// One TLS record as two, cut in the middle of the handshake message.
fn in_two_records(hello: &[u8]) -> Vec<u8> {
    let (head, body) = hello.split_at(5);
    let (first, second) = body.split_at(body.len() / 2);
    let mut bytes = Vec::new();
    for part in [first, second] {
        bytes.extend_from_slice(&head[..3]);
        bytes.extend_from_slice(&u16::try_from(part.len()).expect("a short part").to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

async fn decide(bytes: &[u8], piece: usize, ends: bool) -> String {
    let names: NameSet =
        [NameRule::Exact("api.openai.com".into()), NameRule::Suffix("openai.azure.com".into())]
            .into_iter()
            .collect();
    let (mut client, mut agent) = duplex(piece);
    let sent = bytes.to_vec();
    let writer = tokio::spawn(async move {
        client.write_all(&sent).await.ok();
        // Held open unless the client is to leave.
        if ends { None } else { Some(client) }
    });
    let hello = Hello::read(&mut agent).await;
    let decision = match hello.decide(&names) {
        Decision::Intercept { name, offer } => format!("intercept {} {offer:?}", name.to_str()),
        Decision::Pass(reason) => format!("pass {}", reason.word()),
        Decision::Drop => "drop".into(),
    };
    let kept = hello.into_bytes();
    assert!(bytes.starts_with(&kept), "what was read is what is passed on");
    drop(agent);
    drop(writer.await);
    decision
}

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    for piece in [1, 100, 1 << 16] {
        let ends = expected == "drop" || expected == "pass not_tls";
        let found = runtime.block_on(decide(bytes, piece, ends));
        assert_eq!(found, expected, "in pieces of {piece}");
    }
}

#[test]
fn our_names_are_opened_with_what_the_client_offers() {
    let both = hello("api.openai.com", &["h2", "http/1.1"]);
    check(&both, "intercept api.openai.com Both");
    check(&in_two_records(&both), "intercept api.openai.com Both");
    check(&hello("API.OpenAI.com", &["http/1.1"]), "intercept api.openai.com OnlyH1");
    check(&hello("mine.openai.azure.com", &["h2"]), "intercept mine.openai.azure.com OnlyH2");
    check(&hello("api.openai.com", &[]), "intercept api.openai.com Nothing");
}

#[test]
fn everything_else_is_passed_and_says_why() {
    check(&hello("static.example.test", &["h2"]), "pass foreign_name");
    check(&hello("evil-api.openai.com.example", &[]), "pass foreign_name");
    check(&hello("openai.azure.com", &[]), "pass foreign_name");
    check(&hello("192.0.2.1", &[]), "pass no_name");
    check(&hello("api.openai.com", &["imap"]), "pass foreign_alpn");
    check(b"GET / HTTP/1.1\r\nHost: api.openai.com\r\n\r\n", "pass not_tls");
    check(&both_cut(), "pass no_hello");
    check(b"", "drop");
}

/// Half a hello, and then silence.
fn both_cut() -> Vec<u8> {
    let mut bytes = hello("api.openai.com", &["h2"]);
    bytes.truncate(bytes.len() / 2);
    bytes
}
