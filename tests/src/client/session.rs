//! Connects as any client does: getaddrinfo, connect, TLS with the roots it was given.
//! Knows sockets and TLS; the HTTP is beside it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Conversation, End, Family, Heard, Plan, Report, Version, h1, h2, script};
use crate::rig::crypto;

const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn carry_out(plan: Plan) -> Result<Report> {
    let roots = Arc::new(roots()?);
    let mut running = JoinSet::new();
    let mut heard = vec![Heard::default(); plan.conversations.len()];
    for (at, conversation) in plan.conversations.into_iter().enumerate() {
        while running.len() >= plan.at_once.max(1) {
            collect(&mut running, &mut heard).await?;
        }
        let roots = Arc::clone(&roots);
        running.spawn(async move { (at, converse(conversation, roots).await) });
    }
    while !running.is_empty() {
        collect(&mut running, &mut heard).await?;
    }
    Ok(Report { conversations: heard })
}

async fn collect(running: &mut JoinSet<(usize, Heard)>, heard: &mut [Heard]) -> Result<()> {
    if let Some(done) = running.join_next().await {
        let (at, one) = done.context("a conversation panicked")?;
        heard[at] = one;
    }
    Ok(())
}

async fn converse(conversation: Conversation, roots: Arc<RootCertStore>) -> Heard {
    let mut heard = Heard { host: conversation.host.clone(), ..Heard::default() };
    let opened = tokio::time::timeout(CONNECT_LIMIT, open(&conversation, roots, &mut heard)).await;
    let tls = match opened {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            heard.failure = Some(format!("{error:#}"));
            return heard;
        }
        Err(_elapsed) => {
            heard.failure = Some("no TLS connection in time".to_owned());
            return heard;
        }
    };
    if !conversation.script.is_empty() {
        script::play(&conversation, tls, &mut heard).await;
        return heard;
    }
    match conversation.http {
        Version::H1 => h1::converse(&conversation, tls, &mut heard).await,
        Version::H2 => h2::converse(&conversation, tls, &mut heard).await,
    }
    heard
}

async fn open(
    conversation: &Conversation,
    roots: Arc<RootCertStore>,
    heard: &mut Heard,
) -> Result<TlsStream<TcpStream>> {
    let address = resolve(&conversation.host, conversation.port, conversation.family)?;
    heard.asked = Some(address);
    let tcp = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    tcp.set_nodelay(true)?;
    heard.peer = Some(tcp.peer_addr().context("getpeername")?);
    let mut config = client_config(roots)?;
    config.alpn_protocols = match conversation.http {
        Version::H1 => vec![b"http/1.1".to_vec()],
        Version::H2 => vec![b"h2".to_vec()],
    };
    let name = ServerName::try_from(conversation.host.clone())?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.context("TLS")?;
    let session = tls.get_ref().1;
    heard.issuer = session.peer_certificates().and_then(<[_]>::first).map(|leaf| issuer(leaf));
    heard.alpn = session.alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned());
    Ok(tls)
}

/// The first address that getaddrinfo gives, of the family that is wanted.
pub(super) fn resolve(host: &str, port: u16, family: Family) -> Result<SocketAddr> {
    let first = resolve_all(host, port, family)?.into_iter().next();
    first.with_context(|| format!("{host} has no address of family {family:?}"))
}

pub(super) fn resolve_all(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>> {
    let addresses = (host, port).to_socket_addrs().with_context(|| format!("resolve {host}"))?;
    let wanted = |address: &SocketAddr| match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    Ok(addresses.filter(wanted).collect())
}

pub(super) fn client_config(roots: Arc<RootCertStore>) -> Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// As OpenSSL does it: `SSL_CERT_FILE`, or the system's bundle.
pub(super) fn roots() -> Result<RootCertStore> {
    let path = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| SYSTEM_BUNDLE.to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(&path).with_context(|| format!("open {path}"))?
    {
        // Bundles hold certificates that webpki refuses; so do those of real clients.
        let _ = roots.add(certificate.with_context(|| format!("read {path}"))?);
    }
    if roots.is_empty() {
        bail!("{path} holds no certificate");
    }
    Ok(roots)
}

/// The common name of who signed.
pub(super) fn issuer(leaf: &CertificateDer<'_>) -> String {
    let parsed = x509_parser::parse_x509_certificate(leaf);
    parsed.map_or_else(
        |error| format!("unreadable certificate: {error}"),
        |(_, certificate)| certificate.issuer().to_string(),
    )
}

/// How a failed read ended the connection.
pub(super) fn end_of(error: &io::Error) -> End {
    let kind = error.kind();
    if kind == io::ErrorKind::UnexpectedEof {
        End::Cut
    } else if kind == io::ErrorKind::ConnectionReset || kind == io::ErrorKind::BrokenPipe {
        End::Reset
    } else if kind == io::ErrorKind::TimedOut {
        End::Silence
    } else {
        End::Failed(error.to_string())
    }
}

/// A read that came to nothing in time is `TimedOut`.
pub(super) async fn within<T>(ms: u64, read: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let limit = Duration::from_millis(ms);
    tokio::time::timeout(limit, read).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Until nobody holds the other end of standard input.
pub(super) async fn stdin_ended() {
    let read = || io::copy(&mut io::stdin().lock(), &mut io::sink());
    let _ = tokio::task::spawn_blocking(read).await;
}
