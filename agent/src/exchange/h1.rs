//! HTTP/1.1 exchanges on one pair of connections. The bytes that travel are the peer's own: heads and
//! bodies go on exactly as they came, while a copy is read. What cannot be followed with certainty is
//! carried on without interpretation, so that the peers see what they would have seen without weir.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::{Exchange, Route};
use crate::connection::Connection;
use crate::record::Outcome;
use crate::relay::framing::{Ambiguous, Framing};
use crate::relay::side::{End, Side, Stopped, Stream, poll_pump};
use crate::relay::tunnel;

mod head;

use head::{HEAD_BYTES_MAX, Request, Response};

/// A client that closed its side may still read, but it may also be gone, and a silent provider would
/// keep both sockets for ever: after this long without a byte from the provider, it counts as gone.
const CLOSED_CLIENT_PATIENCE: Duration = Duration::from_secs(30);

/// How the pair of connections ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The client is done and the provider's connection can serve another one.
    Reusable,
    /// The client gets the same end as the provider gave, or the other way round.
    Closed(End),
}

/// Serves exchanges until one side ends.
pub(crate) async fn serve<C: Stream, P: Stream>(
    client: &mut Side<C>,
    provider: &mut Side<P>,
    connection: &Arc<Connection>,
    mut route: Route,
) -> Finish {
    loop {
        let idle = tokio::select! {
            biased;
            idle = poll_fn(|cx| poll_idle(client, provider, cx)) => idle,
            () = connection.accounting.stop.cancelled() => Idle::Ended(Finish::Closed(End::Clean)),
        };
        let request = match idle {
            Idle::Request(request) => request,
            Idle::Ended(finish) => return finish,
            Idle::Unreadable(why) => {
                let mut exchange = open_unread(connection, route, why);
                let finish = carry(client, provider, &mut exchange).await;
                exchange.close(Outcome::Unreadable);
                return finish;
            }
        };
        match one(client, provider, connection, &request, route).await {
            Next::Exchange => {}
            Next::Close(finish) => return finish,
        }
        route = Route { reused: true, connect: None };
    }
}

enum Idle {
    Request(Request),
    Ended(Finish),
    Unreadable(&'static str),
}

/// Between exchanges: waits for a request head, or for either side to end.
fn poll_idle<C: Stream, P: Stream>(
    client: &mut Side<C>,
    provider: &mut Side<P>,
    cx: &mut Context<'_>,
) -> Poll<Idle> {
    loop {
        match Request::parse(client.held()) {
            Ok(Some(request)) => return Poll::Ready(Idle::Request(request)),
            Ok(None) if client.held().len() < HEAD_BYTES_MAX => {}
            Ok(None) => return Poll::Ready(Idle::Unreadable("request head too long")),
            Err(Ambiguous(why)) => return Poll::Ready(Idle::Unreadable(why)),
        }
        let filled = client.poll_fill(cx);
        match filled {
            Poll::Ready(Ok(count)) if count > 0 => continue,
            Poll::Ready(ended) if client.is_empty() => {
                return Poll::Ready(Idle::Ended(match ended {
                    Ok(_) | Err(End::Clean | End::Cut) => Finish::Reusable,
                    Err(End::Reset) => Finish::Closed(End::Reset),
                }));
            }
            Poll::Ready(_) => return Poll::Ready(Idle::Unreadable("request head is cut")),
            Poll::Pending => {}
        }
        match ready!(provider.poll_fill(cx)) {
            Ok(0) => return Poll::Ready(Idle::Ended(Finish::Closed(End::Clean))),
            Ok(_) => return Poll::Ready(Idle::Unreadable("the provider spoke unasked")),
            Err(end) => return Poll::Ready(Idle::Ended(Finish::Closed(end))),
        }
    }
}

enum Next {
    Exchange,
    Close(Finish),
}

async fn one<C: Stream, P: Stream>(
    client: &mut Side<C>,
    provider: &mut Side<P>,
    connection: &Arc<Connection>,
    request: &Request,
    route: Route,
) -> Next {
    let framing = match &request.framing {
        Ok(framing) => framing.clone(),
        Err(Ambiguous(why)) => {
            let mut exchange = Exchange::open(connection, &request.head(), route);
            exchange.note(why);
            let finish = carry(client, provider, &mut exchange).await;
            exchange.close(Outcome::Unreadable);
            return Next::Close(finish);
        }
    };
    let mut exchange = Exchange::open(connection, &request.head(), route);
    client.release(request.head_bytes);
    exchange.sent();
    let mut relay = Relay {
        method: &request.method,
        request: framing,
        request_state: RequestState::Sending,
        response: None,
        keep: request.keep_alive,
        patience: None,
    };
    let ended = poll_fn(|cx| relay.poll(client, provider, &mut exchange, cx)).await;
    match ended {
        Ended::Whole => {
            exchange.close(Outcome::Complete);
            if relay.keep { Next::Exchange } else { Next::Close(Finish::Closed(End::Clean)) }
        }
        Ended::Client(end) => {
            exchange.close(Outcome::ClientGone);
            Next::Close(Finish::Closed(end))
        }
        Ended::Provider(end, why) => {
            exchange.attempt_failed(why);
            exchange.close(Outcome::ProviderCut);
            Next::Close(Finish::Closed(end))
        }
        Ended::Upgraded => {
            let finish = carry(client, provider, &mut exchange).await;
            exchange.close(Outcome::Upgraded);
            Next::Close(finish)
        }
        Ended::Unreadable(why) => {
            exchange.note(why);
            let finish = carry(client, provider, &mut exchange).await;
            exchange.close(Outcome::Unreadable);
            Next::Close(finish)
        }
    }
}

fn open_unread(connection: &Arc<Connection>, route: Route, why: &'static str) -> Exchange {
    let mut exchange = Exchange::open(connection, &head::unread(), route);
    exchange.note(why);
    exchange
}

enum Ended {
    Whole,
    Client(End),
    Provider(End, &'static str),
    Upgraded,
    Unreadable(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestState {
    Sending,
    Sent,
    /// The client closed its side; the provider is being told so.
    HalfClosing,
    HalfClosed,
    /// The provider no longer reads.
    Refused,
}

/// Both directions of one exchange.
struct Relay<'a> {
    method: &'a str,
    request: Framing,
    request_state: RequestState,
    /// `None` until the final answer's head was read.
    response: Option<Framing>,
    keep: bool,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Relay<'_> {
    fn poll<C: Stream, P: Stream>(
        &mut self,
        client: &mut Side<C>,
        provider: &mut Side<P>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if let Poll::Ready(ended) = self.poll_request(client, provider, exchange, cx) {
            return Poll::Ready(ended);
        }
        match self.poll_response(client, provider, exchange, cx) {
            Poll::Ready(Ended::Whole) if self.request_state == RequestState::Sending => {
                // An early answer: the rest of the request still has to travel or to fail.
                self.keep = false;
                Poll::Pending
            }
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => self.poll_patience(cx),
        }
    }

    fn poll_request<C: Stream, P: Stream>(
        &mut self,
        client: &mut Side<C>,
        provider: &mut Side<P>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if self.request_state == RequestState::Sending {
            let mut tap = |data: &[u8]| exchange.request_body(data);
            match ready!(poll_pump(client, provider, &mut self.request, cx, &mut tap)) {
                Stopped::Done => self.request_state = RequestState::Sent,
                Stopped::SourceEnded(end) => return self.client_ended(end, provider, cx),
                Stopped::SinkFailed(_) => {
                    self.request_state = RequestState::Refused;
                    self.keep = false;
                }
                Stopped::Ambiguous(Ambiguous(why)) => return Poll::Ready(Ended::Unreadable(why)),
            }
            if self.answered() {
                return Poll::Ready(Ended::Whole);
            }
        }
        if self.request_state == RequestState::Sent && client.is_empty() {
            match ready!(client.poll_fill(cx)) {
                Ok(count) if count > 0 => {}
                Ok(_) => return self.client_ended(End::Clean, provider, cx),
                Err(end) => return self.client_ended(end, provider, cx),
            }
        }
        self.poll_half_close(provider, cx)
    }

    fn client_is_done(&self) -> bool {
        matches!(self.request_state, RequestState::HalfClosing | RequestState::HalfClosed)
    }

    fn answered(&self) -> bool {
        self.response.as_ref().is_some_and(Framing::is_done)
    }

    /// The provider learns of the client's end as it would without weir.
    fn client_ended<P: Stream>(
        &mut self,
        end: End,
        provider: &mut Side<P>,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if end == End::Reset {
            return Poll::Ready(Ended::Client(end));
        }
        self.keep = false;
        self.request_state = RequestState::HalfClosing;
        self.restart_patience();
        self.poll_half_close(provider, cx)
    }

    fn poll_half_close<P: Stream>(
        &mut self,
        provider: &mut Side<P>,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if self.request_state == RequestState::HalfClosing {
            // A failure here shows again when the answer is read.
            let _ = ready!(Pin::new(&mut provider.io).poll_shutdown(cx));
            self.request_state = RequestState::HalfClosed;
        }
        Poll::Pending
    }

    fn restart_patience(&mut self) {
        if self.client_is_done() {
            let until = Instant::now() + CLOSED_CLIENT_PATIENCE;
            self.patience = Some(Box::pin(sleep_until(until)));
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        match &mut self.patience {
            Some(patience) => {
                ready!(patience.as_mut().poll(cx));
                Poll::Ready(Ended::Client(End::Reset))
            }
            None => Poll::Pending,
        }
    }

    fn poll_response<C: Stream, P: Stream>(
        &mut self,
        client: &mut Side<C>,
        provider: &mut Side<P>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if self.response.is_none()
            && let Some(ended) = ready!(self.poll_head(client, provider, exchange, cx))
        {
            return Poll::Ready(ended);
        }
        let Some(framing) = &mut self.response else { return Poll::Pending };
        let before = provider.bytes_read;
        let mut tap = |data: &[u8]| exchange.response_body(data);
        let stopped = poll_pump(provider, client, framing, cx, &mut tap);
        let until_close = *framing == Framing::UntilClose;
        if provider.bytes_read != before {
            self.restart_patience();
        }
        Poll::Ready(match ready!(stopped) {
            Stopped::Done => Ended::Whole,
            Stopped::SourceEnded(End::Clean) if until_close => {
                // Nobody is left to read the rest of a request.
                self.request_state = RequestState::Refused;
                self.keep = false;
                Ended::Whole
            }
            // The provider ended because the client had.
            Stopped::SourceEnded(end) if self.request_state == RequestState::HalfClosed => {
                Ended::Client(end)
            }
            Stopped::SourceEnded(end) => Ended::Provider(end, "answer cut"),
            Stopped::SinkFailed(end) => Ended::Client(end),
            Stopped::Ambiguous(Ambiguous(why)) => Ended::Unreadable(why),
        })
    }

    /// Reads heads until the final one; interim answers (1xx) go on at once.
    fn poll_head<C: Stream, P: Stream>(
        &mut self,
        client: &mut Side<C>,
        provider: &mut Side<P>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Ended>> {
        loop {
            // An interim head that did not go out in one piece goes first.
            let sent = ready!(poll_pump(provider, client, &mut Framing::Done, cx, &mut |_| {}));
            if let Stopped::SinkFailed(end) = sent {
                return Poll::Ready(Some(Ended::Client(end)));
            }
            match Response::parse(provider.held(), self.method) {
                Ok(Some(response)) if response.is_interim() => {
                    provider.release(response.head_bytes);
                    continue;
                }
                Ok(Some(response)) => {
                    return Poll::Ready(self.begin(&response, provider, exchange));
                }
                Ok(None) if provider.held().len() < HEAD_BYTES_MAX => {}
                Ok(None) => {
                    return Poll::Ready(Some(Ended::Unreadable("response head too long")));
                }
                Err(Ambiguous(why)) => return Poll::Ready(Some(Ended::Unreadable(why))),
            }
            match ready!(provider.poll_fill(cx)) {
                Ok(count) if count > 0 => {}
                Ok(_) => return Poll::Ready(Some(self.no_answer(End::Clean, provider))),
                Err(end) => return Poll::Ready(Some(self.no_answer(end, provider))),
            }
        }
    }

    fn no_answer<P: Stream>(&self, end: End, provider: &Side<P>) -> Ended {
        if !provider.is_empty() {
            // What there is of a head goes to the client before the end does.
            return Ended::Unreadable("response head is cut");
        }
        if self.client_is_done() {
            return Ended::Client(end);
        }
        Ended::Provider(end, "no answer")
    }

    fn begin<P: Stream>(
        &mut self,
        response: &Response,
        provider: &mut Side<P>,
        exchange: &mut Exchange,
    ) -> Option<Ended> {
        exchange.response_head(&response.head());
        let head = &provider.held()[..response.head_bytes];
        head::each_header(head, |name, value| exchange.response_header(name, value));
        let mut head_bytes = response.head_bytes;
        if let Some(line) = response.alt_svc.clone() {
            // QUIC to the provider is refused in the kernel: an offer of it would only cost the client time.
            head_bytes -= line.len();
            provider.remove(line);
        }
        self.keep &= response.keep_alive;
        match response.framing {
            Ok(_) if response.status == 101 => {
                provider.release(head_bytes);
                Some(Ended::Upgraded)
            }
            Ok(ref framing) => {
                provider.release(head_bytes);
                self.response = Some(framing.clone());
                None
            }
            Err(Ambiguous(why)) => Some(Ended::Unreadable(why)),
        }
    }
}

/// Carries what cannot be understood, counted.
async fn carry<C: Stream, P: Stream>(
    client: &mut Side<C>,
    provider: &mut Side<P>,
    exchange: &mut Exchange,
) -> Finish {
    exchange.stop_observing();
    Finish::Closed(tunnel(client, provider, |way, count| exchange.carried(way, count)).await)
}

#[cfg(test)]
mod tests;
