//! Where the cgroup v2 hierarchy is, and the ids of its directories.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// The mount point of the cgroup v2 hierarchy, also where it lives beside version 1.
pub fn cgroup2_mount() -> anyhow::Result<PathBuf> {
    mount_of("cgroup2")?.context(
        "no cgroup v2 hierarchy is mounted; try: mount -t cgroup2 none /sys/fs/cgroup/unified",
    )
}

/// Where the first file system of this type is mounted.
pub(super) fn mount_of(kind: &str) -> anyhow::Result<Option<PathBuf>> {
    let mounts =
        std::fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    Ok(mount_point(&mounts, kind))
}

fn mount_point(mounts: &str, kind: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let point = fields.nth(1)?;
        (fields.next()? == kind).then(|| PathBuf::from(unescape(point)))
    })
}

/// The kernel writes white space and backslashes of a path in octal.
fn unescape(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// The id of a cgroup v2 directory, as the kernel half reports it: its inode.
pub fn cgroup_id(path: &Path) -> anyhow::Result<u64> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("no cgroup at {}", path.display()))?;
    Ok(metadata.ino())
}

#[cfg(test)]
mod tests;
