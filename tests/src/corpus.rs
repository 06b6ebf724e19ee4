//! Recorded provider exchanges, and a provider that replays them byte for byte.
//! Knows the files of the corpus; knows nothing about who reads the records.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Behaviour, Framing, Step};
use crate::coding;
use crate::received::Received;

/// Names the recording that a replaying provider shall answer with.
pub const EXCHANGE_HEADER: &str = "x-rig-exchange";
/// Asks for another content coding than the recorded one.
pub const CODING_HEADER: &str = "x-rig-coding";
/// Asks for chunks of so many bytes.
pub const CHUNK_HEADER: &str = "x-rig-chunk";

/// One recorded exchange.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    pub id: String,
    pub provider: String,
    pub provider_host: String,
    pub api: String,
    pub method: String,
    pub path: String,
    pub request_headers: Vec<(String, String)>,
    request_body: String,
    request_body_encoding: String,
    pub request_model: Option<String>,
    pub status: u16,
    pub response_headers: Vec<(String, String)>,
    response_body_b64: String,
    pub response_content_encoding: Option<String>,
    pub streaming: bool,
    pub expected: Expected,
}

/// What another program has computed from the answer alone.
#[derive(Clone, Debug, Deserialize)]
pub struct Expected {
    pub model: Option<String>,
    pub input_tokens: Option<Tokens>,
    pub output_tokens: Option<Tokens>,
    pub cached_input_tokens: Option<Tokens>,
    pub cache_creation_tokens: Option<Tokens>,
    pub reasoning_tokens: Option<Tokens>,
    pub total_tokens: Option<Tokens>,
    pub total_input_tokens: Option<Tokens>,
    pub total_output_tokens: Option<Tokens>,
    pub finish_reasons: Vec<serde_json::Value>,
    pub tool_call_count: Option<usize>,
    pub server_tool_call_count: Option<usize>,
    pub error: Option<ExpectedError>,
}

/// A count of tokens. One provider states its own as `3.0`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "f64", into = "u64")]
pub struct Tokens(u64);

impl TryFrom<f64> for Tokens {
    type Error = String;

    fn try_from(count: f64) -> Result<Self, String> {
        format!("{count}").parse().map(Self).map_err(|_| format!("{count} is no count"))
    }
}

impl From<Tokens> for u64 {
    fn from(tokens: Tokens) -> Self {
        tokens.0
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ExpectedError {
    #[serde(rename = "type")]
    pub kind: Option<serde_json::Value>,
    pub code: Option<serde_json::Value>,
}

impl Recording {
    pub fn request_body(&self) -> Result<Bytes> {
        match self.request_body_encoding.as_str() {
            "base64" => Ok(STANDARD.decode(&self.request_body)?.into()),
            _ => Ok(Bytes::copy_from_slice(self.request_body.as_bytes())),
        }
    }

    /// The coding that its body travels in, if another one is asked for.
    #[must_use]
    pub fn coding<'a>(&'a self, asked: Option<&'a str>) -> &'a str {
        if self.response_body_b64.is_empty() {
            return "identity";
        }
        asked.or(self.response_content_encoding.as_deref()).unwrap_or("identity")
    }

    /// With every coding undone.
    pub fn response_body(&self) -> Result<Bytes> {
        Ok(STANDARD.decode(&self.response_body_b64)?.into())
    }
}

/// Where the corpus is: `$WEIR_CORPUS`, or beside the project.
#[must_use]
pub fn directory() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    std::env::var_os("WEIR_CORPUS").map_or_else(beside, PathBuf::from)
}

/// All recordings, or `None` where there is no corpus.
pub fn load() -> Result<Option<Vec<Recording>>> {
    let path = directory().join("exchanges.jsonl.gz");
    if !path.exists() {
        return Ok(None);
    }
    let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    let recordings = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<_>>();
    recordings.with_context(|| format!("read {}", path.display())).map(Some)
}

/// Answers each request with the recording that its `x-rig-exchange` names.
pub struct Replay {
    recordings: HashMap<String, Recording>,
}

impl Replay {
    #[must_use]
    pub fn new<'a>(recordings: impl IntoIterator<Item = &'a Recording>) -> Arc<Self> {
        let recordings = recordings.into_iter().map(|r| (r.id.clone(), r.clone())).collect();
        Arc::new(Self { recordings })
    }
}

impl Behaviour for Arc<Replay> {
    fn answer(&self, request: &Received) -> Answer {
        let id = request.header(EXCHANGE_HEADER).unwrap_or_default();
        let Some(recording) = self.recordings.get(id) else {
            return Answer::new(404, "text/plain", "no such recording\n");
        };
        let answer = replay(recording, request);
        answer.unwrap_or_else(|error| Answer::new(500, "text/plain", format!("{error:#}\n")))
    }
}

fn replay(recording: &Recording, request: &Received) -> Result<Answer> {
    let asked = request.header(CODING_HEADER);
    let coding = recording.coding(asked);
    let body = coding::encode(coding, &recording.response_body()?)?;
    let mut answer = Answer::new(recording.status, "", body.clone());
    if let Some(head) = &mut answer.head {
        head.headers =
            recording.response_headers.iter().filter(|(name, _)| travels(name)).cloned().collect();
    }
    if coding != "identity" {
        answer = answer.header("Content-Encoding", coding);
    }
    if let Some(size) = request.header(CHUNK_HEADER).and_then(|size| size.parse().ok()) {
        return Ok(answer.chunks_of(size));
    }
    if recording.streaming && coding == "identity" {
        answer.steps = events(&body).into_iter().map(Step::Send).collect();
    }
    Ok(if recording.streaming { answer.framed(Framing::Chunked) } else { answer })
}

/// Headers of the recorded connection itself do not belong to this one.
fn travels(name: &str) -> bool {
    let own =
        ["connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"];
    !own.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Cuts after each blank line, as a provider flushes.
fn events(body: &Bytes) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut start = 0;
    for at in 1..body.len() {
        if body[at] == b'\n' && (body[at - 1] == b'\n' || body[..at].ends_with(b"\n\r")) {
            events.push(body.slice(start..=at));
            start = at + 1;
        }
    }
    if start < body.len() {
        events.push(body.slice(start..));
    }
    events
}
