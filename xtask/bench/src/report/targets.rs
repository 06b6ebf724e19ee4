//! What weir promises to cost, and whether it did.

use super::Results;
use super::summary::{added_p50_to_nginx, rows};
use crate::contender::Contender;
use crate::scenario::Scenario;
use serde::Serialize;

/// Added median latency at one connection, against nginx's.
const ADDED_P50_MAX: f64 = 1.5;

/// Memory of one open stream.
const STREAM_KIB_MAX: f64 = 64.0;

/// Memory before the first connection.
const FRESH_MIB_MAX: f64 = 20.0;

/// What connect() to a foreign destination may cost beyond no program at all.
const CONNECT_US_MAX: f64 = 0.3;

/// A promise, and what was measured.
#[derive(Serialize)]
pub(super) struct Verdict {
    pub(super) name: &'static str,
    pub(super) limit: f64,
    pub(super) measured: f64,
    pub(super) unit: &'static str,
    pub(super) met: bool,
}

impl Verdict {
    fn new(name: &'static str, limit: f64, measured: f64, unit: &'static str) -> Self {
        Self { name, limit, measured, unit, met: measured <= limit }
    }
}

/// The promises for which there are figures.
pub(super) fn verdicts(results: &Results) -> Vec<Verdict> {
    let rows = rows(results);
    let mut verdicts = Vec::new();
    for row in rows.iter().filter(|row| row.contender == Contender::Weir) {
        if let Some(((name, limit), measured)) = cpu_promise(row.scenario).zip(row.cpu_to_nginx) {
            verdicts.push(Verdict::new(name, limit, measured, "× nginx"));
        }
    }
    if let Some(ratio) = added_p50_to_nginx(&results.samples, Scenario::Small1) {
        verdicts.push(Verdict::new("added p50, 1 connection", ADDED_P50_MAX, ratio, "× nginx"));
    }
    if let Some(memory) = results.memory.iter().find(|sample| sample.contender == Contender::Weir) {
        let per_stream = memory.pss_per_stream_kib(results.streams);
        verdicts.push(Verdict::new("PSS per open stream", STREAM_KIB_MAX, per_stream, "KiB"));
        verdicts.push(Verdict::new("PSS fresh", FRESH_MIB_MAX, memory.fresh_pss_mib(), "MiB"));
    }
    if let Some(connect) = results.connect {
        let added = (connect.attached_ns - connect.none_ns) / 1000.0;
        verdicts.push(Verdict::new("connect() elsewhere, added", CONNECT_US_MAX, added, "µs"));
    }
    verdicts
}

/// Processor time per unit, against nginx's.
fn cpu_promise(scenario: Scenario) -> Option<(&'static str, f64)> {
    match scenario {
        Scenario::Small1 => Some(("CPU per small request, 1 connection", 1.3)),
        Scenario::Small16 => Some(("CPU per small request, 16 connections", 1.3)),
        Scenario::Chunk => Some(("CPU per streamed chunk", 1.0)),
        Scenario::Conn => Some(("CPU per new connection", 0.7)),
        Scenario::Body64k => Some(("CPU per 64 KiB request", 1.2)),
        Scenario::Memory => None,
    }
}
