//! Prints the figures, for people and for machines. Decides nothing about how they were taken.

mod summary;
mod targets;

use crate::compare::{MemorySample, Sample};
use crate::contender::Contender;
use crate::scenario::Scenario;
use anyhow::{Context, Result, ensure};
use comfy_table::{CellAlignment, LineStyle, Table, presets};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use summary::{Row, rows};

/// Everything that one run found out.
pub(crate) struct Results {
    pub(crate) rounds: usize,
    pub(crate) stretch: Duration,
    pub(crate) streams: usize,
    pub(crate) samples: Vec<Sample>,
    pub(crate) memory: Vec<MemorySample>,
    pub(crate) connect: Option<ConnectCost>,
    pub(crate) notes: Vec<String>,
}

impl Results {
    pub(crate) fn new(rounds: usize, stretch: Duration, streams: usize) -> Self {
        Self {
            rounds,
            stretch,
            streams,
            samples: Vec::new(),
            memory: Vec::new(),
            connect: None,
            notes: Vec::new(),
        }
    }
}

/// What connect() to a destination that is not ours costs, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ConnectCost {
    /// In a cgroup without any program
    none_ns: f64,
    /// In a cgroup with the kernel half attached
    attached_ns: f64,
}

/// Run the program that measures connect().
pub(crate) fn connect_cost(program: &Path) -> Result<ConnectCost> {
    let output =
        Command::new(program).output().with_context(|| format!("start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("the cost of connect()")
}

/// How many exchanges weir recorded, and how many of them with the provider's usage.
pub(crate) fn describe_records(records: &Path, samples: &[Sample]) -> Result<String> {
    let text = std::fs::read_to_string(records).with_context(|| records.display().to_string())?;
    let mut exchanges = 0_u64;
    let mut with_usage = 0_u64;
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).context("a record")?;
        if record["kind"] == "exchange" {
            exchanges += 1;
            with_usage += u64::from(record.pointer("/usage/source") == Some(&"provider".into()));
        }
    }
    let measured: u64 = samples
        .iter()
        .filter(|sample| sample.contender == Contender::Weir)
        .map(|sample| sample.figures.answers)
        .sum();
    ensure!(
        exchanges >= measured,
        "weir answered {measured} requests and recorded only {exchanges}"
    );
    Ok(format!(
        "weir recorded {exchanges} exchanges, {with_usage} of them with the provider's usage"
    ))
}

pub(crate) fn print_json(results: &Results) -> Result<()> {
    let document = serde_json::json!({
        "machine": { "kernel": kernel(), "cpus": cpus() },
        "rounds": results.rounds,
        "seconds": results.stretch.as_secs_f64(),
        "figures": rows(results),
        "memory": memory_rows(results),
        "connect": results.connect,
        "targets": targets::verdicts(results),
        "notes": results.notes,
    });
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    Ok(())
}

pub(crate) fn print_text(results: &Results) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Medians over {} round(s) of {:.1} s, contenders taking turns. Linux {}, {} processors, all on one machine.\n",
        results.rounds,
        results.stretch.as_secs_f64(),
        kernel(),
        cpus()
    )?;
    if !results.samples.is_empty() {
        writeln!(out, "{}\n", figures_table(&rows(results)))?;
    }
    if !results.memory.is_empty() {
        writeln!(out, "{}\n", memory_table(results))?;
    }
    if let Some(connect) = results.connect {
        let (none, attached) = (connect.none_ns, connect.attached_ns);
        writeln!(
            out,
            "connect() elsewhere: {none:.0} ns without weir, {attached:.0} ns with it\n"
        )?;
    }
    for note in &results.notes {
        writeln!(out, "{note}")?;
    }
    let verdicts = targets::verdicts(results);
    if !verdicts.is_empty() {
        writeln!(out, "\n{}", targets_table(&verdicts))?;
    }
    Ok(())
}

fn figures_table(rows: &[Row]) -> Table {
    let mut table = plain_table(&[
        "",
        "contender",
        "units/s",
        "p50 µs",
        "added",
        "p99 µs",
        "added",
        "CPU µs each",
        "× nginx",
    ]);
    let mut last: Option<Scenario> = None;
    for row in rows {
        let title = if last == Some(row.scenario) { "" } else { row.scenario.title() };
        last = Some(row.scenario);
        table.add_row([
            title.to_owned(),
            row.contender.name().to_owned(),
            format!("{:.0}", row.units_per_second),
            format!("{:.0}", row.p50_us),
            optional(row.added_p50_us, 0),
            format!("{:.0}", row.p99_us),
            optional(row.added_p99_us, 0),
            optional(row.cpu_us, 2),
            optional(row.cpu_to_nginx, 2),
        ]);
    }
    table
}

/// Memory in KiB, as it is printed.
#[derive(Serialize)]
struct MemoryRow {
    contender: Contender,
    fresh_rss_kib: u64,
    fresh_pss_kib: u64,
    streams: usize,
    open_rss_kib: u64,
    open_pss_kib: u64,
    pss_per_stream_kib: f64,
}

fn memory_rows(results: &Results) -> Vec<MemoryRow> {
    let row = |sample: &MemorySample| MemoryRow {
        contender: sample.contender,
        fresh_rss_kib: sample.fresh.rss_kib,
        fresh_pss_kib: sample.fresh.pss_kib,
        streams: results.streams,
        open_rss_kib: sample.open.rss_kib,
        open_pss_kib: sample.open.pss_kib,
        pss_per_stream_kib: sample.pss_per_stream_kib(results.streams),
    };
    results.memory.iter().map(row).collect()
}

fn memory_table(results: &Results) -> Table {
    let open = format!("PSS KiB, {} streams", results.streams);
    let mut table =
        plain_table(&["memory", "RSS KiB fresh", "PSS KiB fresh", &open, "PSS KiB per stream"]);
    for row in memory_rows(results) {
        table.add_row([
            row.contender.name().to_owned(),
            row.fresh_rss_kib.to_string(),
            row.fresh_pss_kib.to_string(),
            row.open_pss_kib.to_string(),
            format!("{:.1}", row.pss_per_stream_kib),
        ]);
    }
    table
}

fn targets_table(verdicts: &[targets::Verdict]) -> Table {
    let mut table = plain_table(&["target", "limit", "measured", ""]);
    for verdict in verdicts {
        let mark = if verdict.met { "✓ met" } else { "✗ missed" };
        table.add_row([
            verdict.name.to_owned(),
            format!("{} {}", verdict.limit, verdict.unit),
            format!("{:.2} {}", verdict.measured, verdict.unit),
            mark.to_owned(),
        ]);
    }
    table
}

/// A table whose first two columns are words and whose others are numbers.
fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    table.set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// Say something to the person who waits, beside the results.
pub(crate) fn note(text: &str) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "weir-bench: {text}");
}

fn kernel() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
