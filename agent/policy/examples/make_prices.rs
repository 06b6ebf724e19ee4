//! Turns the data file of genai-prices into the table that weir carries:
//!
//! ```sh
//! cargo run -p weir-policy --example make_prices -- path/to/prices.json 0.2.1 > agent/policy/src/price/table.txt
//! ```
//!
//! The input is `data/prices.json` of a released `genai-prices` crate. Whatever this program does not understand
//! stops it: a price that was read half is worse than an old one.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a script: its output is its work"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

/// Providers that weir knows, by the source's names.
const KEPT: &[&str] = &[
    "anthropic",
    "aws",
    "azure",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "google",
    "groq",
    "mistral",
    "moonshotai",
    "openai",
    "openrouter",
    "perplexity",
    "together",
    "voyageai",
    "x-ai",
    "zai",
];

/// The source's unit → our letter, and whether it is per million (tokens) or per thousand (pieces).
const UNITS: &[(&str, &str)] = &[
    ("input_mtok", "i"),
    ("output_mtok", "o"),
    ("cache_read_mtok", "r"),
    ("cache_write_mtok", "w"),
    ("cache_write_1h_mtok", "h"),
    ("input_audio_mtok", "a"),
    ("output_audio_mtok", "A"),
    ("output_reasoning_mtok", "R"),
    ("web_searches_kcount", "s"),
];

/// Units that an answer's usage does not tell apart, or that depend on more than tokens: with one of these a model's
/// cost is unknown.
const UNTOLD: &[&str] = &[
    "requests_kcount",
    "output_citation_mtok",
    "input_image_mtok",
    "output_image_mtok",
    "input_video_mtok",
    "output_video_mtok",
    "input_document_kpages",
    "input_annotated_document_kpages",
    "input_mchars",
    "audio_hours",
    "input_audio_hours",
    "input_text_messages_kcount",
];

/// Units that are beside the tokens and not in any usage.
const APART: &[&str] =
    &["storage_searches_kcount", "cache_image_read_mtok", "cache_audio_read_mtok"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("the path of prices.json");
    let version = arguments.next().expect("the version of genai-prices");
    let data: Value =
        serde_json::from_str(&std::fs::read_to_string(file).expect("a readable file"))
            .expect("JSON");
    let mut dates = BTreeSet::new();
    let mut body = String::new();
    for provider in data.as_array().expect("a list of providers") {
        let id = text(&provider["id"]);
        if KEPT.contains(&id) {
            write_provider(&mut body, id, provider, &mut dates);
        }
    }
    let date = dates.iter().next_back().expect("a dated price");
    println!("# source genai-prices {version} (MIT), https://github.com/pydantic/genai-prices");
    println!("# date {date}");
    print!("{body}");
}

fn write_provider(out: &mut String, id: &str, provider: &Value, dates: &mut BTreeSet<String>) {
    write!(out, "@{id}").unwrap();
    for fallback in provider["fallback_model_providers"].as_array().into_iter().flatten() {
        write!(out, " {}", text(fallback)).unwrap();
    }
    out.push('\n');
    for model in provider["models"].as_array().expect("models") {
        write_model(out, model, dates);
    }
}

fn write_model(out: &mut String, model: &Value, dates: &mut BTreeSet<String>) {
    let id = text(&model["id"]);
    assert!(!id.contains(char::is_whitespace), "{id}");
    dates.extend(checked_dates(model));
    writeln!(out, "{id} {}", any_of(&model["match"]).join(" ")).unwrap();
    match model["prices"].as_array() {
        Some(rows) => rows
            .iter()
            .for_each(|row| write_row(out, &condition(&row["constraint"]), &row["prices"])),
        None => write_row(out, "*", &model["prices"]),
    }
    for variant in model["price_variants"].as_array().into_iter().flatten() {
        let when = variant["when"].as_object().expect("a condition");
        let (key, value) = when.iter().next().expect("a condition");
        let since = match condition(&variant["constraint"]).as_str() {
            "*" => String::new(),
            since => format!("@{since}"),
        };
        match (when.len(), key.as_str()) {
            (1, "service_tier") => {
                write_row(out, &format!("tier={}{since}", text(value)), &variant["prices"])
            }
            (1, "processing") => {
                write_row(out, &format!("tier={}{since}", text(value)), &variant["prices"])
            }
            // Not told by an answer.
            (1, "route" | "search_type") => {}
            other => panic!("{id}: a variant by {other:?}"),
        }
    }
}

fn write_row(out: &mut String, condition: &str, prices: &Value) {
    write!(out, "\t{condition}").unwrap();
    for (unit, price) in prices.as_object().expect("prices") {
        match UNITS.iter().find(|(known, _)| known == unit) {
            Some((_, letter)) => write!(out, " {letter}{}", amount(price)).unwrap(),
            None if UNTOLD.contains(&unit.as_str()) => write!(out, " x").unwrap(),
            None => assert!(APART.contains(&unit.as_str()), "unknown unit {unit}"),
        }
    }
    out.push('\n');
}

/// `2.5`, or `2.5>200000=5`: above so many input tokens another price holds for all of them.
fn amount(price: &Value) -> String {
    let Some(tiers) = price["tiers"].as_array() else { return decimal(price) };
    let mut amount = decimal(&price["base"]);
    for tier in tiers {
        write!(
            amount,
            ">{}={}",
            tier["start"].as_u64().expect("whole tokens"),
            decimal(&tier["price"])
        )
        .unwrap();
    }
    amount
}

/// Nine places: what is finer came from binary fractions.
fn decimal(price: &Value) -> String {
    let text = format!("{:.9}", price.as_f64().expect("a number"));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn condition(constraint: &Value) -> String {
    if constraint.is_null() {
        return "*".to_owned();
    }
    if let Some(date) = constraint["start_date"].as_str() {
        return date.to_owned();
    }
    let minute = |at: &str| {
        constraint[at]
            .as_str()
            .expect("a time of day")
            .strip_suffix(":00Z")
            .expect("whole minutes in UTC")
    };
    format!("{}-{}", minute("start_time"), minute("end_time"))
}

/// Any one of these names a model: `=` equals, `^` starts with, `$` ends with, `~` contains, `%` equals with `#` for a
/// digit, `<` the same for a start, `!` has no such part between dashes. `&` joins what must hold together.
fn any_of(rule: &Value) -> Vec<String> {
    let (kind, value) = rule.as_object().expect("a rule").iter().next().expect("a rule");
    match kind.as_str() {
        "or" => value.as_array().expect("rules").iter().flat_map(any_of).collect(),
        "and" => vec![all_of(value.as_array().expect("rules"))],
        "equals" => vec![word('=', text(value))],
        "starts_with" => vec![word('^', text(value))],
        "ends_with" => vec![word('$', text(value))],
        "contains" => vec![word('~', text(value))],
        "regex" => regex(text(value)),
        other => panic!("unknown rule {other}"),
    }
}

fn all_of(rules: &[Value]) -> String {
    let one = |rule: &Value| {
        let rules = any_of(rule);
        assert!(rules.len() == 1, "an alternative inside a conjunction: {rule}");
        rules.into_iter().next().unwrap()
    };
    rules.iter().map(one).collect::<Vec<_>>().join("&")
}

fn word(kind: char, text: &str) -> String {
    let text = text.to_lowercase();
    assert!(!text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '&'), "{text}");
    format!("{kind}{text}")
}

fn regex(pattern: &str) -> Vec<String> {
    if pattern == r"^(?!.*-[tT][tT][sS](?:$|-))" {
        return vec![word('!', "tts")];
    }
    let rest = pattern.strip_prefix('^').unwrap_or_else(|| panic!("{pattern} has no start"));
    let (kind, rest) = rest.strip_suffix('$').map_or(('<', rest), |rest| ('%', rest));
    let mut rest = rest.replace(r"\.", ".").replace(r"\[", "\u{1}").replace(r"\]", "\u{2}");
    for digits in (1..=8).rev() {
        rest = rest.replace(&format!(r"\d{{{digits}}}"), &"#".repeat(digits));
    }
    rest = rest.replace(r"\d", "#");
    let spelled = match rest.split_once("[-@]") {
        Some((before, after)) => vec![format!("{before}-{after}"), format!("{before}@{after}")],
        None => vec![rest],
    };
    let plain = |text: String| {
        assert!(
            !text.contains(|c: char| "\\[](){}*+?|^$".contains(c)),
            "{pattern} is beyond this program"
        );
        word(kind, &text.replace('\u{1}', "[").replace('\u{2}', "]"))
    };
    spelled.into_iter().map(plain).collect()
}

/// Days on which somebody looked at these prices.
fn checked_dates(model: &Value) -> Vec<String> {
    let comment = model["price_comments"].as_str().unwrap_or("");
    let mut dates = Vec::new();
    for (at, _) in comment.match_indices("on 20") {
        if let Some(date) = comment.get(at + 3..at + 13) {
            let digits = date.bytes().filter(u8::is_ascii_digit).count();
            if digits == 8 && date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-' {
                dates.push(date.to_owned());
            }
        }
    }
    dates
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
