//! What a workload sees differently in the file system. Knows mounts; knows no network.
//!
//! The namespace lives as long as the workload. What a program mounts in it, other programs of
//! this workload see, and nobody else does.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::netns::in_thread;

#[derive(Clone, Debug)]
pub(super) struct Mounts {
    file: Arc<File>,
}

impl Mounts {
    /// A copy of what this process sees, with some files put over others.
    pub(super) fn with(files: &[(PathBuf, &str)]) -> Result<Self> {
        let file = in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNS).context("unshare a mount namespace")?;
            // Nothing that is mounted from here on is seen outside.
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
            for (from, to) in files {
                // A link (systemd-resolved makes one) leads to what is to be covered.
                let to =
                    fs::canonicalize(to).with_context(|| format!("this machine has no {to}"))?;
                mount(Some(from), &to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                    .with_context(|| format!("put {} over {}", from.display(), to.display()))?;
            }
            File::open("/proc/thread-self/ns/mnt").context("open the new mount namespace")
        })?;
        Ok(Self { file: Arc::new(file) })
    }

    /// Makes `command` run inside, in the same working directory.
    pub(super) fn adopt(&self, command: &mut Command) {
        let file = Arc::clone(&self.file);
        // SAFETY: between fork and exec only system calls are made, on values prepared before.
        unsafe {
            command.pre_exec(move || {
                let mut directory = [0; libc::PATH_MAX as usize];
                if libc::getcwd(directory.as_mut_ptr(), directory.len()).is_null() {
                    return Err(io::Error::last_os_error());
                }
                // Entering a mount namespace leads to its root.
                setns(&file, CloneFlags::CLONE_NEWNS)?;
                match libc::chdir(directory.as_ptr()) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            });
        }
    }
}
