use super::*;

fn check_at(path: &str, text: &str, lines: &[usize]) {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    let found: Vec<usize> = check(&source).iter().map(|finding| finding.line).collect();
    assert_eq!(found, lines, "in {text}");
}

#[test]
fn a_pure_crate_touches_nothing() {
    for (text, lines) in [
        ("use std::fs;", &[1][..]),
        ("use std::{collections::HashMap, fs::File};", &[1]),
        ("use std::{\n    collections::HashMap,\n    net,\n};", &[1]),
        ("pub(crate) use tokio::net as n;", &[1]),
        ("let now = std::time::Instant::now();", &[1]),
        ("let now = Instant::now();", &[1]),
        ("fn f() {\n    std::env::var(\"A\");\n}", &[2]),
        ("// std::fs::read is for others", &[]),
        ("use std::time::Duration;", &[]),
        ("use crate::nettokio::x;", &[]),
    ] {
        check_at("agent/wire/src/sse.rs", text, lines);
    }
}

#[test]
fn its_tests_may_read_files() {
    check_at("agent/wire/src/sse/tests.rs", "use std::fs;", &[]);
}

#[test]
fn only_capture_knows_aya() {
    check_at("agent/src/connection.rs", "use aya::Ebpf;", &[1]);
    check_at("agent/src/connection.rs", "let x: aya::maps::MapData;", &[1]);
    check_at("agent/src/capture.rs", "use aya::Ebpf;", &[]);
    check_at("agent/src/capture/maps.rs", "use aya::maps::LpmTrie;", &[]);
}

#[test]
fn a_pure_crate_does_not_depend_on_io() {
    check_at(
        "agent/policy/Cargo.toml",
        "[dependencies]\ntokio.workspace = true\nserde = \"1\"",
        &[2],
    );
    check_at("agent/policy/Cargo.toml", "hyper-util = \"1\"", &[1]);
}
