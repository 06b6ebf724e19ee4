//! Whether a name belongs to a model, by the words that the table gives. Knows no price.

/// `name` in lower case; `rule` is one word of the table (see `make_prices`).
pub(super) fn names(rule: &str, name: &str) -> bool {
    rule.split('&').all(|part| holds(part, name))
}

fn holds(part: &str, name: &str) -> bool {
    let mut letters = part.chars();
    let kind = letters.next();
    let text = letters.as_str();
    match kind {
        Some('=') => name == text,
        Some('^') => name.starts_with(text),
        Some('$') => name.ends_with(text),
        Some('~') => name.contains(text),
        Some('%') => name.len() == text.len() && begins(text, name),
        Some('<') => begins(text, name),
        Some('!') => !name.split('-').skip(1).any(|segment| segment == text),
        Some(_) | None => false,
    }
}

/// `#` stands for a digit.
fn begins(pattern: &str, name: &str) -> bool {
    let same = |(p, n): (u8, u8)| if p == b'#' { n.is_ascii_digit() } else { p == n };
    name.len() >= pattern.len() && pattern.bytes().zip(name.bytes()).all(same)
}

/// `-20251211` written `-2025-12-11`: resellers compact dates.
pub(super) fn with_dashed_date(name: &str) -> Option<String> {
    let bytes = name.as_bytes();
    let digits = |from: usize| {
        bytes.get(from..from + 8).is_some_and(|date| date.iter().all(u8::is_ascii_digit))
    };
    let ends = |at: usize| matches!(bytes.get(at), None | Some(b'-' | b':'));
    let at = (1..bytes.len()).find(|at| {
        bytes[at - 1] == b'-' && digits(*at) && ends(at + 8) && name[*at..].starts_with("20")
    })?;
    let (year, month, day) = (&name[at..at + 4], &name[at + 4..at + 6], &name[at + 6..at + 8]);
    Some(format!("{}{year}-{month}-{day}{}", &name[..at], &name[at + 8..]))
}
