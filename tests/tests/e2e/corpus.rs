//! Every recorded exchange through weir: headers and both bodies as recorded. For the dialects that
//! weir reads also the record: as another program computed it from the answer alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_tests::client::{Conversation, HeardAnswer, Plan, Report, Request, Version};
use weir_tests::corpus::{self, CHUNK_HEADER, CODING_HEADER, EXCHANGE_HEADER, Recording, Replay};
use weir_tests::received::{Http, Received, sha256};
use weir_tests::{Provider, Records, Rig, Weir, Workload, coding};

use crate::{CLIENT, both_versions, rig, skip};

const READ_DIALECTS: [&str; 9] = [
    "openai.chat",
    "openai.responses",
    "openai.completions",
    "openai.embeddings",
    "anthropic.messages",
    "gemini.generate",
    "gemini.embeddings",
    "bedrock.converse",
    "cohere.chat.v2",
];

/// Stands for the self-hosted servers of the corpus, whose names no DNS can serve.
const SELF_HOSTED: &str = "llm.selfhosted.test";
const CONFIG: &str =
    "providers:\n  - {name: selfhosted, hosts: [llm.selfhosted.test], dialect: openai}\n";

#[test]
fn every_recording_over_http1() {
    Variant { http: Version::H1, ..Variant::default() }.replay();
}

#[test]
fn every_recording_over_http2() {
    Variant { http: Version::H2, ..Variant::default() }.replay();
}

#[test]
fn every_recording_in_gzip() {
    Variant { coding: Some("gzip"), ..Variant::default() }.replay();
}

#[test]
fn every_recording_in_brotli() {
    Variant { http: Version::H2, coding: Some("br"), ..Variant::default() }.replay();
}

#[test]
fn every_recording_in_zstd() {
    Variant { coding: Some("zstd"), ..Variant::default() }.replay();
}

#[test]
fn every_recording_in_small_chunks() {
    Variant { chunk: Some("61"), ..Variant::default() }.replay();
}

#[test]
fn every_recording_in_small_chunks_of_gzip() {
    Variant { http: Version::H2, coding: Some("gzip"), chunk: Some("61") }.replay();
}

/// What the tests above rely on, with nobody between.
#[test]
fn the_rig_itself_replays_every_recording() {
    for http in both_versions() {
        let Some(stage) = Stage::set(Variant { http, ..Variant::default() }) else { return };
        let report = Report::direct(&stage.host, CLIENT.as_ref(), &stage.plan).unwrap();
        stage.assert_none_wrong(stage.differing_bytes(&report));
    }
}

/// How the recordings travel, where it is not as recorded.
#[derive(Clone, Copy, Default)]
struct Variant {
    http: Version,
    coding: Option<&'static str>,
    chunk: Option<&'static str>,
}

impl Variant {
    fn replay(self) {
        let Some(stage) = Stage::set(self) else { return };
        let weir = Weir::on(&stage.host, &stage.rig).config(CONFIG).unwrap();
        let (report, run) = weir.carry_out(CLIENT.as_ref(), &stage.plan).unwrap();
        let mut wrong = stage.differing_bytes(&report);
        wrong.extend(stage.differing_facts(&run.records));
        stage.assert_none_wrong(wrong);
    }
}

/// All recordings, behind the names they were recorded from.
struct Stage {
    rig: Rig,
    host: Workload,
    by_host: BTreeMap<String, Vec<Recording>>,
    plan: Plan,
    variant: Variant,
}

impl Stage {
    fn set(variant: Variant) -> Option<Self> {
        let rig = rig()?;
        let Some(recordings) = corpus::load().unwrap() else {
            skip(&format!("there is no corpus in {}", corpus::directory().display()));
            return None;
        };
        let by_host = group(recordings);
        let replay = Replay::new(by_host.values().flatten());
        for host in by_host.keys() {
            rig.serve(Provider::named(host).behaves(Arc::clone(&replay))).unwrap();
        }
        let host = rig.workload().unwrap();
        let conversations =
            by_host.iter().map(|(name, all)| converse(variant, name, all)).collect();
        Some(Self { rig, host, by_host, plan: Plan { conversations, at_once: 4 }, variant })
    }

    fn differing_bytes(&self, report: &Report) -> Vec<String> {
        let received = received_by_id(&self.rig);
        let compare = |recording: &Recording| match report.answer(&recording.id) {
            Ok(answer) => compare_bytes(recording, answer, &received, self.variant),
            Err(error) => vec![error.to_string()],
        };
        let each = self.by_host.iter().flat_map(|(host, all)| all.iter().map(move |r| (host, r)));
        each.flat_map(|(host, r)| name_all(host, r, compare(r))).collect()
    }

    fn differing_facts(&self, records: &Records) -> Vec<String> {
        let mut wrong = Vec::new();
        for (host, recordings) in &self.by_host {
            let records = records_of(records, host);
            let is_read = |recording: &Recording| READ_DIALECTS.contains(&&*recording.api);
            if records.is_empty() && !recordings.iter().any(is_read) {
                // No provider that weir knows: it was left alone.
                continue;
            }
            if records.len() != recordings.len() {
                wrong.push(format!(
                    "{host}: {} records of {} exchanges",
                    records.len(),
                    recordings.len()
                ));
            }
            let pairs = recordings.iter().zip(records).filter(|(recording, _)| is_read(recording));
            wrong.extend(pairs.flat_map(|(r, record)| name_all(host, r, compare_facts(r, record))));
        }
        wrong
    }

    fn assert_none_wrong(&self, wrong: Vec<String>) {
        let count: usize = self.by_host.values().map(Vec::len).sum();
        assert!(
            wrong.is_empty(),
            "{} differences in {count} exchanges:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}

fn name_all(host: &str, recording: &Recording, wrong: Vec<String>) -> Vec<String> {
    wrong
        .into_iter()
        .map(|one| format!("{host} {} {}: {one}", recording.api, recording.id))
        .collect()
}

fn group(recordings: Vec<Recording>) -> BTreeMap<String, Vec<Recording>> {
    let mut by_host: BTreeMap<String, Vec<Recording>> = BTreeMap::new();
    for recording in recordings {
        // Vertex is recorded from a region that does not exist.
        let host = recording.provider_host.replace("test-location-", "us-central1-");
        let servable = !host.contains(':') && !host.ends_with(".invalid");
        let name = if servable { host } else { SELF_HOSTED.to_owned() };
        by_host.entry(name).or_default().push(recording);
    }
    by_host
}

/// One after another, so that the records come in the same order.
fn converse(variant: Variant, host: &str, recordings: &[Recording]) -> Conversation {
    let mut conversation = Conversation::new(variant.http, host);
    let requests = recordings.iter().map(|recording| request_of(recording, variant));
    conversation.requests = requests.collect();
    conversation
}

fn request_of(recording: &Recording, variant: Variant) -> Request {
    let mut request = Request::new(&recording.id, &recording.method, &recording.path);
    let own = ["host", "connection", "content-length", "transfer-encoding"];
    let travels = |name: &str| !own.contains(&&*name.to_ascii_lowercase());
    request.headers =
        recording.request_headers.iter().filter(|(name, _)| travels(name)).cloned().collect();
    request = request.header(EXCHANGE_HEADER, &recording.id);
    for (name, value) in [(CODING_HEADER, variant.coding), (CHUNK_HEADER, variant.chunk)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.body(recording.request_body().unwrap())
}

fn received_by_id(rig: &Rig) -> BTreeMap<String, Arc<Received>> {
    let id = |request: &Received| request.header(EXCHANGE_HEADER).unwrap_or_default().to_owned();
    rig.take_received().into_iter().map(|request| (id(&request), request)).collect()
}

fn records_of<'a>(records: &'a Records, host: &str) -> Vec<&'a Value> {
    records.exchanges.iter().filter(|record| record["host"] == host).collect()
}

fn compare_bytes(
    recording: &Recording,
    answer: &HeardAnswer,
    received: &BTreeMap<String, Arc<Received>>,
    variant: Variant,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |what: &str, found: Value, wanted: Value| {
        if found != wanted {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    let coding = recording.coding(variant.coding);
    let encoded = coding::encode(coding, &recording.response_body().unwrap()).unwrap();
    same("status", json!(answer.status), json!(recording.status));
    same("answer body", json!(answer.body_sha256), json!(sha256(&encoded)));
    same("answer end", json!(answer.end), json!("complete"));
    let Some(request) = received.get(&recording.id) else {
        return vec!["the provider never saw the request".to_owned()];
    };
    let http = request.head.http;
    same(
        "answer headers",
        json!(comparable(&answer.headers, http)),
        json!(comparable(&recording.response_headers, http)),
    );
    let got = request.head.headers.iter();
    let got: Vec<_> =
        got.map(|(n, v)| (n.clone(), String::from_utf8_lossy(v).into_owned())).collect();
    let sent = request_of(recording, variant).headers;
    same("request headers", json!(comparable(&got, http)), json!(comparable(&sent, http)));
    same(
        "request body",
        json!(request.body_sha256()),
        json!(sha256(&recording.request_body().unwrap())),
    );
    let body_bytes = answer.body_bytes;
    if body_bytes != encoded.len() {
        wrong.push(format!("{body_bytes} bytes came of {}", encoded.len()));
    }
    wrong
}

fn compare_facts(recording: &Recording, record: &Value) -> Vec<String> {
    let expected = &recording.expected;
    let stated = &record["usage"]["stated"];
    let (error_kind, error_code) = expected_error(recording);
    let finish_reasons = expected.finish_reasons.iter().map(word).collect();
    let finish_reasons = Value::Array(finish_reasons);
    let pairs = [
        ("outcome", &record["outcome"], json!("complete")),
        ("status", &record["status"], json!(recording.status)),
        ("model", &record["model"], json!(expected.model)),
        ("total_input", &record["total_input"], json!(expected.total_input_tokens)),
        ("total_output", &record["total_output"], json!(expected.total_output_tokens)),
        ("input", &stated["input_tokens"], json!(expected.input_tokens)),
        ("output", &stated["output_tokens"], json!(expected.output_tokens)),
        ("cached", &stated["cached_input_tokens"], json!(expected.cached_input_tokens)),
        ("cache write", &stated["cache_creation_tokens"], json!(expected.cache_creation_tokens)),
        ("reasoning", &stated["reasoning_tokens"], json!(expected.reasoning_tokens)),
        ("total", &stated["total_tokens"], json!(expected.total_tokens)),
        ("finish_reasons", &record["finish_reasons"], finish_reasons),
        ("error kind", &record["error"]["kind"], error_kind),
        ("error code", &record["error"]["code"], error_code),
    ];
    let mut wrong: Vec<_> = pairs
        .into_iter()
        .filter(|(_, found, wanted)| *found != wanted)
        .map(|(what, found, wanted)| format!("{what} is {found}, not {wanted}"))
        .collect();
    let tool_calls = record["tool_calls"].as_array().map(Vec::len);
    if tool_calls != Some(expected.tool_call_count.unwrap_or(0)) {
        wrong.push(format!("tool_calls is {tool_calls:?}, not {:?}", expected.tool_call_count));
    }
    let server_tool_calls = record["server_tool_calls"].as_u64().unwrap_or(0);
    if server_tool_calls != expected.server_tool_call_count.unwrap_or(0) as u64 {
        let wanted = expected.server_tool_call_count;
        wrong.push(format!("server_tool_calls is {server_tool_calls}, not {wanted:?}"));
    }
    wrong
}

/// Some providers give a number where a record has a word.
fn word(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            value.clone()
        }
    }
}

/// `{"error": "a sentence", "code": "..."}`: the other program takes the sentence for a type.
/// A record never holds one, and tells the code.
fn expected_error(recording: &Recording) -> (Value, Value) {
    let error = recording.expected.error.as_ref();
    let kind = error.and_then(|error| error.kind.as_ref()).map(word).unwrap_or_default();
    let code = error.and_then(|error| error.code.as_ref()).map(word).unwrap_or_default();
    let body: Value =
        serde_json::from_slice(&recording.response_body().unwrap()).unwrap_or_default();
    if body["error"].is_string() && body["error"] == kind {
        return (Value::Null, body.get("code").map(word).unwrap_or_default());
    }
    (kind, code)
}

/// Headers without those of the connection itself. HTTP/2 keeps neither case nor order of names.
fn comparable(headers: &[(String, String)], http: Http) -> Vec<(String, String)> {
    // An offer of QUIC is taken out: weir refuses QUIC, and the client would only lose time.
    let own = [
        "connection",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "host",
        ":authority",
        "keep-alive",
        "alt-svc",
    ];
    let travels = |name: &str| !own.contains(&&*name.to_ascii_lowercase());
    let headers = headers.iter().filter(|(name, _)| travels(name)).cloned();
    if http == Http::H1 {
        return headers.collect();
    }
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    headers.sort();
    headers
}
