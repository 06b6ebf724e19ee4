//! HTTP/2 as a provider speaks it. Knows streams and frames as far as `h2` shows them.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::{Connection, PATIENCE, Providers, Serving, wait_for_close};
use crate::answer::{Answer, AnswerHead, Begin, Ending, Interim, Step};
use crate::received::{Head, Received};

const WINDOW: u32 = 4 << 20;
/// `SendEndlessly` ends here if the client never goes away.
const ENDLESS_BYTES_MAX: usize = 256 << 20;

pub(super) async fn serve(
    providers: &Arc<Providers>,
    serving: &Arc<Serving>,
    connection: &Connection,
    tls: TlsStream<TcpStream>,
) -> io::Result<()> {
    // The socket again: an ending concerns the whole connection, whatever h2 wants to say.
    let socket = socket2::SockRef::from(tls.get_ref().0).try_clone()?;
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
    builder.data_frame_budget(usize::MAX);
    builder.max_concurrent_streams(1000).max_header_list_size(1 << 20);
    let mut h2 = builder.handshake(tls).await.map_err(io::Error::other)?;
    let (end, mut ends) = mpsc::channel(1);
    loop {
        let (request, respond) = tokio::select! {
            biased;
            Some(ending) = ends.recv() => {
                if ending == Ending::GoAway {
                    h2.graceful_shutdown();
                    continue;
                }
                return end_connection(ending, &socket, h2).await;
            }
            accepted = h2.accept() => match accepted {
                Some(accepted) => accepted.map_err(io::Error::other)?,
                None => return Ok(()),
            },
        };
        let providers = Arc::clone(providers);
        let serving = Arc::clone(serving);
        let connection = connection.clone();
        let end = end.clone();
        tokio::spawn(async move {
            let outcome = serve_stream(&providers, &serving, &connection, request, respond).await;
            if let Ok(Some(ending)) = outcome {
                let _ = end.send(ending).await;
            }
        });
    }
}

async fn end_connection<T>(ending: Ending, socket: &socket2::Socket, h2: T) -> io::Result<()> {
    // What the streams have sent is on its way out: h2 writes when it is polled, and it was
    // polled last when the ending was asked for, after the script's own grace.
    match ending {
        Ending::Reset => {
            socket.set_linger(Some(std::time::Duration::ZERO))?;
            drop(h2);
        }
        Ending::Close | Ending::Fin | Ending::ResetStream | Ending::GoAway => {
            socket.shutdown(std::net::Shutdown::Write)?;
            // Kept until the client has closed too, or the FIN would become a reset.
            let copy = TcpStream::from_std(socket.try_clone()?.into())?;
            wait_for_close(&copy).await;
            drop(h2);
        }
    }
    Ok(())
}

async fn serve_stream(
    providers: &Arc<Providers>,
    serving: &Serving,
    connection: &Connection,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<Option<Ending>, h2::Error> {
    let (parts, mut body) = request.into_parts();
    let head = head_of(&parts, connection);
    let is_head = head.method == "HEAD";
    let answer = match serving.behaviour.begin(&head) {
        Begin::AnswerNow(answer) => {
            providers.record(Received::head_alone(head));
            answer
        }
        Begin::NeverRead => {
            providers.record(Received::head_alone(head));
            let gone = std::future::poll_fn(|cx| respond.poll_reset(cx));
            let _ = tokio::time::timeout(PATIENCE, gone).await;
            return Ok(None);
        }
        Begin::ReadBody { interim, allow_continue } => {
            for interim in &interim {
                respond.send_informational(informational(interim))?;
            }
            let asks =
                head.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"));
            if asks && allow_continue {
                respond.send_informational(informational(&Interim {
                    status: 100,
                    headers: Vec::new(),
                }))?;
            }
            let request = providers.record(read_body(head, &mut body).await?);
            serving.behaviour.answer(&request)
        }
    };
    let Some(head) = &answer.head else {
        // Raw bytes have no meaning inside HTTP/2; saying nothing has.
        if answer.steps.iter().any(|step| matches!(step, Step::Hang)) {
            let gone = std::future::poll_fn(|cx| respond.poll_reset(cx));
            let _ = tokio::time::timeout(PATIENCE, gone).await;
            return Ok(None);
        }
        respond.send_reset(Reason::INTERNAL_ERROR);
        return Ok(None);
    };
    for interim in &head.interim {
        respond.send_informational(informational(interim))?;
    }
    let bodiless = is_head || head.status == 204 || head.status == 304;
    let nothing = answer.steps.is_empty() && answer.trailers.is_empty();
    let stream = respond.send_response(response_of(head, &answer, is_head), bodiless || nothing)?;
    if bodiless || nothing {
        return Ok(None);
    }
    write_steps(&answer, stream, providers).await
}

async fn read_body(head: Head, body: &mut RecvStream) -> Result<Received, h2::Error> {
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    Ok(Received { head, body: bytes.freeze(), chunked: false, trailers: list(&trailers) })
}

async fn write_steps(
    answer: &Answer,
    mut stream: SendStream<Bytes>,
    providers: &Providers,
) -> Result<Option<Ending>, h2::Error> {
    let mut goes_away = None;
    for step in &answer.steps {
        match step {
            Step::Send(data) => write_data(&mut stream, data, providers).await?,
            Step::Pause(pause) => tokio::time::sleep(*pause).await,
            Step::SendEndlessly(data) => {
                for _ in 0..ENDLESS_BYTES_MAX / data.len().max(1) {
                    write_data(&mut stream, data, providers).await?;
                }
            }
            Step::Hang => {
                let gone = std::future::poll_fn(|cx| stream.poll_reset(cx));
                let _ = tokio::time::timeout(PATIENCE, gone).await;
                return Ok(None);
            }
            Step::End(Ending::ResetStream) => {
                flush(&mut stream).await;
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(None);
            }
            Step::End(Ending::GoAway) => goes_away = Some(Ending::GoAway),
            Step::End(ending) => {
                flush(&mut stream).await;
                return Ok(Some(*ending));
            }
        }
    }
    if answer.trailers.is_empty() {
        stream.send_data(Bytes::new(), true)?;
    } else {
        stream.send_trailers(map_of(&answer.trailers))?;
    }
    Ok(goes_away)
}

async fn write_data(
    stream: &mut SendStream<Bytes>,
    data: &Bytes,
    providers: &Providers,
) -> Result<(), h2::Error> {
    let mut rest = data.clone();
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let granted = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let granted = granted.unwrap_or(Err(Reason::CANCEL.into()))?;
        let part = rest.split_to(granted.min(rest.len()));
        providers.sent(part.len());
        stream.send_data(part, false)?;
    }
    Ok(())
}

/// Lets the connection write what was handed to it. `h2` tells nobody when it has.
async fn flush(stream: &mut SendStream<Bytes>) {
    let gone = std::future::poll_fn(|cx| stream.poll_reset(cx));
    let _ = tokio::time::timeout(std::time::Duration::from_millis(50), gone).await;
}

fn head_of(parts: &http::request::Parts, connection: &Connection) -> Head {
    let mut headers = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        headers
            .push((":authority".to_owned(), Bytes::copy_from_slice(authority.as_str().as_bytes())));
    }
    headers.extend(list(&parts.headers));
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    connection.head(parts.method.as_str(), target, headers)
}

fn response_of(head: &AnswerHead, answer: &Answer, is_head: bool) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    let mut headers = map_of(&head.headers);
    for name in ["connection", "transfer-encoding", "keep-alive", "upgrade"] {
        headers.remove(name);
    }
    let length = match head.framing {
        crate::answer::Framing::Length => Some(answer.body().len() as u64),
        crate::answer::Framing::Declared(length) => Some(length),
        crate::answer::Framing::Chunked | crate::answer::Framing::UntilClose => None,
    };
    if let Some(length) = length.filter(|_| is_head || (head.status != 204 && head.status != 304)) {
        headers.insert("content-length", HeaderValue::from(length));
    }
    *response.headers_mut() = headers;
    response
}

fn informational(interim: &Interim) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(interim.status).unwrap_or(StatusCode::CONTINUE);
    *response.headers_mut() = map_of(&interim.headers);
    response
}

/// A header that HTTP/2 cannot carry is left out.
fn map_of(headers: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            map.append(name, value);
        }
    }
    map
}

fn list(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())))
        .collect()
}
