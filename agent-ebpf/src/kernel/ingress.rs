//! Packets on their way to a socket: what DNS answers hold is learned before the application reads them, and the answer of
//! our listener tells where a redirected connection comes from. Everything else passes after a glance at its headers.

use aya_ebpf::{
    EbpfContext as _,
    bindings::__sk_buff,
    helpers::generated::{
        bpf_get_socket_cookie, bpf_map_lookup_elem, bpf_ringbuf_output, bpf_skb_load_bytes,
    },
    macros::map,
    maps::PerCpuArray,
    programs::SkBuffContext,
};
use weir_ebpf::{
    abi::{Address, Endpoint, EventHeader, EventKind, MESSAGE_BYTES_MAX, Outcome},
    dns::{Buffer, Message, Question, Sink, answers, question},
    names::Spelling,
    repeat::opaque,
};

use super::{
    established::established,
    maps::{EVENTS, NAMES, add, count, learn},
};

const DNS_PORT: u16 = 53;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// The flags of the answer to a connect().
const SYN_ACK: u8 = 0x12;
const UDP_HEADER_BYTES: u32 = 8;
/// Without options. Both families have this much.
const IPV4_HEADER_BYTES: usize = 20;
const IPV6_HEADER_BYTES: u32 = 40;

/// More extension headers than any answer has.
const EXTENSIONS_MAX: u32 = 4;

/// Too large for the stack. One per CPU is enough: this hook runs with softirqs off.
#[repr(C)]
struct Scratch {
    header: EventHeader,
    message: Buffer,
    name: Spelling,
}

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// Where the message is in the packet.
#[derive(Clone, Copy)]
struct Payload {
    kind: EventKind,
    at: u32,
    bytes: u32,
}

/// Learns what can be read, and sends the rest to user space.
#[inline(always)]
pub(crate) fn inspect(ctx: &SkBuffContext) {
    let Some(payload) = find(ctx) else { return };
    let Some(scratch) = scratch() else { return };
    let Some(message) = whole_message(ctx, payload) else {
        return relay(ctx, payload, scratch);
    };
    let Some(bytes) = load(ctx, message, scratch) else { return };
    if !read(bytes, scratch) {
        relay_loaded(ctx, message, bytes, scratch);
    }
}

/// Sends every answer to user space: for kernels without `bpf_loop`.
#[inline(always)]
pub(crate) fn relay_all(ctx: &SkBuffContext) {
    let Some(payload) = find(ctx) else { return };
    let Some(scratch) = scratch() else { return };
    relay(ctx, payload, scratch);
}

/// Returns whether nothing is left to do.
#[inline(always)]
fn read(bytes: u32, scratch: &mut Scratch) -> bool {
    let message = Message::new(&scratch.message, bytes);
    match question(message, &mut scratch.name) {
        Question::Empty => true,
        Question::Odd => false,
        Question::Answered { records, count: records_count } => {
            if !is_listed(&mut scratch.name) {
                return true;
            }
            let reading = answers(message, records, records_count, Addresses);
            count(Outcome::DnsLearned);
            add(Outcome::DnsAddresses, u64::from(reading.addresses));
            reading.complete
        }
    }
}

struct Addresses;

impl Sink for Addresses {
    #[inline(always)]
    fn address(&mut self, address: Address) {
        learn(address);
    }
}

#[inline(always)]
fn is_listed(name: &mut Spelling) -> bool {
    let Some(key) = name.key() else { return false };
    // SAFETY: the map's key is this long, and lives through the call.
    let found =
        unsafe { bpf_map_lookup_elem((&raw const NAMES).cast_mut().cast(), key.as_ptr().cast()) };
    !found.is_null()
}

/// The message of a datagram, or of a segment that holds exactly one.
#[inline(always)]
fn whole_message(ctx: &SkBuffContext, payload: Payload) -> Option<Payload> {
    match payload.kind {
        EventKind::UnreadUdp => Some(payload),
        EventKind::UnreadTcp => {
            let [high, low] = load_array::<2>(ctx, payload.at)?;
            let bytes = payload.bytes.checked_sub(2)?;
            let announced = u32::from(u16::from_be_bytes([high, low]));
            // Longer than the buffer: let user space put it together.
            let fits = announced == bytes && bytes as usize <= MESSAGE_BYTES_MAX;
            fits.then_some(Payload { kind: payload.kind, at: payload.at + 2, bytes })
        }
        EventKind::NewNetns | EventKind::Bypass => None,
    }
}

#[inline(always)]
fn relay(ctx: &SkBuffContext, payload: Payload, scratch: &mut Scratch) {
    if let Some(bytes) = load(ctx, payload, scratch) {
        relay_loaded(ctx, payload, bytes, scratch);
    }
}

#[inline(always)]
fn relay_loaded(ctx: &SkBuffContext, payload: Payload, bytes: u32, scratch: &mut Scratch) {
    count(Outcome::DnsUnread);
    // SAFETY: the context is valid.
    let subject = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    scratch.header = EventHeader {
        kind: payload.kind as u32,
        bytes,
        subject,
        tgid: 0,
        full_bytes: payload.bytes,
    };
    let size = size_of::<EventHeader>() as u64 + u64::from(bounded(bytes));
    // SAFETY: the header and the message lie in this order at the start of `Scratch`.
    let status = unsafe {
        bpf_ringbuf_output(
            (&raw const EVENTS).cast_mut().cast(),
            core::ptr::from_mut(scratch).cast(),
            size,
            0,
        )
    };
    if status != 0 {
        count(Outcome::EventLost);
    }
}

/// Copies the message to the scratch memory and returns how much of it.
#[inline(always)]
fn load(ctx: &SkBuffContext, payload: Payload, scratch: &mut Scratch) -> Option<u32> {
    if payload.bytes == 0 {
        return None;
    }
    let bytes = bounded(payload.bytes.min(MESSAGE_BYTES_MAX as u32));
    let to = scratch.message.as_mut_ptr();
    // SAFETY: `bytes` is at most the length of the buffer.
    let status = unsafe { bpf_skb_load_bytes(ctx.as_ptr(), payload.at, to.cast(), bytes) };
    (status == 0).then_some(bytes)
}

/// From 1 to `MESSAGE_BYTES_MAX`, shaped so that the verifier sees it.
#[inline(always)]
fn bounded(bytes: u32) -> u32 {
    let index = opaque(bytes.wrapping_sub(1));
    (index & (MESSAGE_BYTES_MAX as u32 - 1)) + 1
}

#[inline(always)]
fn scratch() -> Option<&'static mut Scratch> {
    // SAFETY: this CPU's own slot, and nothing else runs on it until the program returns.
    SCRATCH.get_ptr_mut(0).map(|scratch| unsafe { &mut *scratch })
}

/// Finds what came from port 53, and on the way what came from our listener.
#[inline(always)]
fn find(ctx: &SkBuffContext) -> Option<Payload> {
    let header = direct::<IPV4_HEADER_BYTES>(ctx, 0)?;
    let is_v4 = header[0] >> 4 == 4;
    let (protocol, at) = match header[0] >> 4 {
        4 => (header[9], u32::from(header[0] & 0xf) * 4),
        6 => ipv6_transport(ctx, header[6])?,
        _ => return None,
    };
    if protocol != UDP && protocol != TCP {
        return None;
    }
    let port = u16::from_be_bytes(direct::<2>(ctx, at)?);
    if protocol == TCP
        && is_from_loopback(ctx, is_v4)
        && load_array::<1>(ctx, at + 13)?[0] & SYN_ACK == SYN_ACK
    {
        let local = u16::from_be_bytes(load_array(ctx, at + 2)?);
        established(ctx, Endpoint::new(destination(ctx, is_v4)?, local), port);
        return None;
    }
    if port != DNS_PORT {
        return None;
    }
    let (kind, header_bytes) = if protocol == UDP {
        (EventKind::UnreadUdp, UDP_HEADER_BYTES)
    } else {
        let [offset] = load_array::<1>(ctx, at + 12)?;
        (EventKind::UnreadTcp, u32::from(offset >> 4) * 4)
    };
    let at = at + header_bytes;
    let bytes = ctx.len().checked_sub(at)?;
    Some(Payload { kind, at, bytes })
}

/// Where our listeners are: 127.0.0.1 or `::1`.
#[inline(always)]
fn is_from_loopback(ctx: &SkBuffContext, is_v4: bool) -> bool {
    if is_v4 {
        direct::<IPV4_HEADER_BYTES>(ctx, 0).is_some_and(|header| {
            [header[12], header[13], header[14], header[15]] == [127, 0, 0, 1]
        })
    } else {
        direct::<{ IPV6_HEADER_BYTES as usize }>(ctx, 0).is_some_and(|header| {
            let mut zeroes = 0;
            let mut index = 8;
            while index < 23 {
                zeroes |= header[index];
                index += 1;
            }
            zeroes == 0 && header[23] == 1
        })
    }
}

#[inline(always)]
fn destination(ctx: &SkBuffContext, is_v4: bool) -> Option<Address> {
    Some(if is_v4 { Address::v4(load_array(ctx, 16)?) } else { Address::v6(load_array(ctx, 24)?) })
}

#[inline(always)]
fn ipv6_transport(ctx: &SkBuffContext, next: u8) -> Option<(u8, u32)> {
    let mut next = next;
    let mut at = IPV6_HEADER_BYTES;
    for _ in 0..EXTENSIONS_MAX {
        // Hop-by-hop, routing, destination options: next header, then length in units of eight bytes.
        if !matches!(next, 0 | 43 | 60) {
            break;
        }
        let [following, length] = load_array::<2>(ctx, at)?;
        next = following;
        at += 8 + u32::from(length) * 8;
    }
    Some((next, at))
}

/// Bytes in the linear part of the packet, where the headers are.
#[inline(always)]
fn direct<const N: usize>(ctx: &SkBuffContext, at: u32) -> Option<[u8; N]> {
    let skb: *const __sk_buff = ctx.skb.skb;
    // SAFETY: readable fields of a valid context.
    let (start, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
    let from = start + at as usize;
    if from + N > end {
        return None;
    }
    // SAFETY: inside the packet, as just checked; the alignment of a byte array is 1.
    Some(unsafe { *(from as *const [u8; N]) })
}

#[inline(always)]
fn load_array<const N: usize>(ctx: &SkBuffContext, at: u32) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the array is as long as said.
    let status =
        unsafe { bpf_skb_load_bytes(ctx.as_ptr(), at, bytes.as_mut_ptr().cast(), N as u32) };
    (status == 0).then_some(bytes)
}
