//! One side of a connection pair and the pump that carries bytes from one to the other. Knows sockets,
//! buffers and framing; knows no HTTP header and no provider.
//!
//! An idle side owns no buffer: they are lent per thread while bytes are in flight, so that thousands of
//! open streams cost what their TLS sessions cost.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Ambiguous, Framing};

/// One TLS record's plaintext: reading more at once would gain no system call.
const BUFFER_BYTES: usize = 16 * 1024;
/// Buffers kept per thread for the next reader.
const BUFFERS_KEPT: usize = 64;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn take_buffer() -> Vec<u8> {
    BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
}

fn give_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() != BUFFER_BYTES {
        return;
    }
    buffer.clear();
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < BUFFERS_KEPT {
            buffers.push(buffer);
        }
    });
}

/// How a peer's bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Closed as the protocol says (close_notify, or FIN on a plain socket).
    Clean,
    /// FIN without close_notify.
    Cut,
    /// RST, or bytes that are not valid TLS.
    Reset,
}

impl End {
    pub(crate) fn of(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Reset }
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) struct Side<S> {
    pub(crate) io: S,
    buffer: Vec<u8>,
    start: usize,
    /// Of the buffered bytes, how many may go to the other side.
    released: usize,
    unflushed: bool,
    pub(crate) bytes_read: u64,
}

impl<S: Stream> Side<S> {
    pub(crate) fn new(io: S) -> Self {
        Self::with_bytes(io, Vec::new())
    }

    /// `bytes` were read from `io` before.
    pub(crate) fn with_bytes(io: S, bytes: Vec<u8>) -> Self {
        let bytes_read = bytes.len() as u64;
        Self { io, buffer: bytes, start: 0, released: 0, unflushed: false, bytes_read }
    }

    /// Bytes read and neither sent nor released to be sent.
    pub(crate) fn held(&self) -> &[u8] {
        &self.buffer[self.start + self.released..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Lets the next `count` held bytes go to the other side.
    pub(crate) fn release(&mut self, count: usize) {
        self.released += count;
    }

    /// Takes bytes out of what is held; `range` counts from the first held byte.
    pub(crate) fn remove(&mut self, range: std::ops::Range<usize>) {
        let base = self.start + self.released;
        self.buffer.drain(base + range.start..base + range.end);
    }

    /// Reads more behind what is held. `Ok(0)` is the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, End>> {
        if self.buffer.capacity() == 0 {
            self.buffer = take_buffer();
        } else if self.buffer.len() == self.buffer.capacity() {
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            } else {
                self.buffer.reserve(BUFFER_BYTES);
            }
        }
        let outcome = self.poll_read(cx);
        self.recycle();
        outcome
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, End>> {
        let mut spare = ReadBuf::uninit(self.buffer.spare_capacity_mut());
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut spare)) {
            Ok(()) => {
                let count = spare.filled().len();
                let length = self.buffer.len() + count;
                // SAFETY: `poll_read` initialised the first `count` bytes of the spare capacity.
                unsafe { self.buffer.set_len(length) };
                self.bytes_read += count as u64;
                Poll::Ready(Ok(count))
            }
            Err(error) => Poll::Ready(Err(End::of(&error))),
        }
    }

    fn recycle(&mut self) {
        if self.is_empty() && self.buffer.capacity() > 0 {
            self.start = 0;
            give_buffer(std::mem::take(&mut self.buffer));
        }
    }

    /// Writes what is released to `to`.
    fn poll_send<T: Stream>(
        &mut self,
        to: &mut Side<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        while self.released > 0 {
            let bytes = &self.buffer[self.start..self.start + self.released];
            let outcome = ready!(Pin::new(&mut to.io).poll_write(cx, bytes));
            let sent = outcome.map_err(|error| End::of(&error))?;
            if sent == 0 {
                return Poll::Ready(Err(End::Reset));
            }
            to.unflushed = true;
            self.start += sent;
            self.released -= sent;
        }
        self.recycle();
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx)).map_err(|error| End::of(&error))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

/// Why a pump stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The message was carried whole, and flushed.
    Done,
    SourceEnded(End),
    SinkFailed(End),
    Ambiguous(Ambiguous),
}

/// Carries one message, as `framing` frames it, from `from` to `to`; every run of body data passes `tap`.
pub(crate) fn poll_pump<A: Stream, B: Stream>(
    from: &mut Side<A>,
    to: &mut Side<B>,
    framing: &mut Framing,
    cx: &mut Context<'_>,
    tap: &mut impl FnMut(&[u8]),
) -> Poll<Stopped> {
    loop {
        if !framing.is_done() && !from.held().is_empty() {
            match framing.advance(from.held(), tap) {
                Ok(count) => from.release(count),
                Err(why) => return Poll::Ready(Stopped::Ambiguous(why)),
            }
        }
        if let Err(end) = ready!(from.poll_send(to, cx)) {
            return Poll::Ready(Stopped::SinkFailed(end));
        }
        if !framing.is_done() {
            match from.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Stopped::SourceEnded(End::Clean)),
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(end)) => return Poll::Ready(Stopped::SourceEnded(end)),
                Poll::Pending => {}
            }
        }
        if let Err(end) = ready!(to.poll_flush(cx)) {
            return Poll::Ready(Stopped::SinkFailed(end));
        }
        return if framing.is_done() { Poll::Ready(Stopped::Done) } else { Poll::Pending };
    }
}
