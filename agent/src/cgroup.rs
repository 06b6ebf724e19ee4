//! Directories of the cgroup v2 hierarchy: where weir itself is, who is below, how one is removed. Knows
//! files; knows no kernel program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::capture;

/// The cgroup that this process is in, as a directory.
pub(crate) fn own() -> anyhow::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("this process is in no cgroup v2")?;
    Ok(capture::cgroup2_mount()?.join(path))
}

/// Every process in `cgroup` and below. What cannot be read is gone already.
pub(crate) fn processes_below(cgroup: &Path) -> Vec<u32> {
    let mut pids = Vec::new();
    let mut open = vec![cgroup.to_owned()];
    while let Some(path) = open.pop() {
        let procs = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        pids.extend(procs.lines().filter_map(|line| line.parse::<u32>().ok()));
        open.extend(children(&path));
    }
    pids
}

/// cgroups are removed from the leaves up; their files go by themselves.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    for child in children(path) {
        remove_tree(&child)?;
    }
    fs::remove_dir(path)
}

pub(crate) fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
