#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use super::machine::{effective_capabilities, version};
use super::*;
use crate::testing::skip;

fn finding(present: bool, required: bool) -> Finding {
    Finding {
        group: Group::Machine,
        name: "thing",
        present,
        detail: "looked".to_owned(),
        required,
        cost: "something breaks",
    }
}

#[test]
fn kernel_versions() {
    assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
    assert_eq!(version("5.15.0"), Some((5, 15)));
    assert_eq!(version("6.18+"), Some((6, 18)));
    assert_eq!(version("linux"), None);
    assert_eq!(version(""), None);
}

#[test]
fn capabilities_are_read_from_the_effective_set() {
    let status = "Name:\tweir\nCapPrm:\t0000000000000001\nCapEff:\t000001ffffffffff\n";
    assert_eq!(effective_capabilities(status), 0x1ff_ffff_ffff);
    assert_eq!(effective_capabilities("Name:\tweir\n"), 0);
}

#[test]
fn text_says_what_a_missing_piece_costs() {
    let examination =
        Examination { able: false, findings: vec![finding(true, true), finding(false, true)] };
    let mut text = Vec::new();
    show(&examination, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "machine",
            "thing yes looked",
            "thing no looked; without it: something breaks",
            "",
            "Capture does not work here.",
        ]
    );
}

#[test]
fn json_has_every_finding() {
    let examination = Examination { able: true, findings: vec![finding(true, false)] };
    assert_eq!(
        serde_json::to_value(&examination).unwrap(),
        serde_json::json!({"able": true, "findings": [{
            "group": "machine", "name": "thing", "present": true, "detail": "looked", "required": false,
            "cost": "something breaks",
        }]})
    );
}

#[test]
fn the_probe_proves_capture_and_leaves_nothing() {
    if !nix::unistd::geteuid().is_root() {
        skip("the live probe loads kernel programs: it needs root");
        return;
    }
    let examination = examine();
    let failed: Vec<&Finding> = examination
        .findings
        .iter()
        .filter(|finding| finding.required && !finding.present)
        .collect();
    assert!(examination.able && failed.is_empty(), "{failed:#?}");
    let hooks = examination.findings.iter().filter(|finding| finding.group == Group::Hook);
    assert_eq!(hooks.count(), 8);
    let probes = examination.findings.iter().filter(|finding| finding.group == Group::Probe);
    let names: Vec<&str> = probes.map(|finding| finding.name).collect();
    let expected = [
        "IPv4",
        "IPv4 through IPv6 sockets",
        "IPv6",
        "QUIC is refused",
        "fails open",
        "fails closed",
    ];
    assert_eq!(names, expected);
    let scratch = crate::capture::cgroup2_mount()
        .unwrap()
        .join(format!("weir-doctor-{}", std::process::id()));
    assert!(!scratch.exists());
}
