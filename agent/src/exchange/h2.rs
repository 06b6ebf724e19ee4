//! HTTP/2 exchanges on one pair of connections: every stream of the client is one stream to the provider,
//! with the same frames' data, trailers, resets and back-pressure. A provider that goes away takes the
//! client's connection with it, as it would without weir.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::Request;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Route;
use super::h1::Finish;
use crate::connection::Connection;
use crate::relay::side::{End, Stream};

mod stream;

#[cfg(test)]
mod tests;

/// Bytes one stream may have in flight before its reader has taken them.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What `h2` may count for frames under 256 bytes that wait to be read, at 256 less their length each; beyond
/// it the connection ends. Providers send a frame a token: a full window of 16-byte frames must fit, or a
/// client that pauses would lose its connection.
const SMALL_FRAMES_BUDGET: usize = CONNECTION_WINDOW_BYTES as usize / 16 * 240;
/// Frames that were sent wait for the connection's task to write them; an end must not overtake them.
const LAST_FRAMES: Duration = Duration::from_millis(20);

/// The provider's side: an open HTTP/2 connection, driven by a task of its own.
#[derive(Clone)]
pub(crate) struct Provider {
    send: h2::client::SendRequest<Bytes>,
    /// Cancelled when the connection ended.
    closed: CancellationToken,
}

impl Provider {
    pub(crate) async fn handshake<S>(io: S) -> Result<Self, h2::Error>
    where
        S: Stream + 'static,
    {
        let (send, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .data_frame_budget(SMALL_FRAMES_BUDGET)
            .enable_push(false)
            .handshake(io)
            .await?;
        let closed = CancellationToken::new();
        let ended = closed.clone().drop_guard();
        // The task ends with the connection: when the peer closes it, or when all senders are dropped.
        tokio::spawn(async move {
            if let Err(problem) = connection.await {
                debug!(%problem, "a provider's HTTP/2 connection ended");
            }
            drop(ended);
        });
        Ok(Self { send, closed })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

/// Serves exchanges until one side ends.
pub(crate) async fn serve<C: Stream + 'static>(
    client: C,
    provider: &Provider,
    connection: &Arc<Connection>,
    route: Route,
) -> Finish {
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .data_frame_budget(SMALL_FRAMES_BUDGET)
        .max_concurrent_streams(
            provider.send.current_max_send_streams().min(u32::MAX as usize) as u32
        )
        .handshake::<C, Bytes>(client)
        .await;
    let mut client = match handshake {
        Ok(client) => client,
        Err(problem) => {
            debug!(%problem, "a client's HTTP/2 connection did not begin");
            return Finish::Reusable;
        }
    };
    let mut exchanges = Exchanges { connection, provider, route, streams: JoinSet::new() };
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            accepted = client.accept() => match accepted {
                Some(Ok((request, respond))) => exchanges.start(request, respond),
                Some(Err(problem)) => {
                    debug!(%problem, "a client's HTTP/2 connection failed");
                    break;
                }
                None => break,
            },
            Some(ended) = exchanges.streams.join_next() => match ended {
                Ok(Ended::ConnectionBroke(end)) => {
                    connection.provider_broke();
                    flush(&mut client).await;
                    exchanges.streams.shutdown().await;
                    return Finish::Closed(end);
                }
                Ok(Ended::GoingAway) if !closing => {
                    closing = true;
                    client.graceful_shutdown();
                }
                Ok(Ended::Stream | Ended::GoingAway) | Err(_) => {}
            },
            () = provider.closed.cancelled(), if !closing => {
                closing = true;
                client.graceful_shutdown();
            }
            () = connection.accounting.stop.cancelled(), if !closing => {
                closing = true;
                client.graceful_shutdown();
            }
            () = connection.accounting.abandon.cancelled() => {
                exchanges.streams.shutdown().await;
                return Finish::Closed(End::Reset);
            }
        }
    }
    // Their records close when they see that the client is gone.
    while exchanges.streams.join_next().await.is_some() {}
    if provider.is_closed() { Finish::Closed(End::Clean) } else { Finish::Reusable }
}

/// Lets what was sent to the client go out before its connection ends.
async fn flush<C: Stream>(client: &mut h2::server::Connection<C, Bytes>) {
    let refuse_all = async {
        while let Some(Ok((_, mut respond))) = client.accept().await {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
    };
    // The time is up for a client that does not read.
    let _ = tokio::time::timeout(LAST_FRAMES, refuse_all).await;
}

/// What one stream says about the provider's connection when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Stream,
    /// It takes no new streams; those that run go on.
    GoingAway,
    ConnectionBroke(End),
}

struct Exchanges<'a> {
    connection: &'a Arc<Connection>,
    provider: &'a Provider,
    route: Route,
    streams: JoinSet<Ended>,
}

impl Exchanges<'_> {
    fn start(&mut self, request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        if self.provider.is_closed() {
            // The client may safely send this request again, on a new connection.
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        let route = self.route;
        self.route = Route { reused: true, connect: None };
        let connection = Arc::clone(self.connection);
        let provider = self.provider.clone();
        self.streams.spawn(async move {
            stream::carry(&connection, provider.send, request, respond, route).await
        });
    }
}
