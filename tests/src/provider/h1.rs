//! HTTP/1.1 as a provider speaks it: every byte of an answer is the script's.
//! Knows the wire; knows no TLS and no behaviour of its own.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{
    Connection, PATIENCE, Providers, RAW_MARK, Serving, set_reset_on_close, wait_for_close,
    websocket,
};
use crate::answer::{Answer, AnswerHead, Begin, Ending, Framing, Interim, Step};
use crate::received::{Head, Received};

type Tls = TlsStream<TcpStream>;

/// A longer head is a mistake of the test.
const HEAD_BYTES_MAX: usize = 1 << 20;
const HEADERS_MAX: usize = 512;
/// `SendEndlessly` ends here if the client never goes away.
const ENDLESS_BYTES_MAX: usize = 256 << 20;

pub(super) async fn serve(
    providers: &Arc<Providers>,
    serving: &Serving,
    connection: &Connection,
    tls: Tls,
) -> io::Result<()> {
    let mut wire = Wire { tls, input: BytesMut::new(), providers };
    loop {
        let Some(head) = wire.read_head(connection).await? else {
            return wire.tls.shutdown().await;
        };
        let answer = match serving.behaviour.begin(&head) {
            Begin::AnswerNow(answer) => {
                let request = Received::head_alone(head);
                Exchange { request: providers.record(request), answer, body_read: false }
            }
            Begin::NeverRead => {
                providers.record(Received::head_alone(head));
                tokio::time::sleep(PATIENCE).await;
                return Ok(());
            }
            Begin::ReadBody { interim, allow_continue } => {
                for interim in &interim {
                    wire.write_interim(interim).await?;
                }
                let asks =
                    head.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"));
                if asks && allow_continue {
                    wire.tls.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                let request = providers.record(wire.read_body(head).await?);
                let answer = serving.behaviour.answer(&request);
                Exchange { request, answer, body_read: true }
            }
        };
        match wire.write_answer(&answer).await? {
            Next::KeepAlive => {}
            Next::Close => {
                wire.tls.shutdown().await?;
                // Closing with unread bytes would destroy an answer that is on its way.
                wait_for_close(wire.tls.get_ref().0).await;
                return Ok(());
            }
            Next::End(ending) => return wire.end(ending).await,
            Next::Echo(upgrade) => return websocket::echo(upgrade, wire.tls, wire.input).await,
        }
    }
}

/// Reads up to the mark, keeps it all, and answers.
pub(super) async fn keep_raw(
    providers: &Providers,
    connection: &Connection,
    mut tls: Tls,
) -> io::Result<()> {
    let mut input = BytesMut::new();
    let mark = RAW_MARK.as_bytes();
    while !input.windows(mark.len()).any(|window| window == mark) {
        if input.len() > HEAD_BYTES_MAX || tls.read_buf(&mut input).await? == 0 {
            break;
        }
    }
    let head = connection.head("RAW", "*", Vec::new());
    providers.record(Received { head, body: input.freeze(), chunked: false, trailers: Vec::new() });
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    tls.write_all(answer).await?;
    tls.shutdown().await?;
    wait_for_close(tls.get_ref().0).await;
    Ok(())
}

struct Exchange {
    request: Arc<Received>,
    answer: Answer,
    body_read: bool,
}

enum Next {
    KeepAlive,
    Close,
    End(Ending),
    Echo(crate::answer::Upgrade),
}

struct Wire<'a> {
    tls: Tls,
    input: BytesMut,
    providers: &'a Providers,
}

impl Wire<'_> {
    async fn read_head(&mut self, connection: &Connection) -> io::Result<Option<Head>> {
        loop {
            if let Some((head, length)) = parse_head(&self.input, connection)? {
                self.input.advance(length);
                return Ok(Some(head));
            }
            if self.input.len() > HEAD_BYTES_MAX {
                return Err(io::Error::other("request head too long for the rig"));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    async fn read_body(&mut self, head: Head) -> io::Result<Received> {
        let chunked = head
            .header("transfer-encoding")
            .is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
        if chunked {
            let (body, trailers) = self.read_chunks().await?;
            return Ok(Received { head, body, chunked, trailers });
        }
        let length = head.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        let body = self.read_exactly(length).await?;
        Ok(Received { head, body, chunked, trailers: Vec::new() })
    }

    async fn read_chunks(&mut self) -> io::Result<(Bytes, Vec<(String, Bytes)>)> {
        let mut body = BytesMut::new();
        loop {
            let line = self.read_line().await?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size)
                .ok()
                .and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
            let size = size.ok_or_else(|| io::Error::other("request chunk without a size"))?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&self.read_exactly(size).await?);
            self.read_line().await?;
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.read_line().await?;
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                return Ok((body.freeze(), trailers));
            };
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            trailers.push((name, line.slice(colon + 1..).trim_ascii().to_vec().into()));
        }
    }

    async fn read_line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.input.split_to(end).freeze();
                self.input.advance(2);
                return Ok(line);
            }
            self.need_more().await?;
        }
    }

    async fn read_exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.input.len() < length {
            self.need_more().await?;
        }
        Ok(self.input.split_to(length).freeze())
    }

    async fn need_more(&mut self) -> io::Result<()> {
        if self.read_more().await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn read_more(&mut self) -> io::Result<bool> {
        self.input.reserve(64 << 10);
        Ok(self.tls.read_buf(&mut self.input).await? > 0)
    }

    async fn write_interim(&mut self, interim: &Interim) -> io::Result<()> {
        let text = head_text(interim.status, &interim.headers, "");
        self.tls.write_all(text.as_bytes()).await
    }

    async fn write_answer(&mut self, exchange: &Exchange) -> io::Result<Next> {
        let answer = &exchange.answer;
        let Some(head) = &answer.head else {
            return Ok(self
                .write_steps(answer, Framing::UntilClose, true)
                .await?
                .unwrap_or(Next::Close));
        };
        for interim in &head.interim {
            self.write_interim(interim).await?;
        }
        let upgrade = answer.upgrade;
        let text = head_text(head.status, &head.headers, &framing_header(answer, head));
        self.tls.write_all(text.as_bytes()).await?;
        if let Some(upgrade) = upgrade {
            return Ok(Next::Echo(upgrade));
        }
        let has_body = exchange.request.head.method != "HEAD" && !bodiless(head.status);
        if let Some(next) = self.write_steps(answer, head.framing, has_body).await? {
            return Ok(next);
        }
        let asked_to_close =
            exchange.request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let says_close =
            head.headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("connection") && v == "close");
        let closes = asked_to_close
            || says_close
            || head.framing == Framing::UntilClose
            || !exchange.body_read;
        Ok(if closes { Next::Close } else { Next::KeepAlive })
    }

    /// Carries out the script; `Some` when it ended before its time.
    async fn write_steps(
        &mut self,
        answer: &Answer,
        framing: Framing,
        has_body: bool,
    ) -> io::Result<Option<Next>> {
        let chunked = framing == Framing::Chunked && has_body;
        for step in &answer.steps {
            match step {
                Step::Send(_) if !has_body => {}
                Step::Send(data) => self.write_piece(data, chunked).await?,
                Step::Pause(pause) => {
                    self.tls.flush().await?;
                    tokio::time::sleep(*pause).await;
                }
                Step::SendEndlessly(data) => {
                    for _ in 0..ENDLESS_BYTES_MAX / data.len().max(1) {
                        self.write_piece(data, chunked).await?;
                    }
                }
                Step::Hang => {
                    self.tls.flush().await?;
                    wait_for_close(self.tls.get_ref().0).await;
                    return Ok(Some(Next::Close));
                }
                Step::End(ending) => {
                    self.tls.flush().await?;
                    return Ok(Some(Next::End(*ending)));
                }
            }
        }
        if chunked {
            let mut last = String::from("0\r\n");
            for (name, value) in &answer.trailers {
                let _ = write!(last, "{name}: {value}\r\n");
            }
            last.push_str("\r\n");
            self.tls.write_all(last.as_bytes()).await?;
        }
        self.tls.flush().await?;
        Ok(None)
    }

    async fn write_piece(&mut self, data: &Bytes, chunked: bool) -> io::Result<()> {
        if !chunked {
            self.tls.write_all(data).await?;
            self.providers.sent(data.len());
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let mut piece = format!("{:x}\r\n", data.len()).into_bytes();
        piece.extend_from_slice(data);
        piece.extend_from_slice(b"\r\n");
        self.tls.write_all(&piece).await?;
        self.providers.sent(data.len());
        self.tls.flush().await
    }

    async fn end(mut self, ending: Ending) -> io::Result<()> {
        match ending {
            Ending::Close | Ending::GoAway => self.tls.shutdown().await,
            // Dropping the TLS stream sends no close_notify; what the client still sends is read,
            // or the kernel would turn the FIN into a reset.
            Ending::Fin | Ending::ResetStream => {
                let tcp = self.tls.get_mut().0;
                tcp.shutdown().await?;
                let _ = tokio::time::timeout(PATIENCE, wait_for_close(tcp)).await;
                Ok(())
            }
            Ending::Reset => set_reset_on_close(self.tls.get_ref().0),
        }
    }
}

fn parse_head(input: &[u8], connection: &Connection) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(input).map_err(io::Error::other)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let headers = request
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), Bytes::copy_from_slice(header.value)))
        .collect();
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let head = connection.head(method, target, headers);
    Ok(Some((head, length)))
}

fn framing_header(answer: &Answer, head: &AnswerHead) -> String {
    if head.status == 204 || head.status == 304 || head.status < 200 {
        return String::new();
    }
    match head.framing {
        Framing::Length => format!("Content-Length: {}\r\n", answer.body().len()),
        Framing::Declared(length) => format!("Content-Length: {length}\r\n"),
        Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        Framing::UntilClose => "Connection: close\r\n".to_owned(),
    }
}

fn head_text(status: u16, headers: &[(String, String)], framing: &str) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or("Unnamed"));
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str(framing);
    text.push_str("\r\n");
    text
}

fn bodiless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}
