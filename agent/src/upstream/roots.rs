//! Whom weir trusts as a provider: the system's roots, the configured ones, never its own authority.

use std::path::PathBuf;

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

pub(super) fn client_config(extra: &[PathBuf]) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (_, ignored) = roots.add_parsable_certificates(system.certs);
    if ignored > 0 {
        warn!(ignored, "some of the system's root certificates cannot be read");
    }
    if roots.is_empty() {
        warn!("the system has no root certificates; the built-in Mozilla roots are used instead");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for path in extra {
        add_file(&mut roots, path)
            .with_context(|| format!("upstream.extra_roots: {}", path.display()))?;
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &PathBuf) -> anyhow::Result<()> {
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
        count += 1;
    }
    if count == 0 {
        bail!("holds no PEM certificate");
    }
    Ok(())
}
