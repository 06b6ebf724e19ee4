//! PEM bundles: where a machine keeps its own, and how to read what a variable points to. Knows files; knows no runtime.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Debian, Alpine, Arch; RHEL 7 and later; SUSE; Alpine and others. The order in which Go looks for them.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// All public authorities together are about 250 KiB.
const BUNDLE_BYTES_MAX: u64 = 16 << 20;
/// A hashed directory holds a few hundred files.
const DIRECTORY_FILES_MAX: usize = 4096;

/// The text of certificates, as it was found: comments and trust settings included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pem(String);

impl From<&str> for Pem {
    fn from(text: &str) -> Pem {
        Pem(text.to_owned())
    }
}

impl Pem {
    /// Reads a file, or every file of a directory. The error completes "VALUE: ...".
    pub(super) fn read(path: &Path) -> Result<Pem, String> {
        let mut pem = if path.is_dir() { read_directory(path)? } else { Pem(read_file(path)?) };
        if !pem.0.contains("-----BEGIN ") {
            return Err("holds no certificate in PEM form".to_owned());
        }
        end_line(&mut pem.0);
        Ok(pem)
    }

    pub(super) fn extend(&mut self, other: Pem) {
        end_line(&mut self.0);
        self.0.push_str(&other.0);
    }

    /// The text with one more certificate.
    pub(super) fn with(&self, certificate: &str) -> String {
        let mut text = self.0.clone();
        end_line(&mut text);
        text.push_str(certificate);
        text
    }

    /// What can be read of it.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.0.as_bytes()).filter_map(Result::ok).collect()
    }
}

/// The machine's own bundle; Mozilla's list, with a note, when there is none.
pub(super) fn system() -> (Pem, Option<String>) {
    system_among(&SYSTEM_BUNDLES)
}

pub(super) fn system_among(paths: &[&str]) -> (Pem, Option<String>) {
    let found = paths.iter().find_map(|path| Pem::read(Path::new(path)).ok());
    found.map_or_else(
        || {
            let note = "this machine has no bundle of public authorities; using Mozilla's list as weir was built with it";
            (mozilla(), Some(note.to_owned()))
        },
        |pem| (pem, None),
    )
}

fn mozilla() -> Pem {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let text =
        roots.map(|der| pem::encode_config(&pem::Pem::new("CERTIFICATE", der.to_vec()), config));
    Pem(text.collect())
}

/// The same certificate often lies there twice: once by name, once by hash.
fn read_directory(path: &Path) -> Result<Pem, String> {
    let entries = fs::read_dir(path).map_err(|error| format!("cannot be read ({error})"))?;
    let mut paths: Vec<_> = entries
        .take(DIRECTORY_FILES_MAX)
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut texts: Vec<String> = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = read_file(path).unwrap_or_default();
        if text.contains("-----BEGIN ") && !texts.contains(&text) {
            texts.push(text);
        }
    }
    let mut pem = Pem::default();
    texts.into_iter().for_each(|text| pem.extend(Pem(text)));
    Ok(pem)
}

fn read_file(path: &Path) -> Result<String, String> {
    let read = || -> std::io::Result<String> {
        let mut bytes = Vec::new();
        File::open(path)?.take(BUNDLE_BYTES_MAX).read_to_end(&mut bytes)?;
        // Names in comments may be in any encoding; base64 is not.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_err(|error| format!("cannot be read ({error})"))
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}
