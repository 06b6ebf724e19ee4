//! Durations and sizes as people write them: a whole number and a unit. Pure text in, value out.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// `500ms`, `10s`, `5m`, `1h`. The error completes "VALUE ...".
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    quantity(text, "duration", &DURATION_UNITS, "10s").map(Duration::from_millis)
}

/// `512B`, `64KiB`, `16MiB`, `1GB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    quantity(text, "size", &SIZE_UNITS, "16MiB")
}

fn quantity(text: &str, noun: &str, units: &[(&str, u64)], example: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start_matches(' ');
    if number.is_empty() && text.starts_with('-') {
        return Err(format!("is negative; write a {noun} such as {example}"));
    }
    if number.is_empty() {
        return Err(format!("is not a {noun}; write a whole number and a unit, such as {example}"));
    }
    if unit.starts_with('.') {
        return Err(format!(
            "has a fraction; write a whole number in a smaller unit, such as {example}"
        ));
    }
    let names = || units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if unit.is_empty() {
        return Err(format!("has no unit; add one of {}", names()));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("has the unknown unit {unit:?}; use one of {}", names()));
    };
    let product = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    product.ok_or_else(|| format!("is too large for a {noun}"))
}

/// In the largest unit that fits without a rest.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, &DURATION_UNITS)
}

pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS[..4])
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().rev().find(|(_, factor)| value.is_multiple_of(*factor));
    fitting.map_or_else(|| value.to_string(), |(unit, factor)| format!("{}{unit}", value / factor))
}
