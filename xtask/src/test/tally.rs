//! Reads the output of test runners. Pure.

use std::fmt;

/// What a test writes when it cannot run here; capitals do not matter.
const SKIP_MARK: &str = "skipped: ";

/// Around the name of a test whose output the runner shows.
const OUTPUT_OF: (&str, &str) = ("---- ", " stdout ----");

#[derive(Default, Debug)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Said by the tests themselves
    reasons: Vec<String>,
    /// Names of tests that the runner ignores, with their reasons
    ignores: Vec<String>,
    /// Whose output is being shown
    current: Option<String>,
}

impl Tally {
    /// Take one line of output into account.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(counts) = line.trim_start().strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
            self.current = None;
        } else if let Some(at) = line.to_ascii_lowercase().find(SKIP_MARK) {
            // The runner may have written the test's name on the same line before it ran it.
            let reason = &line[at + SKIP_MARK.len()..];
            let named = self.current.as_ref().map(|name| format!("{name}: {reason}"));
            self.reasons.push(named.unwrap_or_else(|| reason.to_owned()));
        } else if let Some(name) =
            line.strip_prefix(OUTPUT_OF.0).and_then(|rest| rest.strip_suffix(OUTPUT_OF.1))
        {
            self.current = Some(name.to_owned());
        } else if let Some((name, reason)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored"))
        {
            let reason = reason.trim_start_matches([',', ' ']);
            self.ignores
                .push(format!("{name}: {}", if reason.is_empty() { "ignored" } else { reason }));
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn skipped(&self) -> u64 {
        self.ignored + self.said()
    }

    pub(super) fn skips(&self) -> impl Iterator<Item = &String> {
        self.reasons.iter().chain(&self.ignores)
    }

    fn said(&self) -> u64 {
        u64::try_from(self.reasons.len()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed.saturating_sub(self.said());
        write!(f, "{passed} passed, {} failed, {} skipped", self.failed, self.skipped())
    }
}

/// The number before `word` in `ok. 9 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> u64 {
    let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
