//! The two lines that everything reports from: one record per exchange, one ledger line per connection.
//! Knows their fields and how they are written; never holds a prompt, an answer or a key.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;
use weir_policy::price::Cost;
use weir_wire::{Dialect, FinishClass, Operation, Provider, ProviderError, ToolCall, Usage};

use crate::identity::Workload;

mod recorder;

pub use recorder::Recorder;

/// A line of the records file.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line<'a> {
    Exchange(&'a Record),
    Connection(&'a Ledger),
}

/// One HTTP request and its answer.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    pub exchange: String,
    pub connection: String,
    pub workload: Arc<Workload>,
    pub provider: Provider,
    pub dialect: Dialect,
    pub operation: Operation,
    pub host: String,
    pub method: String,
    /// Without the query, which may hold a key.
    pub path: String,
    pub http: Http,
    pub request_model: Option<String>,
    /// As the answer names it.
    pub model: Option<String>,
    pub stream: bool,
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub attempts: Vec<Attempt>,
    pub usage: Option<Usage>,
    pub total_input: Option<u64>,
    pub total_output: Option<u64>,
    pub cost: Priced,
    /// In the provider's words, one a choice, and what each means.
    pub finish_reasons: Vec<String>,
    pub finish_classes: Vec<FinishClass>,
    pub tool_calls: Vec<ToolCall>,
    /// `None`: the dialect does not tell.
    pub server_tool_calls: Option<u32>,
    pub error: Option<ProviderError>,
    pub service_tier: Option<String>,
    /// Why the bodies gave no facts, or not all.
    pub unread: Vec<String>,
    /// Body bytes as they travelled, before any content coding was undone.
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub timings: Timings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Http {
    H1,
    H2,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    /// 101: the connection went on in another protocol, carried without understanding.
    Upgraded,
    /// The client left before the answer was whole.
    ClientGone,
    /// The provider's answer ended before it was whole, or never came.
    ProviderCut,
    /// Not HTTP that can be followed with certainty: carried without understanding.
    Unreadable,
    /// The agent stopped before the answer was whole.
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Host and address that was asked.
    pub target: String,
    pub status: Option<u16>,
    pub error: Option<&'static str>,
    /// A connection that was open already.
    pub reused: bool,
    pub connect_ms: Option<f64>,
}

/// Cost in billionths of a dollar, and by which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Priced {
    /// `null` is unknown, never free.
    pub nanodollars: Option<u64>,
    pub table: Option<&'static str>,
}

impl Priced {
    pub const NONE: Self = Self { nanodollars: None, table: None };

    pub fn new(cost: Cost, table: &'static str) -> Self {
        let nanodollars = match cost {
            Cost::Known { nanodollars } => Some(nanodollars),
            Cost::Unknown => None,
        };
        Self { nanodollars, table: Some(table) }
    }
}

/// Milliseconds from the request's first line; `None` if it did not come so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// The agent's own work before the request went on.
    pub agent_ms: Option<f64>,
    pub first_byte_ms: Option<f64>,
    pub first_content_ms: Option<f64>,
    pub total_ms: f64,
}

/// One captured TCP connection.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    pub connection: String,
    pub workload: Arc<Workload>,
    pub server_name: Option<String>,
    pub destination: String,
    pub verdict: Verdict,
    pub reason: Reason,
    /// What the system or TLS said, where that explains the reason.
    pub detail: Option<String>,
    pub alpn: Option<String>,
    pub exchanges: u32,
    /// Of a passed connection all bytes, of an intercepted one those of bodies.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub duration_ms: f64,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Intercepted,
    /// Carried to where it was going, bytes untouched.
    Passed,
    /// It could not be carried; without weir it would have failed as well, or weir says why not.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    LlmName,
    ForeignName,
    NoName,
    NotTls,
    NoHello,
    ForeignAlpn,
    /// The provider's certificate does not verify: the client shall judge it itself.
    ProviderUnverified,
    ProviderUnreachable,
    /// The client refused our certificate, or did so before.
    ClientDistrusts,
    /// The client asked nothing: it did not need the connection, or refused our certificate without a word.
    Unused,
    HandshakeFailed,
    ClosedEarly,
}

macro_rules! word_of {
    ($($type:ty),+) => { $(
        impl $type {
            /// The word that stands in the records.
            pub fn word(self) -> String {
                serde_json::to_value(self)
                    .ok()
                    .and_then(|value| value.as_str().map(str::to_owned))
                    .unwrap_or_default()
            }
        }
    )+ };
}
word_of!(Verdict, Reason, Outcome);

fn rfc3339<S: serde::Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let text = OffsetDateTime::from(*time).format(format).map_err(serde::ser::Error::custom)?;
    to.serialize_str(&text)
}
