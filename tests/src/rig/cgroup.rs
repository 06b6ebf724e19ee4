//! Cgroups that the rig makes, and only those. Knows the cgroup v2 mount; knows no kernel program.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A cgroup v2 of the rig. Dropped, it takes its processes with it.
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    pub fn new() -> Result<Self> {
        let mount = mount_point().context("no cgroup v2 is mounted")?;
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = mount.join(format!("weir-rig-{}-{n}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path })
    }

    /// A cgroup below this one, such as a container's; the folders between are made.
    pub fn below(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `command` start inside.
    pub fn adopt(&self, command: &mut Command) -> Result<()> {
        let path = CString::new(self.path.join("cgroup.procs").as_os_str().as_encoded_bytes())?;
        let procs: OwnedFd =
            open(path.as_c_str(), OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        // SAFETY: between fork and exec only write is called, a plain system call; "0" names
        // the writing process itself.
        unsafe {
            command.pre_exec(move || {
                let written = libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1);
                if written == 1 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
        Ok(())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Where cgroup v2 is mounted, also beside v1.
pub(super) fn mount_point() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let path = words.next()?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(path))
    })
}

/// Ends the processes of a cgroup of the rig, then removes it and what is below it.
pub(super) fn remove(path: &Path) {
    let _ = fs::write(path.join("cgroup.kill"), "1");
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path());
    }
    super::wait_until(Duration::from_secs(2), || fs::remove_dir(path).is_ok() || !path.exists());
}
