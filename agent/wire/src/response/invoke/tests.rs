#![expect(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;

use crate::answer::Answer;
use crate::call::Unread;
use crate::frames::tests::frame;
use crate::{ResponseObserver, detect};

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    text
}

fn chunk(native: &str) -> Vec<u8> {
    let headers = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, &format!(r#"{{"bytes":"{}","p":"abc"}}"#, base64(native.as_bytes())))
}

fn stream(events: &[&str]) -> Vec<u8> {
    events.iter().flat_map(|event| chunk(event)).collect()
}

fn answer(body: &[u8], piece: usize, headers: &[(&str, &str)]) -> Answer {
    let path = "/model/mine/invoke-with-response-stream";
    let endpoint = detect("bedrock-runtime.us-east-1.amazonaws.com", "POST", path).unwrap();
    let mut observer = ResponseObserver::new(endpoint, 200, None, [0; 32]);
    headers.iter().for_each(|(name, value)| observer.header(name, value.as_bytes()));
    body.chunks(piece).for_each(|piece| observer.push(piece));
    observer.finish()
}

/// Figures, reasons, calls, and whether the end was seen.
fn check(body: &[u8], expected: (Option<u64>, Option<u64>, &[&str], &[&str], bool)) {
    for piece in [1, 2, 7, 64, usize::MAX] {
        let answer = answer(body, piece, &[]);
        let calls: Vec<&str> = answer.tool_calls.iter().map(|call| call.name.as_str()).collect();
        let (input, output) =
            answer.usage.map_or((None, None), |usage| (usage.total_input(), usage.total_output()));
        let reasons: Vec<&str> = answer.finish_reasons.iter().map(String::as_str).collect();
        let got = (input, output, &reasons[..], &calls[..], answer.complete);
        assert_eq!(got, expected, "in pieces of {piece}");
    }
}

const METRICS: &str =
    r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":19,"outputTokenCount":20}"#;

fn claude() -> Vec<u8> {
    stream(&[
        r#"{"type":"message_start","message":{"id":"m","type":"message","model":"claude","content":[],"usage":{"input_tokens":4,"cache_read_input_tokens":10,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"weather","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"Bern\"}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}"#,
        &format!(r#"{{"type":"message_stop",{METRICS}}}"#),
    ])
}

#[test]
fn claude_counts_for_itself() {
    check(&claude(), (Some(14), Some(9), &["tool_use"], &["weather"], true));
}

#[test]
fn nova_names_events_by_fields() {
    let body = stream(&[
        r#"{"messageStart":{"role":"assistant"}}"#,
        r#"{"contentBlockStart":{"start":{"toolUse":{"toolUseId":"t","name":"weather"}},"contentBlockIndex":1}}"#,
        r#"{"contentBlockDelta":{"delta":{"toolUse":{"input":"{}"}},"contentBlockIndex":1}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":1}}"#,
        r#"{"messageStop":{"stopReason":"tool_use"}}"#,
        r#"{"metadata":{"usage":{"inputTokens":5,"outputTokens":10}}}"#,
    ]);
    check(&body, (Some(5), Some(10), &["tool_use"], &["weather"], true));
}

#[test]
fn metrics_stand_in() {
    let last = format!(r#"{{"outputs":[{{"text":".","stop_reason":"length"}}],{METRICS}}}"#);
    let mistral = [r#"{"outputs":[{"text":"I","stop_reason":null}]}"#, &last];
    check(&stream(&mistral), (Some(19), Some(20), &["length"], &[], true));
    let last = format!(r#"{{"choices":[{{"index":0,"text":"","stop_reason":"stop"}}],{METRICS}}}"#);
    let deepseek = [r#"{"choices":[{"index":0,"text":"I","stop_reason":null}]}"#, &last];
    check(&stream(&deepseek), (Some(19), Some(20), &["stop"], &[], true));
}

#[test]
fn a_cut_stream_says_so() {
    let whole = claude();
    let answer = answer(&whole[..whole.len() - 3], 5, &[]);
    assert!(!answer.complete || answer.unread.is_some());
    assert_eq!(answer.unread, Some(Unread::BrokenFrame));
}

#[test]
fn an_exception_in_the_middle() {
    let mut body = stream(&[r#"{"outputs":[{"text":"I","stop_reason":null}]}"#]);
    body.extend(frame(
        &[(":exception-type", "throttlingException"), (":message-type", "exception")],
        r#"{"message":"Too many requests, please retry after 3 seconds"}"#,
    ));
    for piece in [1, 9, usize::MAX] {
        let error = answer(&body, piece, &[]).error.unwrap();
        assert_eq!(error.kind.as_deref(), Some("throttlingException"));
        assert_eq!(error.class.as_str(), "rate_limited");
        assert_eq!(error.retry_after_ms, Some(3000));
    }
}

#[test]
fn no_base64_is_no_answer() {
    let body = frame(&[(":event-type", "chunk")], r#"{"bytes":"e30$"}"#);
    assert_eq!(answer(&body, 4, &[]).unread, Some(Unread::BrokenFrame));
}

#[test]
fn headers_count_where_no_body_does() {
    let headers =
        [("X-Amzn-Bedrock-Input-Token-Count", "16"), ("x-amzn-bedrock-output-token-count", "82")];
    let silent = br#"{"completion":" Hi.","stop_reason":"stop_sequence"}"#;
    let usage = answer(silent, 3, &headers).usage.unwrap();
    assert_eq!((usage.total_input(), usage.total_output()), (Some(16), Some(82)));
    let telling = br#"{"generation":"Hi.","prompt_token_count":8,"generation_token_count":35}"#;
    let usage = answer(telling, 3, &headers).usage.unwrap();
    assert_eq!((usage.total_input(), usage.total_output()), (Some(8), Some(35)));
}

proptest! {
    #[test]
    fn damaged_streams_tell_the_same(at in any::<prop::sample::Index>(), byte in any::<u8>(), piece in 1usize..40) {
        let mut body = claude();
        let at = at.index(body.len());
        body[at] = byte;
        prop_assert_eq!(answer(&body, piece, &[]), answer(&body, usize::MAX, &[]));
    }
}
