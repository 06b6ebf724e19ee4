//! How long files and functions are. Reported, not judged.

use super::{Finding, Source};

/// At this many lines a file asks to be split along a noun.
const FILE_LINES: usize = 600;

/// A function that does not fit on a screen asks the same.
const FUNCTION_LINES: usize = 60;

pub(super) fn remarks(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let remark = |line, what| Finding { path: source.path.clone(), line, what };
    let lines = source.text.lines().count();
    let mut remarks = Vec::new();
    if lines > FILE_LINES {
        remarks.push(remark(1, format!("{lines} lines in this file")));
    }
    for (line, name, lines) in functions(&source.text) {
        if lines > FUNCTION_LINES {
            remarks.push(remark(line, format!("{lines} lines in `{name}`")));
        }
    }
    remarks
}

/// Each function's line, name and number of lines. Relies on rustfmt: a body ends where its indentation returns.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let end_mark = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let one_line = line.ends_with('}') || line.ends_with(';');
        let end = lines[start..].iter().position(|line| *line == end_mark).filter(|_| !one_line);
        found.push((start + 1, name, end.unwrap_or(0) + 1));
    }
    found
}

/// The name, where the line begins a function.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let qualifiers =
        ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern", "\"C\""];
    let word = words.by_ref().find(|word| !qualifiers.contains(word))?;
    let name = words.next().filter(|_| word == "fn")?;
    Some(name.split(['(', '<']).next().unwrap_or(name))
}

#[cfg(test)]
mod tests;
