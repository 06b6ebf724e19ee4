//! Reads clocks and memory of other processes. Knows /proc and POSIX clocks; starts nothing.

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// The machine's monotonic clock, the same for every process.
pub(crate) fn now_ns() -> Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    u64::try_from(now.as_nanos()).context("the clock ran for longer than five centuries")
}

/// Processor time (user and system, every thread, ended ones too) of these processes, in nanoseconds.
pub(crate) fn cpu_ns(pids: &[u32]) -> Result<u64> {
    let mut total = 0;
    for &pid in pids {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.try_into()?))
            .with_context(|| format!("the processor clock of process {pid}"))?;
        total += u64::try_from(Duration::from(clock_gettime(clock)?).as_nanos())?;
    }
    Ok(total)
}

/// Memory of these processes.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Memory {
    pub(crate) rss_kib: u64,
    pub(crate) pss_kib: u64,
}

pub(crate) fn memory(pids: &[u32]) -> Result<Memory> {
    let mut total = Memory::default();
    for pid in pids {
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&file).with_context(|| file.clone())?;
        total.rss_kib += kib(&text, "Rss:").with_context(|| format!("no Rss in {file}"))?;
        total.pss_kib += kib(&text, "Pss:").with_context(|| format!("no Pss in {file}"))?;
    }
    Ok(total)
}

fn kib(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// The processes that `pid` started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
