//! A process that we started and that we end, by its id.

use crate::site;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process that is not up by then will not come up.
pub(super) const START_MAX: Duration = Duration::from_secs(15);

/// How long a process may take to end by itself, and again after SIGTERM, before it is killed.
const END_MAX: Duration = Duration::from_secs(5);

pub(super) const POLL: Duration = Duration::from_millis(10);

pub(crate) struct Process {
    name: &'static str,
    child: Child,
    /// Where closing its input is what tells it to end
    ends_by_itself: bool,
}

impl Process {
    pub(super) fn new(name: &'static str, child: Child) -> Self {
        Self { name, child, ends_by_itself: true }
    }

    /// Start a server, and wait until it accepts connections.
    pub(super) fn server(
        name: &'static str,
        mut command: Command,
        listen: SocketAddr,
    ) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        let mut process = Self { name, child, ends_by_itself: false };
        let start = Instant::now();
        while TcpStream::connect(listen).is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{name} ended at once: {status}");
            }
            if start.elapsed() > START_MAX {
                process.end();
                bail!("{name} does not listen on {listen}");
            }
            std::thread::sleep(POLL);
        }
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// End it: by itself if it may, then by SIGTERM, then by SIGKILL.
    pub(crate) fn end(&mut self) {
        if self.ends_by_itself && self.gone_within(END_MAX) {
            return;
        }
        if let Ok(id) = i32::try_from(self.child.id()) {
            // It may have ended meanwhile; it is not reaped yet, so the id is still its own.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        if !self.gone_within(END_MAX) {
            crate::report::note(&format!("{} had to be killed", self.name));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn gone_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(POLL);
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.ends_by_itself = false;
            self.end();
        }
    }
}

pub(crate) fn provider(folder: &Path) -> Result<Process> {
    let mut command = ending_with_us(&own_binary()?);
    command.args(["provider", "--listen", &site::PROVIDER.to_string(), "--keys"]).arg(folder);
    Process::server("provider", command, site::PROVIDER)
}

pub(super) fn floor(folder: &Path) -> Result<Process> {
    let mut command = ending_with_us(&own_binary()?);
    command.args([
        "floor",
        "--listen",
        &site::FLOOR.to_string(),
        "--upstream",
        &site::PROVIDER.to_string(),
        "--keys",
    ]);
    command.arg(folder);
    Process::server("floor", command, site::FLOOR)
}

pub(super) fn own_binary() -> Result<PathBuf> {
    std::env::current_exe().context("the path of this binary")
}

/// A command that the kernel ends when we are gone, however that came.
pub(super) fn ending_with_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}
