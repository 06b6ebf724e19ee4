//! connect() and sendmsg(): whether a connection is ours, and what becomes of it.

use aya_ebpf::{
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
        bpf_get_current_uid_gid,
    },
    maps::lpm_trie::Key,
    programs::SockAddrContext,
};
use weir_ebpf::{
    abi::{Address, Endpoint, Origin, Outcome, Settings},
    decide::{Gate, Transport, Verdict, is_loopback, listed, loopback},
};

use super::{
    context::{self, Family},
    maps::{ADDRESSES, DIRECT, PORTS, announce, count, fail_mode, listener, settings},
};

const ALLOW: i32 = 1;
/// The caller gets EPERM.
const DENY: i32 = 0;

const DNS_PORT: u16 = 53;

#[inline(always)]
pub(crate) fn connect<F: Family>(ctx: &SockAddrContext) -> i32 {
    let asked = Endpoint::new(F::address(ctx), context::port(ctx));
    let transport = Transport::from_protocol(context::protocol(ctx));
    if !is_ours(asked, transport) {
        if transport == Transport::Tcp && is_loopback(asked.address()) {
            note_direct(ctx, asked.port());
        }
        return not_ours(ctx, asked.port());
    }
    match transport {
        Transport::Tcp => connect_tcp::<F>(ctx, asked),
        Transport::Udp => deny_udp(asked.port()),
        Transport::Other => ALLOW,
    }
}

#[inline(always)]
pub(crate) fn send<F: Family>(ctx: &SockAddrContext) -> i32 {
    let port = context::port(ctx);
    if is_listed(F::address(ctx)) { deny_udp(port) } else { not_ours(ctx, port) }
}

/// The one look-up that a connection which is not ours pays for.
#[inline(always)]
fn is_ours(asked: Endpoint, transport: Transport) -> bool {
    is_listed(asked.address())
        || (transport == Transport::Tcp && settings().strict != 0 && !is_direct(asked.address()))
}

#[inline(always)]
fn is_listed(address: Address) -> bool {
    // SAFETY: only whether there is an entry matters, not what is in it.
    unsafe { ADDRESSES.get(&address) }.is_some()
}

#[inline(always)]
fn is_direct(address: Address) -> bool {
    DIRECT.get(&Key::new(128, address.bytes())).is_some()
}

/// A question to a DNS server is the first sign of a namespace that will soon connect.
#[inline(always)]
fn not_ours(ctx: &SockAddrContext, port: u16) -> i32 {
    if port == DNS_PORT {
        let netns = context::netns(ctx);
        if listener(netns).is_none() {
            announce(netns, tgid());
        }
    }
    ALLOW
}

#[inline(always)]
fn is_captured(port: u16) -> bool {
    // SAFETY: only whether there is an entry matters.
    unsafe { PORTS.get(&u32::from(port)) }.is_some()
}

/// QUIC to a listed address: the client falls back to TCP.
#[inline(always)]
fn deny_udp(port: u16) -> i32 {
    if !is_captured(port) {
        return ALLOW;
    }
    if is_exempt(cgroup(), &settings()) {
        return ALLOW;
    }
    count(Outcome::UdpDenied);
    DENY
}

#[inline(always)]
fn connect_tcp<F: Family>(ctx: &SockAddrContext, asked: Endpoint) -> i32 {
    if !is_captured(asked.port()) {
        count(Outcome::OtherPort);
        return ALLOW;
    }
    let settings = settings();
    let cgroup = cgroup();
    if is_exempt(cgroup, &settings) {
        count(Outcome::Exempt);
        return ALLOW;
    }
    let (gate, to) = gate(ctx, asked, cgroup);
    count(gate.outcome());
    match listed(gate, fail_mode(cgroup, &settings)) {
        Verdict::Redirect => {
            F::rewrite(ctx, to);
            ALLOW
        }
        Verdict::Pass => ALLOW,
        Verdict::Deny => {
            count(Outcome::ConnectDenied);
            DENY
        }
    }
}

/// Whether the listener can take it, where that is, and the note for it.
#[inline(always)]
fn gate(ctx: &SockAddrContext, asked: Endpoint, cgroup: u64) -> (Gate, Endpoint) {
    if context::is_bound_to_device(ctx) {
        return (Gate::BoundToDevice, asked);
    }
    let netns = context::netns(ctx);
    let Some(listener) = listener(netns) else {
        announce(netns, tgid());
        return (Gate::Missing, asked);
    };
    if listener.ipv6 == 0 && !asked.address().is_v4() {
        return (Gate::NoRoute, asked);
    }
    let to = Endpoint::new(loopback(asked.address()), listener.port);
    if !context::is_listening(ctx, to) {
        announce(netns, tgid());
        return (Gate::Dead, asked);
    }
    if remember(ctx, asked, cgroup, netns, listener.port) {
        (Gate::Alive, to)
    } else {
        (Gate::MapFull, asked)
    }
}

#[inline(always)]
fn remember(
    ctx: &SockAddrContext,
    destination: Endpoint,
    cgroup: u64,
    netns: u64,
    listener: u16,
) -> bool {
    let mut origin = Origin {
        destination,
        cgroup,
        netns,
        tgid: tgid(),
        uid: bpf_get_current_uid_gid() as u32,
        comm: bpf_get_current_comm().unwrap_or_default(),
        established_ns: 0,
        listener: u32::from(listener),
        zero: 0,
    };
    keep(ctx, &mut origin)
}

#[inline(always)]
fn keep(ctx: &SockAddrContext, origin: &mut Origin) -> bool {
    let kept = context::note(context::socket(ctx), Some(origin));
    if kept.is_null() {
        return false;
    }
    // A socket that is connected again keeps its storage: the note must be the last one.
    // SAFETY: not null, and the map's value type; only the connecting thread writes it.
    unsafe { *kept = *origin };
    true
}

/// A connection to our listener itself is noted as one, so that it cannot pass for a redirected one.
#[inline(always)]
fn note_direct(ctx: &SockAddrContext, port: u16) {
    let netns = context::netns(ctx);
    if listener(netns).is_some_and(|listener| listener.port == port) {
        let mut direct = Origin::direct(netns, port);
        keep(ctx, &mut direct);
    }
}

#[inline(always)]
fn is_exempt(cgroup: u64, settings: &Settings) -> bool {
    settings.exempt_cgroup != 0 && cgroup == settings.exempt_cgroup
}

#[inline(always)]
fn cgroup() -> u64 {
    // SAFETY: takes nothing, returns a number.
    unsafe { bpf_get_current_cgroup_id() }
}

#[inline(always)]
fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}
