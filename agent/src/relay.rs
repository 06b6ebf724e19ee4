//! Bytes between two sockets: buffers, message framing, ends passed on. Knows no header, no provider
//! and no policy.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub(crate) mod framing;
pub(crate) mod side;

use framing::Framing;
use side::{End, Side, Stopped, Stream, poll_pump};

/// Carries bytes both ways until both directions ended, each end passed on to the other side. `tap` sees
/// how many bytes went to the right (`Way::Out`) and back.
pub(crate) async fn tunnel<L: Stream, R: Stream>(
    left: &mut Side<L>,
    right: &mut Side<R>,
    mut tap: impl FnMut(Way, usize),
) -> End {
    let mut out = Direction::new(Way::Out);
    let mut back = Direction::new(Way::Back);
    poll_fn(|cx| {
        out.poll(left, right, cx, &mut tap);
        back.poll(right, left, cx, &mut tap);
        match (out.ended, back.ended) {
            (Some(End::Reset), _) | (_, Some(End::Reset)) => Poll::Ready(End::Reset),
            (_, Some(End::Cut)) => Poll::Ready(End::Cut),
            (Some(_), Some(end)) => Poll::Ready(end),
            _ => Poll::Pending,
        }
    })
    .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    Back,
}

struct Direction {
    way: Way,
    framing: Framing,
    ending: Option<End>,
    ended: Option<End>,
}

impl Direction {
    fn new(way: Way) -> Self {
        Self { way, framing: Framing::UntilClose, ending: None, ended: None }
    }

    fn poll<A: Stream, B: Stream>(
        &mut self,
        from: &mut Side<A>,
        to: &mut Side<B>,
        cx: &mut Context<'_>,
        tap: &mut impl FnMut(Way, usize),
    ) {
        if self.ended.is_none()
            && let Poll::Ready(end) = self.poll_end(from, to, cx, tap)
        {
            self.ended = Some(end);
        }
    }

    fn poll_end<A: Stream, B: Stream>(
        &mut self,
        from: &mut Side<A>,
        to: &mut Side<B>,
        cx: &mut Context<'_>,
        tap: &mut impl FnMut(Way, usize),
    ) -> Poll<End> {
        if self.ending.is_none() {
            let way = self.way;
            let mut count = |data: &[u8]| tap(way, data.len());
            let end = match ready!(poll_pump(from, to, &mut self.framing, cx, &mut count)) {
                Stopped::SourceEnded(end) => end,
                Stopped::SinkFailed(_) | Stopped::Done | Stopped::Ambiguous(_) => End::Reset,
            };
            self.ending = Some(end);
        }
        let end = self.ending.unwrap_or(End::Reset);
        if end == End::Clean || (end == End::Cut && self.way == Way::Out) {
            // If the sink is gone already, its own direction tells.
            let _ = ready!(Pin::new(&mut to.io).poll_shutdown(cx));
        }
        Poll::Ready(end)
    }
}
