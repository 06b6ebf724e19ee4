//! What observing costs, beside one `serde_json` pass that ignores everything: `cargo bench -p weir-wire`.
//! Rounds are interleaved; the median of each is shown. An argument picks the rows that contain it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark: its output is its work"
)]

use std::hint::black_box;
use std::time::Instant;

use serde::de::IgnoredAny;
use weir_wire::{Endpoint, RequestObserver, ResponseObserver, detect};

const ROUNDS: usize = 101;
const FRAMES: usize = 2000;

fn main() {
    println!("{:<44} {:>12} {:>12} {:>7}", "", "IgnoredAny", "weir", "ratio");
    for (name, endpoint, frame) in streams() {
        stream(name, endpoint, &frame);
    }
    request("request, 64 KiB, one long text", &long_text());
    request("request, 64 KiB, many short messages", &many_messages());
    request("request, 64 KiB, tool definitions", &many_tools());
}

fn streams() -> Vec<(&'static str, Endpoint, String)> {
    let chat = detect("api.openai.com", "POST", "/v1/chat/completions").unwrap();
    let messages = detect("api.anthropic.com", "POST", "/v1/messages").unwrap();
    let responses = detect("api.openai.com", "POST", "/v1/responses").unwrap();
    let chunk = r#"data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" river"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Qw3Er5Ty7"}"#;
    let arguments = r#"data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]},"finish_reason":null}]}"#;
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" river\"}}";
    let unnamed = r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" river"}}"#;
    let output = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":77,\"item_id\":\"msg_0123456789abcdef0123456789abcdef\",\"output_index\":0,\"content_index\":0,\"delta\":\" river\",\"logprobs\":[],\"obfuscation\":\"Qw3Er5Ty7\"}";
    vec![
        ("chat, text delta", chat, format!("{chunk}\n\n")),
        ("chat, tool arguments", chat, format!("{arguments}\n\n")),
        ("messages, text delta", messages, format!("{delta}\n\n")),
        ("messages, text delta, no event name", messages, format!("{unnamed}\n\n")),
        ("responses, text delta", responses, format!("{output}\n\n")),
    ]
}

/// A push per frame, as they arrive.
fn stream(name: &str, endpoint: Endpoint, frame: &str) {
    if !asked(name) {
        return;
    }
    let json = &frame[frame.find("data: ").unwrap() + 6..frame.trim_end().len()];
    let mut observer = ResponseObserver::new(endpoint, 200, Some("text/event-stream"), [1; 32]);
    let mine = || (0..FRAMES).for_each(|_| observer.push(black_box(frame.as_bytes())));
    let theirs = || (0..FRAMES).for_each(|_| ignore(json.as_bytes()));
    show(name, compare(theirs, mine), FRAMES as f64);
}

fn request(name: &str, body: &str) {
    if !asked(name) {
        return;
    }
    let endpoint = detect("api.openai.com", "POST", "/v1/chat/completions").unwrap();
    let mine = || {
        let mut observer = RequestObserver::new(endpoint);
        observer.push(black_box(body.as_bytes()));
        black_box(observer.finish());
    };
    show(name, compare(|| ignore(body.as_bytes()), mine), 1.0);
}

fn ignore(json: &[u8]) {
    black_box(serde_json::from_slice::<IgnoredAny>(black_box(json)).unwrap());
}

/// Median seconds of each, rounds interleaved.
fn compare(mut theirs: impl FnMut(), mut mine: impl FnMut()) -> (f64, f64) {
    let mut times = (Vec::new(), Vec::new());
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    for _ in 0..ROUNDS {
        times.0.push(time(&mut theirs));
        times.1.push(time(&mut mine));
    }
    (median(times.0), median(times.1))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Whether this row was asked for.
fn asked(name: &str) -> bool {
    std::env::args().skip(1).filter(|word| !word.starts_with('-')).all(|word| name.contains(&word))
}

fn show(name: &str, (theirs, mine): (f64, f64), count: f64) {
    let nano = |seconds: f64| format!("{:.0} ns", seconds / count * 1e9);
    println!("{name:<44} {:>12} {:>12} {:>7.2}", nano(theirs), nano(mine), mine / theirs);
}

fn long_text() -> String {
    let text = "The quick brown fox jumps over the lazy dog.\\n".repeat(64 * 1024 / 46);
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}],"stream":true}}"#)
}

fn many_messages() -> String {
    let message = r#"{"role":"user","content":"How far is it to the river?"},"#;
    let messages = message.repeat(64 * 1024 / message.len());
    format!(r#"{{"model":"m","messages":[{}],"stream":true}}"#, messages.trim_end_matches(','))
}

fn many_tools() -> String {
    let tool = r#"{"type":"function","function":{"name":"weather","description":"Weather of a place","parameters":{"type":"object","properties":{"place":{"type":"string","description":"A name"},"days":{"type":"integer","minimum":1}},"required":["place"]}}},"#;
    let tools = tool.repeat(64 * 1024 / tool.len());
    format!(r#"{{"model":"m","messages":[],"tools":[{}]}}"#, tools.trim_end_matches(','))
}
