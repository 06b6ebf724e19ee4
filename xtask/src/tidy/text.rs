//! What must not stand in a tracked file: the paths of one developer's machine, and sources other than the public
//! registry.

use super::{Finding, Source};

/// Folders that exist on one machine only. Written in halves, or this file would find itself.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("/tmp/tar", "get"),
    concat!("/ho", "me/"),
];

/// Where every dependency comes from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let problem =
            if source.path.ends_with("Cargo.lock") { locked(line) } else { written(line) };
        if let Some(what) = problem {
            findings.push(Finding { path: source.path.clone(), line: index + 1, what });
        }
    }
    findings
}

fn locked(line: &str) -> Option<String> {
    let origin = line.strip_prefix("source = \"")?.trim_end_matches('"');
    (origin != REGISTRY).then(|| format!("a dependency from {origin}"))
}

fn written(line: &str) -> Option<String> {
    let path = MACHINE_PATHS.iter().find(|path| holds_path(line, path))?;
    Some(format!("`{path}` is a path of one machine"))
}

/// Whether an absolute path begins with `path`: a folder of that name deeper down is not meant.
fn holds_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before
            .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '/' | '_' | '-' | '.' | '}' | '1'))
    })
}

#[cfg(test)]
mod tests;
