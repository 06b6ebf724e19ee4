//! One HTTP/2 stream: a request and its answer, both directions at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{ALT_SVC, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request, Response};

use crate::connection::Connection;
use crate::exchange::{Exchange, RequestHead, ResponseHead, Route};
use crate::record::{Http, Outcome};
use crate::relay::side::End;

/// Carries one stream.
pub(super) async fn carry(
    connection: &Arc<Connection>,
    provider: SendRequest<Bytes>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    route: Route,
) -> super::Ended {
    let (mut parts, body) = request.into_parts();
    name_authority(&mut parts);
    let mut exchange = open(connection, &parts, route);
    let whole = body.is_end_stream();
    let sent = match provider.ready().await {
        Ok(mut provider) => provider.send_request(Request::from_parts(parts, ()), whole),
        Err(problem) => Err(problem),
    };
    let (response, send) = match sent {
        Ok(sent) => sent,
        Err(problem) => return refuse(&problem, &mut respond, exchange),
    };
    exchange.sent();
    let mut stream = Stream {
        request: Body { from: body, to: send, pending: Bytes::new(), done: whole },
        answer: Answer::Awaited(response),
        respond,
        exchange: &mut exchange,
    };
    let ended = poll_fn(|cx| stream.poll(cx)).await;
    match ended {
        Ended::Whole => {
            // After an early answer, dropping the stream tells the client that nothing more of its request is
            // wanted, behind the answer. A reset by hand would throw away what of the answer is not out yet.
            exchange.close(Outcome::Complete);
            super::Ended::Stream
        }
        Ended::Client(reason) => {
            stream.request.to.send_reset(reason);
            exchange.close(Outcome::ClientGone);
            super::Ended::Stream
        }
        Ended::Provider(problem) => {
            let ended = meaning(&problem);
            let broke = matches!(ended, super::Ended::ConnectionBroke(_));
            if !broke {
                tokio::time::sleep(super::LAST_FRAMES).await;
                stream.reset_client(reason(&problem));
            }
            exchange.attempt_failed(if broke { "connection lost" } else { "stream reset" });
            exchange.close(Outcome::ProviderCut);
            ended
        }
    }
}

fn open(connection: &Arc<Connection>, parts: &http::request::Parts, route: Route) -> Exchange {
    let head = RequestHead {
        http: Http::H2,
        method: parts.method.as_str(),
        path_and_query: parts.uri.path_and_query().map_or("", |path| path.as_str()),
        content_encoding: text(&parts.headers, CONTENT_ENCODING),
    };
    Exchange::open(connection, &head, route)
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A request may name its host in a `host` field alone (RFC 9113, 8.3.1); on the way it is the authority.
fn name_authority(parts: &mut http::request::Parts) {
    if parts.uri.authority().is_some() {
        return;
    }
    let Some(host) = text(&parts.headers, http::header::HOST) else { return };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) =
        http::Uri::builder().scheme("https").authority(host).path_and_query(path).build()
    {
        parts.uri = uri;
    }
}

/// The request did not go out.
fn refuse(
    problem: &h2::Error,
    respond: &mut SendResponse<Bytes>,
    mut exchange: Exchange,
) -> super::Ended {
    respond.send_reset(reason(problem));
    exchange.attempt_failed("refused");
    exchange.close(Outcome::ProviderCut);
    meaning(problem)
}

/// What the client is told. Only a stream that the provider did not look at may be asked for again.
fn reason(problem: &h2::Error) -> Reason {
    if problem.is_go_away() {
        return Reason::REFUSED_STREAM;
    }
    problem.reason().unwrap_or(Reason::INTERNAL_ERROR)
}

/// Is it the connection and not the stream that failed?
fn meaning(problem: &h2::Error) -> super::Ended {
    if problem.is_io() {
        let cut = problem.get_io().is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof);
        return super::Ended::ConnectionBroke(if cut { End::Cut } else { End::Reset });
    }
    if problem.is_go_away() { super::Ended::GoingAway } else { super::Ended::Stream }
}

enum Ended {
    Whole,
    Client(Reason),
    Provider(h2::Error),
}

struct Stream<'a> {
    request: Body,
    answer: Answer,
    respond: SendResponse<Bytes>,
    exchange: &'a mut Exchange,
}

enum Answer {
    Awaited(ResponseFuture),
    Body(Body),
}

impl Stream<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Poll::Ready(ended) = self.poll_request(cx) {
            return Poll::Ready(ended);
        }
        if let Answer::Awaited(_) = &self.answer {
            match self.poll_head(cx) {
                Poll::Ready(Some(ended)) => return Poll::Ready(ended),
                Poll::Ready(None) => {}
                Poll::Pending => return self.poll_client_gone(cx),
            }
        }
        let Answer::Body(body) = &mut self.answer else { return Poll::Pending };
        let exchange = &mut *self.exchange;
        match body.poll(cx, &mut |data| exchange.response_body(data)) {
            Poll::Ready(Ok(())) => Poll::Ready(Ended::Whole),
            Poll::Ready(Err(Broke::Source(problem))) => Poll::Ready(Ended::Provider(problem)),
            Poll::Ready(Err(Broke::Sink)) => Poll::Ready(Ended::Client(Reason::CANCEL)),
            Poll::Pending => self.poll_client_gone(cx),
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.request.done {
            return Poll::Pending;
        }
        let exchange = &mut *self.exchange;
        match ready!(self.request.poll(cx, &mut |data| exchange.request_body(data))) {
            Ok(()) => Poll::Pending,
            Err(Broke::Source(problem)) => {
                Poll::Ready(Ended::Client(problem.reason().unwrap_or(Reason::CANCEL)))
            }
            Err(Broke::Sink) => {
                // The provider wants no more of it; its answer says why.
                self.request.done = true;
                Poll::Pending
            }
        }
    }

    fn poll_client_gone(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let reset = match &mut self.answer {
            Answer::Awaited(_) => ready!(self.respond.poll_reset(cx)),
            Answer::Body(body) => ready!(body.to.poll_reset(cx)),
        };
        Poll::Ready(Ended::Client(reset.unwrap_or(Reason::CANCEL)))
    }

    /// Passes interim answers on, then the head of the final one.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let Answer::Awaited(answer) = &mut self.answer else { return Poll::Ready(None) };
        while let Poll::Ready(Some(interim)) = answer.poll_informational(cx) {
            match interim {
                // A client that cannot take it has left, and is seen to have left below.
                Ok(interim) => drop(self.respond.send_informational(interim)),
                Err(problem) => return Poll::Ready(Some(Ended::Provider(problem))),
            }
        }
        let (mut parts, body) = match ready!(std::pin::Pin::new(answer).poll(cx)) {
            Ok(response) => response.into_parts(),
            Err(problem) => return Poll::Ready(Some(Ended::Provider(problem))),
        };
        self.exchange.response_head(&ResponseHead {
            status: parts.status.as_u16(),
            content_type: text(&parts.headers, CONTENT_TYPE),
            content_encoding: text(&parts.headers, CONTENT_ENCODING),
        });
        for (name, value) in &parts.headers {
            self.exchange.response_header(name.as_str(), value.as_bytes());
        }
        // QUIC to the provider is refused in the kernel: an offer of it would only cost the client time.
        parts.headers.remove(ALT_SVC);
        let whole = body.is_end_stream();
        match self.respond.send_response(Response::from_parts(parts, ()), whole) {
            Ok(_) if whole => Poll::Ready(Some(Ended::Whole)),
            Ok(to) => {
                self.answer =
                    Answer::Body(Body { from: body, to, pending: Bytes::new(), done: false });
                Poll::Ready(None)
            }
            Err(_) => Poll::Ready(Some(Ended::Client(Reason::CANCEL))),
        }
    }

    fn reset_client(&mut self, reason: Reason) {
        match &mut self.answer {
            Answer::Awaited(_) => self.respond.send_reset(reason),
            Answer::Body(body) => body.to.send_reset(reason),
        }
    }
}

enum Broke {
    Source(h2::Error),
    Sink,
}

/// One direction. The source's window grows only as the sink takes bytes.
struct Body {
    from: RecvStream,
    to: SendStream<Bytes>,
    pending: Bytes,
    done: bool,
}

impl Body {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        tap: &mut impl FnMut(&[u8]),
    ) -> Poll<Result<(), Broke>> {
        loop {
            if !self.pending.is_empty() {
                ready!(self.poll_send(cx))?;
                continue;
            }
            if self.done {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.from.poll_data(cx)) {
                Some(Ok(data)) => {
                    tap(&data);
                    self.pending = data;
                    if self.pending.is_empty() && self.from.is_end_stream() {
                        return Poll::Ready(self.end());
                    }
                }
                Some(Err(problem)) => return Poll::Ready(Err(Broke::Source(problem))),
                None => {
                    let trailers = ready!(self.from.poll_trailers(cx)).map_err(Broke::Source)?;
                    return Poll::Ready(match trailers {
                        Some(trailers) => {
                            self.done = true;
                            self.to.send_trailers(trailers).map_err(|_| Broke::Sink)
                        }
                        None => self.end(),
                    });
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Broke> {
        self.done = true;
        self.to.send_data(Bytes::new(), true).map_err(|_| Broke::Sink)
    }

    /// Sends as much of what is pending as the sink's window takes.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        if self.to.capacity() == 0 {
            self.to.reserve_capacity(self.pending.len());
            match ready!(self.to.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Broke::Sink)),
            }
        }
        let count = self.to.capacity().min(self.pending.len());
        if count == 0 {
            return Poll::Ready(Ok(()));
        }
        let part = self.pending.split_to(count);
        let last = self.pending.is_empty() && self.from.is_end_stream();
        self.to.send_data(part, last).map_err(|_| Broke::Sink)?;
        self.done = last;
        let released = self.from.flow_control().release_capacity(count);
        Poll::Ready(released.map_err(Broke::Source))
    }
}
