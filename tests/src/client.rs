//! A client that does exactly as told and tells exactly what it saw. The test writes a plan,
//! `rig-client` carries it out inside a workload and prints a report; both are JSON.
//! Knows the words of both; how they are spoken is in its folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::received::sha256;
use crate::rig::Workload;

mod h1;
mod h2;
pub mod probe;
mod script;
mod session;

/// What one run of the client does: conversations one after another, or `at_once` together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    pub conversations: Vec<Conversation>,
    #[serde(default)]
    pub at_once: usize,
}

/// What happens on one connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    pub host: String,
    pub port: u16,
    pub http: Version,
    /// Only this family, if the name has both.
    #[serde(default)]
    pub family: Family,
    /// How many requests are open at the same time (HTTP/2).
    #[serde(default)]
    pub at_once: usize,
    /// The client gives up when nothing has come for so long.
    #[serde(default = "default_patience_ms")]
    pub patience_ms: u64,
    #[serde(default)]
    pub requests: Vec<Request>,
    /// Bytes instead of requests, on HTTP/1.1.
    #[serde(default)]
    pub script: Vec<Act>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    #[default]
    H1,
    H2,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub id: String,
    pub method: String,
    pub target: String,
    /// Sent as written; framing headers and `Host` are added.
    pub headers: Vec<(String, String)>,
    #[serde(default)]
    pub body: Base64,
    #[serde(default)]
    pub framing: BodyFraming,
    #[serde(default)]
    pub trailers: Vec<(String, String)>,
    /// Sends the body only after `100 Continue`.
    #[serde(default)]
    pub waits_for_continue: bool,
    /// Leaves after so many bytes of the answer's body.
    #[serde(default)]
    pub leaves_after: Option<usize>,
    /// Before leaving, reads nothing until its standard input ends.
    #[serde(default)]
    pub lingers: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFraming {
    /// `Content-Length`, or nothing at all if there is no body and the method usually has none.
    #[default]
    Length,
    /// Chunks of so many bytes.
    Chunked(usize),
}

/// A step of a script.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    Send(Base64),
    /// Reads until this has been seen.
    ReadUntil(Base64),
    /// `close_notify` and FIN, then still reads.
    CloseWriting,
    /// FIN without `close_notify`, then still reads.
    Fin,
    ReadToEnd,
}

/// Everything that the client saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub conversations: Vec<Heard>,
}

/// What was seen on one connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Heard {
    pub host: String,
    /// The address the client connected to, and what `getpeername` says.
    pub asked: Option<SocketAddr>,
    pub peer: Option<SocketAddr>,
    /// Who signed the certificate that was shown.
    pub issuer: Option<String>,
    pub alpn: Option<String>,
    /// Why there was no conversation.
    pub failure: Option<String>,
    pub answers: Vec<HeardAnswer>,
    /// What a script has read.
    pub script: Base64,
    pub script_end: Option<End>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardAnswer {
    pub id: String,
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    pub interim: Vec<(u16, Vec<(String, String)>)>,
    pub body_sha256: String,
    pub body_bytes: usize,
    /// Only of short bodies.
    pub body: Base64,
    pub trailers: Vec<(String, String)>,
    pub end: End,
}

/// How an answer, or a connection, ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// As its framing says.
    Complete,
    /// The connection was closed with `close_notify`.
    Closed,
    /// The connection was closed without `close_notify`.
    Cut,
    Reset,
    /// HTTP/2: this stream was reset with this reason.
    StreamReset(String),
    /// HTTP/2: the connection ended with this reason.
    GoAway(String),
    /// Nothing came for too long.
    Silence,
    /// The bytes were no HTTP.
    Unreadable(String),
    /// The client has left as planned.
    Left,
    Failed(String),
}

/// Bodies above this are only hashed in a report.
const BODY_SHOWN_MAX: usize = 64 << 10;

impl HeardAnswer {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            status: None,
            headers: Vec::new(),
            interim: Vec::new(),
            body_sha256: sha256(b""),
            body_bytes: 0,
            body: Base64::default(),
            trailers: Vec::new(),
            end: End::Complete,
        }
    }

    fn close(mut self, body: &[u8], end: End) -> Self {
        self.body_sha256 = sha256(body);
        self.body_bytes = body.len();
        if body.len() <= BODY_SHOWN_MAX {
            self.body = Base64(body.to_vec());
        }
        self.end = end;
        self
    }

    /// The first value of a header, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Conversation {
    #[must_use]
    pub fn new(http: Version, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 443,
            http,
            family: Family::Any,
            at_once: 1,
            patience_ms: default_patience_ms(),
            requests: Vec::new(),
            script: Vec::new(),
        }
    }

    #[must_use]
    pub fn asks(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    #[must_use]
    pub fn does(mut self, act: Act) -> Self {
        self.script.push(act);
        self
    }

    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    #[must_use]
    pub fn patience_ms(mut self, patience_ms: u64) -> Self {
        self.patience_ms = patience_ms;
        self
    }
}

impl Request {
    #[must_use]
    pub fn new(id: &str, method: &str, target: &str) -> Self {
        Self {
            id: id.to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Base64::default(),
            framing: BodyFraming::Length,
            trailers: Vec::new(),
            waits_for_continue: false,
            leaves_after: None,
            lingers: false,
        }
    }

    #[must_use]
    pub fn post(id: &str, target: &str, json: impl Into<Vec<u8>>) -> Self {
        Self::new(id, "POST", target).header("Content-Type", "application/json").body(json)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Base64(body.into());
        self
    }

    #[must_use]
    pub fn chunked(mut self, size: usize) -> Self {
        self.framing = BodyFraming::Chunked(size);
        self
    }

    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn waits_for_continue(mut self) -> Self {
        self.waits_for_continue = true;
        self.header("Expect", "100-continue")
    }

    #[must_use]
    pub fn leaves_after(mut self, bytes: usize) -> Self {
        self.leaves_after = Some(bytes);
        self
    }

    /// Reads so many bytes of the body and then none, until the client's standard input ends.
    #[must_use]
    pub fn reads_only(mut self, bytes: usize) -> Self {
        self.lingers = true;
        self.leaves_after(bytes)
    }
}

impl Plan {
    #[must_use]
    pub fn of(conversations: impl IntoIterator<Item = Conversation>) -> Self {
        Self { conversations: conversations.into_iter().collect(), at_once: 1 }
    }

    /// Writes the plan where the workload can read it.
    pub fn write(&self, host: &Workload) -> Result<PathBuf> {
        let path =
            host.directory().join(format!("plan-{}.json", sha256(&serde_json::to_vec(self)?)));
        std::fs::write(&path, serde_json::to_vec(self)?).context("write the plan")?;
        Ok(path)
    }
}

impl Report {
    /// Carries out `plan` on `host` with nobody in between.
    pub fn direct(host: &Workload, client: &Path, plan: &Plan) -> Result<Self> {
        let mut command = host.command(client);
        let output = command.arg("plan").arg(plan.write(host)?).output()?;
        ensure!(output.status.success(), "rig-client: {}", String::from_utf8_lossy(&output.stderr));
        Self::read(&output.stdout)
    }

    pub fn read(stdout: &[u8]) -> Result<Self> {
        serde_json::from_slice(stdout)
            .with_context(|| format!("a report, not {:?}", String::from_utf8_lossy(stdout)))
    }

    /// The answer to the request with this id.
    pub fn answer(&self, id: &str) -> Result<&HeardAnswer> {
        let mut answers = self.conversations.iter().flat_map(|heard| &heard.answers);
        if let Some(answer) = answers.find(|answer| answer.id == id) {
            return Ok(answer);
        }
        let failures: Vec<_> =
            self.conversations.iter().filter_map(|c| c.failure.as_ref()).collect();
        bail!("no answer to {id}; failures: {failures:?}")
    }
}

/// Carries out a plan here, in this process.
pub async fn carry_out(plan: Plan) -> Result<Report> {
    session::carry_out(plan).await
}

fn default_patience_ms() -> u64 {
    20_000
}

/// Bytes, as base64 in JSON and as text in messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Base64 {
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl std::fmt::Debug for Base64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl From<&str> for Base64 {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}
