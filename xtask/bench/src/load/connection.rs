//! One TLS connection of the load: writes requests, reads answers, checks that they are whole.

use super::answer::{Body, Chunked};
use crate::canned::{self, CLOCK_FIELD};
use crate::scenario::{CHUNKS, PACE_MS};
use crate::{measure, tls};
use anyhow::{Context, Result, bail, ensure};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Room for what one read may bring.
const INBOX_BYTES: usize = 4 * 1024;

/// Where to connect, and the requests, made once.
pub(super) struct Client {
    address: SocketAddr,
    connector: TlsConnector,
    pub(super) small: Vec<u8>,
    pub(super) large: Vec<u8>,
    pub(super) streamed: Vec<u8>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self {
            address,
            connector: TlsConnector::from(config),
            small: canned::small_request(),
            large: canned::large_request(),
            streamed: canned::stream_request(PACE_MS),
        }
    }

    pub(super) async fn connect(&self) -> Result<Connection> {
        let tcp = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("connect to {}", self.address))?;
        tcp.set_nodelay(true)?;
        let stream = self
            .connector
            .connect(ServerName::try_from(tls::NAME)?, tcp)
            .await
            .context("TLS handshake")?;
        Ok(Connection { stream, inbox: Vec::with_capacity(INBOX_BYTES) })
    }
}

pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    inbox: Vec<u8>,
}

impl Connection {
    /// Send `request` and read one answer that has a length.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<()> {
        let Body::Length(length) = self.ask(request).await? else {
            bail!("the answer came without its length")
        };
        while self.inbox.len() < length {
            self.read_more().await?;
        }
        ensure!(self.inbox.len() == length, "more bytes than the answer's length");
        ensure!(self.inbox.ends_with(b"}\n"), "the answer is not the one that was sent");
        Ok(())
    }

    /// Send `request`, read a stream to its end, and give each chunk's delay since the provider wrote it.
    pub(super) async fn stream(
        &mut self,
        request: &[u8],
        mut on_chunk: impl FnMut(u64),
    ) -> Result<()> {
        let Body::Chunked = self.ask(request).await? else {
            bail!("the stream came with a length")
        };
        let mut framing = Chunked::default();
        let mut text = Vec::with_capacity(INBOX_BYTES);
        let (mut scanned, mut chunks) = (0, 0);
        loop {
            let ended = framing.decode(&self.inbox, &mut text)?;
            self.inbox.clear();
            while let Some((sent_ns, end)) = next_clock(&text, scanned)? {
                on_chunk(measure::now_ns()?.saturating_sub(sent_ns));
                chunks += 1;
                scanned = end;
            }
            if ended {
                break;
            }
            text.drain(..scanned);
            scanned = 0;
            self.read_more().await?;
        }
        ensure!(chunks == CHUNKS, "{chunks} chunks instead of {CHUNKS}");
        ensure!(text.ends_with(b"data: [DONE]\n\n"), "the stream has no proper end");
        Ok(())
    }

    pub(super) async fn close(mut self) {
        // The peer may be gone already, which is as good.
        let _ = self.stream.shutdown().await;
    }

    /// Send a request and read the answer's head; what follows it stays in the inbox.
    async fn ask(&mut self, request: &[u8]) -> Result<Body> {
        self.inbox.clear();
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        loop {
            self.read_more().await?;
            if let Some((body, end)) = Body::from_head(&self.inbox)? {
                self.inbox.drain(..end);
                return Ok(body);
            }
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        ensure!(
            self.stream.read_buf(&mut self.inbox).await? > 0,
            "the connection was closed within an answer"
        );
        Ok(())
    }
}

/// The next provider's clock in `text` at or after `from`, and where it ends.
fn next_clock(text: &[u8], from: usize) -> Result<Option<(u64, usize)>> {
    let mark = CLOCK_FIELD.as_bytes();
    let Some(at) = text[from..].windows(mark.len()).position(|window| window == mark) else {
        return Ok(None);
    };
    let start = from + at + mark.len();
    let Some(digits) = text.get(start..start + 16) else {
        return Ok(None);
    };
    Ok(Some((u64::from_str_radix(std::str::from_utf8(digits)?, 16)?, start + 16)))
}
