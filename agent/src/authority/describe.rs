//! Tells an operator what the authority is. Knows certificates as they are read back, not how they were made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::extensions::GeneralName;

use crate::names::NameSet;

/// Everything `weir ca show` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    pub root: CertificateDescription,
    pub intermediate: CertificateDescription,
    /// The names leaves are issued for. The intermediate's constraint also covers names below an exact one.
    pub names: Vec<String>,
    /// The DNS subtrees in the intermediate's constraint, read back from the certificate.
    pub permitted: BTreeSet<String>,
    pub root_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CertificateDescription {
    pub subject: String,
    pub issuer: String,
    pub serial: String,
    pub not_before: String,
    pub not_after: String,
    /// Of the DER form, as `openssl x509 -fingerprint -sha256` prints it.
    pub sha256: String,
}

impl Description {
    pub(super) fn new(
        root_pem: &str,
        intermediate: &CertificateDer<'_>,
        names: &NameSet,
        root_path: Option<PathBuf>,
    ) -> Result<Description> {
        let root =
            CertificateDer::from_pem_slice(root_pem.as_bytes()).context("root certificate")?;
        Ok(Description {
            root: describe(&root)?,
            intermediate: describe(intermediate)?,
            names: names.iter().map(ToString::to_string).collect(),
            permitted: permitted_subtrees(intermediate)?,
            root_path,
        })
    }
}

fn describe(der: &CertificateDer<'_>) -> Result<CertificateDescription> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)?;
    Ok(CertificateDescription {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.raw_serial_as_string(),
        not_before: date(certificate.validity().not_before.to_datetime())?,
        not_after: date(certificate.validity().not_after.to_datetime())?,
        sha256: fingerprint(der),
    })
}

fn date(time: OffsetDateTime) -> Result<String> {
    Ok(time.format(&Rfc3339)?)
}

fn fingerprint(der: &[u8]) -> String {
    let bytes = digest(&SHA256, der);
    bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The DNS names of a certificate's permitted subtrees; empty when it has no name constraints.
pub(super) fn permitted_subtrees(der: &CertificateDer<'_>) -> Result<BTreeSet<String>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)?;
    let Some(constraints) = certificate.name_constraints()? else {
        return Ok(BTreeSet::new());
    };
    let permitted = constraints.value.permitted_subtrees.as_deref().unwrap_or_default();
    Ok(permitted.iter().filter_map(|subtree| dns_name(&subtree.base)).collect())
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::DNSName(name) = name else {
        return None;
    };
    Some((*name).to_owned())
}
