//! Shows how the acts went: a table for people, JSON for machines.

use crate::acts::Expected;
use crate::check::Review;
use anyhow::Result;
use comfy_table::{CellAlignment, LineStyle, Table, presets};
use serde_json::{Value, json};
use std::io::Write as _;

/// Columns that hold numbers.
const NUMBERS: [usize; 6] = [5, 6, 7, 8, 9, 10];

pub(crate) fn text(reviews: &[Review]) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    let header = [
        "",
        "client",
        "asked for",
        "provider",
        "model",
        "status",
        "in",
        "out",
        "cached",
        "cost $",
        "first byte",
        "why",
    ];
    table.set_header(header);
    for column in NUMBERS {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(reviews.iter().map(row));
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{table}\n")?;
    for review in reviews.iter().filter(|review| !review.is_good()) {
        writeln!(out, "✗ {}, {}:", review.act.client, review.act.asks)?;
        for problem in &review.problems {
            writeln!(out, "    {problem}")?;
        }
    }
    writeln!(out, "{}", summary(reviews))?;
    Ok(())
}

fn row(review: &Review) -> [String; 12] {
    let record = review.scene.exchanges.first().unwrap_or(&Value::Null);
    let (provider, model) = match &review.act.expected {
        Expected::Intercepted(_) => (word(&record["provider"]), word(&record["model"])),
        Expected::Spliced { .. } => ("–".to_owned(), "–".to_owned()),
    };
    let (mark, why) = match review.problems.first() {
        None => ("✓", review.praise()),
        Some(problem) => ("✗", problem.as_str()),
    };
    [
        mark.to_owned(),
        review.act.client.to_owned(),
        review.act.asks.to_owned(),
        provider,
        model,
        word(&record["status"]),
        word(&record["total_input"]),
        word(&record["total_output"]),
        word(&record["usage"]["cache_read"]),
        if record.is_null() { word(record) } else { dollars(&record["cost"]["nanodollars"]) },
        milliseconds(&record["timings"]["first_byte_ms"]),
        why.to_owned(),
    ]
}

fn summary(reviews: &[Review]) -> String {
    let good = reviews.iter().filter(|review| review.is_good()).count();
    let records: Vec<&Value> = reviews.iter().flat_map(|review| &review.scene.exchanges).collect();
    let connections = reviews.iter().flat_map(|review| &review.scene.connections);
    let passed = connections.filter(|connection| connection["verdict"] == "passed").count();
    let sum = |pointer: &str| {
        records.iter().filter_map(|record| record.pointer(pointer)?.as_u64()).sum::<u64>()
    };
    let (mark, rest) = match good == reviews.len() {
        true => {
            ("✓", "\n  No client was changed or configured. No key and no text is in the records.")
        }
        false => ("✗", ""),
    };
    format!(
        "{mark} {good} of {} calls as they should be: {} recorded, {passed} passed through unopened; \
         {} tokens in, {} out, {} dollars.{rest}",
        reviews.len(),
        records.len(),
        sum("/total_input"),
        sum("/total_output"),
        dollars(&sum("/cost/nanodollars").into()),
    )
}

pub(crate) fn json(reviews: &[Review]) -> Result<()> {
    let call = |review: &Review| {
        json!({
            "client": review.act.client,
            "asked_for": review.act.asks,
            "good": review.is_good(),
            "problems": review.problems,
            "exit_code": review.scene.status.code(),
            "record": review.scene.exchanges.first(),
            "connection": review.scene.connections.first(),
        })
    };
    let document = json!({
        "good": reviews.iter().all(Review::is_good),
        "calls": reviews.iter().map(call).collect::<Vec<_>>(),
    });
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    Ok(())
}

fn word(value: &Value) -> String {
    if value.is_null() {
        return "–".to_owned();
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Billionths of a dollar, to six places: the smallest of these calls costs less than a millionth.
fn dollars(nanodollars: &Value) -> String {
    let Some(nano) = nanodollars.as_u64() else { return "unknown".to_owned() };
    let micro_tenths = (nano + 50) / 100;
    format!("{}.{:07}", micro_tenths / 10_000_000, micro_tenths % 10_000_000)
}

fn milliseconds(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.1} ms"))
}
