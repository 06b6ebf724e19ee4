//! Reads records files back. Knows the promised field names only, so that files of other versions still count.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;

use super::{Group, Passage, Sample, Summary};
use crate::record::{Reason, Verdict};

/// What a row of the report stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Grouping {
    Workload,
    Provider,
    Model,
    Hour,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Exchange(Box<Exchange>),
    Connection { verdict: Verdict, reason: Reason, server_name: Option<String> },
}

#[derive(Deserialize)]
struct Exchange {
    time: String,
    workload: Workload,
    provider: String,
    operation: String,
    request_model: Option<String>,
    model: Option<String>,
    status: Option<u16>,
    outcome: String,
    usage: Option<Usage>,
    total_input: Option<u64>,
    total_output: Option<u64>,
    cost: Cost,
    error: Option<serde::de::IgnoredAny>,
    timings: Timings,
}

#[derive(Deserialize)]
struct Workload {
    cgroup: String,
    pod_uid: Option<String>,
    container_id: Option<String>,
    unit: Option<String>,
    exe: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    cache_read: u64,
}

#[derive(Deserialize)]
struct Cost {
    nanodollars: Option<u64>,
}

#[derive(Deserialize)]
struct Timings {
    first_byte_ms: Option<f64>,
    total_ms: f64,
}

/// Sums up files; `-` is standard input. A line that is no record is an error that names its place.
pub fn read_files(files: &[PathBuf], by: &[Grouping]) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    for file in files {
        let reader: Box<dyn Read> = if file == Path::new("-") {
            Box::new(stdin())
        } else {
            Box::new(File::open(file).with_context(|| format!("cannot open {}", file.display()))?)
        };
        for (number, line) in BufReader::new(reader).lines().enumerate() {
            let line = line.with_context(|| format!("cannot read {}", file.display()))?;
            if line.is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&line).with_context(|| {
                format!("{}:{}: not a record of weir", file.display(), number + 1)
            })?;
            add(&mut summary, line, by);
        }
    }
    Ok(summary)
}

fn add(summary: &mut Summary, line: Line, by: &[Grouping]) {
    match line {
        Line::Connection { verdict, reason, server_name } => {
            summary.pass(Passage { verdict, reason, server_name });
        }
        Line::Exchange(exchange) => {
            let group = Group(by.iter().map(|grouping| exchange.name(*grouping)).collect());
            summary.add(group, &exchange.sample());
        }
    }
}

impl Exchange {
    fn name(&self, by: Grouping) -> String {
        match by {
            Grouping::Workload => self.workload.name(),
            Grouping::Provider => self.provider.clone(),
            Grouping::Model => {
                let model = self.model.as_ref().or(self.request_model.as_ref());
                model.unwrap_or(&self.operation).clone()
            }
            Grouping::Hour => self.time.get(..13).unwrap_or(&self.time).replace('T', " ") + ":00Z",
        }
    }

    fn sample(&self) -> Sample {
        let whole = matches!(self.outcome.as_str(), "complete" | "upgraded");
        let good = self.status.is_some_and(|status| status < 400);
        Sample {
            failed: !whole || !good || self.error.is_some(),
            input: self.total_input,
            output: self.total_output,
            cached: self.usage.as_ref().map_or(0, |usage| usage.cache_read),
            has_usage: self.usage.is_some(),
            nanodollars: self.cost.nanodollars,
            first_byte_ms: self.timings.first_byte_ms,
            total_ms: self.timings.total_ms,
        }
    }
}

impl Workload {
    /// The most telling name that is known.
    fn name(&self) -> String {
        let pod = self.pod_uid.as_ref().map(|uid| format!("pod {uid}"));
        let container = self
            .container_id
            .as_ref()
            .map(|id| format!("container {}", id.get(..12).unwrap_or(id)));
        pod.or(container)
            .or_else(|| self.unit.clone())
            .or_else(|| self.exe.clone())
            .unwrap_or_else(|| self.cgroup.clone())
    }
}
