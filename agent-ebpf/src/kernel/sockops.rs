//! When a redirected connection is established its local port is known: the note becomes an origin that the proxy can find.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_netns_cookie, programs::SockOpsContext,
};
use weir_ebpf::{
    abi::{Address, Endpoint, OriginKey, Outcome},
    decide::is_loopback,
};

use super::{
    context::{from_words, note},
    maps::{ORIGINS, count, listener, now_ns},
};

const ACTIVE_ESTABLISHED: u32 = 4;
const STATE_CHANGE: u32 = 10;
/// Asks for `STATE_CHANGE`.
const STATE_CHANGE_FLAG: i32 = 1 << 2;
const TCP_CLOSE: u32 = 7;
const AF_INET: u32 = 2;

#[inline(always)]
pub(crate) fn observe(ctx: &SockOpsContext) {
    match ctx.op() {
        ACTIVE_ESTABLISHED => established(ctx),
        STATE_CHANGE if ctx.arg(1) == TCP_CLOSE => closed(ctx),
        _ => {}
    }
}

#[inline(always)]
fn established(ctx: &SockOpsContext) {
    if !is_loopback(remote(ctx)) {
        return;
    }
    let port = u32::from_be(ctx.remote_port());
    // SAFETY: a readable field; the verifier knows it as a socket pointer or null.
    let socket = unsafe { (*ctx.ops).__bindgen_anon_2.sk };
    let note = note(socket, None);
    if note.is_null() {
        return forget_namesake(ctx, port);
    }
    // SAFETY: not null, and the map's value type.
    let origin = unsafe { &*note };
    if origin.listener != port {
        return;
    }
    let key = OriginKey { netns: origin.netns, peer: local(ctx) };
    if ORIGINS.insert(&key, origin, 0).is_err() {
        return count(Outcome::MapFull);
    }
    let _ = ctx.set_cb_flags(STATE_CHANGE_FLAG);
    count(Outcome::Established);
}

/// A connection made to our listener on purpose must not inherit the origin of an earlier one from the same port.
#[inline(always)]
fn forget_namesake(ctx: &SockOpsContext, port: u32) {
    let netns = netns(ctx);
    if listener(netns).is_some_and(|listener| u32::from(listener.port) == port) {
        let _ = ORIGINS.remove(&OriginKey { netns, peer: local(ctx) });
    }
}

/// The proxy may not have accepted it yet, so a closed connection is marked and not forgotten.
#[inline(always)]
fn closed(ctx: &SockOpsContext) {
    let key = OriginKey { netns: netns(ctx), peer: local(ctx) };
    if let Some(origin) = ORIGINS.get_ptr_mut(&key) {
        // SAFETY: an aligned word of a map value, written at once.
        unsafe { (*origin).closed_ns = now_ns() };
    }
}

#[inline(always)]
fn netns(ctx: &SockOpsContext) -> u64 {
    // SAFETY: the context is valid.
    unsafe { bpf_get_netns_cookie(ctx.as_ptr()) }
}

#[inline(always)]
fn remote(ctx: &SockOpsContext) -> Address {
    if ctx.family() == AF_INET {
        return Address::v4(ctx.remote_ip4().to_ne_bytes());
    }
    // SAFETY: readable fields, a word at a time.
    let words = unsafe {
        let words = &raw const (*ctx.ops).remote_ip6;
        [
            (&raw const (*words)[0]).read_volatile(),
            (&raw const (*words)[1]).read_volatile(),
            (&raw const (*words)[2]).read_volatile(),
            (&raw const (*words)[3]).read_volatile(),
        ]
    };
    Address::v6(from_words(words))
}

#[inline(always)]
fn local(ctx: &SockOpsContext) -> Endpoint {
    let port = ctx.local_port() as u16;
    if ctx.family() == AF_INET {
        return Endpoint::new(Address::v4(ctx.local_ip4().to_ne_bytes()), port);
    }
    // SAFETY: readable fields, a word at a time.
    let words = unsafe {
        let words = &raw const (*ctx.ops).local_ip6;
        [
            (&raw const (*words)[0]).read_volatile(),
            (&raw const (*words)[1]).read_volatile(),
            (&raw const (*words)[2]).read_volatile(),
            (&raw const (*words)[3]).read_volatile(),
        ]
    };
    Endpoint::new(Address::v6(from_words(words)), port)
}
