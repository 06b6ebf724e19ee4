//! What is measured: the scenarios, and the two messages between conductor and load. Knows no socket.

use serde::{Deserialize, Serialize};

/// One way of putting a proxy under load. The names are what `--only` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Small JSON, one connection kept open
    Small1,
    /// Small JSON, sixteen connections kept open
    Small16,
    /// Streams of 64 chunks, paced as a model would
    Chunk,
    /// A new connection for every request
    Conn,
    /// Request bodies of 64 KiB
    Body64k,
    /// Memory with many streams open at once
    Memory,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] =
        [Self::Small1, Self::Small16, Self::Chunk, Self::Conn, Self::Body64k, Self::Memory];

    /// How many connections are busy at the same time. `Memory` asks for its number of streams instead.
    pub(crate) fn connections(self) -> usize {
        match self {
            Self::Small1 | Self::Conn => 1,
            Self::Body64k => 4,
            Self::Small16 | Self::Chunk => 16,
            Self::Memory => 0,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Small1 => "small JSON, 1 connection",
            Self::Small16 => "small JSON, 16 connections",
            Self::Chunk => "64 paced chunks, 16 streams",
            Self::Conn => "new connection per request",
            Self::Body64k => "64 KiB request bodies, 4 connections",
            Self::Memory => "memory with open streams",
        }
    }

    /// What one unit of work is called: processor time is given per unit.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Small1 | Self::Small16 | Self::Body64k => "request",
            Self::Chunk => "chunk",
            Self::Conn => "connection",
            Self::Memory => "stream",
        }
    }
}

/// Chunks in one streamed answer, as the scenario's title says.
pub(crate) const CHUNKS: usize = 64;

/// Time between two chunks of a stream: a model that writes 125 tokens a second.
pub(crate) const PACE_MS: u64 = 8;

/// Time between two chunks while memory is measured: slow enough that the load itself is no burden.
pub(crate) const MEMORY_PACE_MS: u64 = 1000;

/// From conductor to load, one line each.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Open the connections and warm them up; answered by `Report::Ready`
    Prepare(Scenario),
    /// Load for so long; answered by `Report::Done`
    Go { millis: u64 },
    /// Open so many more streams and keep them; answered by `Report::Ready` when each has its first chunks
    Hold { streams: usize },
    /// Drop every connection; answered by `Report::Ready`
    Release,
}

/// From load to conductor, one line each.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    Ready,
    Done(Figures),
    Failed(String),
}

/// What the load saw in one measured stretch.
#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Whole answers
    pub(crate) answers: u64,
    /// Units of work as `Scenario::unit` names them
    pub(crate) units: u64,
    pub(crate) seconds: f64,
    /// Latency of an answer; for `Chunk`, of a chunk from the provider's write to the client's read
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}
