//! From the id of a cgroup to its path. The id is the inode of the cgroup's directory, and the kernel opens a directory of
//! its pseudo file systems by inode; where that is not allowed, the process is asked, and then the tree is searched.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirEntryExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::process::Process;

/// More cgroups than a node has; a full map is emptied.
const PATHS_MAX: usize = 8192;
/// The search is for agents without privileges: they see small trees.
const SEARCH_DIRECTORIES_MAX: usize = 16_384;

pub(super) struct Cgroups {
    mount: PathBuf,
    /// Open for as long as the agent runs, so that the mount cannot be changed under it.
    root: Option<File>,
    paths: Mutex<HashMap<u64, Arc<str>>>,
}

impl Cgroups {
    pub(super) fn new(mount: PathBuf) -> Cgroups {
        let root = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&mount).ok();
        Cgroups { mount, root, paths: Mutex::default() }
    }

    /// The path below the mount. `process` may know it, if it is in that cgroup still.
    pub(super) fn path(&self, id: u64, process: Option<&Process>) -> Option<Arc<str>> {
        if let Some(path) = self.paths().get(&id) {
            return Some(path.clone());
        }
        let path: Arc<str> = match self.by_handle(id) {
            Handled::Path(path) => path,
            Handled::Gone => return None,
            Handled::NotAllowed => process
                .and_then(|process| self.by_process(id, process))
                .or_else(|| self.by_search(id))?,
        }
        .into();
        let mut paths = self.paths();
        if paths.len() >= PATHS_MAX {
            paths.clear();
        }
        paths.insert(id, path.clone());
        Some(path)
    }

    /// Needs CAP_DAC_READ_SEARCH; independent of the number of cgroups.
    fn by_handle(&self, id: u64) -> Handled {
        let Some(root) = &self.root else {
            return Handled::NotAllowed;
        };
        let directory = match open_by_id(root, id) {
            Ok(directory) => directory,
            Err(error) if error.raw_os_error() == Some(libc::ESTALE) => return Handled::Gone,
            Err(_) => return Handled::NotAllowed,
        };
        let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        // A mount that shows a part of the tree cannot name what is outside of it.
        let path = path.ok().and_then(|path| self.below_mount(&path));
        path.map_or(Handled::NotAllowed, Handled::Path)
    }

    fn by_process(&self, id: u64, process: &Process) -> Option<String> {
        let path = process.cgroup()?;
        let metadata = fs::metadata(self.mount.join(path.trim_start_matches('/'))).ok()?;
        (metadata.ino() == id).then(|| path.to_owned())
    }

    fn by_search(&self, id: u64) -> Option<String> {
        if fs::metadata(&self.mount).ok()?.ino() == id {
            return Some("/".to_owned());
        }
        let mut left = SEARCH_DIRECTORIES_MAX;
        let mut open = vec![self.mount.clone()];
        while let Some(directory) = open.pop() {
            left = left.checked_sub(1)?;
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                if entry.ino() == id {
                    return self.below_mount(&entry.path());
                }
                open.push(entry.path());
            }
        }
        None
    }

    fn below_mount(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(&self.mount).ok()?;
        Some(Path::new("/").join(below).to_string_lossy().into_owned())
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<str>>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Handled {
    Path(String),
    /// The kernel knows no such cgroup any more: nobody else will.
    Gone,
    NotAllowed,
}

/// `struct file_handle` with a kernfs id in it.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    id: [u8; 8],
}

/// FILEID_KERNFS, in Linux 5.5 and later.
const KERNFS: i32 = 0xfe;

fn open_by_id(root: &File, id: u64) -> io::Result<OwnedFd> {
    let mut handle = Handle { bytes: 8, kind: KERNFS, id: id.to_ne_bytes() };
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the handle is laid out as the kernel reads it, says its true length, and outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, root.as_raw_fd(), &raw mut handle, flags)
    };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel just gave us this descriptor; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests;
