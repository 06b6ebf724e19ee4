//! Java's trust store. Knows the JKS form (read and written), PKCS #12 without encryption (read, as JDK 18 and later ship
//! it), and the options that choose a store. Needs no password: certificates are public.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use rustls::pki_types::CertificateDer;

const MAGIC: u32 = 0xFEED_FEED;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
/// Mixed into the digest that ends a store; it protects against accidents only.
const WHITENER: &str = "Mighty Aphrodite";
/// What everyone uses. Java does not ask for it to read certificates.
const PASSWORD: &str = "changeit";
/// Every public authority together is 200 KiB.
const STORE_BYTES_MAX: u64 = 16 << 20;

const STORE_OPTION: &str = "-Djavax.net.ssl.trustStore=";

/// Where distributions keep the store that all their Javas share.
const SHARED_STORES: [&str; 3] = [
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/etc/pki/java/cacerts",
];

/// The store that options already choose: the last one, as in Java.
pub(super) fn configured_store(options: &str) -> Option<PathBuf> {
    let words = words(options);
    words.iter().rev().find_map(|word| word.strip_prefix(STORE_OPTION)).map(PathBuf::from)
}

/// Splits at white space outside of quotes, and removes the quotes.
fn words(options: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in options.chars() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter.is_whitespace() => words.push(String::new()),
            _ => words.last_mut().into_iter().for_each(|word| word.push(letter)),
        }
    }
    words
}

/// Options that choose our store, after what is there. Later options win in Java.
pub(super) fn options(existing: OsString, store: &Path) -> OsString {
    let mut options = existing;
    if !options.is_empty() {
        options.push(" ");
    }
    let quote = if store.to_string_lossy().contains(char::is_whitespace) { "\"" } else { "" };
    for part in [quote, STORE_OPTION] {
        options.push(part);
    }
    options.push(store);
    options.push(quote);
    options.push(" -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=");
    options.push(PASSWORD);
    options
}

/// What the Java that the child would run trusts by itself. Empty when there is none, or its store cannot be read.
pub(super) fn own_roots(
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<CertificateDer<'static>> {
    let home = environment("JAVA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let homes = home.into_iter().chain(environment("PATH").and_then(|path| home_on_path(&path)));
    let inside = homes.flat_map(|home| {
        // Java prefers `jssecacerts`; before Java 9 both lay in `jre`.
        ["lib/security/jssecacerts", "lib/security/cacerts", "jre/lib/security/cacerts"]
            .map(|store| home.join(store))
    });
    let mut stores = inside.chain(SHARED_STORES.map(PathBuf::from));
    stores.find_map(|store| read(&store)).unwrap_or_default()
}

fn home_on_path(path: &OsString) -> Option<PathBuf> {
    let java = std::env::split_paths(path)
        .map(|directory| directory.join("java"))
        .find(|java| java.is_file())?;
    let java = fs::canonicalize(java).ok()?;
    Some(java.parent()?.parent()?.to_owned())
}

/// The trusted certificates of a store. None when the file is not there or cannot be understood.
pub(super) fn read(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let size = fs::metadata(path).ok()?.len();
    let bytes = (size <= STORE_BYTES_MAX).then(|| fs::read(path).ok())??;
    let certificates = read_jks(&bytes).unwrap_or_else(|| read_plain_pkcs12(&bytes));
    (!certificates.is_empty()).then_some(certificates)
}

/// None when it is not a JKS. A store with private keys is read up to the first of them.
fn read_jks(bytes: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut input = Input(bytes);
    (input.number()? == MAGIC && input.number()? == VERSION).then_some(())?;
    let mut certificates = Vec::new();
    for _ in 0..input.number()? {
        let Some(certificate) = trusted_entry(&mut input) else { break };
        certificates.push(CertificateDer::from(certificate.to_vec()));
    }
    Some(certificates)
}

/// Kind, alias, time, type, certificate.
fn trusted_entry<'a>(input: &mut Input<'a>) -> Option<&'a [u8]> {
    (input.number()? == TRUSTED_CERTIFICATE).then_some(())?;
    input.short_text()?;
    input.take(8)?;
    (input.short_text()? == b"X.509").then_some(())?;
    let length = usize::try_from(input.number()?).ok()?;
    input.take(length)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn short_text(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        self.take(usize::from(length))
    }

    /// One DER element: tag and content.
    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        let tag = self.take(1)?[0];
        let first = self.take(1)?[0];
        let length = match first {
            0..=0x7f => usize::from(first),
            // Stores are below 4 GiB; indefinite lengths (0x80) are not DER.
            0x81..=0x84 => self
                .take(usize::from(first & 0x7f))?
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            _ => return None,
        };
        Some((tag, self.take(length)?))
    }
}

/// 1.2.840.113549.1.9.22.1, x509Certificate: what follows it is an octet string in a context tag.
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;
/// PFX, content, octets, safe, content, octets, bags, bag, value, bag: ten levels, and a few to spare.
const DEPTH_MAX: usize = 16;

fn read_plain_pkcs12(bytes: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut certificates = Vec::new();
    collect_bags(bytes, DEPTH_MAX, &mut certificates);
    certificates
}

/// Looks into everything that may hold other elements. An encrypted part holds none that can be read.
fn collect_bags(bytes: &[u8], depth: usize, certificates: &mut Vec<CertificateDer<'static>>) {
    let mut input = Input(bytes);
    let mut bag = false;
    while let Some((tag, content)) = input.element() {
        if bag {
            let mut octets = Input(content);
            if let Some((OCTET_STRING, certificate)) = octets.element() {
                certificates.push(CertificateDer::from(certificate.to_vec()));
            }
        } else if depth > 0 && (tag & CONSTRUCTED != 0 || tag == OCTET_STRING) {
            collect_bags(content, depth - 1, certificates);
        }
        bag = tag == OBJECT_IDENTIFIER && content == X509_CERTIFICATE;
    }
}

/// A JKS with these certificates, each once.
pub(super) fn key_store(certificates: &[CertificateDer<'_>]) -> Vec<u8> {
    let unique: BTreeSet<&[u8]> = certificates.iter().map(AsRef::as_ref).collect();
    let mut store = Vec::new();
    for number in [MAGIC, VERSION, length(unique.len())] {
        store.extend(number.to_be_bytes());
    }
    for (index, certificate) in unique.iter().enumerate() {
        store.extend(TRUSTED_CERTIFICATE.to_be_bytes());
        put_short_text(&mut store, &format!("weir-{index}"));
        // The time of entry, which nobody reads.
        store.extend([0; 8]);
        put_short_text(&mut store, "X.509");
        store.extend(length(certificate.len()).to_be_bytes());
        store.extend_from_slice(certificate);
    }
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    PASSWORD.encode_utf16().for_each(|unit| digest.update(&unit.to_be_bytes()));
    digest.update(WHITENER.as_bytes());
    digest.update(&store);
    store.extend_from_slice(digest.finish().as_ref());
    store
}

/// Far below 4 GiB: every reader here is bounded.
fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn put_short_text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
