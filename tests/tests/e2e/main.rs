//! End-to-end tests: real clients, real names, real sockets. They assert what the client saw,
//! what the provider got, and what the record says.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails loudly and explains itself"
)]

mod agent;
mod capture;
mod client;
mod command;
mod corpus;
mod crash;
mod faithful;
mod misbehaviour;
mod raw;
mod rig;
mod stress;
mod turns;

use weir_tests::client::Version;

/// The client that runs inside workloads.
const CLIENT: &str = env!("CARGO_BIN_EXE_rig-client");

/// A rig, or a loud reason why not. In CI a skip is a failure.
fn rig() -> Option<weir_tests::Rig> {
    if nix::unistd::geteuid().is_root() {
        return Some(weir_tests::Rig::start().expect("start the rig"));
    }
    skip("the rig makes network namespaces: it needs root");
    None
}

fn both_versions() -> [Version; 2] {
    [Version::H1, Version::H2]
}

fn skip(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped in CI: {reason}");
    eprintln!("skipped: {reason}");
}
