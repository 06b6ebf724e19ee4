//! A client under weir that connects once for each line it is given, so that a test can do
//! something in between.

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_tests::client::probe::Attempt;
use weir_tests::rig::wait_until;
use weir_tests::weir::Running;
use weir_tests::{Run, Weir};

pub(crate) struct Turns {
    pub(crate) running: Running,
    lines: ChildStdin,
    taken: usize,
}

impl Turns {
    /// `command` ends with `rig-client turns HOST FAMILY`.
    pub(crate) fn start(weir: Weir<'_>, command: &[&str]) -> Result<Self> {
        let mut running = weir.start(command, Stdio::piped())?;
        let lines = running.child.stdin.take().context("weir has a stdin")?;
        Ok(Self { running, lines, taken: 0 })
    }

    /// Lets the client connect once, and tells what it saw.
    pub(crate) fn take(&mut self) -> Result<Attempt> {
        self.ask(1)?;
        self.answers(1)?.pop().context("an attempt")
    }

    /// Lets the client connect so many times and does not wait for it.
    pub(crate) fn ask(&mut self, count: usize) -> Result<()> {
        self.lines.write_all("\n".repeat(count).as_bytes())?;
        Ok(self.lines.flush()?)
    }

    /// What the client saw in the next `count` attempts that were asked for.
    pub(crate) fn answers(&mut self, count: usize) -> Result<Vec<Attempt>> {
        let total = self.taken + count;
        let done = wait_until(Duration::from_secs(60), || attempts(&self.running).len() >= total);
        let all = attempts(&self.running);
        ensure!(done, "{} of {total} attempts: {}", all.len(), self.running.stderr());
        let new = all[self.taken..total].to_vec();
        self.taken = total;
        Ok(new)
    }

    pub(crate) fn finish(self) -> Result<Run> {
        drop(self.lines);
        self.running.finish()
    }
}

fn attempts(running: &Running) -> Vec<Attempt> {
    let stdout = running.stdout();
    let lines = stdout.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}
