use std::future::poll_fn;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::duplex;
use tokio::task::JoinHandle;

use super::*;
use crate::connection::tests::connection;

const ROUTE: Route = Route { reused: false, connect: None };

/// A client's requests, what the provider is asked, and the relay between them, in memory.
struct Pair {
    client: h2::client::SendRequest<Bytes>,
    asked: tokio::sync::mpsc::Receiver<(Request<RecvStream>, SendResponse<Bytes>)>,
    driver: JoinHandle<()>,
    relay: JoinHandle<Finish>,
    connection: Arc<Connection>,
    records: NamedTempFile,
}

impl Pair {
    async fn start() -> Self {
        let records = NamedTempFile::new().expect("a temporary file");
        let connection = connection("api.openai.com", records.path());
        let (client, client_end) = duplex(1 << 16);
        let (provider, provider_end) = duplex(1 << 16);
        let (ask, asked) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            let mut server = h2::server::handshake(provider).await.expect("the relay speaks h2");
            while let Some(Ok(request)) = server.accept().await {
                ask.send(request).await.expect("the test listens");
            }
        });
        let shared = Arc::clone(&connection);
        let relay = tokio::spawn(async move {
            let provider = Provider::handshake(provider_end).await.expect("the provider speaks h2");
            serve(client_end, &provider, &shared, ROUTE).await
        });
        let (client, driver) = h2::client::handshake(client).await.expect("the relay speaks h2");
        let driver = tokio::spawn(async move { drop(driver.await) });
        Self { client, driver, asked, relay, connection, records }
    }

    async fn ask(
        &mut self,
        whole: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>, Request<RecvStream>, SendResponse<Bytes>)
    {
        let request = Request::post("https://api.openai.com/v1/files").body(()).expect("a request");
        let mut client = self.client.clone().ready().await.expect("the relay takes requests");
        let (response, send) = client.send_request(request, whole).expect("the relay is there");
        let (request, respond) = self.asked.recv().await.expect("the provider is asked");
        (response, send, request, respond)
    }

    async fn end(self) -> (Finish, Vec<Value>) {
        drop(self.client);
        self.driver.abort();
        let finish = self.relay.await.expect("the relay does not panic");
        self.connection.accounting.recorder.finish();
        let text = std::fs::read_to_string(self.records.path()).expect("the records were written");
        (finish, text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }
}

async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("the stream goes on");
        body.flow_control().release_capacity(data.len()).expect("it was received");
        bytes.extend_from_slice(&data);
    }
    bytes
}

#[tokio::test]
async fn bodies_interim_answers_and_trailers_pass_both_ways() {
    let mut pair = Pair::start().await;
    let (mut response, mut send, request, mut respond) = pair.ask(false).await;
    assert_eq!(request.uri().path(), "/v1/files");
    assert_eq!(request.uri().host(), Some("api.openai.com"));
    let mut body = request.into_body();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", "t".parse().expect("a value"));
    send.send_data(Bytes::from_static(b"hello"), false).expect("the relay reads");
    send.send_trailers(trailers.clone()).expect("the relay reads");
    assert_eq!(read(&mut body).await, b"hello");
    assert_eq!(body.trailers().await.expect("trailers"), Some(trailers.clone()));

    let hints = Response::builder().status(StatusCode::EARLY_HINTS).body(()).expect("a response");
    respond.send_informational(hints).expect("the relay reads");
    let hinted = poll_fn(|cx| response.poll_informational(cx)).await;
    assert_eq!(hinted.expect("one").expect("a good one").status(), StatusCode::EARLY_HINTS);
    let head = Response::builder().header("alt-svc", "h3=\":443\"").header("x-a", "1").body(());
    let mut answer = respond.send_response(head.expect("a response"), false).expect("it reads");
    answer.send_data(Bytes::from_static(b"world"), false).expect("the relay reads");
    answer.send_trailers(trailers.clone()).expect("the relay reads");
    let response = response.await.expect("an answer");
    assert_eq!(response.headers().get("alt-svc"), None);
    assert_eq!(response.headers()["x-a"], "1");
    let mut body = response.into_body();
    assert_eq!(read(&mut body).await, b"world");
    assert_eq!(body.trailers().await.expect("trailers"), Some(trailers));

    let (finish, records) = pair.end().await;
    assert_eq!((finish, records.len()), (Finish::Reusable, 1));
    assert_eq!((&records[0]["outcome"], &records[0]["http"]), (&"complete".into(), &"h2".into()));
    assert_eq!(
        (&records[0]["request_bytes"], &records[0]["response_bytes"]),
        (&5.into(), &5.into())
    );
}

#[tokio::test]
async fn a_reset_of_the_provider_is_the_clients_reset() {
    let mut pair = Pair::start().await;
    let (response, _send, _request, mut respond) = pair.ask(true).await;
    respond.send_reset(Reason::ENHANCE_YOUR_CALM);
    let problem = response.await.expect_err("the stream was reset");
    assert_eq!(problem.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    let (_, records) = pair.end().await;
    assert_eq!(records[0]["outcome"], "provider_cut");
    assert_eq!(records[0]["attempts"][0]["error"], "stream reset");
}

#[tokio::test]
async fn a_client_that_resets_is_gone_for_the_provider() {
    let mut pair = Pair::start().await;
    let (response, mut send, _request, mut respond) = pair.ask(false).await;
    send.send_reset(Reason::CANCEL);
    drop(response);
    let reason = poll_fn(|cx| respond.poll_reset(cx)).await.expect("a reset");
    assert_eq!(reason, Reason::CANCEL);
    let (finish, records) = pair.end().await;
    assert_eq!((finish, &records[0]["outcome"]), (Finish::Reusable, &"client_gone".into()));
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_back() {
    let mut pair = Pair::start().await;
    let (response, _send, _request, mut respond) = pair.ask(true).await;
    let mut answer = respond.send_response(Response::new(()), false).expect("the relay reads");
    let total = 8 * CONNECTION_WINDOW_BYTES as usize;
    let writer = tokio::spawn(async move {
        let mut sent = 0;
        while sent < total {
            answer.reserve_capacity(16 * 1024);
            let Some(Ok(room)) = poll_fn(|cx| answer.poll_capacity(cx)).await else { break };
            let count = room.min(total - sent);
            answer.send_data(Bytes::from(vec![b'x'; count]), sent + count == total).expect("room");
            sent += count;
        }
        sent
    });
    let mut body = response.await.expect("an answer").into_body();
    // Nothing is read for a while: the writer must come to a stand far below the total.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!writer.is_finished(), "nobody reads, and yet all was taken");
    assert_eq!(read(&mut body).await.len(), total);
    assert_eq!(writer.await.expect("the writer does not panic"), total);
    let (_, records) = pair.end().await;
    assert_eq!(records[0]["response_bytes"], total);
}
