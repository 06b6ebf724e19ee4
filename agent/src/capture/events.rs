//! What the kernel half reports: network namespaces it has not seen, and DNS answers it could not read.

use std::sync::Arc;

use anyhow::Context as _;
use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use tokio::io::unix::AsyncFd;
use weir_ebpf::abi::{EventHeader, EventKind, map};

use super::{
    NetnsCookie,
    answers::{Names, Streams, addresses},
    maps::Maps,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process in a network namespace without a listener is about to connect.
    NewNetns { cookie: NetnsCookie, pid: u32 },
    /// An answer that the kernel did not read was read here, and gave this many addresses.
    LateDns { addresses: usize },
}

/// The ring buffer, before a runtime reads it.
pub(super) struct Ring(RingBuf<MapData>);

impl Ring {
    pub(super) fn take(object: &mut Ebpf) -> anyhow::Result<Self> {
        let map =
            object.take_map(map::EVENTS).context("the kernel object lacks the map of events")?;
        Ok(Self(RingBuf::try_from(map)?))
    }
}

/// A stream of events.
pub struct Events {
    ring: AsyncFd<RingBuf<MapData>>,
    maps: Arc<Maps>,
    names: Names,
    streams: Streams,
}

impl Events {
    pub(super) fn new(ring: Ring, maps: Arc<Maps>, names: Names) -> anyhow::Result<Self> {
        // SAFETY: the ring buffer owns its descriptor and never exchanges it for another.
        let ring = unsafe { AsyncFd::register(ring.0) }
            .context("cannot watch for events of the kernel half")?;
        Ok(Self { ring, maps, names, streams: Streams::default() })
    }

    /// The next event. Cancel safe: an event is only taken when it is returned.
    pub async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            if let Some(event) = self.take() {
                return Ok(event);
            }
            let mut ready = self.ring.readable().await?;
            ready.clear_ready();
        }
    }

    fn take(&mut self) -> Option<Event> {
        let Self { ring, maps, names, streams } = self;
        while let Some(item) = ring.get_mut().next() {
            if let Some(event) = read(&item, maps, names, streams) {
                return Some(event);
            }
        }
        None
    }
}

fn read(bytes: &[u8], maps: &Maps, names: &Names, streams: &mut Streams) -> Option<Event> {
    let header = header(bytes)?;
    let payload = bytes.get(size_of::<EventHeader>()..)?.get(..header.bytes as usize)?;
    let messages = match EventKind::from_u32(header.kind)? {
        EventKind::NewNetns => {
            return Some(Event::NewNetns { cookie: NetnsCookie(header.subject), pid: header.tgid });
        }
        EventKind::UnreadUdp => vec![payload.to_vec()],
        EventKind::UnreadTcp if header.bytes < header.full_bytes => {
            streams.forget(header.subject);
            return None;
        }
        EventKind::UnreadTcp => streams.push(header.subject, payload),
        EventKind::Bypass => return None,
    };
    let found: Vec<_> = messages.iter().flat_map(|message| addresses(message, names)).collect();
    let learned = found.iter().filter(|address| maps.learn(**address).is_ok()).count();
    (learned > 0).then_some(Event::LateDns { addresses: learned })
}

fn header(bytes: &[u8]) -> Option<EventHeader> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let subject = u64::from_ne_bytes(bytes.get(8..16)?.try_into().ok()?);
    Some(EventHeader {
        kind: word(0)?,
        bytes: word(4)?,
        subject,
        tgid: word(16)?,
        full_bytes: word(20)?,
    })
}
