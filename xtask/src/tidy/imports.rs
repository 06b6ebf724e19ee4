//! Who may use what: the rules that keep the pure crates pure and the kernel in one place.

use super::{Finding, Source};

/// Crates and modules that `weir-wire` and `weir-policy` must not know.
const IMPURE: [&str; 11] = [
    "tokio",
    "hyper",
    "hyper_util",
    "rustls",
    "aya",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
];

/// Clocks: time is passed in.
const CLOCKS: [&str; 2] = ["Instant::now", "SystemTime::now"];

const PURE: [&str; 2] = ["agent/wire/", "agent/policy/"];

/// The only files of the agent that know aya.
const CAPTURE: [&str; 2] = ["agent/src/capture.rs", "agent/src/capture/"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    if source.path.ends_with("Cargo.toml") && is_pure(source) {
        return manifest(source);
    }
    if !source.is_rust() || source.is_test() {
        return Vec::new();
    }
    // Its examples make data files; they are not part of the crate.
    if is_pure(source) && source.path.contains("/src/") {
        let banned = IMPURE.into_iter().chain(CLOCKS);
        return banned
            .flat_map(|path| uses(source, path, "has no place in a pure crate"))
            .collect();
    }
    let is_agent = source.path.starts_with("agent/src/");
    if is_agent && !CAPTURE.iter().any(|allowed| source.path.starts_with(allowed)) {
        return uses(source, "aya", "belongs in agent/src/capture alone");
    }
    Vec::new()
}

fn is_pure(source: &Source) -> bool {
    PURE.iter().any(|folder| source.path.starts_with(folder))
}

/// A pure crate cannot even depend on what it must not use.
fn manifest(source: &Source) -> Vec<Finding> {
    let crates = IMPURE.iter().filter(|path| !path.contains("::"));
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for name in crates.clone() {
            let name = name.replace('_', "-");
            if line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['.', ' ', '='])) {
                let what = format!("a pure crate depends on {name}");
                findings.push(Finding { path: source.path.clone(), line: index + 1, what });
            }
        }
    }
    findings
}

/// Where `path` is used, in an import (grouped ones too) or in full.
fn uses(source: &Source, path: &str, why: &str) -> Vec<Finding> {
    let finding =
        |line| Finding { path: source.path.clone(), line, what: format!("`{path}` {why}") };
    let mut lines: Vec<usize> = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if in_full(code(line), path) {
            lines.push(index + 1);
        }
    }
    for (line, import) in imports(&source.text) {
        if import == path || import.starts_with(&format!("{path}::")) {
            lines.push(line);
        }
    }
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter().map(finding).collect()
}

/// The line without its comment. A `//` within a string cuts too much, which hides nothing that compiles elsewhere.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// `path::something`, or the path itself where it is a function.
fn in_full(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + path.len()..];
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
        let goes_on = after.starts_with("::") || (path.contains("::") && after.starts_with('('));
        starts && goes_on
    })
}

/// Every path that the file's `use` items bring in, groups written out, with the line of the item.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut item: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = code(line).trim();
        match &mut item {
            Some((_, text)) => text.push_str(line),
            None => item = start_of_use(line).map(|rest| (index + 1, rest.to_owned())),
        }
        if let Some((at, text)) = item.take_if(|(_, text)| text.ends_with(';')) {
            let mut paths = Vec::new();
            expand("", text.trim_end_matches(';'), &mut paths);
            found.extend(paths.into_iter().map(|path| (at, path)));
        }
    }
    found
}

fn start_of_use(line: &str) -> Option<&str> {
    let after_visibility = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches("(crate)").trim_start_matches("(super)").trim_start(),
        None => line,
    };
    after_visibility.strip_prefix("use ")
}

/// `a::{b, c::{d}}` → `a::b`, `a::c::d`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree).trim();
        paths.push(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
        return;
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let prefix = format!("{prefix}{head}");
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                expand(&prefix, &group[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&prefix, &group[start..], paths);
    }
}

#[cfg(test)]
mod tests;
