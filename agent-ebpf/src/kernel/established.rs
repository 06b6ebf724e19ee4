//! When the listener answers a redirected connection, its local port is known: the note on the socket becomes an origin
//! that the proxy can find. The answer (SYN, ACK) passes here before the client can acknowledge it, and so before accept().

use aya_ebpf::{bindings::bpf_sock, programs::SkBuffContext};
use weir_ebpf::abi::{Endpoint, OriginKey, Outcome};

use super::{
    context::note,
    maps::{ORIGINS, count, now_ns},
};

/// `local` is the client's end, `port` the one that answers.
#[inline(always)]
pub(crate) fn established(ctx: &SkBuffContext, local: Endpoint, port: u16) {
    // SAFETY: a readable field of a valid context; the verifier knows it as a socket pointer or null.
    let socket: *mut bpf_sock = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
    let note = note(socket, None);
    if note.is_null() {
        return;
    }
    // SAFETY: not null, and the map's value type.
    let mut origin = unsafe { *note };
    if origin.listener != u32::from(port) {
        return;
    }
    let key = OriginKey { netns: origin.netns, peer: local };
    if origin.is_direct() {
        // Made to our listener on purpose: it must not inherit the origin of an earlier one from the same port.
        let _ = ORIGINS.remove(&key);
        return;
    }
    origin.established_ns = now_ns();
    if ORIGINS.insert(&key, &origin, 0).is_err() {
        return count(Outcome::MapFull);
    }
    count(Outcome::Established);
}
