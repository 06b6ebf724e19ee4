//! HTTP/2 requests, with frames as far as `h2` shows them.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use super::session::{end_of, stdin_ended, within};
use super::{BodyFraming, Conversation, End, Heard, HeardAnswer, Request};

const WINDOW: u32 = 4 << 20;

pub(super) async fn converse(
    conversation: &Conversation,
    tls: TlsStream<TcpStream>,
    heard: &mut Heard,
) {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    builder.data_frame_budget(usize::MAX);
    builder.max_header_list_size(256 << 10);
    let (send, connection) = match builder.handshake::<_, Bytes>(tls).await {
        Ok(opened) => opened,
        Err(error) => {
            heard.failure = Some(error.to_string());
            return;
        }
    };
    let driver = tokio::spawn(connection);
    let at_once = Arc::new(Semaphore::new(conversation.at_once.max(1)));
    let mut running = JoinSet::new();
    for (at, request) in conversation.requests.iter().cloned().enumerate() {
        let Ok(permit) = Arc::clone(&at_once).acquire_owned().await else { break };
        let send = send.clone();
        let host = conversation.host.clone();
        let patience_ms = conversation.patience_ms;
        running.spawn(async move {
            let answer = exchange(send, &host, request, patience_ms).await;
            drop(permit);
            (at, answer)
        });
    }
    let mut answers = Vec::new();
    while let Some(Ok(answer)) = running.join_next().await {
        answers.push(answer);
    }
    answers.sort_by_key(|(at, _)| *at);
    heard.answers = answers.into_iter().map(|(_, answer)| answer).collect();
    drop(send);
    // The connection says goodbye once nobody uses it.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), driver).await;
}

async fn exchange(
    send: SendRequest<Bytes>,
    host: &str,
    request: Request,
    patience_ms: u64,
) -> HeardAnswer {
    let mut answer = HeardAnswer::new(&request.id);
    let mut body = BytesMut::new();
    let outcome = try_exchange(send, host, &request, &mut answer, &mut body, patience_ms).await;
    let end = outcome.err().unwrap_or(End::Complete);
    answer.close(&body, end)
}

async fn try_exchange(
    send: SendRequest<Bytes>,
    host: &str,
    request: &Request,
    answer: &mut HeardAnswer,
    body: &mut BytesMut,
    patience_ms: u64,
) -> Result<(), End> {
    let mut send = send.ready().await.map_err(|error| end_of_h2(&error))?;
    let has_body = !request.body.0.is_empty() || !request.trailers.is_empty();
    let head = head_of(host, request).map_err(|error| End::Failed(error.to_string()))?;
    let (mut response, mut stream) =
        send.send_request(head, !has_body).map_err(|error| end_of_h2(&error))?;
    if request.waits_for_continue {
        let interim = next_interim(&mut response, patience_ms).await?;
        answer.interim.extend(interim);
    }
    // A server that answers early may stop reading: its answer says why.
    let written = if has_body { write_body(request, &mut stream).await } else { Ok(()) };
    let response = match final_head(&mut response, answer, patience_ms).await {
        Ok(response) => response,
        Err(unanswered) => return Err(written.err().map_or(unanswered, |error| end_of_h2(&error))),
    };
    answer.status = Some(response.status().as_u16());
    answer.headers = list(response.headers());
    let mut incoming = response.into_body();
    while let Some(data) =
        timed(patience_ms, async { Ok(incoming.data().await.transpose()) }).await??
    {
        body.extend_from_slice(&data);
        if request.leaves_after.is_some_and(|limit| body.len() >= limit) {
            if request.lingers {
                stdin_ended().await;
            }
            return Err(End::Left);
        }
        let _ = incoming.flow_control().release_capacity(data.len());
    }
    let trailers = timed(patience_ms, async { Ok(incoming.trailers().await) }).await?;
    answer.trailers =
        trailers.map_err(|error| end_of_h2(&error))?.as_ref().map(list).unwrap_or_default();
    Ok(())
}

async fn timed<T>(patience_ms: u64, read: impl Future<Output = io::Result<T>>) -> Result<T, End> {
    within(patience_ms, read).await.map_err(|error| end_of(&error))
}

impl From<h2::Error> for End {
    fn from(error: h2::Error) -> Self {
        end_of_h2(&error)
    }
}

type Interim = (u16, Vec<(String, String)>);

async fn next_interim(
    response: &mut ResponseFuture,
    patience_ms: u64,
) -> Result<Option<Interim>, End> {
    let next = poll_fn(|cx| response.poll_informational(cx));
    match timed(patience_ms, async { Ok(next.await) }).await? {
        Some(interim) => {
            let interim = interim?;
            Ok(Some((interim.status().as_u16(), list(interim.headers()))))
        }
        None => Ok(None),
    }
}

async fn final_head(
    response: &mut ResponseFuture,
    answer: &mut HeardAnswer,
    patience_ms: u64,
) -> Result<http::Response<h2::RecvStream>, End> {
    let head = poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            answer.interim.push((interim.status().as_u16(), list(interim.headers())));
        }
        std::pin::Pin::new(&mut *response).poll(cx)
    });
    Ok(timed(patience_ms, async { Ok(head.await) }).await??)
}

async fn write_body(
    request: &Request,
    stream: &mut h2::SendStream<Bytes>,
) -> Result<(), h2::Error> {
    let size = match request.framing {
        BodyFraming::Chunked(size) => size.max(1),
        BodyFraming::Length => usize::MAX,
    };
    let body = Bytes::copy_from_slice(&request.body.0);
    let mut at = 0;
    while at < body.len() {
        stream.reserve_capacity((body.len() - at).min(size));
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let granted = granted.unwrap_or(Err(h2::Reason::CANCEL.into()))?;
        let end = at + granted.min(size).min(body.len() - at);
        let last = end == body.len() && request.trailers.is_empty();
        stream.send_data(body.slice(at..end), last)?;
        at = end;
    }
    if !request.trailers.is_empty() {
        let mut trailers = HeaderMap::new();
        for (name, value) in &request.trailers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                trailers.append(name, value);
            }
        }
        stream.send_trailers(trailers)?;
    }
    Ok(())
}

fn head_of(host: &str, request: &Request) -> Result<http::Request<()>, http::Error> {
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("https://{host}{}", request.target))
        .version(http::Version::HTTP_2);
    for (name, value) in &request.headers {
        head = head.header(name.to_ascii_lowercase(), value);
    }
    let has_body = !request.body.0.is_empty() || request.method == "POST";
    if request.framing == BodyFraming::Length && has_body {
        head = head.header("content-length", request.body.0.len());
    }
    head.body(())
}

fn list(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn end_of_h2(error: &h2::Error) -> End {
    let reason = error.reason().map(|reason| format!("{reason:?}"));
    match (error.get_io(), reason) {
        (Some(io), _) => end_of(io),
        (None, Some(reason)) if error.is_reset() => End::StreamReset(reason),
        (None, Some(reason)) if error.is_go_away() => End::GoAway(reason),
        (None, _) => End::Failed(error.to_string()),
    }
}
