//! The summary for a person, as a table, and for a machine, as JSON. Knows columns.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, presets};
use serde_json::json;

use super::{Figures, Summary, Times};
use crate::cli::Output;
use crate::record::Verdict;

const FIRST_BYTE: &str = "first byte ms p50 / p95";
const TOTAL: &str = "total ms p50 / p95";

/// Writes the summary. `headings` name the parts of each group.
pub fn print(
    summary: &Summary,
    headings: &[&str],
    output: Output,
    to: &mut dyn Write,
) -> io::Result<()> {
    match output {
        Output::Json => writeln!(to, "{}", as_json(summary, headings)),
        Output::Text => print_text(summary, headings, to),
    }
}

fn print_text(summary: &Summary, headings: &[&str], to: &mut dyn Write) -> io::Result<()> {
    if summary.groups.is_empty() {
        writeln!(to, "no LLM calls seen")?;
    } else {
        writeln!(to, "{}", calls_table(summary, headings))?;
        let unpriced: u64 = summary.groups.values().map(|figures| figures.unpriced).sum();
        if unpriced > 0 {
            writeln!(to, "? {unpriced} calls have no known price; the cost above is without them")?;
        }
    }
    for (passage, count) in &summary.connections {
        if passage.verdict != Verdict::Intercepted {
            let name = passage.server_name.as_deref().unwrap_or("(no name)");
            let (verdict, reason) = (passage.verdict.word(), passage.reason.word());
            let plural = if *count == 1 { "connection" } else { "connections" };
            writeln!(to, "{verdict}: {count} {plural} to {name}: {}", reason.replace('_', " "))?;
        }
    }
    Ok(())
}

fn calls_table(summary: &Summary, headings: &[&str]) -> Table {
    let columns = ["calls", "errors", "in", "cached", "out", "cost $", FIRST_BYTE, TOTAL];
    let mut table = Table::new();
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    table.set_content_arrangement(ContentArrangement::Disabled);
    let names = headings.iter().map(Cell::new);
    let titles = columns.map(|name| Cell::new(name).set_alignment(CellAlignment::Right));
    table.set_header(names.chain(titles));
    for (group, figures) in &summary.groups {
        let names = group.0.iter().map(Cell::new);
        let numbers = numbers(figures)
            .into_iter()
            .map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
        table.add_row(names.chain(numbers));
    }
    table
}

fn numbers(figures: &Figures) -> [String; 8] {
    [
        figures.calls.to_string(),
        figures.errors.to_string(),
        figures.input.to_string(),
        figures.cached.to_string(),
        figures.output.to_string(),
        cost(figures),
        spread(&figures.first_byte),
        spread(&figures.total),
    ]
}

fn spread(times: &Times) -> String {
    format!("{} / {}", milliseconds(times.percentile(50.0)), milliseconds(times.percentile(95.0)))
}

fn cost(figures: &Figures) -> String {
    let metered = figures.calls - figures.errors.min(figures.calls);
    match (figures.unpriced, figures.nanodollars) {
        (0, 0) if figures.input + figures.output == 0 => "-".into(),
        (0, sum) => dollars(sum),
        (unpriced, 0) if unpriced >= metered => "unknown".into(),
        (_, sum) => format!("{} + ?", dollars(sum)),
    }
}

/// Exact to the nano-dollar where it matters: below a cent all digits, above it six.
fn dollars(nano: u64) -> String {
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000);
    if nano < 10_000_000 {
        return format!("{whole}.{part:09}");
    }
    let micro = (nano + 500) / 1000;
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(
        || "-".into(),
        |value| match value {
            small if small < 10.0 => format!("{small:.1}"),
            large => format!("{large:.0}"),
        },
    )
}

fn as_json(summary: &Summary, headings: &[&str]) -> serde_json::Value {
    let calls: Vec<_> = summary
        .groups
        .iter()
        .map(|(group, figures)| {
            let mut row = serde_json::Map::new();
            for (heading, name) in headings.iter().zip(&group.0) {
                row.insert((*heading).to_owned(), json!(name));
            }
            let figures = json!({
                "calls": figures.calls,
                "errors": figures.errors,
                "calls_without_usage": figures.unmetered,
                "input_tokens": figures.input,
                "cached_input_tokens": figures.cached,
                "output_tokens": figures.output,
                "cost_nanodollars": figures.nanodollars,
                "calls_without_price": figures.unpriced,
                "first_byte_p50_ms": figures.first_byte.percentile(50.0),
                "first_byte_p95_ms": figures.first_byte.percentile(95.0),
                "total_p50_ms": figures.total.percentile(50.0),
                "total_p95_ms": figures.total.percentile(95.0),
            });
            if let serde_json::Value::Object(figures) = figures {
                row.extend(figures);
            }
            serde_json::Value::Object(row)
        })
        .collect();
    let connections: Vec<_> = summary
        .connections
        .iter()
        .map(|(passage, count)| {
            json!({
                "verdict": passage.verdict,
                "reason": passage.reason,
                "server_name": passage.server_name,
                "connections": count,
            })
        })
        .collect();
    json!({ "calls": calls, "connections": connections })
}
