//! `cargo xtask test`: every test of every package, counted up, with what was skipped and why.
//!
//! A test that cannot run here writes `skipped: WHY` and returns; the runner calls it passed, so it is taken off that
//! count here. In CI a skip is a failure.

mod tally;

use crate::ci::KERNEL_MANIFEST;
use crate::{cargo, step};
use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use tally::Tally;

pub(crate) fn run() -> Result<()> {
    let mut tally = Tally::default();
    let mut healthy = true;
    // The end-to-end tests run the binary, which a test build alone would not make.
    step::run("Building weir", cargo::locked("build").args(["--workspace", "--bins"]))?;
    let mut workspace = cargo::locked("test");
    healthy &= count(
        workspace.args(["--workspace", "--no-fail-fast", "--", "--show-output"]),
        &mut tally,
    )?;
    let mut kernel = cargo::locked("test");
    healthy &= count(
        kernel.args([
            "--manifest-path",
            KERNEL_MANIFEST,
            "--lib",
            "--no-fail-fast",
            "--",
            "--show-output",
        ]),
        &mut tally,
    )?;
    report(&tally, healthy)
}

/// Run one test command, passing its output on; false if the runner itself was unhappy.
fn count(command: &mut Command, tally: &mut Tally) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start cargo test")?;
    let (sender, lines) = mpsc::channel();
    let out = child.stdout.take().context("a pipe was asked for")?;
    let err = child.stderr.take().context("a pipe was asked for")?;
    pass_on(out, std::io::stdout(), sender.clone());
    pass_on(err, std::io::stderr(), sender);
    for line in lines {
        tally.read(&line);
    }
    Ok(child.wait()?.success())
}

/// Copy lines to where they belong, and to who counts.
fn pass_on(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    count: mpsc::Sender<String>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // The count matters even when nobody reads the output.
            let _ = writeln!(to, "{line}");
            let _ = count.send(line);
        }
    });
}

fn report(tally: &Tally, healthy: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    for skip in tally.skips() {
        writeln!(out, "skipped {skip}")?;
    }
    writeln!(out, "{tally}")?;
    out.flush()?;
    if !healthy || tally.failed() > 0 {
        bail!("tests failed");
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    if in_ci && tally.skipped() > 0 {
        bail!("in CI a skipped test is a failure");
    }
    Ok(())
}
