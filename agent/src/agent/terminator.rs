//! TLS as a server: a leaf of our authority for the name that the client asked for, and exactly the
//! protocol that the provider agreed to.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::warn;

use crate::authority::Authority;
use crate::upstream::Alpn;

pub(crate) struct Terminator {
    h2: Arc<ServerConfig>,
    h1: Arc<ServerConfig>,
    plain: Arc<ServerConfig>,
}

impl Terminator {
    pub(crate) fn new(authority: Arc<Authority>) -> anyhow::Result<Self> {
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Leaves(authority)));
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.send_half_rtt_data = false;
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
