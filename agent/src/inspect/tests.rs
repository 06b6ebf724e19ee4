#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may")]

use std::io::{BufReader, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{inspect, open};

fn observations(text: &str) -> Vec<Value> {
    let mut out = Vec::new();
    inspect(&mut BufReader::new(text.as_bytes()), None, &mut out).unwrap();
    lines(&out)
}

fn lines(out: &[u8]) -> Vec<Value> {
    out.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

const BODY: &str = r#"{"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"content":"Hi."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010}}"#;

fn har() -> Value {
    json!({ "log": { "entries": [
        {
            "startedDateTime": "2026-01-02T03:04:05.678Z",
            "request": {
                "method": "POST",
                "url": "https://api.openai.com/v1/chat/completions",
                "postData": { "mimeType": "application/json", "text": r#"{"model":"gpt-4o","messages":[]}"# },
            },
            "response": { "status": 200, "headers": [], "content": { "mimeType": "application/json", "text": BODY } },
        },
        {
            "request": { "method": "GET", "url": "https://example.com/?a=b" },
            "response": { "status": 200, "headers": [], "content": {} },
        },
    ] } })
}

fn check_har(text: &str) {
    let told = observations(text);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["dialect"], "openai.chat");
    assert_eq!(told[0]["request_model"], "gpt-4o");
    assert_eq!(told[0]["usage"]["total_input"], 1000);
    assert_eq!(told[0]["finish_classes"], json!(["stop"]));
    // 1,000 at 2.50 and 10 at 10 dollars a million.
    assert_eq!(told[0]["cost_nanodollars"], 2_600_000);
    assert_eq!(told[1]["unread"], "no response body was recorded");
    assert_eq!(told[1]["usage"], Value::Null);
}

#[test]
fn har_on_one_line_or_many() {
    check_har(&har().to_string());
    check_har(&serde_json::to_string_pretty(&har()).unwrap());
}

#[test]
fn a_line_that_is_none_keeps_its_place() {
    let good = json!({ "id": "a", "provider": "compatible", "provider_host": "localhost:8000", "method": "POST",
        "path": "/v1/chat/completions", "status": 200, "response_body_b64": "eyJjaG9pY2VzIjpb" });
    let told = observations(&format!("{good}\n\n{{\"id\":7}}\nsecret\n{good}\n"));
    let unread: Vec<&str> = told.iter().map(|line| line["unread"].as_str().unwrap()).collect();
    let cut = "body ends in the middle of a value";
    assert_eq!(told.len(), 4);
    assert_eq!((unread[0], unread[3]), (cut, cut));
    assert!(unread[1].starts_with("line 3 "), "{}", unread[1]);
    assert!(unread[2].starts_with("line 4 ") && !unread[2].contains("secret"), "{}", unread[2]);
    assert!(told.iter().all(|line| line["usage"].is_null()));
}

#[test]
fn packed_files_are_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.har.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(har().to_string().as_bytes()).unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    let mut out = Vec::new();
    inspect(&mut *open(&path).unwrap(), None, &mut out).unwrap();
    assert_eq!(lines(&out).len(), 2);
}

/// The recordings are not part of the project: `$WEIR_CORPUS` or `../shared/corpus` beside it.
#[test]
fn recorded_exchanges() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    let folder =
        std::env::var_os("WEIR_CORPUS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = folder.join("exchanges.jsonl.gz");
    let Ok(mut file) = open(&path) else {
        eprintln!("SKIPPED: no recorded exchanges at {}", path.display());
        return;
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).unwrap();
    let in_pieces = |split: usize| {
        let mut out = Vec::new();
        inspect(&mut BufReader::new(text.as_bytes()), NonZeroUsize::new(split), &mut out).unwrap();
        out
    };
    let whole = in_pieces(0);
    for split in [1, 7, 4096] {
        assert!(in_pieces(split) == whole, "pieces of {split} tell something else");
    }
    let told = lines(&whole);
    let recorded: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), recorded.len());
    let wrong: Vec<String> = recorded.iter().zip(&told).filter_map(difference).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn difference((recorded, told): (&Value, &Value)) -> Option<String> {
    let mut expected = recorded["expected"].clone();
    let (usage, error) = (&told["usage"], &told["error"]);
    let mut got = json!({
        "model": told["model"],
        "finish_reasons": told["finish_reasons"],
        "total_input_tokens": usage["total_input"],
        "total_output_tokens": usage["total_output"],
        "error": if error.is_null() { Value::Null } else { json!({ "type": error["type"], "code": error["code"] }) },
        "tool_call_count": told["tool_calls"].as_array().unwrap().len(),
        "server_tool_call_count": told["server_tool_calls"],
    });
    for name in [
        "input_tokens",
        "output_tokens",
        "cached_input_tokens",
        "cache_creation_tokens",
        "reasoning_tokens",
        "total_tokens",
    ] {
        got[name] = usage["stated"][name].clone();
    }
    // Where no calls are expected to be told, none need be.
    for name in ["tool_call_count", "server_tool_call_count"] {
        if expected[name].is_null() {
            got[name] = Value::Null;
        }
    }
    // xAI's code stands beside an `error` that is a sentence; `expected` leaves it out.
    if recorded["provider"] == "xai" && !error.is_null() && expected["error"]["code"].is_null() {
        expected["error"]["code"] = error["code"].clone();
    }
    let fields = got.as_object().unwrap().iter();
    let wrong: Vec<String> = fields
        .filter(|(name, got)| !same(got, &expected[name.as_str()]))
        .map(|(name, got)| format!("{name}: got {got}, expected {}", expected[name.as_str()]))
        .collect();
    (!wrong.is_empty())
        .then(|| format!("{} {}: {}", recorded["id"], recorded["api"], wrong.join("; ")))
}

/// 3 and 3.0 are the same count.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}
