//! What a provider does with a request, as a value. Knows bytes and order; knows no socket.

use std::time::Duration;

use bytes::Bytes;

use crate::received::{Head, Received};

/// How a provider of the rig behaves. A closure from request to answer is one.
pub trait Behaviour: Send + Sync + 'static {
    /// Called when the head has arrived and the body has not.
    fn begin(&self, _head: &Head) -> Begin {
        Begin::ReadBody { interim: Vec::new(), allow_continue: true }
    }

    /// Called when the whole request has arrived.
    fn answer(&self, request: &Received) -> Answer;
}

impl<F: Fn(&Received) -> Answer + Send + Sync + 'static> Behaviour for F {
    fn answer(&self, request: &Received) -> Answer {
        self(request)
    }
}

/// What to do at the head of a request.
pub enum Begin {
    /// Send these informational answers, `100 Continue` if asked for and allowed, then read on.
    ReadBody { interim: Vec<Interim>, allow_continue: bool },
    /// Answer at once and never read the body.
    AnswerNow(Answer),
    /// Neither answer nor read: the client is held back until it leaves.
    NeverRead,
}

/// An informational answer (1xx) before the real one.
#[derive(Clone, Debug)]
pub struct Interim {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `None`: the steps are everything that is written, head included (HTTP/1.1 only).
    pub head: Option<AnswerHead>,
    pub steps: Vec<Step>,
    pub trailers: Vec<(String, String)>,
    /// After the head, the connection belongs to an echo instead of HTTP.
    pub upgrade: Option<Upgrade>,
}

#[derive(Clone, Debug)]
pub struct AnswerHead {
    pub status: u16,
    /// Sent as written, case included (HTTP/2 lowers it). Framing headers are added.
    pub headers: Vec<(String, String)>,
    pub framing: Framing,
    pub interim: Vec<Interim>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length` of what the steps send.
    Length,
    /// `Content-Length` of another number: a lie that a cut makes visible.
    Declared(u64),
    /// One chunk a step.
    Chunked,
    /// Until the connection closes (HTTP/1.1).
    UntilClose,
}

#[derive(Clone, Debug)]
pub enum Step {
    Send(Bytes),
    Pause(Duration),
    /// Repeats the bytes until the client goes away or the rig's bound is reached.
    SendEndlessly(Bytes),
    /// Says nothing more and keeps the connection open.
    Hang,
    End(Ending),
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// TLS `close_notify`, then FIN.
    Close,
    /// FIN without `close_notify`.
    Fin,
    /// RST.
    Reset,
    /// HTTP/2: this stream only. On HTTP/1.1 as `Fin`.
    ResetStream,
    /// HTTP/2: GOAWAY, and the streams that are open may end. On HTTP/1.1 as `Close`.
    GoAway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Answers every WebSocket message with itself.
    WebSocket,
    /// Sends every byte back.
    Bytes,
}

impl Answer {
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            head: Some(AnswerHead {
                status,
                headers: vec![("Content-Type".into(), content_type.into())],
                framing: Framing::Length,
                interim: Vec::new(),
            }),
            steps: vec![Step::Send(body.into())],
            trailers: Vec::new(),
            upgrade: None,
        }
    }

    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::new(200, "application/json", body)
    }

    /// Server-sent events, one event a chunk.
    #[must_use]
    pub fn events<T: Into<Bytes>>(events: impl IntoIterator<Item = T>) -> Self {
        let mut answer = Self::new(200, "text/event-stream; charset=utf-8", "");
        answer.steps = events.into_iter().map(|event| Step::Send(event.into())).collect();
        answer.framed(Framing::Chunked)
    }

    /// No body and no framing header: 204, 304.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        let mut answer = Self::new(status, "", "");
        if let Some(head) = &mut answer.head {
            head.headers.clear();
        }
        answer.steps.clear();
        answer
    }

    /// Bytes and pauses with no HTTP of the rig's around them.
    #[must_use]
    pub fn raw(steps: Vec<Step>) -> Self {
        Self { head: None, steps, trailers: Vec::new(), upgrade: None }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(head) = &mut self.head {
            head.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    #[must_use]
    pub fn framed(mut self, framing: Framing) -> Self {
        if let Some(head) = &mut self.head {
            head.framing = framing;
        }
        self
    }

    #[must_use]
    pub fn interim(mut self, status: u16, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        if let Some(head) = &mut self.head {
            head.interim.push(Interim { status, headers });
        }
        self
    }

    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.framed(Framing::Chunked)
    }

    /// Sends the body in pieces of `size` bytes, each as its own chunk.
    #[must_use]
    pub fn chunks_of(mut self, size: usize) -> Self {
        let body = self.body();
        self.steps = pieces(&body, size).map(Step::Send).collect();
        self.framed(Framing::Chunked)
    }

    /// Waits between any two pieces.
    #[must_use]
    pub fn paced(mut self, pause: Duration) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len() * 2);
        for step in self.steps {
            if !steps.is_empty() {
                steps.push(Step::Pause(pause));
            }
            steps.push(step);
        }
        self.steps = steps;
        self
    }

    /// Sends the first `bytes` of the body and then ends the connection.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize, ending: Ending) -> Self {
        let mut left = bytes;
        let mut steps = Vec::new();
        for step in self.steps {
            if let Step::Send(data) = step {
                let part = data.slice(..data.len().min(left));
                left -= part.len();
                steps.push(Step::Send(part));
            } else {
                steps.push(step);
            }
            if left == 0 {
                break;
            }
        }
        steps.push(Step::End(ending));
        self.steps = steps;
        self
    }

    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    #[must_use]
    pub fn upgraded(mut self, upgrade: Upgrade) -> Self {
        self.upgrade = Some(upgrade);
        self
    }

    /// Everything that the steps send, in one piece.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut body = Vec::new();
        for step in &self.steps {
            if let Step::Send(data) = step {
                body.extend_from_slice(data);
            }
        }
        body.into()
    }
}

fn pieces(body: &Bytes, size: usize) -> impl Iterator<Item = Bytes> + '_ {
    let size = size.max(1);
    (0..body.len()).step_by(size).map(move |at| body.slice(at..(at + size).min(body.len())))
}
