//! Small answers of our own, complete enough for the official SDKs. All text is invented.
//! Knows paths and shapes; knows nothing about who calls.

use bytes::Bytes;
use serde_json::Value;

use crate::answer::Answer;
use crate::received::Received;

/// What `GET /hello.txt` of a host that is no LLM provider says.
pub const FOREIGN_GREETING: &str = "hello from a host that is no provider\n";

const CHAT: &str = include_str!("canned/openai-chat.json");
const CHAT_TOOL: &str = include_str!("canned/openai-chat-tool.json");
const CHAT_STREAM: &str = include_str!("canned/openai-chat-stream.txt");
const CHAT_STREAM_USAGE: &str = include_str!("canned/openai-chat-stream-usage.txt");
const CHAT_TOOL_STREAM: &str = include_str!("canned/openai-chat-tool-stream.txt");
const RESPONSES: &str = include_str!("canned/openai-responses.json");
const RESPONSES_STREAM: &str = include_str!("canned/openai-responses-stream.txt");
const OPENAI_MODELS: &str = include_str!("canned/openai-models.json");
const MESSAGES: &str = include_str!("canned/anthropic-messages.json");
const MESSAGES_TOOL: &str = include_str!("canned/anthropic-messages-tool.json");
const MESSAGES_STREAM: &str = include_str!("canned/anthropic-messages-stream.txt");

/// As `api.openai.com`: chat completions (plain, streaming, tool call), responses, embeddings, models.
#[must_use]
pub fn openai(request: &Received) -> Answer {
    if request.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Answer::websocket(request);
    }
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let streams = asked["stream"] == true;
    let wants_usage = asked["stream_options"]["include_usage"] == true;
    let has_tools = asked["tools"].is_array();
    let answer = match (request.head.method.as_str(), request.path()) {
        ("POST", "/v1/chat/completions") => match (streams, has_tools) {
            (false, false) => Answer::json(CHAT),
            (false, true) => Answer::json(CHAT_TOOL),
            (true, true) => events(CHAT_TOOL_STREAM),
            (true, false) if wants_usage => events(CHAT_STREAM_USAGE),
            (true, false) => events(CHAT_STREAM),
        },
        ("POST", "/v1/responses") if streams => events(RESPONSES_STREAM),
        ("POST", "/v1/responses") => Answer::json(RESPONSES),
        ("POST", "/v1/embeddings") => Answer::json(embeddings(&asked)),
        ("GET", "/v1/models") => Answer::json(OPENAI_MODELS),
        _ => openai_error(404, "invalid_request_error", "unknown_url"),
    };
    answer
        .header("x-request-id", "req_00000000000000000000000000000001")
        .header("openai-processing-ms", "12")
        .header("openai-version", "2020-10-01")
}

/// As `api.anthropic.com`: messages (plain, streaming, tool use).
#[must_use]
pub fn anthropic(request: &Received) -> Answer {
    let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let answer = match (request.head.method.as_str(), request.path()) {
        ("POST", "/v1/messages") if asked["stream"] == true => events(MESSAGES_STREAM),
        ("POST", "/v1/messages") if asked["tools"].is_array() => Answer::json(MESSAGES_TOOL),
        ("POST", "/v1/messages") => Answer::json(MESSAGES),
        _ => anthropic_error(404, "not_found_error"),
    };
    answer.header("request-id", "req_011CTestTestTestTestTest1")
}

/// As a host that has nothing to do with LLMs.
#[must_use]
pub fn foreign(request: &Received) -> Answer {
    match request.path() {
        "/hello.txt" => Answer::new(200, "text/plain", FOREIGN_GREETING),
        _ => Answer::new(404, "text/plain", "no such page\n"),
    }
}

#[must_use]
pub fn openai_error(status: u16, kind: &str, code: &str) -> Answer {
    let body = serde_json::json!({"error": {
        "message": "The rig refuses this request.", "type": kind, "param": null, "code": code,
    }});
    Answer::new(status, "application/json", body.to_string())
}

#[must_use]
pub fn anthropic_error(status: u16, kind: &str) -> Answer {
    let body = serde_json::json!({
        "type": "error",
        "error": {"type": kind, "message": "The rig refuses this request."},
        "request_id": "req_011CTestTestTestTestTest1",
    });
    Answer::new(status, "application/json", body.to_string())
}

/// Cuts a stream into its events, blank line included, one chunk each.
#[must_use]
pub fn events(text: &'static str) -> Answer {
    Answer::events(text.split_inclusive("\n\n").map(|event| Bytes::from_static(event.as_bytes())))
}

/// One small vector an input, in the encoding that was asked for (the Python SDK asks for base64).
fn embeddings(asked: &Value) -> String {
    let vector = [0.25_f32, -0.5, 0.125, 1.0];
    let embedding = if asked["encoding_format"] == "base64" {
        use base64::Engine as _;
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))
    } else {
        Value::from(vector.to_vec())
    };
    let inputs = asked["input"].as_array().map_or(1, Vec::len);
    let data: Vec<Value> = (0..inputs)
        .map(|index| serde_json::json!({"object": "embedding", "index": index, "embedding": embedding}))
        .collect();
    serde_json::json!({
        "object": "list",
        "data": data,
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 5 * inputs, "total_tokens": 5 * inputs},
    })
    .to_string()
}
