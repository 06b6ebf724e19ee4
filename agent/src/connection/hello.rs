//! The ClientHello, read without consuming it, and what follows from it. Knows rustls' acceptor and the
//! names weir may open; decides, and does nothing.

use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::names::NameSet;
use crate::record::Reason;
use crate::upstream::Offer;

/// A longer hello is not from a real client; it is not waited for.
const HELLO_BYTES_MAX: usize = 16 * 1024;
/// A client that says nothing for so long waits for the server to speak: it is carried on.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);

/// The first bytes of a connection.
pub(super) struct Hello {
    bytes: Vec<u8>,
    read: Read,
}

enum Read {
    Whole { accepted: Box<Accepted>, server_name: Option<String>, alpn: Option<Vec<Vec<u8>>> },
    NotTls,
    Late,
    Ended,
}

pub(super) enum Decision {
    Intercept {
        name: ServerName<'static>,
        offer: Offer,
    },
    Pass(Reason),
    /// The client left before it said anything.
    Drop,
}

impl Hello {
    pub(super) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut bytes = Vec::with_capacity(2048);
        let read = tokio::time::timeout(HELLO_PATIENCE, read_into(&mut bytes, socket)).await;
        Self { read: read.unwrap_or(Read::Late), bytes }
    }

    pub(super) fn server_name(&self) -> Option<&str> {
        match &self.read {
            Read::Whole { server_name, .. } => server_name.as_deref(),
            Read::NotTls | Read::Late | Read::Ended => None,
        }
    }

    /// Only a name of `names`, asked for in TLS with protocols that weir speaks, is opened.
    pub(super) fn decide(&self, names: &NameSet) -> Decision {
        let (server_name, alpn) = match &self.read {
            Read::Whole { server_name, alpn, .. } => (server_name, alpn),
            Read::NotTls => return Decision::Pass(Reason::NotTls),
            Read::Late => return Decision::Pass(Reason::NoHello),
            Read::Ended if self.bytes.is_empty() => return Decision::Drop,
            Read::Ended => return Decision::Pass(Reason::NotTls),
        };
        let Some(server_name) = server_name else { return Decision::Pass(Reason::NoName) };
        if !names.matches(server_name) {
            return Decision::Pass(Reason::ForeignName);
        }
        let Ok(name) = ServerName::try_from(server_name.to_ascii_lowercase()) else {
            return Decision::Pass(Reason::NoName);
        };
        match offer(alpn.as_deref()) {
            Some(offer) => Decision::Intercept { name, offer },
            None => Decision::Pass(Reason::ForeignAlpn),
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The state to go on with the handshake from; `None` if there was no whole hello.
    pub(super) fn into_accepted(self) -> Option<Accepted> {
        match self.read {
            Read::Whole { accepted, .. } => Some(*accepted),
            Read::NotTls | Read::Late | Read::Ended => None,
        }
    }
}

async fn read_into(bytes: &mut Vec<u8>, socket: &mut (impl AsyncRead + Unpin)) -> Read {
    let mut acceptor = Acceptor::default();
    loop {
        let before = bytes.len();
        match socket.read_buf(bytes).await {
            Ok(0) | Err(_) => return Read::Ended,
            Ok(_) => {}
        }
        let mut fresh = &bytes[before..];
        while !fresh.is_empty() {
            if acceptor.read_tls(&mut fresh).is_err() {
                return Read::NotTls;
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => return whole(accepted),
                Ok(None) => {}
                Err(_) => return Read::NotTls,
            }
        }
        if bytes.len() > HELLO_BYTES_MAX {
            return Read::NotTls;
        }
    }
}

fn whole(accepted: Accepted) -> Read {
    let hello = accepted.client_hello();
    let server_name = hello.server_name().map(str::to_owned);
    let alpn = hello.alpn().map(|offered| offered.map(<[u8]>::to_vec).collect());
    Read::Whole { server_name, alpn, accepted: Box::new(accepted) }
}

fn offer(alpn: Option<&[Vec<u8>]>) -> Option<Offer> {
    let Some(offered) = alpn else { return Some(Offer::Nothing) };
    let has = |protocol: &[u8]| offered.iter().any(|one| one == protocol);
    match (has(b"h2"), has(b"http/1.1")) {
        (true, true) => Some(Offer::Both),
        (true, false) => Some(Offer::OnlyH2),
        (false, true) => Some(Offer::OnlyH1),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
