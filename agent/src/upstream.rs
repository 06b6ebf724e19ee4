//! Connections to providers: opened in the workload's own network namespace, verified against real roots,
//! and kept for the next client of the same namespace and name. Knows TLS as a client; knows no exchange.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::debug;

use crate::capture::{Netns, NetnsCookie};
use crate::exchange::Route;
use crate::exchange::h2::Provider;
use crate::relay::side::Side;

mod roots;

/// What SDKs ask for, so that minutes of silence before an answer survive NAT on the way.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_RETRIES: u32 = 5;
/// Idle connections kept per namespace, name and protocol.
const IDLE_MAX: usize = 64;

/// The protocols a peer offers or chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Alpn {
    H2,
    H1,
    /// The extension was not used: HTTP/1.1 by custom.
    Absent,
}

impl Alpn {
    pub(crate) fn as_str(self) -> Option<&'static str> {
        match self {
            Self::H2 => Some("h2"),
            Self::H1 => Some("http/1.1"),
            Self::Absent => None,
        }
    }

    fn chosen(protocol: Option<&[u8]>) -> Self {
        match protocol {
            Some(b"h2") => Self::H2,
            Some(_) => Self::H1,
            None => Self::Absent,
        }
    }
}

/// What a client offers by ALPN, as far as weir speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// HTTP/2 first, HTTP/1.1 accepted.
    Both,
    OnlyH2,
    OnlyH1,
    Nothing,
}

impl Offer {
    fn accepts(self) -> &'static [Alpn] {
        match self {
            // A server that was offered both may ignore the extension.
            Self::Both => &[Alpn::H2, Alpn::H1, Alpn::Absent],
            Self::OnlyH2 => &[Alpn::H2],
            Self::OnlyH1 => &[Alpn::H1, Alpn::Absent],
            Self::Nothing => &[Alpn::Absent],
        }
    }

    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::OnlyH2 => vec![b"h2".to_vec()],
            Self::OnlyH1 => vec![b"http/1.1".to_vec()],
            Self::Nothing => Vec::new(),
        }
    }
}

/// A connection to a provider, for one client at a time.
pub(crate) struct Lease {
    pub(crate) carrier: Carrier,
    pub(crate) alpn: Alpn,
    pub(crate) route: Route,
    /// Where it leads; for a reused one not always where this client was going.
    pub(crate) address: SocketAddr,
    key: Key,
}

pub(crate) enum Carrier {
    H1(Box<Side<TlsStream<TcpStream>>>),
    H2(Provider),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    netns: NetnsCookie,
    name: ServerName<'static>,
    port: u16,
    alpn: Alpn,
    /// A client that offers HTTP/2 must not get what was agreed on without that offer.
    h2_offered: bool,
}

/// Why there is no connection to the provider.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No TCP connection, or none in time.
    Unreachable(io::Error),
    /// Its certificate does not verify against the system's roots.
    Unverified(io::Error),
    /// TLS or HTTP/2 did not come about.
    Handshake(io::Error),
}

pub(crate) struct Upstream {
    configs: [(Offer, Arc<ClientConfig>); 4],
    connect_timeout: Duration,
    idle_timeout: Duration,
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
}

struct Idle {
    carrier: Carrier,
    address: SocketAddr,
    since: Instant,
}

impl Upstream {
    pub(crate) fn new(config: &crate::config::Upstream) -> anyhow::Result<Self> {
        let base = roots::client_config(&config.extra_roots)?;
        let with = |offer: Offer| {
            let mut config = base.clone();
            config.alpn_protocols = offer.protocols();
            (offer, Arc::new(config))
        };
        Ok(Self {
            configs: [Offer::Both, Offer::OnlyH2, Offer::OnlyH1, Offer::Nothing].map(with),
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            idle: Mutex::default(),
        })
    }

    /// An idle connection that fits, or a new one.
    pub(crate) async fn lease(
        &self,
        netns: &Netns,
        destination: SocketAddr,
        name: &ServerName<'static>,
        offer: Offer,
    ) -> Result<Lease, Refusal> {
        let mut key = Key {
            netns: netns.cookie(),
            name: name.clone(),
            port: destination.port(),
            alpn: Alpn::H2,
            h2_offered: matches!(offer, Offer::Both | Offer::OnlyH2),
        };
        for alpn in offer.accepts() {
            key.alpn = *alpn;
            if let Some((carrier, address)) = self.take_idle(&key) {
                let route = Route { reused: true, connect: None };
                return Ok(Lease { carrier, alpn: *alpn, route, address, key });
            }
        }
        let started = Instant::now();
        let stream = self.dial(netns, destination, name, offer).await?;
        let alpn = Alpn::chosen(stream.get_ref().1.alpn_protocol());
        key.alpn = alpn;
        let carrier = match alpn {
            Alpn::H2 => Carrier::H2(
                Provider::handshake(stream)
                    .await
                    .map_err(|problem| Refusal::Handshake(io::Error::other(problem)))?,
            ),
            Alpn::H1 | Alpn::Absent => Carrier::H1(Box::new(Side::new(stream))),
        };
        let route = Route { reused: false, connect: Some(started.elapsed()) };
        Ok(Lease { carrier, alpn, route, address: destination, key })
    }

    async fn dial(
        &self,
        netns: &Netns,
        destination: SocketAddr,
        name: &ServerName<'static>,
        offer: Offer,
    ) -> Result<TlsStream<TcpStream>, Refusal> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let connect = tokio::time::timeout(self.connect_timeout, dial(netns, destination));
        let socket = connect.await.unwrap_or_else(|_| Err(late())).map_err(Refusal::Unreachable)?;
        let config =
            &self.configs.iter().find(|(kind, _)| *kind == offer).unwrap_or(&self.configs[0]).1;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name.clone(), socket);
        match tokio::time::timeout(self.connect_timeout, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(problem)) if is_certificate(&problem) => Err(Refusal::Unverified(problem)),
            Ok(Err(problem)) => Err(Refusal::Handshake(problem)),
            Err(_) => Err(Refusal::Handshake(late())),
        }
    }

    /// The client is done with it; the next one may use it.
    pub(crate) fn give_back(&self, lease: Lease) {
        let Lease { carrier, address, key, .. } = lease;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(key).or_default();
        if kept.len() < IDLE_MAX {
            kept.push(Idle { carrier, address, since: Instant::now() });
        }
    }

    fn take_idle(&self, key: &Key) -> Option<(Carrier, SocketAddr)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(key)?;
        while let Some(Idle { mut carrier, address, since }) = kept.pop() {
            if since.elapsed() < self.idle_timeout && carrier.is_alive() {
                return Some((carrier, address));
            }
        }
        None
    }

    /// Closes what was idle for too long, or was closed by the provider.
    pub(crate) fn sweep(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, kept| {
            kept.retain_mut(|one| {
                one.since.elapsed() < self.idle_timeout && one.carrier.is_alive()
            });
            !kept.is_empty()
        });
    }
}

impl Carrier {
    /// Has the provider neither closed it nor said anything unasked?
    fn is_alive(&mut self) -> bool {
        match self {
            Self::H1(side) => {
                let mut cx = Context::from_waker(Waker::noop());
                side.is_empty() && matches!(side.poll_fill(&mut cx), Poll::Pending)
            }
            Self::H2(provider) => !provider.is_closed(),
        }
    }
}

/// A TCP connection from inside the workload's network namespace.
pub(crate) async fn dial(netns: &Netns, destination: SocketAddr) -> io::Result<TcpStream> {
    let socket = netns.socket(destination.ip())?;
    let stream = TcpSocket::from_std_stream(socket.into()).connect(destination).await?;
    stream.set_nodelay(true)?;
    // Clients that probe a silent connection now probe the loopback; the real way must be probed for them.
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

fn is_certificate(problem: &io::Error) -> bool {
    let certificate = problem
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
    if certificate {
        debug!(%problem, "a provider's certificate does not verify");
    }
    certificate
}
