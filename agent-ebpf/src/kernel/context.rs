//! Raw access to the socket-address context, one small function per kind. Knows the kernel's struct; decides nothing.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_CURRENT_NETNS, bpf_sock, bpf_sock_tuple},
    helpers::generated::{
        bpf_get_netns_cookie, bpf_sk_lookup_tcp, bpf_sk_release, bpf_sk_storage_get,
    },
    programs::SockAddrContext,
};
use weir_ebpf::{
    abi::{Address, Endpoint, Origin, V4_MAPPED},
    repeat::opaque,
};

use super::maps::NOTES;

/// TCP state of a listening socket.
const LISTEN: u32 = 10;
/// Create the socket's note if there is none.
const CREATE: u64 = 1;

/// The fields of one family. The context of `connect4` has no IPv6 address and the verifier refuses a read of it.
pub(crate) trait Family {
    fn address(ctx: &SockAddrContext) -> Address;
    fn rewrite(ctx: &SockAddrContext, to: Endpoint);
}

pub(crate) struct V4;
pub(crate) struct V6;

impl Family for V4 {
    #[inline(always)]
    fn address(ctx: &SockAddrContext) -> Address {
        // SAFETY: the kernel gives a valid context; this field is readable in the `*4` hooks.
        let address = unsafe { (*ctx.sock_addr).user_ip4 };
        // Opaque, or the compiler makes a call to memset and single bytes of the constant part.
        Address::from_words([opaque(0), opaque(0), opaque(V4_MAPPED), address])
    }

    #[inline(always)]
    fn rewrite(ctx: &SockAddrContext, to: Endpoint) {
        // SAFETY: both fields are writable in the `*4` hooks.
        unsafe {
            (*ctx.sock_addr).user_ip4 = u32::from_ne_bytes(to.address().last_four());
            (*ctx.sock_addr).user_port = u32::from(to.port().to_be());
        }
    }
}

impl Family for V6 {
    #[inline(always)]
    fn address(ctx: &SockAddrContext) -> Address {
        // SAFETY: the kernel gives a valid context; this field is readable in the `*6` hooks, a word at a time.
        let words = unsafe {
            let words = &raw const (*ctx.sock_addr).user_ip6;
            [
                (&raw const (*words)[0]).read_volatile(),
                (&raw const (*words)[1]).read_volatile(),
                (&raw const (*words)[2]).read_volatile(),
                (&raw const (*words)[3]).read_volatile(),
            ]
        };
        Address::from_words(words)
    }

    #[inline(always)]
    fn rewrite(ctx: &SockAddrContext, to: Endpoint) {
        let words = to.address().words();
        // SAFETY: the fields are writable in the `*6` hooks, a word at a time.
        unsafe {
            let field = &raw mut (*ctx.sock_addr).user_ip6;
            (&raw mut (*field)[0]).write_volatile(words[0]);
            (&raw mut (*field)[1]).write_volatile(words[1]);
            (&raw mut (*field)[2]).write_volatile(words[2]);
            (&raw mut (*field)[3]).write_volatile(words[3]);
            (*ctx.sock_addr).user_port = u32::from(to.port().to_be());
        }
    }
}

#[inline(always)]
pub(crate) fn port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: a readable field; network order in the low half.
    u16::from_be(unsafe { (*ctx.sock_addr).user_port } as u16)
}

#[inline(always)]
pub(crate) fn protocol(ctx: &SockAddrContext) -> u32 {
    // SAFETY: a readable field.
    unsafe { (*ctx.sock_addr).protocol }
}

#[inline(always)]
pub(crate) fn socket(ctx: &SockAddrContext) -> *mut bpf_sock {
    // SAFETY: a readable field; the verifier knows it as a socket pointer.
    unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }
}

#[inline(always)]
pub(crate) fn is_bound_to_device(ctx: &SockAddrContext) -> bool {
    let socket = socket(ctx);
    // SAFETY: checked for null; the verifier turns this into a read of the socket.
    !socket.is_null() && unsafe { (*socket).bound_dev_if } != 0
}

#[inline(always)]
pub(crate) fn netns(ctx: &SockAddrContext) -> u64 {
    // SAFETY: the context is valid.
    unsafe { bpf_get_netns_cookie(ctx.as_ptr()) }
}

/// Whether anyone listens at this endpoint in the caller's own network namespace.
#[inline(always)]
pub(crate) fn is_listening(ctx: &SockAddrContext, at: Endpoint) -> bool {
    // SAFETY: all zeroes is a valid tuple.
    let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
    let bytes = if at.address().is_v4() {
        // Source address and port stay zero: a listener has no peer.
        tuple.__bindgen_anon_1.ipv4.daddr = u32::from_ne_bytes(at.address().last_four());
        tuple.__bindgen_anon_1.ipv4.dport = at.port().to_be();
        12
    } else {
        tuple.__bindgen_anon_1.ipv6.daddr = at.address().words();
        tuple.__bindgen_anon_1.ipv6.dport = at.port().to_be();
        36
    };
    // SAFETY: the tuple lives through the call; the size tells the family.
    let found = unsafe {
        bpf_sk_lookup_tcp(ctx.as_ptr(), &raw mut tuple, bytes, BPF_F_CURRENT_NETNS as i64 as u64, 0)
    };
    if found.is_null() {
        return false;
    }
    // SAFETY: not null, and held until released below.
    let state = unsafe { (*found).state };
    // SAFETY: the reference taken by the look-up is given back once.
    unsafe { bpf_sk_release(found.cast()) };
    state == LISTEN
}

/// The note on a socket, made from `initial` if there is none.
#[inline(always)]
pub(crate) fn note(socket: *mut bpf_sock, initial: Option<&mut Origin>) -> *mut Origin {
    if socket.is_null() {
        return core::ptr::null_mut();
    }
    let (value, flags) =
        initial.map_or((core::ptr::null_mut(), 0), |origin| (core::ptr::from_mut(origin), CREATE));
    // SAFETY: a socket pointer of the context, and a value of the map's type or none.
    unsafe {
        bpf_sk_storage_get((&raw const NOTES).cast_mut().cast(), socket.cast(), value.cast(), flags)
    }
    .cast()
}
