//! Network namespaces without names. Knows threads and descriptors; knows no address plan.
//!
//! A namespace lives as long as a descriptor or a process holds it, so nothing is left behind
//! however the process ends, and no other namespace can be hit by mistake.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};

/// One network namespace, held by its descriptor.
#[derive(Clone, Debug)]
pub struct Namespace {
    file: Arc<File>,
}

impl Namespace {
    /// Makes an empty namespace with its loopback up.
    pub fn new() -> Result<Self> {
        let file = in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("unshare a network namespace (root?)")?;
            File::open("/proc/thread-self/ns/net").context("open the new namespace")
        })?;
        let namespace = Self { file: Arc::new(file) };
        namespace.write_sysctl("net/ipv6/conf/all/accept_dad", "0")?;
        namespace.write_sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        namespace.ip(&["link set lo up"])?;
        Ok(namespace)
    }

    /// Runs `work` on a thread inside the namespace. Sockets made there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
            work()
        })
    }

    /// Runs `ip` inside, one command a line.
    pub fn ip(&self, lines: &[&str]) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        self.adopt(&mut command);
        let mut child = command.spawn().context("start ip (package iproute2)")?;
        let mut stdin = child.stdin.take().context("ip has a stdin")?;
        stdin.write_all(lines.join("\n").as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip failed: {} in {lines:?}", stderr.trim());
        Ok(())
    }

    pub fn write_sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.enter(|| {
            std::fs::write(format!("/proc/sys/{key}"), value)
                .with_context(|| format!("set {key} to {value}"))
        })
    }

    /// Makes `command` run inside the namespace.
    pub fn adopt(&self, command: &mut Command) {
        let file = Arc::clone(&self.file);
        // SAFETY: between fork and exec only setns is called, a plain system call; the
        // descriptor is kept open by the closure.
        unsafe {
            command.pre_exec(move || {
                setns(&file, CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from)
            });
        }
    }

    /// A path by which another process of this machine can name the namespace.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.as_raw_fd())
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// A namespace belongs to a thread: the thread is thrown away, so nothing has to be undone.
pub(super) fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        scope.spawn(work).join().map_err(|_| anyhow!("a thread in a namespace panicked"))?
    })
}
