//! `cargo xtask tidy`: checks what the compiler cannot. Reads tracked files; changes nothing.
//! Length of files and functions is reported, never a failure: a reader decides.

mod dependencies;
mod imports;
mod length;
mod text;

use crate::{cargo, step};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A tracked file.
struct Source {
    /// From the root of the project
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Tests may read golden files and clocks that the code beside them may not.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// Something that must not be, and where.
struct Finding {
    path: String,
    /// From 1; 0 for the file as a whole
    line: usize,
    what: String,
}

pub(crate) fn run() -> Result<()> {
    let sources = tracked()?;
    let mut findings = dependencies::check()?;
    for source in &sources {
        findings.extend(imports::check(source));
        findings.extend(text::check(source));
    }
    for remark in sources.iter().flat_map(length::remarks) {
        step::say(&format!("  · {}:{}: {}", remark.path, remark.line, remark.what));
    }
    for finding in &findings {
        step::say(&format!("  ✗ {}:{}: {}", finding.path, finding.line, finding.what));
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    step::say(&format!("  ✓ Tidy ({} files)", sources.len()));
    Ok(())
}

/// Every file that git tracks, or would if it were added, and that is text.
fn tracked() -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.current_dir(cargo::root()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.output().context("start git")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    let mut sources = Vec::new();
    for path in names.split_terminator('\0') {
        let file: PathBuf = cargo::root().join(path);
        // Binary files (the kernel object) and files deleted but not yet committed are nobody's text.
        if let Ok(text) = fs::read_to_string(file) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}
