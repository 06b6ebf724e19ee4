//! The rig by itself, without the agent: what it promises, other tests rely on.

use std::process::Output;

use weir_tests::{Provider, Workload, canned};

#[test]
fn curl_reaches_a_provider_by_its_real_name() {
    let Some(rig) = crate::rig() else { return };
    rig.serve(
        Provider::named("api.openai.com").through(&["edge.cdn.test"]).behaves(canned::openai),
    )
    .unwrap();
    let host = rig.workload().unwrap();

    for (flags, http) in [("-4 --http1.1", "1.1"), ("-6 --http1.1", "1.1"), ("-4 --http2", "2")] {
        let output = curl(&host, flags, "https://api.openai.com/v1/models");
        assert!(output.status.success(), "{flags}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("gpt-4o-mini"));
        assert!(
            String::from_utf8_lossy(&output.stderr).ends_with(http),
            "{flags} spoke {output:?}"
        );
    }
    assert_eq!(rig.received().len(), 3);
}

#[test]
fn two_names_share_an_address_and_keep_their_certificates() {
    let Some(rig) = crate::rig() else { return };
    rig.serve(Provider::named("api.openai.com").behaves(canned::openai)).unwrap();
    let foreign = Provider::named("static.example.test").behaves(canned::foreign);
    rig.serve(foreign.at_address_of("api.openai.com")).unwrap();
    let host = rig.workload().unwrap();

    assert_eq!(rig.addresses("static.example.test"), rig.addresses("api.openai.com"));
    let output = curl(&host, "-v", "https://static.example.test/hello.txt");
    assert_eq!(output.stdout, canned::FOREIGN_GREETING.as_bytes());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("CN=static.example.test") && told.contains(weir_tests::rig::AUTHORITY_NAME),
        "{told}"
    );
}

#[test]
fn nothing_leaves_the_rig() {
    let Some(rig) = crate::rig() else { return };
    let host = rig.workload().unwrap();

    let unknown = curl(&host, "--max-time 10", "https://api.openai.com/");
    assert_eq!(unknown.status.code(), Some(6), "a name that is not served does not resolve");
    let elsewhere = curl(&host, "--max-time 10", "https://192.0.2.1/");
    assert_eq!(elsewhere.status.code(), Some(7), "there is no route out: {elsewhere:?}");
}

#[test]
fn a_rig_leaves_nothing_behind() {
    let Some(rig) = crate::rig() else { return };
    let cgroup = weir_tests::rig::Cgroup::new().unwrap();
    let (directory, group) = (rig.directory().to_owned(), cgroup.path().to_owned());
    let mut sleeper = std::process::Command::new("sleep");
    cgroup.adopt(sleeper.arg("600")).unwrap();
    let mut sleeper = sleeper.spawn().unwrap();

    drop(cgroup);
    drop(rig);

    assert!(!sleeper.wait().unwrap().success(), "a process of the cgroup ends with it");
    assert!(!directory.exists() && !group.exists());
}

/// Prints the version of HTTP that was spoken to stderr, last.
fn curl(host: &Workload, flags: &str, url: &str) -> Output {
    let mut command = host.command("curl");
    command.args(["--silent", "--show-error", "--write-out", "%{stderr}%{http_version}"]);
    command.args(flags.split(' ')).arg(url).output().unwrap()
}
