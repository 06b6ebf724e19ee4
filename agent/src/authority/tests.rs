#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;

use super::*;
use crate::names::NameRule;
use crate::testing::skip;

fn names(rules: &[&str]) -> NameSet {
    rules.iter().map(|rule| NameRule::parse(rule).unwrap()).collect()
}

fn usual() -> NameSet {
    names(&["api.openai.com", "api.anthropic.com", "*.openai.azure.com"])
}

/// What a rustls client with only this root says.
fn verify(
    authority: &Authority,
    chain: &[CertificateDer<'_>],
    name: &str,
) -> Result<(), rustls::Error> {
    verify_at(authority, chain, name, UnixTime::now())
}

fn verify_at(
    authority: &Authority,
    chain: &[CertificateDer<'_>],
    name: &str,
    at: UnixTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.root_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], at).map(|_| ())
}

/// A leaf that `Authority::leaf` would refuse: what a thief of the key could make.
fn stolen_key_leaf(authority: &Authority, name: &str) -> Vec<CertificateDer<'static>> {
    let now = OffsetDateTime::now_utc();
    authority.intermediate(now).leaf(name, now).unwrap().0.cert.clone()
}

#[test]
fn a_client_accepts_leaves_for_configured_names() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    for name in ["api.openai.com", "api.anthropic.com", "mine.openai.azure.com", "API.OpenAI.com"] {
        let leaf = authority.leaf(name).unwrap();
        assert_eq!(leaf.cert.len(), 2, "leaf and intermediate");
        verify(&authority, &leaf.cert, name).unwrap();
    }
}

#[test]
fn a_leaf_serves_no_other_name() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let leaf = authority.leaf("api.openai.com").unwrap();
    let error = verify(&authority, &leaf.cert, "api.anthropic.com").unwrap_err();
    assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
}

#[test]
fn a_stolen_intermediate_opens_nothing_else() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    for name in ["github.com", "openai.com", "azure.com", "evil-api.openai.com.example"] {
        let error = verify(&authority, &stolen_key_leaf(&authority, name), name).unwrap_err();
        assert!(format!("{error:?}").contains("NameConstraintViolation"), "{name}: {error:?}");
    }
    verify(&authority, &stolen_key_leaf(&authority, "api.openai.com"), "api.openai.com").unwrap();
}

#[test]
fn a_stolen_intermediate_makes_no_authorities() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let now = OffsetDateTime::now_utc();
    let der = authority.intermediate(now).der().clone();
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    let basic = certificate.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca);
    assert_eq!(basic.value.path_len_constraint, Some(0));
    let constraints = certificate.name_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    assert_eq!(
        constraints.value.excluded_subtrees.as_ref().map(Vec::len),
        Some(2),
        "no addresses, v4 and v6"
    );
}

#[test]
fn names_outside_the_rules_are_refused() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    for (name, reason) in [
        ("github.com", "github.com is not a configured LLM name; no certificate for it"),
        (
            "v1.api.openai.com",
            "v1.api.openai.com is not a configured LLM name; no certificate for it",
        ),
        (
            "openai.azure.com",
            "openai.azure.com is not a configured LLM name; no certificate for it",
        ),
        ("10.0.0.1", "server name \"10.0.0.1\": is an address, not a host name"),
        ("", "server name \"\": is empty"),
    ] {
        assert_eq!(format!("{:#}", authority.leaf(name).unwrap_err()), reason);
    }
}

#[test]
fn no_names_no_authority() {
    let error = Authority::ephemeral(&NameSet::default()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "no LLM names configured; an authority without name constraints is not made"
    );
    let directory = TempDir::new().unwrap();
    assert!(Authority::open_or_create(directory.path(), &NameSet::default()).is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn extensions_say_what_strict_clients_ask() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let leaf = authority.leaf("api.openai.com").unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.cert[0]).unwrap();
    let (_, issuer) = x509_parser::parse_x509_certificate(&leaf.cert[1]).unwrap();
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature() && !usage.value.key_cert_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth && !extended.any);
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    let life = certificate.validity().not_after.to_datetime()
        - certificate.validity().not_before.to_datetime();
    assert!(life <= Duration::days(30), "{life}");
    assert_eq!(certificate.issuer(), issuer.subject());
    let oid = x509_parser::oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER;
    for each in [&certificate, &issuer] {
        assert!(each.extensions_map().unwrap().contains_key(&oid));
        assert_eq!(each.raw_serial().len(), 16);
    }
}

#[test]
fn serials_and_keys_differ() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let chains = ["api.openai.com", "api.anthropic.com"]
        .map(|name| authority.leaf(name).unwrap().cert.clone());
    let parsed: Vec<_> =
        chains.iter().map(|c| x509_parser::parse_x509_certificate(&c[0]).unwrap().1).collect();
    assert_ne!(parsed[0].raw_serial(), parsed[1].raw_serial());
    assert_ne!(parsed[0].public_key().raw, parsed[1].public_key().raw);
}

#[test]
fn a_long_name_has_no_common_name() {
    let name = format!("{}.{}.openai.azure.com", "a".repeat(50), "b".repeat(50));
    let authority = Authority::ephemeral(&usual()).unwrap();
    let leaf = authority.leaf(&name).unwrap();
    verify(&authority, &leaf.cert, &name).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&leaf.cert[0]).unwrap();
    assert_eq!(certificate.subject().to_string(), "O=weir");
}

#[test]
fn leaves_are_cached_and_renewed_before_they_end() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let now = OffsetDateTime::now_utc();
    let first = authority.leaf_at("api.openai.com", now).unwrap();
    assert!(Arc::ptr_eq(
        &first,
        &authority.leaf_at("API.openai.com.", now + Duration::days(6)).unwrap()
    ));
    let later = now + Duration::days(8);
    let second = authority.leaf_at("api.openai.com", later).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    let at =
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(later.unix_timestamp() as u64));
    verify_at(&authority, &first.cert, "api.openai.com", at).unwrap();
    verify_at(&authority, &second.cert, "api.openai.com", at).unwrap();
}

#[test]
fn the_cache_is_bounded_and_forgets_the_unused() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let kept = authority.leaf("kept.openai.azure.com").unwrap();
    for number in 0..1100 {
        authority.leaf(&format!("n{number}.openai.azure.com")).unwrap();
        assert!(Arc::ptr_eq(&kept, &authority.leaf("kept.openai.azure.com").unwrap()));
    }
    assert_eq!(authority.leaves().len(), 1024);
}

#[test]
fn the_directory_is_private_and_the_root_stays() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("var/ca");
    let first = Authority::open_or_create(&directory, &usual()).unwrap();
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let second = Authority::open_or_create(&directory, &usual()).unwrap();
    assert_eq!(first.root_pem(), second.root_pem());
    assert_eq!(
        first.describe().unwrap().intermediate.sha256,
        second.describe().unwrap().intermediate.sha256
    );
    let leaf = second.leaf("api.openai.com").unwrap();
    verify(&first, &leaf.cert, "api.openai.com").unwrap();
    assert_eq!(fs::read_to_string(second.root_path().unwrap()).unwrap(), second.root_pem());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn other_names_make_another_intermediate_under_the_same_root() {
    let directory = TempDir::new().unwrap();
    let first = Authority::open_or_create(directory.path(), &usual()).unwrap();
    let second =
        Authority::open_or_create(directory.path(), &names(&["llm.internal.example"])).unwrap();
    assert_eq!(first.root_pem(), second.root_pem());
    let leaf = second.leaf("llm.internal.example").unwrap();
    verify(&first, &leaf.cert, "llm.internal.example").unwrap();
    assert_eq!(
        second.describe().unwrap().permitted.into_iter().collect::<Vec<_>>(),
        ["llm.internal.example"]
    );
    assert!(
        verify(&second, &stolen_key_leaf(&second, "api.openai.com"), "api.openai.com").is_err()
    );
}

#[test]
fn a_running_agent_replaces_its_intermediate_in_time() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::open_or_create(directory.path(), &usual()).unwrap();
    let now = OffsetDateTime::now_utc();
    let before = authority.leaf_at("api.openai.com", now).unwrap().cert[1].clone();
    let later = now + Duration::days(320);
    let leaf = authority.leaf_at("api.openai.com", later).unwrap();
    assert_ne!(before, leaf.cert[1]);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        (later.unix_timestamp() + 86_400 * 13) as u64,
    ));
    verify_at(&authority, &leaf.cert, "api.openai.com", at).unwrap();
}

#[test]
fn a_leaf_never_outlives_its_intermediate() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let now = OffsetDateTime::now_utc();
    let leaf = authority.leaf_at("api.openai.com", now + Duration::days(360)).unwrap();
    assert_eq!(mint::not_after(&leaf.cert[0]).unwrap(), mint::not_after(&leaf.cert[1]).unwrap());
}

fn refused(spoil: impl FnOnce(&Path)) -> String {
    let directory = TempDir::new().unwrap();
    Authority::open_or_create(directory.path(), &usual()).unwrap();
    spoil(directory.path());
    let error = Authority::open_or_create(directory.path(), &usual()).err().unwrap();
    format!("{error:#}").replace(&directory.path().display().to_string(), "DIR")
}

#[test]
fn a_damaged_store_is_refused_with_the_reason() {
    assert_eq!(
        refused(|dir| fs::remove_file(dir.join("root.key")).unwrap()),
        "root.pem has no root.key beside it; restore the key, or remove root.pem to start a \
         new authority"
    );
    assert_eq!(
        refused(|dir| fs::set_permissions(dir.join("root.key"), fs::Permissions::from_mode(0o644))
            .unwrap()),
        "DIR/root.key is open to other users (mode 644); make it private (chmod go= \
         DIR/root.key) if nobody read it, or start anew"
    );
    assert_eq!(
        refused(|dir| fs::write(dir.join("root.pem"), "nonsense").unwrap()),
        "root.pem and root.key: certificate is not PEM: no items found"
    );
    let other = TempDir::new().unwrap();
    Authority::open_or_create(other.path(), &usual()).unwrap();
    assert!(
        refused(|dir| fs::copy(other.path().join("root.key"), dir.join("root.key"))
            .map(|_| ())
            .unwrap())
        .starts_with("root.pem and root.key: certificate and private key do not belong together")
    );
}

#[test]
fn a_damaged_intermediate_is_replaced() {
    let directory = TempDir::new().unwrap();
    let first = Authority::open_or_create(directory.path(), &usual()).unwrap();
    fs::write(directory.path().join("intermediate.pem"), "nonsense").unwrap();
    let second = Authority::open_or_create(directory.path(), &usual()).unwrap();
    verify(&first, &second.leaf("api.openai.com").unwrap().cert, "api.openai.com").unwrap();
}

#[test]
fn two_agents_that_start_at_once_share_a_root() {
    let directory = TempDir::new().unwrap();
    let roots: Vec<String> = std::thread::scope(|scope| {
        let open =
            || Authority::open_or_create(directory.path(), &usual()).unwrap().root_pem().to_owned();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
}

/// The chain as files: root, intermediate, leaf.
fn files(authority: &Authority, chain: &[CertificateDer<'_>]) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("root.pem"), authority.root_pem()).unwrap();
    for (der, name) in chain.iter().zip(["leaf", "intermediate"]) {
        fs::write(directory.path().join(format!("{name}.der")), der).unwrap();
        let (from, to) = (format!("{name}.der"), format!("{name}.pem"));
        let status = Command::new("openssl")
            .args(["x509", "-inform", "der", "-in", &from, "-out", &to])
            .current_dir(directory.path())
            .status();
        assert!(status.unwrap().success());
    }
    directory
}

fn openssl_verify(
    authority: &Authority,
    chain: &[CertificateDer<'_>],
    name: &str,
) -> (bool, String) {
    let directory = files(authority, chain);
    let output = Command::new("openssl")
        .args([
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            name,
        ])
        .args(["-CAfile", "root.pem", "-untrusted", "intermediate.pem", "leaf.pem"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn skipped(program: &str) -> bool {
    let missing = Command::new(program).arg("--help").output().is_err();
    if missing {
        skip(&format!("no {program} on this machine"));
    }
    missing
}

#[test]
fn openssl_strict_agrees() {
    if skipped("openssl") {
        return;
    }
    let authority = Authority::ephemeral(&usual()).unwrap();
    let good = authority.leaf("api.openai.com").unwrap();
    let (accepted, text) = openssl_verify(&authority, &good.cert, "api.openai.com");
    assert!(accepted, "{text}");
    let (accepted, text) =
        openssl_verify(&authority, &stolen_key_leaf(&authority, "github.com"), "github.com");
    assert!(!accepted && text.contains("permitted subtree violation"), "{text}");
}

#[test]
fn python_strict_agrees() {
    if skipped("python3") {
        return;
    }
    let authority = Authority::ephemeral(&usual()).unwrap();
    assert_eq!(
        python_handshake(&authority, "api.openai.com", &authority.leaf("api.openai.com").unwrap()),
        "ok"
    );
    let now = OffsetDateTime::now_utc();
    let (stolen, _) = authority.intermediate(now).leaf("github.com", now).unwrap();
    let answer = python_handshake(&authority, "github.com", &Arc::new(stolen));
    assert!(answer.contains("permitted subtree violation"), "{answer}");
}

/// A real handshake in memory buffers of Python's strictest context against rustls.
fn python_handshake(authority: &Authority, name: &str, leaf: &Arc<CertifiedKey>) -> String {
    const CLIENT: &str = "\
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
try:
    context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[2]))), server_hostname=sys.argv[3]).close()
    print('ok', end='')
except ssl.SSLError as error:
    print(error, end='')
";
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("root.pem");
    fs::write(&root, authority.root_pem()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = Command::new("python3")
        .args(["-c", CLIENT, root.to_str().unwrap(), &port, name])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut socket, _) = listener.accept().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from((**leaf).clone())));
    let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    while server.is_handshaking() && server.complete_io(&mut socket).is_ok() {}
    drop(socket);
    String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_description_matches_openssl() {
    let authority = Authority::ephemeral(&usual()).unwrap();
    let description = authority.describe().unwrap();
    assert!(
        description.root.subject.starts_with("O=weir, CN=weir root "),
        "{}",
        description.root.subject
    );
    assert_eq!(description.intermediate.issuer, description.root.subject);
    assert_eq!(description.names, ["api.anthropic.com", "api.openai.com", "*.openai.azure.com"]);
    assert!(description.permitted.contains("openai.azure.com"));
    if skipped("openssl") {
        return;
    }
    let directory = files(&authority, &[]);
    let output = Command::new("openssl")
        .args(["x509", "-in", "root.pem", "-noout", "-fingerprint", "-sha256"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim().split('=').nth(1), Some(description.root.sha256.as_str()));
}
