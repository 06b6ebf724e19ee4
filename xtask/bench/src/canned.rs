//! What travels: requests and answers in OpenAI's shapes and sizes. Knows no socket.

use crate::scenario::CHUNKS;
use crate::tls::NAME;
use std::fmt::Write as _;

/// Size of the large request body, to the byte.
const LARGE_BODY: usize = 64 * 1024;

/// Where a chunk carries the provider's clock. Providers pad chunks with a field of this name.
pub(crate) const CLOCK_FIELD: &str = "\"obfuscation\":\"";

/// A small request, answered by one JSON document.
pub(crate) fn small_request() -> Vec<u8> {
    request(&chat_body(false, "In one sentence, what does a weir do to a river?"), "")
}

/// A request of 64 KiB, as a long conversation would be.
pub(crate) fn large_request() -> Vec<u8> {
    let line = "The quick brown fox jumps over the lazy dog; the river runs on below the weir. ";
    let frame = chat_body(false, "").len();
    let mut text = line.repeat(LARGE_BODY / line.len() + 1);
    text.truncate(LARGE_BODY - frame);
    request(&chat_body(false, &text), "")
}

/// A request answered by a stream that pauses `pace_ms` before each chunk.
pub(crate) fn stream_request(pace_ms: u64) -> Vec<u8> {
    request(
        &chat_body(true, "Write a haiku about falling water."),
        &format!("x-bench-pace-ms: {pace_ms}\r\n"),
    )
}

fn chat_body(stream: bool, prompt: &str) -> String {
    let stream =
        if stream { r#","stream":true,"stream_options":{"include_usage":true}"# } else { "" };
    format!(
        r#"{{"messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"{prompt}"}}],"model":"gpt-4o-mini","temperature":0.2{stream}}}"#
    )
}

fn request(body: &str, extra: &str) -> Vec<u8> {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {NAME}\r\nAccept-Encoding: identity\r\nConnection: keep-alive\r\n\
         Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 2.8.0\r\n\
         X-Stainless-Lang: python\r\nX-Stainless-Package-Version: 2.8.0\r\nX-Stainless-OS: Linux\r\n\
         X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.11.2\r\n\
         Authorization: Bearer sk-bench-not-a-key\r\nX-Stainless-Async: false\r\nx-stainless-retry-count: 0\r\n\
         x-stainless-read-timeout: 600\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The whole answer to a small or large request.
pub(crate) fn answer() -> Vec<u8> {
    let body = r#"{
  "id": "chatcmpl-CbenchAbCdEfGhIjKlMnOpQrStUvW",
  "object": "chat.completion",
  "created": 1763700000,
  "model": "gpt-4o-mini-2024-07-18",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "A weir raises the water level upstream and lets the rest spill over its crest in a measured way.",
        "refusal": null,
        "annotations": []
      },
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 31,
    "completion_tokens": 22,
    "total_tokens": 53,
    "prompt_tokens_details": {
      "cached_tokens": 0,
      "audio_tokens": 0
    },
    "completion_tokens_details": {
      "reasoning_tokens": 0,
      "audio_tokens": 0,
      "accepted_prediction_tokens": 0,
      "rejected_prediction_tokens": 0
    }
  },
  "service_tier": "default",
  "system_fingerprint": "fp_560af6e559"
}
"#;
    let mut out = head("application/json", &format!("Content-Length: {}\r\n", body.len()));
    out.extend_from_slice(body.as_bytes());
    out
}

/// The head of a streamed answer.
pub(crate) fn stream_head() -> Vec<u8> {
    head("text/event-stream; charset=utf-8", "Transfer-Encoding: chunked\r\n")
}

fn head(content_type: &str, length: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nDate: Fri, 21 Nov 2025 05:00:00 GMT\r\nContent-Type: {content_type}\r\n{length}\
         Connection: keep-alive\r\naccess-control-expose-headers: X-Request-ID\r\nopenai-organization: user-bench\r\n\
         openai-processing-ms: 412\r\nopenai-project: proj_bench\r\nopenai-version: 2020-10-01\r\n\
         x-envoy-upstream-service-time: 430\r\nx-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 200000\r\n\
         x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 199980\r\n\
         x-ratelimit-reset-requests: 8.64s\r\nx-ratelimit-reset-tokens: 6ms\r\nx-request-id: req_bench0123456789abcdef\r\n\
         CF-Cache-Status: DYNAMIC\r\nX-Content-Type-Options: nosniff\r\nServer: bench\r\nCF-RAY: 9bench-FRA\r\n\r\n"
    )
    .into_bytes()
}

/// The event number `index` of a stream (0 to [`CHUNKS`] − 1), framed as an HTTP chunk, with the time of writing.
/// The last carries usage; `[DONE]` and the end of the body travel with it.
pub(crate) fn chunk(index: usize, now_ns: u64, out: &mut Vec<u8>) {
    let (choices, usage) = match CHUNKS - 1 - index {
        0 => ("[]", USAGE),
        1 => (r#"[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]"#, "null"),
        _ => (
            r#"[{"index":0,"delta":{"content":" water"},"logprobs":null,"finish_reason":null}]"#,
            "null",
        ),
    };
    let mut event = String::with_capacity(512);
    // Writing to a String cannot fail.
    let _ = write!(
        event,
        "data: {{\"id\":\"chatcmpl-CbenchAbCdEfGhIjKlMnOpQrStUvW\",\"object\":\"chat.completion.chunk\",\"created\":1763700000,\
         \"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\",\
         \"choices\":{choices},\"usage\":{usage},{CLOCK_FIELD}{now_ns:016x}\"}}\n\n"
    );
    let last = index + 1 == CHUNKS;
    if last {
        event.push_str("data: [DONE]\n\n");
    }
    out.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    if last {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

const USAGE: &str = r#"{"prompt_tokens":14,"completion_tokens":62,"total_tokens":76,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#;

#[cfg(test)]
mod tests;
