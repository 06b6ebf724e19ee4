//! The acts: which client asks what, and what must be true afterwards. Costs are from the providers' published
//! prices, in billionths of a dollar: written out here, so that they are not the agent's own sums.

use crate::Arguments;
use crate::stage::{CHAT, FOREIGN};
use std::ffi::OsString;
use weir_tests::canned;

/// One client call.
pub(crate) struct Act {
    pub(crate) client: &'static str,
    pub(crate) asks: &'static str,
    pub(crate) command: Vec<OsString>,
    pub(crate) expected: Expected,
}

pub(crate) enum Expected {
    Intercepted(Call),
    /// The client must see the host's own certificate and this text.
    Spliced {
        text: &'static str,
    },
}

/// What the record must say, and what the client must have seen.
pub(crate) struct Call {
    pub(crate) http: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) model: &'static str,
    pub(crate) stream: bool,
    pub(crate) input: u64,
    pub(crate) output: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) nanodollars: u64,
    pub(crate) finish: Option<&'static str>,
    pub(crate) tool: Option<&'static str>,
    pub(crate) seen: Seen,
}

/// How the client shows what it saw.
pub(crate) enum Seen {
    /// Its output is the answer's body, byte for byte
    Body(&'static str),
    /// Its output is JSON with this member, and with the tokens as the SDK counts them
    Member(&'static str, &'static str),
}

const SENTENCE: &str = "A weir is a low dam that measures what flows over it.";
const GPT: &str = "gpt-4o-mini-2024-07-18";
const CLAUDE: &str = "claude-sonnet-4-5-20250929";

/// gpt-4o-mini: 0.15, cached 0.075, out 0.60 dollars per million tokens.
const CALL: Call = Call {
    http: "h1",
    provider: "openai",
    operation: "chat",
    model: GPT,
    stream: false,
    input: 1210,
    output: Some(13),
    cached: Some(1024),
    nanodollars: (1210 - 1024) * 150 + 1024 * 75 + 13 * 600,
    finish: Some("stop"),
    tool: None,
    seen: Seen::Member("text", SENTENCE),
};

pub(crate) fn all(arguments: &Arguments) -> Vec<Act> {
    let openai = |task: &str| script(arguments, "openai_client.py", task);
    let anthropic = |task: &str| script(arguments, "anthropic_client.py", task);
    let act = |client, asks, command, call| Act {
        client,
        asks,
        command,
        expected: Expected::Intercepted(call),
    };
    vec![
        act("curl, HTTP/1.1", "chat", curl("--http1.1"), Call { seen: Seen::Body(CHAT), ..CALL }),
        act(
            "curl, HTTP/2",
            "chat",
            curl("--http2"),
            Call { http: "h2", seen: Seen::Body(CHAT), ..CALL },
        ),
        act("OpenAI SDK", "chat", openai("plain"), CALL),
        act("OpenAI SDK", "chat, streamed", openai("stream"), streamed()),
        act("OpenAI SDK", "chat with a tool", openai("tool"), with_tool()),
        act("OpenAI SDK", "embeddings", openai("embeddings"), embeddings()),
        act("Anthropic SDK", "message", anthropic("plain"), message()),
        act("Anthropic SDK", "message, streamed", anthropic("stream"), message_streamed()),
        Act {
            client: "curl",
            asks: "no LLM, same address",
            // The address is the provider's for weir once its name was asked for.
            command: words(&[
                "sh",
                "-c",
                &format!(
                    "getent ahosts api.openai.com >/dev/null && \
                     exec curl --silent --show-error --verbose https://{FOREIGN}/hello.txt"
                ),
            ]),
            expected: Expected::Spliced { text: canned::FOREIGN_GREETING },
        },
    ]
}

fn streamed() -> Call {
    let nanodollars = 19 * 150 + 14 * 600;
    Call { stream: true, input: 19, output: Some(14), cached: Some(0), nanodollars, ..CALL }
}

fn with_tool() -> Call {
    Call {
        input: 71,
        output: Some(19),
        cached: Some(0),
        nanodollars: 71 * 150 + 19 * 600,
        finish: Some("tool_calls"),
        tool: Some("water_level"),
        seen: Seen::Member("tool", "water_level"),
        ..CALL
    }
}

/// text-embedding-3-small: 0.02 dollars per million tokens.
fn embeddings() -> Call {
    Call {
        operation: "embeddings",
        model: "text-embedding-3-small",
        input: 10,
        output: None,
        cached: None,
        nanodollars: 10 * 20,
        finish: None,
        seen: Seen::Member("vectors", "2"),
        ..CALL
    }
}

/// claude-sonnet-4-5: 3, cache read 0.30, cache write 3.75, out 15 dollars per million tokens.
fn message() -> Call {
    Call {
        provider: "anthropic",
        model: CLAUDE,
        input: 21 + 240 + 1800,
        output: Some(17),
        cached: Some(1800),
        nanodollars: 21 * 3000 + 240 * 3750 + 1800 * 300 + 17 * 15000,
        finish: Some("end_turn"),
        ..CALL
    }
}

fn message_streamed() -> Call {
    let nanodollars = 21 * 3000 + 17 * 15000;
    Call { stream: true, input: 21, cached: Some(0), nanodollars, ..message() }
}

fn script(arguments: &Arguments, file: &str, task: &str) -> Vec<OsString> {
    vec![arguments.python.clone().into(), arguments.clients.join(file).into(), task.into()]
}

fn curl(version: &str) -> Vec<OsString> {
    let body = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"In one sentence: what is a weir?"}]}"#;
    words(&[
        "curl",
        "--silent",
        "--show-error",
        "--fail-with-body",
        version,
        "https://api.openai.com/v1/chat/completions",
        "--header",
        "Content-Type: application/json",
        "--header",
        &format!("Authorization: Bearer {}", crate::perform::KEY),
        "--data",
        body,
    ])
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}
