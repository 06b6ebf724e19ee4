//! What to do with a connection: pure decisions on plain data. Knows no map, no helper and no context.

use crate::abi::{Address, FailMode, Outcome};

/// 127.0.0.1
const LOOPBACK_V4: Address = Address::v4([127, 0, 0, 1]);
/// `::1`
const LOOPBACK_V6: Address = Address::v6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    Tcp,
    Udp,
    Other,
}

impl Transport {
    #[must_use]
    #[inline(always)]
    pub const fn from_protocol(protocol: u32) -> Self {
        match protocol {
            6 => Self::Tcp,
            17 => Self::Udp,
            _ => Self::Other,
        }
    }
}

/// The listener of the caller's network namespace, as the kernel sees it at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// A socket listens there.
    Alive,
    /// There was a listener, and nobody listens any more: the agent is gone.
    Dead,
    /// There never was one.
    Missing,
    /// The socket is bound to a device, from where loopback cannot be reached.
    BoundToDevice,
    /// The destination cannot be reached from there, so the kernel's own error is the right answer.
    NoRoute,
    /// Its origin cannot be noted, so the proxy would have to refuse it.
    MapFull,
}

impl Gate {
    #[must_use]
    #[inline(always)]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Alive => Outcome::Redirected,
            Self::Dead => Outcome::DeadListener,
            Self::Missing => Outcome::NoListener,
            Self::BoundToDevice => Outcome::BoundToDevice,
            Self::NoRoute => Outcome::NoRoute,
            Self::MapFull => Outcome::MapFull,
        }
    }
}

/// What the hook does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Redirect,
    Pass,
    Deny,
}

/// A listed TCP destination: through the listener if there is one, else as the fail mode says.
#[must_use]
#[inline(always)]
pub const fn listed(gate: Gate, fail_mode: FailMode) -> Verdict {
    match (gate, fail_mode) {
        (Gate::Alive, _) => Verdict::Redirect,
        (_, FailMode::Open) => Verdict::Pass,
        (_, FailMode::Closed) => Verdict::Deny,
    }
}

/// The loopback address in the family that the socket asked for.
#[must_use]
#[inline(always)]
pub const fn loopback(asked: Address) -> Address {
    if asked.is_v4() { LOOPBACK_V4 } else { LOOPBACK_V6 }
}

/// Whether a peer may be one of our listeners.
#[must_use]
#[inline(always)]
pub fn is_loopback(peer: Address) -> bool {
    peer == loopback(peer)
}

#[cfg(test)]
mod tests;
