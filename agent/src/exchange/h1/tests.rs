use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::connection::tests::connection;

const ROUTE: Route = Route { reused: false, connect: None };

/// A client and a provider with the relay between them, in memory.
struct Pair {
    client: DuplexStream,
    provider: DuplexStream,
    relay: JoinHandle<Finish>,
    connection: Arc<Connection>,
    records: NamedTempFile,
}

impl Pair {
    fn start() -> Self {
        let records = NamedTempFile::new().expect("a temporary file");
        let connection = connection("api.openai.com", records.path());
        let (client, client_end) = duplex(1024);
        let (provider, provider_end) = duplex(1024);
        let shared = Arc::clone(&connection);
        let relay = tokio::spawn(async move {
            let (mut client, mut provider) = (Side::new(client_end), Side::new(provider_end));
            serve(&mut client, &mut provider, &shared, ROUTE).await
        });
        Self { client, provider, relay, connection, records }
    }

    /// Sends `request` in pieces, and gives what the provider got of it.
    async fn ask(&mut self, request: &str, piece: usize) -> String {
        for part in request.as_bytes().chunks(piece) {
            self.client.write_all(part).await.expect("the relay reads");
        }
        read_exactly(&mut self.provider, request.len()).await
    }

    /// Answers in pieces, and gives what the client got of it.
    async fn answer(&mut self, answer: &str, piece: usize) -> String {
        for part in answer.as_bytes().chunks(piece) {
            self.provider.write_all(part).await.expect("the relay reads");
        }
        read_exactly(&mut self.client, answer.len()).await
    }

    async fn end(self) -> (Finish, Vec<Value>) {
        drop(self.client);
        drop(self.provider);
        let finish = self.relay.await.expect("the relay does not panic");
        self.connection.accounting.recorder.finish();
        let text = std::fs::read_to_string(self.records.path()).expect("the records were written");
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (finish, lines)
    }
}

async fn read_exactly(from: &mut DuplexStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).await.expect("as many bytes as were sent");
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn every_byte_arrives_whatever_the_pieces() {
    let request = "POST /v1/chat/completions HTTP/1.1\r\nhOsT: api.openai.com\r\nX-Odd:  two  spaces \r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n";
    let answer = "HTTP/1.1 200 Fine by me\r\nServer: odd\r\ncontent-length: 5\r\n\r\nworld";
    for piece in [1, 2, 3, 50, 4096] {
        let mut pair = Pair::start();
        for _ in 0..2 {
            assert_eq!(pair.ask(request, piece).await, request);
            assert_eq!(pair.answer(answer, piece).await, answer);
        }
        let (finish, records) = pair.end().await;
        assert_eq!((finish, records.len()), (Finish::Reusable, 2), "pieces of {piece}");
        assert_eq!(records[1]["outcome"], "complete");
        assert_eq!(
            (&records[1]["request_bytes"], &records[1]["response_bytes"]),
            (&5.into(), &5.into())
        );
    }
}

#[tokio::test]
async fn interim_answers_pass_before_the_body_is_sent() {
    let mut pair = Pair::start();
    let head = "POST /v1/files HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(pair.ask(head, 4096).await, head);
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert_eq!(pair.answer(interim, 4096).await, interim);
    assert_eq!(pair.ask("abc", 1).await, "abc");
    let answer = "HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(pair.answer(answer, 4096).await, answer);
    let (finish, records) = pair.end().await;
    assert_eq!((finish, &records[0]["status"]), (Finish::Reusable, &204.into()));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let mut pair = Pair::start();
    let (first, second) = ("GET /v1/models HTTP/1.1\r\n\r\n", "HEAD /v1/models HTTP/1.1\r\n\r\n");
    pair.client.write_all(format!("{first}{second}").as_bytes()).await.expect("the relay reads");
    assert_eq!(read_exactly(&mut pair.provider, first.len()).await, first);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
    assert_eq!(pair.answer(answer, 4096).await, answer);
    assert_eq!(read_exactly(&mut pair.provider, second.len()).await, second);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(pair.answer(head, 4096).await, head);
    let (finish, records) = pair.end().await;
    assert_eq!((finish, records.len()), (Finish::Reusable, 2));
}

#[tokio::test]
async fn garbage_arrives_as_garbage() {
    let mut pair = Pair::start();
    pair.ask("GET /v1/models HTTP/1.1\r\n\r\n", 4096).await;
    let garbage = "\u{1}\u{2}this is not HTTP\r\n\r\nat all";
    assert_eq!(pair.answer(garbage, 3).await, garbage);
    let (_, records) = pair.end().await;
    assert_eq!(records[0]["outcome"], "unreadable");
    assert_eq!(records[0]["unread"][0], "response head is not HTTP/1");
}

#[tokio::test]
async fn two_lengths_are_not_interpreted() {
    let mut pair = Pair::start();
    let smuggled = "POST /v1/files HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n";
    assert_eq!(pair.ask(smuggled, 4096).await, smuggled);
    let (finish, records) = pair.end().await;
    assert_ne!(finish, Finish::Reusable, "such a connection must serve nobody else");
    assert_eq!((records.len(), &records[0]["outcome"]), (1, &"unreadable".into()));
}

#[tokio::test]
async fn a_cut_answer_is_cut_for_the_client_too() {
    let mut pair = Pair::start();
    pair.ask("GET /v1/models HTTP/1.1\r\n\r\n", 4096).await;
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal";
    assert_eq!(pair.answer(part, 4096).await, part);
    pair.provider.shutdown().await.expect("the relay is there");
    let finish = (&mut pair.relay).await.expect("the relay does not panic");
    assert_eq!(finish, Finish::Closed(End::Clean));
    pair.relay = tokio::spawn(async move { finish });
    let (_, records) = pair.end().await;
    assert_eq!(records[0]["outcome"], "provider_cut");
    assert_eq!(records[0]["attempts"][0]["error"], "answer cut");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_a_silent_provider_is_not_waited_for() {
    let mut pair = Pair::start();
    pair.ask("GET /v1/models HTTP/1.1\r\n\r\n", 4096).await;
    pair.client.shutdown().await.expect("the relay is there");
    let mut rest = Vec::new();
    pair.provider.read_to_end(&mut rest).await.expect("the client's end is passed on");
    assert!(rest.is_empty());
    let (finish, records) = pair.end().await;
    assert!(matches!(finish, Finish::Closed(_)));
    assert_eq!(records[0]["outcome"], "client_gone");
}

#[tokio::test]
async fn an_upgraded_connection_is_carried() {
    let mut pair = Pair::start();
    let request = "GET /v1/realtime HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    pair.ask(request, 4096).await;
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\u{1}frame";
    assert_eq!(pair.answer(answer, 4096).await, answer);
    assert_eq!(pair.ask("\u{2}other frame", 2).await, "\u{2}other frame");
    let (_, records) = pair.end().await;
    assert_eq!(records[0]["outcome"], "upgraded");
    assert_eq!(records[0]["status"], 101);
}

#[tokio::test]
async fn an_offer_of_quic_is_withheld() {
    let mut pair = Pair::start();
    pair.ask("GET /v1/models HTTP/1.1\r\n\r\n", 4096).await;
    let answer =
        "HTTP/1.1 200 OK\r\nA: 1\r\nAlt-Svc: h3=\":443\"; ma=86400\r\nContent-Length: 2\r\n\r\n[]";
    pair.provider.write_all(answer.as_bytes()).await.expect("the relay reads");
    let expected = "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n\r\n[]";
    assert_eq!(read_exactly(&mut pair.client, expected.len()).await, expected);
    assert_eq!(pair.end().await.0, Finish::Reusable);
}

#[tokio::test]
async fn a_body_above_the_limit_arrives_and_is_marked() {
    let mut pair = Pair::start();
    pair.ask("GET /v1/files/f/content HTTP/1.1\r\n\r\n", 4096).await;
    let size = 3 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    let total = head.len() + size;
    let Pair { mut client, mut provider, relay, connection, records } = pair;
    let writer = tokio::spawn(async move {
        provider.write_all(head.as_bytes()).await.expect("the relay reads");
        provider.write_all(&vec![b'x'; size]).await.expect("the relay reads");
        provider
    });
    let mut bytes = vec![0; total];
    client.read_exact(&mut bytes).await.expect("all of it");
    let provider = writer.await.expect("the writer does not panic");
    let pair = Pair { client, provider, relay, connection, records };
    let (finish, records) = pair.end().await;
    assert_eq!((finish, &records[0]["response_bytes"]), (Finish::Reusable, &size.into()));
    assert_eq!(records[0]["unread"][0], "response: longer than observe.body_limit");
    assert_eq!(records[0]["usage"], Value::Null);
}
