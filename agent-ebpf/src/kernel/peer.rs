//! getpeername(): the application sees the address it asked for.

use aya_ebpf::programs::SockAddrContext;
use weir_ebpf::{abi::Outcome, decide::is_loopback};

use super::{
    context::{self, Family},
    maps::count,
};

/// The only value the kernel accepts from this hook.
const ALLOW: i32 = 1;

#[inline(always)]
pub(crate) fn restore<F: Family>(ctx: &SockAddrContext) -> i32 {
    if !is_loopback(F::address(ctx)) {
        return ALLOW;
    }
    let note = context::note(context::socket(ctx), None);
    if note.is_null() {
        return ALLOW;
    }
    // SAFETY: not null, and the map's value type.
    let origin = unsafe { &*note };
    if !origin.is_direct() && origin.listener == u32::from(context::port(ctx)) {
        F::rewrite(ctx, origin.destination);
        count(Outcome::PeerRestored);
    }
    ALLOW
}
