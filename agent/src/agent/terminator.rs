//! TLS as a server: a leaf of our authority for the name that the client asked for, and exactly the
//! protocol that the provider agreed to.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig};
use tracing::warn;

use crate::authority::Authority;
use crate::upstream::Alpn;

/// Each costs a signature's worth of work; a client on the same machine gains little from more than one.
const TICKETS: usize = 1;

pub(crate) struct Terminator {
    h2: Arc<ServerConfig>,
    h1: Arc<ServerConfig>,
    plain: Arc<ServerConfig>,
}

impl Terminator {
    pub(crate) fn new(authority: Arc<Authority>) -> anyhow::Result<Self> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(cheapest_first()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Leaves(authority)));
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.ignore_client_order = true;
        config.send_tls13_tickets = TICKETS;
        let with = |alpn: Alpn| {
            let mut config = config.clone();
            config.alpn_protocols =
                alpn.as_str().map(|name| name.as_bytes().to_vec()).into_iter().collect();
            Arc::new(config)
        };
        Ok(Self { h2: with(Alpn::H2), h1: with(Alpn::H1), plain: with(Alpn::Absent) })
    }

    pub(crate) fn config(&self, alpn: Alpn) -> Arc<ServerConfig> {
        Arc::clone(match alpn {
            Alpn::H2 => &self.h2,
            Alpn::H1 => &self.h1,
            Alpn::Absent => &self.plain,
        })
    }
}

/// This leg never leaves the machine: of the suites that a client accepts, the one that costs least. SHA-256
/// has instructions of its own where SHA-384 has none.
fn cheapest_first() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let cheap = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ];
    provider.cipher_suites.sort_by_key(|suite| !cheap.contains(&suite.suite()));
    provider
}

struct Leaves(Arc<Authority>);

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves")
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        self.0
            .leaf(name)
            .inspect_err(|problem| warn!(%problem, "no certificate could be made"))
            .ok()
    }
}
