#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod clients;

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::authority::Authority;
use crate::names::{NameRule, NameSet};

fn authority() -> Authority {
    let names: NameSet = ["api.openai.com", "corporate.example"]
        .iter()
        .map(|n| NameRule::parse(n).unwrap())
        .collect();
    Authority::ephemeral(&names).unwrap()
}

fn deliver(root: &str, environment: &[(&str, &str)]) -> Trust {
    let environment: HashMap<String, OsString> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
        .collect();
    Trust::deliver(root, &|name| environment.get(name).cloned()).unwrap()
}

fn value(trust: &Trust, variable: &str) -> String {
    let found = trust.variables().into_iter().find(|(name, _)| name == variable);
    found.unwrap_or_else(|| panic!("{variable} is not set")).1.into_string().unwrap()
}

fn certificates_of(trust: &Trust, variable: &str) -> Vec<CertificateDer<'static>> {
    let pem = fs::read(value(trust, variable)).unwrap();
    CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

const EVERY_VARIABLE: [&str; 14] = [
    "AWS_CA_BUNDLE",
    "BUNDLE_SSL_CA_CERT",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "JAVA_TOOL_OPTIONS",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CAFILE",
    "PHP_INI_SCAN_DIR",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

#[test]
fn every_runtime_gets_its_variable_once() {
    let trust = deliver(authority().root_pem(), &[]);
    let mut names: Vec<String> = trust.variables().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, EVERY_VARIABLE);
}

#[test]
fn our_root_never_stands_alone_where_it_replaces() {
    let root = authority();
    let trust = deliver(root.root_pem(), &[]);
    for (variable, _) in REPLACING {
        let certificates = certificates_of(&trust, variable);
        assert!(certificates.len() > 50, "{variable}: {} public roots", certificates.len() - 1);
        assert_eq!(certificates.last(), Some(&der(root.root_pem())), "{variable}");
    }
    for variable in ADDING {
        assert_eq!(certificates_of(&trust, variable), [der(root.root_pem())], "{variable}");
    }
}

#[test]
fn a_value_of_the_user_is_merged() {
    let (root, corporate) = (authority(), authority());
    let file = tempfile::NamedTempFile::new().unwrap();
    // Without a final line break, as people leave it.
    fs::write(file.path(), corporate.root_pem().trim_end()).unwrap();
    let path = file.path().to_str().unwrap();
    let both = [der(corporate.root_pem()), der(root.root_pem())];
    for variable in REPLACING.map(|(variable, _)| variable).into_iter().chain(ADDING) {
        let trust = deliver(root.root_pem(), &[(variable, path)]);
        assert_eq!(certificates_of(&trust, variable), both, "{variable}");
        assert_eq!(trust.notes(), [""; 0], "{variable}");
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        corporate.root_pem().trim_end(),
        "their file is not touched"
    );
}

#[test]
fn a_variable_inherits_what_its_runtime_would_have_obeyed() {
    let (root, corporate) = (authority(), authority());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), corporate.root_pem()).unwrap();
    let path = file.path().to_str().unwrap();
    let both = [der(corporate.root_pem()), der(root.root_pem())];
    let check = |set: &str, read: &str| {
        let trust = deliver(root.root_pem(), &[(set, path)]);
        assert_eq!(certificates_of(&trust, read), both, "{set} for {read}");
    };
    check("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE");
    check("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE");
    check("REQUESTS_CA_BUNDLE", "PIP_CERT");
    check("SSL_CERT_FILE", "CURL_CA_BUNDLE");
    check("SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH");
}

#[test]
fn a_directory_of_certificates_is_part_of_every_bundle() {
    let (root, first, second) = (authority(), authority(), authority());
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("first.pem"), first.root_pem()).unwrap();
    fs::write(directory.path().join("1a2b3c4d.0"), first.root_pem()).unwrap();
    fs::write(directory.path().join("README"), "no certificate").unwrap();
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("second.pem"), second.root_pem()).unwrap();
    let paths = format!("{}:/nonexistent:{}", directory.path().display(), other.path().display());
    let trust = deliver(root.root_pem(), &[("SSL_CERT_DIR", &paths)]);
    let certificates = certificates_of(&trust, "CURL_CA_BUNDLE");
    let tail = &certificates[certificates.len() - 3..];
    assert_eq!(tail, [der(first.root_pem()), der(second.root_pem()), der(root.root_pem())]);
    assert!(!trust.variables().iter().any(|(name, _)| name == "SSL_CERT_DIR"));
    // requests takes a directory too.
    let trust =
        deliver(root.root_pem(), &[("REQUESTS_CA_BUNDLE", directory.path().to_str().unwrap())]);
    assert_eq!(
        certificates_of(&trust, "REQUESTS_CA_BUNDLE"),
        [der(first.root_pem()), der(root.root_pem())]
    );
}

#[test]
fn a_value_that_cannot_be_read_is_told_and_replaced_by_the_default() {
    let root = authority();
    let trust = deliver(
        root.root_pem(),
        &[("SSL_CERT_FILE", "/nonexistent/ca.pem"), ("PIP_CERT", "/etc/passwd")],
    );
    assert_eq!(
        trust.notes(),
        [
            "SSL_CERT_FILE=/nonexistent/ca.pem: cannot be read (No such file or directory (os error 2)); using the default \
             bundle instead",
            "PIP_CERT=/etc/passwd: holds no certificate in PEM form; using the default bundle instead",
        ]
    );
    for variable in ["SSL_CERT_FILE", "PIP_CERT"] {
        assert!(certificates_of(&trust, variable).len() > 50, "{variable}");
    }
}

#[test]
fn an_empty_value_is_no_value() {
    let trust =
        deliver(authority().root_pem(), &[("SSL_CERT_FILE", ""), ("NODE_EXTRA_CA_CERTS", "")]);
    assert_eq!(trust.notes(), [""; 0]);
    assert!(certificates_of(&trust, "SSL_CERT_FILE").len() > 50);
}

#[test]
fn weir_in_weir_trusts_both() {
    let (outer, inner) = (authority(), authority());
    let first = deliver(outer.root_pem(), &[]);
    let variables = first.variables();
    let second = Trust::deliver(inner.root_pem(), &|name| {
        variables.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.clone())
    })
    .unwrap();
    for (variable, _) in REPLACING {
        let certificates = certificates_of(&second, variable);
        assert!(
            certificates.contains(&der(outer.root_pem()))
                && certificates.contains(&der(inner.root_pem()))
        );
    }
    assert!(value(&second, "JAVA_TOOL_OPTIONS").contains("truststore.jks"));
}

#[test]
fn a_machine_without_a_bundle_gets_mozillas() {
    let (pem, note) = bundle::system_among(&["/nonexistent"]);
    assert!(pem.certificates().len() > 100);
    assert_eq!(
        note.as_deref(),
        Some(
            "this machine has no bundle of public authorities; using Mozilla's list as weir was built with it"
        )
    );
    let mut roots = rustls::RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(pem.certificates());
    assert!(added > 100 && ignored == 0, "{added} and {ignored}");
}

#[test]
fn everyone_may_read_and_nothing_is_left() {
    let trust = deliver(authority().root_pem(), &[]);
    let directory = trust.directory().to_owned();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o755);
    assert_eq!(mode(&directory.join("php")), 0o755);
    for name in ["bundle.pem", "root.pem", "truststore.jks", "php/weir.ini"] {
        assert_eq!(mode(&directory.join(name)), 0o644, "{name}");
    }
    drop(trust);
    assert!(!directory.exists());
}

#[test]
fn php_reads_its_own_directory_too() {
    let root = authority();
    let trust = deliver(root.root_pem(), &[]);
    let directory = trust.directory().display().to_string();
    assert_eq!(value(&trust, "PHP_INI_SCAN_DIR"), format!(":{directory}/php"));
    let ini = fs::read_to_string(format!("{directory}/php/weir.ini")).unwrap();
    let bundle = format!("{directory}/bundle.pem");
    assert_eq!(ini, format!("openssl.cafile=\"{bundle}\"\ncurl.cainfo=\"{bundle}\"\n"));
    let trust = deliver(root.root_pem(), &[("PHP_INI_SCAN_DIR", "/etc/php/mine")]);
    assert!(value(&trust, "PHP_INI_SCAN_DIR").starts_with("/etc/php/mine:/"));
}

#[test]
fn what_killed_runs_left_is_removed_and_nothing_else() {
    let parent = tempfile::tempdir().unwrap();
    // No process has this number: it is above what the kernel gives out.
    let dead = parent.path().join("weir-trust-4194999-abc");
    let kept = [
        parent.path().join(format!("weir-trust-{}-abc", std::process::id())),
        parent.path().join("weir-trust-other"),
        parent.path().join("else"),
    ];
    for path in kept.iter().chain([&dead]) {
        fs::create_dir(path).unwrap();
        fs::write(path.join("bundle.pem"), "x").unwrap();
    }
    remove_left_behind(parent.path());
    assert!(!dead.exists());
    assert!(kept.iter().all(|path| path.exists()));
}
