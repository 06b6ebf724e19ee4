//! The types that both halves see in maps and events. Fixed layout, no padding, big-endian addresses and ports;
//! everything else in native order. A change here changes `LAYOUT`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Changes whenever a type or a map in this file changes: pinned maps of another layout are not adopted.
pub const LAYOUT: u32 = 3;

/// Bytes of the longest DNS message the kernel parser reads; a longer one is read this far. A power of two. UDP answers
/// are rarely above 1232 bytes; this leaves room for a thousand addresses.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// An IP address: sixteen bytes, IPv4 in its v4-mapped form, so that one map serves both families and mapped sockets.
///
/// Words whose bytes are in network order, and not bytes: connect() makes one for every connection, and sixteen stores
/// of a byte cost more than the look-up they are for.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Address([u32; 4]);

impl Address {
    /// From the four bytes of an IPv4 address, in network order.
    #[must_use]
    #[inline(always)]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self([0, 0, V4_MAPPED, u32::from_ne_bytes(bytes)])
    }

    /// From the sixteen bytes of an IPv6 address, in network order.
    #[must_use]
    #[inline(always)]
    pub const fn v6(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ])
    }

    /// As the kernel keeps an IPv6 address.
    #[must_use]
    #[inline(always)]
    pub const fn from_words(words: [u32; 4]) -> Self {
        Self(words)
    }

    #[must_use]
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.0
    }

    #[must_use]
    #[inline(always)]
    pub const fn bytes(&self) -> [u8; 16] {
        let [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]] = [
            self.0[0].to_ne_bytes(),
            self.0[1].to_ne_bytes(),
            self.0[2].to_ne_bytes(),
            self.0[3].to_ne_bytes(),
        ];
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Whether a connection to it can be one to a provider: not the unspecified address, not multicast.
    #[must_use]
    #[inline(always)]
    pub const fn is_connectable(&self) -> bool {
        let [first, _, _, _] = self.0[0].to_ne_bytes();
        let [first_v4, _, _, _] = self.last_four();
        if self.is_v4() {
            !matches!(first_v4, 0 | 224..)
        } else {
            first != 0xff && !self.is_unspecified_v6()
        }
    }

    #[inline(always)]
    const fn is_unspecified_v6(&self) -> bool {
        (self.0[0] | self.0[1] | self.0[2] | self.0[3]) == 0
    }

    /// The last four bytes: the IPv4 address of a mapped one.
    #[must_use]
    #[inline(always)]
    pub const fn last_four(&self) -> [u8; 4] {
        self.0[3].to_ne_bytes()
    }

    /// IPv4, or IPv6 in the v4-mapped form.
    #[must_use]
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == V4_MAPPED
    }
}

/// Bytes 8 to 11 of a v4-mapped address.
pub const V4_MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            Ipv4Addr::from(address.last_four()).into()
        } else {
            Ipv6Addr::from(address.bytes()).into()
        }
    }
}

/// An address and a port.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Endpoint {
    address: Address,
    /// In network order.
    port: u16,
    zero: [u16; 3],
}

impl Endpoint {
    #[must_use]
    #[inline(always)]
    pub const fn new(address: Address, port: u16) -> Self {
        Self { address, port: port.to_be(), zero: [0; 3] }
    }

    #[must_use]
    #[inline(always)]
    pub const fn address(&self) -> Address {
        self.address
    }

    #[must_use]
    #[inline(always)]
    pub const fn port(&self) -> u16 {
        u16::from_be(self.port)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Self {
        Self::new(socket.ip().into(), socket.port())
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.address.into(), endpoint.port())
    }
}

/// Where a redirected connection comes from, as the listener in that network namespace sees it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct OriginKey {
    pub netns: u64,
    pub peer: Endpoint,
}

/// Who connects, and where to: noted at connect(), on the socket.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub destination: Endpoint,
    pub cgroup: u64,
    pub netns: u64,
    pub tgid: u32,
    pub uid: u32,
    pub comm: [u8; 16],
    /// When the listener answered, by the monotonic clock; 0 before.
    pub established_ns: u64,
    /// The listener it was sent to: a socket may be connected again, and then this note is about the past.
    pub listener: u32,
    pub zero: u32,
}

impl Origin {
    /// The note on a socket that was connected to our listener itself: it has none of the rest.
    #[must_use]
    #[inline(always)]
    pub const fn direct(netns: u64, listener: u16) -> Self {
        Self {
            destination: Endpoint::new(Address::v6([0; 16]), 0),
            cgroup: 0,
            netns,
            tgid: 0,
            uid: 0,
            comm: [0; 16],
            established_ns: 0,
            listener: listener as u32,
            zero: 0,
        }
    }

    #[must_use]
    #[inline(always)]
    pub const fn is_direct(&self) -> bool {
        self.destination.port() == 0
    }
}

/// What is known of a learned address.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// By the monotonic clock.
    pub last_seen_ns: u64,
}

/// The pair of listeners of one network namespace: 127.0.0.1 and ::1, the same port.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub port: u16,
    /// 1 if IPv6 destinations can be reached from there; if not, the caller gets the kernel's own "unreachable".
    pub ipv6: u8,
    pub zero: [u8; 5],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum FailMode {
    /// Without a listener the connection goes direct.
    Open = 0,
    /// Without a listener connect() is refused with EPERM.
    Closed = 1,
}

impl FailMode {
    #[must_use]
    #[inline(always)]
    pub const fn from_u32(value: u32) -> Self {
        if value == Self::Closed as u32 { Self::Closed } else { Self::Open }
    }
}

/// The one entry of the map `SETTINGS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The agent's own cgroup, never captured; 0 for none.
    pub exempt_cgroup: u64,
    /// A `FailMode`; the map `FAIL_MODES` overrides it by cgroup.
    pub fail_mode: u32,
    /// 1: every connection to a captured port is redirected, except to the networks in the map `DIRECT`.
    pub strict: u32,
}

/// What became of a connection, a datagram or a DNS answer: an index into the map `COUNTERS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Outcome {
    Redirected,
    OtherPort,
    Exempt,
    BoundToDevice,
    NoListener,
    DeadListener,
    NoRoute,
    MapFull,
    ConnectDenied,
    UdpDenied,
    Established,
    DnsLearned,
    DnsAddresses,
    DnsUnread,
    EventLost,
    PeerRestored,
    Bypass,
}

impl Outcome {
    pub const ALL: [(Self, &str); 17] = [
        (Self::Redirected, "redirected"),
        (Self::OtherPort, "other_port"),
        (Self::Exempt, "exempt"),
        (Self::BoundToDevice, "bound_to_device"),
        (Self::NoListener, "no_listener"),
        (Self::DeadListener, "dead_listener"),
        (Self::NoRoute, "no_route"),
        (Self::MapFull, "map_full"),
        (Self::ConnectDenied, "connect_denied"),
        (Self::UdpDenied, "udp_denied"),
        (Self::Established, "established"),
        (Self::DnsLearned, "dns_learned"),
        (Self::DnsAddresses, "dns_addresses"),
        (Self::DnsUnread, "dns_unread"),
        (Self::EventLost, "event_lost"),
        (Self::PeerRestored, "peer_restored"),
        (Self::Bypass, "bypass"),
    ];
    pub const COUNT: u32 = Self::ALL.len() as u32;
}

/// What an event in the ring buffer is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum EventKind {
    /// A network namespace without a listener.
    NewNetns = 1,
    /// A DNS message from UDP that the kernel did not read; the message follows.
    UnreadUdp = 2,
    /// A segment of a DNS stream that the kernel did not read; the bytes follow.
    UnreadTcp = 3,
    /// A hello for a listed name on a connection that was not redirected (reserved for the sentinel).
    Bypass = 4,
}

impl EventKind {
    #[must_use]
    pub const fn from_u32(value: u32) -> Option<Self> {
        Some(match value {
            1 => Self::NewNetns,
            2 => Self::UnreadUdp,
            3 => Self::UnreadTcp,
            4 => Self::Bypass,
            _ => return None,
        })
    }
}

/// The start of every event.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EventHeader {
    pub kind: u32,
    /// Bytes that follow.
    pub bytes: u32,
    /// `NewNetns`: its cookie. `UnreadTcp`: the cookie of the receiving socket, to put segments together.
    pub subject: u64,
    pub tgid: u32,
    /// Bytes of the message, of which `bytes` follow.
    pub full_bytes: u32,
}

/// A type that lies in a map as it is.
///
/// # Safety
/// Fixed layout, no padding, and every bit pattern is a value.
pub unsafe trait Shared: Copy + 'static {}

// SAFETY: `repr(C)`, integers and arrays of them only; sizes asserted below.
unsafe impl Shared for Address {}
// SAFETY: as above.
unsafe impl Shared for Endpoint {}
// SAFETY: as above.
unsafe impl Shared for OriginKey {}
// SAFETY: as above.
unsafe impl Shared for Origin {}
// SAFETY: as above.
unsafe impl Shared for Sighting {}
// SAFETY: as above.
unsafe impl Shared for Listener {}
// SAFETY: as above.
unsafe impl Shared for Settings {}

/// Names of the maps, for the loader.
pub mod map {
    pub const ADDRESSES: &str = "ADDRESSES";
    pub const COUNTERS: &str = "COUNTERS";
    pub const DIRECT: &str = "DIRECT";
    pub const EVENTS: &str = "EVENTS";
    pub const FAIL_MODES: &str = "FAIL_MODES";
    pub const LISTENERS: &str = "LISTENERS";
    pub const NAMES: &str = "NAMES";
    pub const ORIGINS: &str = "ORIGINS";
    pub const PORTS: &str = "PORTS";
    pub const SETTINGS: &str = "SETTINGS";
}

const _: () = {
    assert!(size_of::<Address>() == 16);
    assert!(size_of::<Endpoint>() == 24);
    assert!(size_of::<OriginKey>() == 32);
    assert!(size_of::<Origin>() == 80);
    assert!(size_of::<Listener>() == 8);
    assert!(size_of::<Settings>() == 16);
    assert!(size_of::<EventHeader>() == 24);
};

#[cfg(test)]
mod tests;
