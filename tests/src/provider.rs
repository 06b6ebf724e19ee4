//! Providers: TLS servers in the rig that behave as told.
//! Knows connections and TLS; the two versions of HTTP are in its folder.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use crate::answer::{Answer, Behaviour};
use crate::received::{Head, Http, Received};

mod h1;
mod h2;
mod websocket;

/// A name that providers answer under, and how.
pub struct Provider {
    pub(crate) name: String,
    pub(crate) behaviour: Arc<dyn Behaviour>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) manners: Manners,
    pub(crate) cnames: Vec<String>,
    pub(crate) addresses: usize,
    pub(crate) shares_address_of: Option<String>,
    pub(crate) signed_by_a_stranger: bool,
}

/// How a provider treats a connection before HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// TLS, then HTTP.
    Polite,
    /// Accepts the connection and never says a word.
    SilentBeforeTls,
    /// Answers the ClientHello with something that is not TLS.
    GarbageBeforeTls,
    /// Resets the connection at once.
    ResetBeforeTls,
    /// A TLS session, and then bytes that are no HTTP.
    GarbageAfterTls,
    /// A TLS session in which everything up to the mark is kept as the body of one request, whatever
    /// it is, and answered with an empty object.
    KeepsRawBytes,
}

/// Ends what a provider that keeps raw bytes reads.
pub const RAW_MARK: &str = "~the end~";

impl Provider {
    /// A provider that knows no path yet; h2 and HTTP/1.1, one address of each family.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let unknown = |_: &Received| Answer::new(404, "text/plain", "no such path in the rig\n");
        Self {
            name: name.to_owned(),
            behaviour: Arc::new(unknown),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            manners: Manners::Polite,
            cnames: Vec::new(),
            addresses: 1,
            shares_address_of: None,
            signed_by_a_stranger: false,
        }
    }

    #[must_use]
    pub fn behaves(mut self, behaviour: impl Behaviour) -> Self {
        self.behaviour = Arc::new(behaviour);
        self
    }

    /// Offers only these protocols, in this order; none at all if empty.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    #[must_use]
    pub fn manners(mut self, manners: Manners) -> Self {
        self.manners = manners;
        self
    }

    /// DNS answers go through these names first.
    #[must_use]
    pub fn through(mut self, cnames: &[&str]) -> Self {
        self.cnames = cnames.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// So many addresses of each family.
    #[must_use]
    pub fn addresses(mut self, count: usize) -> Self {
        self.addresses = count;
        self
    }

    /// Shows a certificate that nobody trusts.
    #[must_use]
    pub fn signed_by_a_stranger(mut self) -> Self {
        self.signed_by_a_stranger = true;
        self
    }

    /// Lives at the address of another provider.
    #[must_use]
    pub fn at_address_of(mut self, name: &str) -> Self {
        self.shares_address_of = Some(name.to_owned());
        self
    }
}

/// All providers of a rig, and what they have received.
#[derive(Default)]
pub struct Providers {
    by_name: RwLock<HashMap<String, Arc<Serving>>>,
    /// Only for manners that act before a name is known.
    by_address: RwLock<HashMap<IpAddr, Arc<Serving>>>,
    received: Mutex<Vec<Arc<Received>>>,
    not_recording: AtomicBool,
    connections: AtomicU64,
    bytes_sent: AtomicU64,
}

pub(crate) struct Serving {
    pub(crate) behaviour: Arc<dyn Behaviour>,
    manners: Manners,
    tls: Arc<ServerConfig>,
}

impl Providers {
    pub(crate) fn add(&self, provider: &Provider, tls: ServerConfig, addresses: &[IpAddr]) {
        let serving = Arc::new(Serving {
            behaviour: Arc::clone(&provider.behaviour),
            manners: provider.manners,
            tls: Arc::new(tls),
        });
        let mut by_address = self.by_address.write().expect("no panic holds the providers");
        for address in addresses {
            by_address.entry(*address).or_insert_with(|| Arc::clone(&serving));
        }
        let mut by_name = self.by_name.write().expect("no panic holds the providers");
        by_name.insert(provider.name.to_ascii_lowercase(), serving);
    }

    pub(crate) fn record(&self, request: Received) -> Arc<Received> {
        let request = Arc::new(request);
        if !self.not_recording.load(Ordering::Relaxed) {
            let mut received = self.received.lock().expect("no panic holds the requests");
            received.push(Arc::clone(&request));
        }
        request
    }

    pub(crate) fn set_recording(&self, on: bool) {
        self.not_recording.store(!on, Ordering::Relaxed);
    }

    pub(crate) fn received(&self) -> Vec<Arc<Received>> {
        self.received.lock().expect("no panic holds the requests").clone()
    }

    pub(crate) fn take_received(&self) -> Vec<Arc<Received>> {
        std::mem::take(&mut *self.received.lock().expect("no panic holds the requests"))
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts what has been handed to the kernel.
    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    fn named(&self, name: &str) -> Option<Arc<Serving>> {
        let by_name = self.by_name.read().expect("no panic holds the providers");
        by_name.get(&name.to_ascii_lowercase()).cloned()
    }

    fn manners_at(&self, address: IpAddr) -> Manners {
        let by_address = self.by_address.read().expect("no panic holds the providers");
        by_address.get(&address).map_or(Manners::Polite, |serving| serving.manners)
    }
}

/// Accepts until the runtime ends.
pub(crate) async fn accept(providers: Arc<Providers>, listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, peer) = listener.accept().await.context("accept at a provider")?;
        let providers = Arc::clone(&providers);
        tokio::spawn(async move {
            let id = providers.connections.fetch_add(1, Ordering::Relaxed) + 1;
            // A client may go away at any time: how it ended is the client's to report.
            let _ = Box::pin(serve_connection(&providers, stream, peer, id)).await;
        });
    }
}

/// Who speaks to whom on one connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) host: Arc<str>,
    pub(crate) http: Http,
    pub(crate) peer: SocketAddr,
    pub(crate) destination: SocketAddr,
}

impl Connection {
    fn head(&self, method: &str, target: &str, headers: Vec<(String, Bytes)>) -> Head {
        Head {
            host: Arc::clone(&self.host),
            connection: self.id,
            http: self.http,
            peer: self.peer,
            destination: self.destination,
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
        }
    }
}

async fn serve_connection(
    providers: &Arc<Providers>,
    stream: TcpStream,
    peer: SocketAddr,
    id: u64,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let destination = canonical(stream.local_addr()?);
    let manners = providers.manners_at(destination.ip());
    let Some(stream) = misbehave_before_tls(manners, stream).await? else {
        return Ok(());
    };
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let Some(name) = start.client_hello().server_name().map(Arc::<str>::from) else {
        return Ok(());
    };
    let Some(serving) = providers.named(&name) else {
        return Ok(());
    };
    let mut tls = start.into_stream(Arc::clone(&serving.tls)).await?;
    if manners == Manners::GarbageAfterTls {
        tls.write_all(b"\x00\xff this is no HTTP\r\n\r\n").await?;
        return tls.shutdown().await;
    }
    if manners == Manners::KeepsRawBytes {
        let connection =
            Connection { id, host: name, http: Http::H1, peer: canonical(peer), destination };
        return h1::keep_raw(providers, &connection, tls).await;
    }
    let http = match tls.get_ref().1.alpn_protocol() {
        Some(b"h2") => Http::H2,
        _ => Http::H1,
    };
    let connection = Connection { id, host: name, http, peer: canonical(peer), destination };
    match http {
        Http::H1 => h1::serve(providers, &serving, &connection, tls).await,
        Http::H2 => h2::serve(providers, &serving, &connection, tls).await,
    }
}

async fn misbehave_before_tls(
    manners: Manners,
    mut stream: TcpStream,
) -> io::Result<Option<TcpStream>> {
    match manners {
        Manners::Polite | Manners::GarbageAfterTls | Manners::KeepsRawBytes => Ok(Some(stream)),
        Manners::SilentBeforeTls => {
            wait_for_close(&stream).await;
            Ok(None)
        }
        Manners::GarbageBeforeTls => {
            stream.readable().await?;
            stream.write_all(b"220 mail.example.test ESMTP\r\n").await?;
            stream.shutdown().await?;
            wait_for_close(&stream).await;
            Ok(None)
        }
        Manners::ResetBeforeTls => {
            set_reset_on_close(&stream)?;
            Ok(None)
        }
    }
}

/// Ends with RST instead of FIN once the socket is closed.
pub(crate) fn set_reset_on_close(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Reads into the void until the peer has closed, at most the rig's patience.
pub(crate) async fn wait_for_close(stream: &TcpStream) {
    let mut void = [0; 4096];
    let drain = async {
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut void) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, drain).await;
}

/// Nothing in the rig hangs longer, even if a client forgets to close.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// An IPv4 client of a dual-stack listener is an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
