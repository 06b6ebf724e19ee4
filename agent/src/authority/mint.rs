//! Makes certificates. Knows what each of the three kinds must say; knows no file and no cache.

use anyhow::{Context, Result};
use aws_lc_rs::rand;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use crate::names::NameSet;

const ROOT_LIFE: Duration = Duration::days(3650);
const INTERMEDIATE_LIFE: Duration = Duration::days(365);
/// Clients and their scanners distrust long-lived leaves; ours are cheap.
const LEAF_LIFE: Duration = Duration::days(14);
/// A leaf is replaced this long before its end, so that none expires in a client's hand.
const LEAF_RENEW_BEFORE: Duration = Duration::days(7);
/// A virtual machine's clock may be this far behind the node's.
const CLOCK_SKEW: Duration = Duration::days(1);
/// X.520: a common name has at most 64 characters.
const COMMON_NAME_BYTES_MAX: usize = 64;
/// RFC 5280 allows 20 bytes; 16 random ones cannot be guessed and never collide.
const SERIAL_BYTES: usize = 16;

/// The anchor that workloads trust. Holds its private key: make the intermediate and drop it.
pub(super) struct Root {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Root {
    pub(super) fn new(now: OffsetDateTime) -> Result<Root> {
        Root::lasting(ROOT_LIFE, now)
    }

    /// No reason to outlive the intermediate: its key is forgotten at once.
    pub(super) fn ephemeral(now: OffsetDateTime) -> Result<Root> {
        Root::lasting(INTERMEDIATE_LIFE, now)
    }

    fn lasting(life: Duration, now: OffsetDateTime) -> Result<Root> {
        let key = new_key()?;
        let mut params = authority_params("root", 1, life, now)?;
        // The intermediate carries the constraints, because verifiers may ignore them on an anchor.
        params.key_usages.push(KeyUsagePurpose::CrlSign);
        let certificate = params.self_signed(&key).context("root certificate")?;
        Ok(Root { der: certificate.der().clone(), pem: certificate.pem(), key })
    }

    /// Fails when the key is not the certificate's.
    pub(super) fn from_pem(certificate: &str, key: &str) -> Result<Root> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .context("certificate is not PEM")?;
        let key = KeyPair::from_pem(key).context("private key is not PEM")?;
        let root = Root { der, pem: certificate.to_owned(), key };
        certified(vec![root.der.clone()], &root.key)?;
        Ok(root)
    }

    pub(super) fn certificate_pem(&self) -> String {
        self.pem.clone()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) fn intermediate(
        &self,
        names: &NameSet,
        now: OffsetDateTime,
    ) -> Result<Intermediate> {
        let key = new_key()?;
        let mut params = authority_params("intermediate", 0, INTERMEDIATE_LIFE, now)?;
        params.not_after = params.not_after.min(not_after(&self.der)?);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.name_constraints = Some(constraints(names));
        let issuer = Issuer::from_ca_cert_der(&self.der, &self.key).context("root as issuer")?;
        let certificate = params.signed_by(&key, &issuer).context("intermediate certificate")?;
        Intermediate::new(certificate.der().clone(), certificate.pem(), key)
    }
}

/// Signs leaves.
pub(super) struct Intermediate {
    der: CertificateDer<'static>,
    certificate_pem: String,
    not_after: OffsetDateTime,
    issuer: Issuer<'static, KeyPair>,
}

impl Intermediate {
    fn new(
        der: CertificateDer<'static>,
        certificate_pem: String,
        key: KeyPair,
    ) -> Result<Intermediate> {
        certified(vec![der.clone()], &key)?;
        let not_after = not_after(&der)?;
        let issuer = Issuer::from_ca_cert_der(&der, key).context("intermediate as issuer")?;
        Ok(Intermediate { der, certificate_pem, not_after, issuer })
    }

    /// Reads key and certificate from one text.
    pub(super) fn from_pem(pem: &str) -> Result<Intermediate> {
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).context("certificate is not PEM")?;
        let key =
            PrivateKeyDer::from_pem_slice(pem.as_bytes()).context("private key is not PEM")?;
        let key = KeyPair::try_from(&key).context("private key is not one weir makes")?;
        let certificate_pem = pem.find("-----BEGIN CERTIFICATE").map_or("", |start| &pem[start..]);
        Intermediate::new(der, certificate_pem.to_owned(), key)
    }

    pub(super) fn to_pem(&self) -> String {
        format!("{}{}", self.issuer.key().serialize_pem(), self.certificate_pem)
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) fn left(&self, now: OffsetDateTime) -> Duration {
        self.not_after - now
    }

    /// A leaf with its chain, and the moment from which it should be replaced. Asks nobody whether the name is allowed.
    pub(super) fn leaf(
        &self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<(CertifiedKey, OffsetDateTime)> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        params.distinguished_name =
            distinguished(name.len().le(&COMMON_NAME_BYTES_MAX).then_some(name));
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().context("name")?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        params.not_before = now - CLOCK_SKEW;
        params.not_after = (now + LEAF_LIFE).min(self.not_after);
        let certificate = params.signed_by(&key, &self.issuer).context("signing")?;
        let leaf = certified(vec![certificate.der().clone(), self.der.clone()], &key)?;
        Ok((leaf, params.not_after - LEAF_RENEW_BEFORE))
    }
}

/// What root and intermediate have in common.
fn authority_params(
    kind: &str,
    path_len: u8,
    life: Duration,
    now: OffsetDateTime,
) -> Result<CertificateParams> {
    let serial = serial()?;
    // Part of the name, so that two authorities in one bundle are told apart.
    let mark: String = serial.to_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(Some(&format!("weir {kind} {mark}")));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_len));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial);
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + life;
    Ok(params)
}

/// Permits the names, and nothing below an address: a list of DNS names alone would leave addresses open.
fn constraints(names: &NameSet) -> NameConstraints {
    NameConstraints {
        permitted_subtrees: names.subtrees().into_iter().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    }
}

fn distinguished(common_name: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "weir");
    if let Some(common_name) = common_name {
        name.push(DnType::CommonName, common_name);
    }
    name
}

fn new_key() -> Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("private key")
}

fn serial() -> Result<SerialNumber> {
    let mut bytes = [0; SERIAL_BYTES];
    rand::fill(&mut bytes).ok().context("no random bytes from the system")?;
    // Positive and of full length, as RFC 5280 wants it.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Pairs chain and key; an error when the key is not the first certificate's.
fn certified(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Result<CertifiedKey> {
    let key = PrivateKeyDer::Pkcs8(key.serialized_der().to_vec().into());
    let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key).context("private key")?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().context("certificate and private key do not belong together")?;
    Ok(pair)
}

pub(super) fn not_after(der: &CertificateDer<'_>) -> Result<OffsetDateTime> {
    let (_, certificate) =
        x509_parser::parse_x509_certificate(der).context("certificate is not X.509")?;
    Ok(certificate.validity().not_after.to_datetime())
}
