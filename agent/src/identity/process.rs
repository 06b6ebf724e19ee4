//! What /proc says about a process, best effort: it may be gone, or be another one by now.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

/// A process, as it was when it was opened.
pub(super) struct Process {
    directory: PathBuf,
    started: u64,
    /// Read when first asked for: whoever is remembered is not asked.
    cgroup: OnceCell<Option<String>>,
}

impl Process {
    /// None when there is no such process.
    pub(super) fn open(pid: u32) -> Option<Process> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let started = started(&fs::read_to_string(directory.join("stat")).ok()?)?;
        Some(Process { directory, started, cgroup: OnceCell::new() })
    }

    /// In clock ticks since boot: together with the number, this is one process only.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    /// The path in the v2 hierarchy.
    pub(super) fn cgroup(&self) -> Option<&str> {
        let read = || unified(&fs::read_to_string(self.directory.join("cgroup")).ok()?);
        self.cgroup.get_or_init(read).as_deref()
    }

    pub(super) fn exe(&self) -> Option<String> {
        let exe = fs::read_link(self.directory.join("exe")).ok()?;
        let exe = exe.to_string_lossy();
        // An upgrade replaces the file under a running program.
        Some(exe.strip_suffix(" (deleted)").unwrap_or(&exe).to_owned())
    }
}

/// Field 22 of `stat`. The second field is a name that may hold spaces and parentheses.
pub(super) fn started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The line of the v2 hierarchy in `/proc/PID/cgroup`.
pub(super) fn unified(text: &str) -> Option<String> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.strip_suffix(" (deleted)").unwrap_or(path).to_owned())
}
