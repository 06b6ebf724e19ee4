//! Links that outlive the agent. Fail mode closed must hold when the agent is killed, so its links are pinned in the BPF
//! file system: the programs stay, find nobody listening, and refuse. An orderly end takes the pins off.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use aya::programs::links::{FdLink, PinnedLink};
use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
};
use tracing::{info, warn};

use super::{
    cgroup::{cgroup_id, cgroup2_mount, mount_of},
    maps::monotonic_ns,
};

/// Where the BPF file system is mounted if it is not yet.
const BPFFS: &str = "/sys/fs/bpf";

/// The folder of all pins in there; below it one per agent: `CGROUP-NANOSECONDS`. A process id would not do: in a
/// container every agent has the same.
const FOLDER: &str = "weir";

/// The folder of one agent's pins.
pub(super) struct Pins {
    path: PathBuf,
    /// Held as long as the agent lives, so that another can tell whether the pins are left behind.
    _owner: Flock<File>,
}

impl Pins {
    /// Makes the folder, and the mount if there is none.
    pub(super) fn new(cgroup: u64) -> anyhow::Result<Self> {
        let folder = bpffs()?.join(FOLDER);
        let path = folder.join(format!("{cgroup}-{}", monotonic_ns()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let owner = claim(&path).with_context(|| format!("{} is in use", path.display()))?;
        Ok(Self { path, _owner: owner })
    }

    pub(super) fn pin(&self, name: &str, link: FdLink) -> anyhow::Result<PinnedLink> {
        let path = self.path.join(name);
        link.pin(&path).with_context(|| format!("cannot pin {}", path.display()))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // Fails, and rightly, while a pin is in it.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Takes off what dead agents left behind for this cgroup, or for cgroups that are gone.
pub(super) fn sweep(cgroup: u64) {
    let Ok(Some(bpffs)) = mount_of("bpf") else { return };
    let left: Vec<PathBuf> = entries(&bpffs.join(FOLDER)).collect();
    let mut living = None;
    for path in left {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(Ok(of)) = name.split_once('-').map(|(of, _)| of.parse::<u64>()) else { continue };
        let is_wanted = of != cgroup && living.get_or_insert_with(living_cgroups).contains(&of);
        if is_wanted || claim(&path).is_none() {
            continue;
        }
        match remove(&path) {
            Ok(()) => info!(path = %path.display(), "took off what a dead agent had pinned"),
            Err(error) => warn!(%error, path = %path.display(), "pins of a dead agent stay"),
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    // `connect` goes first, as in an orderly end: names sort that way.
    let mut pins: Vec<PathBuf> = entries(path).collect();
    pins.sort();
    for pin in pins {
        fs::remove_file(pin)?;
    }
    fs::remove_dir(path)
}

fn entries(path: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn claim(path: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(path).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

fn living_cgroups() -> HashSet<u64> {
    let mut ids = HashSet::new();
    let mut open: Vec<PathBuf> = cgroup2_mount().into_iter().collect();
    while let Some(path) = open.pop() {
        ids.extend(cgroup_id(&path));
        open.extend(entries(&path).filter(|path| path.is_dir()));
    }
    ids
}

fn bpffs() -> anyhow::Result<PathBuf> {
    if let Some(mounted) = mount_of("bpf")? {
        return Ok(mounted);
    }
    let nothing: Option<&str> = None;
    mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), nothing).with_context(|| {
        format!("fail mode closed needs the BPF file system, and it cannot be mounted at {BPFFS}")
    })?;
    info!(path = BPFFS, "mounted the BPF file system");
    Ok(BPFFS.into())
}
