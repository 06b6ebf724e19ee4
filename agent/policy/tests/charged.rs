//! Recorded answers in which the provider says what it charged, against the table. The recordings are not part of the
//! project: `$WEIR_CORPUS` or `../shared/corpus` beside the workspace; without them this says that it skips.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may")]

use std::io::Read as _;
use std::path::PathBuf;

use serde_json::Value;
use weir_policy::price::{Cost, Sale, bundled};
use weir_wire::{Provider, ResponseObserver, detect};

/// 2026-11-01: recordings carry no date, so prices that changed since differ.
const NOW: i64 = 1_793_491_200;

#[test]
fn charges() {
    let Some(lines) = corpus() else { return };
    let (mut same, mut different, mut unknown) = (0, Vec::new(), 0);
    for line in lines.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| exchange[field].as_str().unwrap_or("");
        let Some(endpoint) = detect(text("provider_host"), text("method"), text("path")) else {
            continue;
        };
        let status = u16::try_from(exchange["status"].as_u64().unwrap()).unwrap();
        let mut observer = ResponseObserver::new(endpoint, status, None, [0; 32]);
        observer.push(&base64(text("response_body_b64")));
        let answer = observer.finish();
        let Some(mut usage) = answer.usage else { continue };
        let Some(charged) = usage.stated_cost_nanodollars.take() else { continue };
        let sale = Sale {
            provider: endpoint.provider,
            served_model: answer.model.as_deref(),
            request_model: exchange["request_model"].as_str(),
            service_tier: answer.service_tier.as_deref(),
            usage: &usage,
            at_unix_seconds: NOW,
        };
        match bundled().price(&sale) {
            Cost::Known { nanodollars } if nanodollars.abs_diff(charged) <= 1 => same += 1,
            Cost::Known { nanodollars } => {
                different.push(format!(
                    "{} {:?}: {nanodollars}, charged {charged}",
                    endpoint.provider, answer.model
                ));
            }
            Cost::Unknown => unknown += 1,
        }
        assert_ne!(endpoint.provider, Provider::Compatible);
    }
    eprintln!(
        "{same} as charged, {unknown} unknown, {} different:\n{}",
        different.len(),
        different.join("\n")
    );
    assert!(same > different.len(), "the table is not what providers charge");
}

fn corpus() -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let folder =
        std::env::var_os("WEIR_CORPUS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let file = folder.join("exchanges.jsonl.gz");
    let Ok(packed) = std::fs::File::open(&file) else {
        eprintln!("SKIPPED: no recorded exchanges at {}", file.display());
        return None;
    };
    let mut lines = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut lines).unwrap();
    Some(lines)
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for six in text.bytes().filter_map(digit) {
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}
