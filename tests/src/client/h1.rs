//! HTTP/1.1 with every byte of a request under control. Knows the wire; knows no plan but its own part.

use std::fmt::Write as _;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::session::{end_of, stdin_ended, within};
use super::{BodyFraming, Conversation, End, Heard, HeardAnswer, Request};

/// An endless header stops being read here, as clients do.
const HEAD_BYTES_MAX: usize = 256 << 10;
const HEADERS_MAX: usize = 256;

pub(super) async fn converse(
    conversation: &Conversation,
    tls: TlsStream<TcpStream>,
    heard: &mut Heard,
) {
    let mut wire = Wire { tls, input: BytesMut::new(), patience_ms: conversation.patience_ms };
    for request in &conversation.requests {
        let answer = wire.exchange(&conversation.host, request).await;
        if request.lingers && answer.end == End::Left {
            stdin_ended().await;
        }
        let goes_on = answer.end == End::Complete && !says_close(&answer);
        heard.answers.push(answer);
        if !goes_on {
            break;
        }
    }
    let _ = wire.tls.shutdown().await;
}

fn says_close(answer: &HeardAnswer) -> bool {
    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

struct Wire {
    tls: TlsStream<TcpStream>,
    input: BytesMut,
    patience_ms: u64,
}

/// Why reading stopped before the framing said so.
struct Stop(End);

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self(end_of(&error))
    }
}

impl Wire {
    async fn exchange(&mut self, host: &str, request: &Request) -> HeardAnswer {
        let mut answer = HeardAnswer::new(&request.id);
        let mut body = BytesMut::new();
        let end = match self.try_exchange(host, request, &mut answer, &mut body).await {
            Ok(()) => End::Complete,
            Err(Stop(end)) => end,
        };
        answer.close(&body, end)
    }

    async fn try_exchange(
        &mut self,
        host: &str,
        request: &Request,
        answer: &mut HeardAnswer,
        body: &mut BytesMut,
    ) -> Result<(), Stop> {
        self.tls.write_all(head_text(host, request).as_bytes()).await?;
        if request.waits_for_continue {
            self.tls.flush().await?;
            self.read_head(answer, true).await?;
            if answer.status.is_some() {
                // Refused before the body: a polite client does not send it.
                return self.read_body(request, answer, body).await;
            }
        }
        // A server that answers early may stop reading: its answer says why.
        let written = self.write_body(request).await;
        match self.read_head(answer, false).await {
            Ok(()) => self.read_body(request, answer, body).await,
            Err(unanswered) => Err(written.err().unwrap_or(unanswered)),
        }
    }

    async fn write_body(&mut self, request: &Request) -> Result<(), Stop> {
        match request.framing {
            BodyFraming::Length => self.tls.write_all(&request.body.0).await?,
            BodyFraming::Chunked(size) => {
                for piece in request.body.0.chunks(size.max(1)) {
                    self.tls.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                    self.tls.write_all(piece).await?;
                    self.tls.write_all(b"\r\n").await?;
                    self.tls.flush().await?;
                }
                let mut last = String::from("0\r\n");
                for (name, value) in &request.trailers {
                    let _ = write!(last, "{name}: {value}\r\n");
                }
                last.push_str("\r\n");
                self.tls.write_all(last.as_bytes()).await?;
            }
        }
        self.tls.flush().await?;
        Ok(())
    }

    /// Reads heads until the final one; with `stop_at_continue` also until `100`.
    async fn read_head(
        &mut self,
        answer: &mut HeardAnswer,
        stop_at_continue: bool,
    ) -> Result<(), Stop> {
        loop {
            match parse_head(&self.input)? {
                Some((status, headers, length)) => {
                    self.input.advance(length);
                    if status >= 200 || status == 101 {
                        answer.status = Some(status);
                        answer.headers = headers;
                        return Ok(());
                    }
                    answer.interim.push((status, headers));
                    if stop_at_continue && status == 100 {
                        return Ok(());
                    }
                }
                None if self.input.len() > HEAD_BYTES_MAX => {
                    return Err(Stop(End::Unreadable("the head does not end".to_owned())));
                }
                None => self.need_more().await?,
            }
        }
    }

    async fn read_body(
        &mut self,
        request: &Request,
        answer: &mut HeardAnswer,
        body: &mut BytesMut,
    ) -> Result<(), Stop> {
        let status = answer.status.unwrap_or_default();
        if request.method == "HEAD" || status == 204 || status == 304 || status == 101 {
            return Ok(());
        }
        let chunked =
            answer.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        if chunked {
            return self.read_chunks(request, answer, body).await;
        }
        let length = answer.header("content-length").and_then(|v| v.parse::<usize>().ok());
        match length {
            Some(length) => self.read_exactly(length, request, body).await,
            None => self.read_until_close(request, body).await,
        }
    }

    async fn read_chunks(
        &mut self,
        request: &Request,
        answer: &mut HeardAnswer,
        body: &mut BytesMut,
    ) -> Result<(), Stop> {
        loop {
            let line = self.read_line().await?;
            let size = std::str::from_utf8(&line).ok().and_then(|l| l.split(';').next());
            let size = size.and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
            let size =
                size.ok_or_else(|| Stop(End::Unreadable("a chunk without a size".to_owned())))?;
            if size == 0 {
                break;
            }
            self.read_exactly(size, request, body).await?;
            self.read_line().await?;
        }
        loop {
            let line = self.read_line().await?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let Some((name, value)) = text.split_once(':') else {
                return Ok(());
            };
            answer.trailers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    async fn read_exactly(
        &mut self,
        length: usize,
        request: &Request,
        body: &mut BytesMut,
    ) -> Result<(), Stop> {
        let mut left = length;
        loop {
            let part = self.input.split_to(left.min(self.input.len()));
            left -= part.len();
            body.extend_from_slice(&part);
            leave_if_planned(request, body)?;
            if left == 0 {
                return Ok(());
            }
            self.need_more().await?;
        }
    }

    async fn read_until_close(
        &mut self,
        request: &Request,
        body: &mut BytesMut,
    ) -> Result<(), Stop> {
        loop {
            body.extend_from_slice(&self.input.split());
            leave_if_planned(request, body)?;
            self.need_more().await?;
        }
    }

    async fn read_line(&mut self) -> Result<Bytes, Stop> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.input.split_to(end).freeze();
                self.input.advance(2);
                return Ok(line);
            }
            self.need_more().await?;
        }
    }

    async fn need_more(&mut self) -> Result<(), Stop> {
        self.input.reserve(64 << 10);
        let read = within(self.patience_ms, self.tls.read_buf(&mut self.input)).await?;
        if read == 0 { Err(Stop(End::Closed)) } else { Ok(()) }
    }
}

fn leave_if_planned(request: &Request, body: &BytesMut) -> Result<(), Stop> {
    let leaves = request.leaves_after.is_some_and(|limit| body.len() >= limit);
    if leaves { Err(Stop(End::Left)) } else { Ok(()) }
}

type ParsedHead = (u16, Vec<(String, String)>, usize);

fn parse_head(input: &[u8]) -> Result<Option<ParsedHead>, Stop> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(input) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let list = response.headers.iter();
            let list =
                list.map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned()));
            Ok(Some((response.code.unwrap_or_default(), list.collect(), length)))
        }
        Err(error) => Err(Stop(End::Unreadable(error.to_string()))),
    }
}

fn head_text(host: &str, request: &Request) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        let _ = write!(text, "Host: {host}\r\n");
    }
    for (name, value) in &request.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let has_body = !request.body.0.is_empty() || request.method == "POST";
    match request.framing {
        BodyFraming::Length if has_body => {
            let _ = write!(text, "Content-Length: {}\r\n", request.body.0.len());
        }
        BodyFraming::Length => {}
        BodyFraming::Chunked(_) => text.push_str("Transfer-Encoding: chunked\r\n"),
    }
    text.push_str("\r\n");
    text
}
