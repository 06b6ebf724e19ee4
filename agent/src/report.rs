//! What records add up to: calls, tokens, cost and times by workload, provider, model or hour, and what
//! was passed through and why. Knows sums and percentiles; reads records, opens no socket.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{Ledger, Outcome, Record, Verdict};

mod read;
mod table;

pub use read::{Grouping, read_files};
pub use table::print;

/// Beyond this many calls of one group, times are sampled: every second one is dropped, evenly.
const SAMPLES_MAX: usize = 8192;

/// Sums over records and ledger lines.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    pub groups: BTreeMap<Group, Figures>,
    pub connections: BTreeMap<Passage, u64>,
}

/// What figures are kept for: the names of one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Group(pub Vec<String>);

/// A kind of connection that was not, or not only, intercepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Passage {
    pub verdict: Verdict,
    pub reason: crate::record::Reason,
    pub server_name: Option<String>,
}

#[derive(Debug, Default, Clone)]
pub struct Figures {
    pub calls: u64,
    pub errors: u64,
    /// Answers that stated no usage though the dialect knows it.
    pub unmetered: u64,
    pub input: u64,
    pub output: u64,
    pub cached: u64,
    pub nanodollars: u64,
    /// Calls with usage whose price is unknown: the sum of money is short by them.
    pub unpriced: u64,
    pub first_byte: Times,
    pub total: Times,
}

/// One call, as far as sums need it.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    pub failed: bool,
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub cached: u64,
    pub has_usage: bool,
    pub nanodollars: Option<u64>,
    pub first_byte_ms: Option<f64>,
    pub total_ms: f64,
}

impl Summary {
    pub fn add_exchange(&mut self, record: &Record) {
        let model = record.model.as_ref().or(record.request_model.as_ref());
        let group = Group(vec![
            record.provider.as_str().to_owned(),
            model.cloned().unwrap_or_else(|| record.operation.as_str().to_owned()),
        ]);
        let usage = record.usage.as_ref();
        self.add(
            group,
            &Sample {
                failed: record.outcome != Outcome::Complete && record.outcome != Outcome::Upgraded
                    || record.status.is_none_or(|status| status >= 400)
                    || record.error.is_some(),
                input: record.total_input,
                output: record.total_output,
                cached: usage.map_or(0, |usage| usage.cache_read),
                has_usage: usage.is_some(),
                nanodollars: record.cost.nanodollars,
                first_byte_ms: record.timings.first_byte_ms,
                total_ms: record.timings.total_ms,
            },
        );
    }

    pub fn add(&mut self, group: Group, sample: &Sample) {
        self.groups.entry(group).or_default().add(sample);
    }

    pub fn add_connection(&mut self, ledger: &Ledger) {
        self.pass(Passage {
            verdict: ledger.verdict,
            reason: ledger.reason,
            server_name: ledger.server_name.clone(),
        });
    }

    pub fn pass(&mut self, passage: Passage) {
        *self.connections.entry(passage).or_default() += 1;
    }
}

impl Figures {
    fn add(&mut self, sample: &Sample) {
        self.calls += 1;
        self.errors += u64::from(sample.failed);
        self.unmetered += u64::from(!sample.has_usage && !sample.failed);
        self.input += sample.input.unwrap_or(0);
        self.output += sample.output.unwrap_or(0);
        self.cached += sample.cached;
        self.nanodollars += sample.nanodollars.unwrap_or(0);
        self.unpriced += u64::from(sample.has_usage && sample.nanodollars.is_none());
        if let Some(first_byte) = sample.first_byte_ms {
            self.first_byte.add(first_byte);
        }
        self.total.add(sample.total_ms);
    }
}

/// Times in milliseconds, enough of them for percentiles.
#[derive(Debug, Default, Clone)]
pub struct Times {
    kept: Vec<f32>,
    seen: u64,
    /// One of so many is kept.
    stride: u64,
}

impl Times {
    fn add(&mut self, milliseconds: f64) {
        let stride = self.stride.max(1);
        if self.seen.is_multiple_of(stride) {
            if self.kept.len() == SAMPLES_MAX {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride = stride * 2;
            }
            self.kept.push(milliseconds as f32);
        }
        self.seen += 1;
    }

    /// The value that `percent` of the calls do not exceed (nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let mut sorted = self.kept.clone();
        sorted.sort_by(f32::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).map(|value| f64::from(*value))
    }
}

#[cfg(test)]
mod tests;
