//! A provider that answers from memory: one thread, as little work as TLS allows. It must never be the bottleneck.

use crate::scenario::CHUNKS;
use crate::{canned, measure, tls};
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longer request heads than this are not from our load.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Names in a request head that parsing makes room for.
const HEADERS_MAX: usize = 64;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    /// Folder with cert.pem and key.pem
    #[arg(long)]
    keys: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let acceptor = TlsAcceptor::from(tls::server(&arguments.keys)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(arguments.listen, acceptor))
}

async fn serve(listen: SocketAddr, acceptor: TlsAcceptor) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let answer: Arc<[u8]> = canned::answer().into();
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            // A proxy that closes early or stops at the handshake is the proxy's affair: its load will tell.
            if let Ok(stream) = acceptor.accept(tcp).await {
                let _ = converse(stream, &answer).await;
            }
        });
    }
}

/// Answer requests on one connection until the peer closes it.
async fn converse(mut stream: TlsStream<TcpStream>, answer: &[u8]) -> Result<()> {
    let mut inbox = Vec::with_capacity(96 * 1024);
    loop {
        let Some(request) = read_request(&mut stream, &mut inbox).await? else {
            return Ok(());
        };
        match request.pace_ms {
            None => {
                stream.write_all(answer).await?;
                stream.flush().await?;
            }
            Some(pace_ms) => write_stream(&mut stream, pace_ms).await?,
        }
    }
}

struct Request {
    /// Set where the answer is to be a stream
    pace_ms: Option<u64>,
}

/// Read one request, head and body, and forget its bytes.
async fn read_request(
    stream: &mut TlsStream<TcpStream>,
    inbox: &mut Vec<u8>,
) -> Result<Option<Request>> {
    loop {
        if let Some((request, length)) = parse_head(inbox)? {
            while inbox.len() < length {
                if stream.read_buf(inbox).await? == 0 {
                    bail!("closed within a request body");
                }
            }
            inbox.drain(..length);
            return Ok(Some(request));
        }
        if inbox.len() > HEAD_BYTES_MAX {
            bail!("the request head is too long");
        }
        if stream.read_buf(inbox).await? == 0 {
            return Ok(None);
        }
    }
}

/// The request and how many bytes it takes with its body, once the head is complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = head.parse(bytes)? else {
        return Ok(None);
    };
    let mut length = 0;
    let mut pace_ms = None;
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value)?.parse()?;
        } else if header.name.eq_ignore_ascii_case("x-bench-pace-ms") {
            pace_ms = Some(std::str::from_utf8(header.value)?.parse()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("the load sends lengths; a proxy made chunks of it");
        }
    }
    Ok(Some((Request { pace_ms }, end + length)))
}

async fn write_stream(stream: &mut TlsStream<TcpStream>, pace_ms: u64) -> Result<()> {
    stream.write_all(&canned::stream_head()).await?;
    stream.flush().await?;
    let mut clock = tokio::time::interval(Duration::from_millis(pace_ms.max(1)));
    clock.tick().await;
    let mut out = Vec::with_capacity(1024);
    for index in 0..CHUNKS {
        clock.tick().await;
        out.clear();
        canned::chunk(index, measure::now_ns()?, &mut out);
        stream.write_all(&out).await?;
        stream.flush().await?;
    }
    Ok(())
}
