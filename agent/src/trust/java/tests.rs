#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::process::Command;

use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use super::*;
use crate::authority::Authority;
use crate::names::{NameRule, NameSet};
use crate::testing::skip;

fn roots(count: usize) -> Vec<CertificateDer<'static>> {
    let names: NameSet = [NameRule::parse("api.openai.com").unwrap()].into_iter().collect();
    let root = || Authority::ephemeral(&names).unwrap().root_pem().to_owned();
    let mut roots: Vec<_> =
        (0..count).map(|_| CertificateDer::from_pem_slice(root().as_bytes()).unwrap()).collect();
    roots.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    roots
}

fn check_configured(options: &str, expected: Option<&str>) {
    assert_eq!(configured_store(options), expected.map(PathBuf::from), "{options}");
}

#[test]
fn a_configured_store_is_found() {
    check_configured("", None);
    check_configured("-Xmx1g -Djavax.net.ssl.trustStoreType=JKS", None);
    check_configured("-Djavax.net.ssl.trustStore=/a/b.jks", Some("/a/b.jks"));
    check_configured("-Xmx1g -Djavax.net.ssl.trustStore=/a/b.jks -Dx=y", Some("/a/b.jks"));
    check_configured("\"-Djavax.net.ssl.trustStore=/a b.jks\"", Some("/a b.jks"));
    check_configured("-Djavax.net.ssl.trustStore=/a -Djavax.net.ssl.trustStore=/b", Some("/b"));
}

#[test]
fn options_come_after_what_is_there() {
    let tail = "-Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit";
    let added = |existing: &str, store: &str| {
        options(existing.into(), Path::new(store)).into_string().unwrap()
    };
    assert_eq!(added("", "/t/s.jks"), format!("-Djavax.net.ssl.trustStore=/t/s.jks {tail}"));
    assert_eq!(
        added("-Xmx1g", "/t/s.jks"),
        format!("-Xmx1g -Djavax.net.ssl.trustStore=/t/s.jks {tail}")
    );
    assert_eq!(
        added("", "/my t/s.jks"),
        format!("\"-Djavax.net.ssl.trustStore=/my t/s.jks\" {tail}")
    );
    assert_eq!(configured_store(&added("", "/my t/s.jks")), Some("/my t/s.jks".into()));
}

#[test]
fn what_is_written_is_read() {
    let roots = roots(3);
    let twice = [roots.clone(), roots.clone()].concat();
    assert_eq!(read_jks(&key_store(&twice)), Some(roots));
    assert_eq!(read_jks(&key_store(&[])), Some(Vec::new()));
}

#[test]
fn a_cut_store_does_no_harm() {
    let store = key_store(&roots(2));
    for length in 0..store.len() {
        let read = read_jks(&store[..length]).unwrap_or_default();
        assert!(read.len() <= 2);
        read_plain_pkcs12(&store[..length]);
    }
}

#[test]
fn an_endless_nesting_ends() {
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        let length = u32::try_from(bytes.len()).unwrap();
        bytes = [&[0x30, 0x84], &length.to_be_bytes()[..], &bytes].concat();
    }
    assert!(read_plain_pkcs12(&bytes).is_empty());
}

#[test]
fn the_store_of_this_machine_is_read() {
    let Some(store) = SHARED_STORES.iter().map(Path::new).find(|store| store.exists()) else {
        skip("no Java trust store on this machine");
        return;
    };
    let certificates = read(store).unwrap();
    assert!(certificates.len() > 50, "{}", certificates.len());
    let mut roots = rustls::RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(certificates);
    assert_eq!(ignored, 0);
    assert_eq!(own_roots(&|_| None), read(store).unwrap());
}

/// keytool checks the digest at the end, and counts.
#[test]
fn keytool_accepts_the_store() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("s.jks");
    fs::write(&path, key_store(&roots(3))).unwrap();
    let output = Command::new("keytool")
        .args(["-list", "-storepass", "changeit", "-keystore"])
        .arg(&path)
        .output();
    let Ok(output) = output else {
        skip("no keytool on this machine");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("contains 3 entries"), "{text}");
}

/// As the JDK ships its own since version 18.
#[test]
fn a_plain_pkcs12_is_read() {
    if Command::new("keytool").arg("-help").output().is_err() {
        skip("no keytool on this machine");
        return;
    }
    let directory = TempDir::new().unwrap();
    let roots = roots(2);
    for (index, root) in roots.iter().enumerate() {
        fs::write(directory.path().join("root.der"), root).unwrap();
        let import = Command::new("keytool")
            .args([
                "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE",
                "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
            ])
            .args(["-importcert", "-noprompt", "-storetype", "PKCS12", "-storepass", "changeit"])
            .args([
                "-alias",
                &format!("root{index}"),
                "-file",
                "root.der",
                "-keystore",
                "store.p12",
            ])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stdout));
    }
    let mut found = read(&directory.path().join("store.p12")).unwrap();
    found.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    assert_eq!(found, roots);
}

#[test]
fn an_encrypted_store_is_not_guessed_at() {
    if Command::new("keytool").arg("-help").output().is_err() {
        skip("no keytool on this machine");
        return;
    }
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("root.der"), &roots(1)[0]).unwrap();
    let import = Command::new("keytool")
        .args([
            "-importcert",
            "-noprompt",
            "-storetype",
            "PKCS12",
            "-storepass",
            "changeit",
            "-alias",
            "a",
        ])
        .args(["-file", "root.der", "-keystore", "store.p12"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(import.status.success());
    assert_eq!(read(&directory.path().join("store.p12")), None);
}
