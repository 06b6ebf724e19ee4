//! The test authority: signs a certificate for every name the rig serves.
//! Knows names and keys; knows no socket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The common name of the root: what a client sees as issuer when nobody stands between.
pub const AUTHORITY_NAME: &str = "Weir rig test authority";

/// The common name of an authority that nobody has been told of.
pub const STRANGER_NAME: &str = "Weir rig stranger";

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
    leaves: Mutex<HashMap<String, Arc<Leaf>>>,
}

/// A certificate and its key, for one name.
pub struct Leaf {
    pub certificate: CertificateDer<'static>,
    pub key: KeyPair,
}

impl Authority {
    pub fn named(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2044, 1, 1);
        let key = KeyPair::generate()?;
        let root_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), root_pem, leaves: Mutex::default() })
    }

    #[must_use]
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The certificate for `name`; the same one as long as the rig lives.
    pub fn leaf(&self, name: &str) -> Result<Arc<Leaf>> {
        let mut leaves = self.leaves.lock().expect("no panic holds the leaves");
        if let Some(leaf) = leaves.get(name) {
            return Ok(Arc::clone(leaf));
        }
        let leaf = Arc::new(self.sign(name)?);
        leaves.insert(name.to_owned(), Arc::clone(&leaf));
        Ok(leaf)
    }

    /// A TLS server for `name` that offers `alpn` in this order.
    pub fn server_config(&self, name: &str, alpn: &[Vec<u8>]) -> Result<ServerConfig> {
        let leaf = self.leaf(name)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(crypto())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.certificate.clone()], key)
            .with_context(|| format!("use the certificate of {name}"))?;
        config.alpn_protocols = alpn.to_vec();
        Ok(config)
    }

    fn sign(&self, name: &str) -> Result<Leaf> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        // A common name is at most 64 characters; the name itself is in the SAN.
        params
            .distinguished_name
            .push(DnType::CommonName, name.chars().take(64).collect::<String>());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2044, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(Leaf { certificate, key })
    }
}

/// The one cryptography of the rig.
#[must_use]
pub fn crypto() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
