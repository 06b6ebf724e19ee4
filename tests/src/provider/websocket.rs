//! After an upgrade: an echo, of WebSocket messages or of plain bytes.
//! Knows frames of RFC 6455 without extensions; knows no HTTP.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::answer::{Answer, Upgrade};
use crate::received::Received;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

impl Answer {
    /// Agrees to become a WebSocket that echoes.
    #[must_use]
    pub fn websocket(request: &Received) -> Answer {
        let key = request.header("sec-websocket-key").unwrap_or_default();
        let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes()));
        Answer::empty(101)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Accept", &accept)
            .upgraded(Upgrade::WebSocket)
    }
}

pub(super) async fn echo(
    upgrade: Upgrade,
    mut tls: TlsStream<TcpStream>,
    mut input: BytesMut,
) -> io::Result<()> {
    loop {
        match upgrade {
            Upgrade::Bytes => {
                tls.write_all(&input).await?;
                input.clear();
            }
            Upgrade::WebSocket => {
                while let Some((opcode, frame)) = take_frame(&mut input) {
                    tls.write_all(&frame).await?;
                    if opcode == CLOSE {
                        tls.flush().await?;
                        return tls.shutdown().await;
                    }
                }
            }
        }
        tls.flush().await?;
        input.reserve(16 << 10);
        if tls.read_buf(&mut input).await? == 0 {
            return tls.shutdown().await;
        }
    }
}

/// Takes one masked frame and gives the unmasked frame to send back.
fn take_frame(input: &mut BytesMut) -> Option<(u8, Vec<u8>)> {
    let (&first, &second) = (input.first()?, input.get(1)?);
    let (mut at, length) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*input.get(2)?, *input.get(3)?]))),
        127 => (10, usize::try_from(u64::from_be_bytes(input.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let mask: [u8; 4] = if second & 0x80 == 0 {
        [0; 4]
    } else {
        at += 4;
        input.get(at - 4..at)?.try_into().ok()?
    };
    let payload: Vec<u8> = input
        .get(at..at + length)?
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    input.advance(at + length);
    let opcode = first & 0x0f;
    let answer_first = if opcode == PING { (first & 0xf0) | PONG } else { first };
    Some((opcode, frame(answer_first, &payload)))
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}
