//! Bytes to and fro, with no HTTP of the client's own.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::session::{end_of, within};
use super::{Act, Base64, Conversation, End, Heard};

pub(super) async fn play(
    conversation: &Conversation,
    mut tls: TlsStream<TcpStream>,
    heard: &mut Heard,
) {
    let mut read = BytesMut::new();
    let mut end = None;
    for act in &conversation.script {
        end = perform(act, &mut tls, &mut read, conversation.patience_ms).await;
        if end.is_some() {
            break;
        }
    }
    heard.script = Base64(read.to_vec());
    heard.script_end = Some(end.unwrap_or(End::Complete));
}

/// `Some` when the connection has ended.
async fn perform(
    act: &Act,
    tls: &mut TlsStream<TcpStream>,
    read: &mut BytesMut,
    patience_ms: u64,
) -> Option<End> {
    match act {
        Act::Send(bytes) => {
            let sent = async {
                tls.write_all(&bytes.0).await?;
                tls.flush().await
            };
            sent.await.err().map(|error| end_of(&error))
        }
        Act::CloseWriting => tls.shutdown().await.err().map(|error| end_of(&error)),
        Act::Fin => tls.get_mut().0.shutdown().await.err().map(|error| end_of(&error)),
        Act::ReadUntil(mark) => {
            while !read.windows(mark.0.len().max(1)).any(|window| window == mark.0) {
                if let Some(end) = read_more(tls, read, patience_ms).await {
                    return Some(end);
                }
            }
            None
        }
        Act::ReadToEnd => loop {
            if let Some(end) = read_more(tls, read, patience_ms).await {
                return Some(end);
            }
        },
    }
}

async fn read_more(
    tls: &mut TlsStream<TcpStream>,
    read: &mut BytesMut,
    patience_ms: u64,
) -> Option<End> {
    read.reserve(16 << 10);
    match within(patience_ms, tls.read_buf(read)).await {
        Ok(0) => Some(End::Closed),
        Ok(_) => None,
        Err(error) => Some(end_of(&error)),
    }
}
