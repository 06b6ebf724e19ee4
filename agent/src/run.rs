//! `weir run`: a cgroup of its own for one command, capture on that cgroup only, trust by environment, and
//! a summary at the end. Knows processes and cgroups; leaves nothing behind.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, warn};

use crate::agent::Agent;
use crate::authority::Authority;
use crate::capture;
use crate::cgroup;
use crate::cli::Run;
use crate::config::LogLevel;
use crate::descriptors;
use crate::memory::Frugal;
use crate::providers::Providers;
use crate::report;
use crate::trust::Trust;
use crate::{block_on, load_config, runtime, start_log};

/// What the command left open may end by itself for so long.
const DRAIN: Duration = Duration::from_millis(500);
/// Processes that were moved or killed need a moment to leave their cgroup.
const LEAVE_TRIES: usize = 50;
const LEAVE_PAUSE: Duration = Duration::from_millis(10);

/// What comes before the process id in the name of a run's cgroup.
const SCOPE_PREFIX: &str = "weir-run-";

/// The shell's codes for a command that cannot be run, and for one that is not there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

pub fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let mut config = load_config(arguments.config.as_deref())?;
    start_log(&config.log, LogLevel::Warn);
    if !nix::unistd::geteuid().is_root() {
        bail!("weir run needs root: it loads kernel programs; try `sudo weir run -- …`");
    }
    config.upstream.extra_roots.extend(arguments.extra_roots.iter().cloned());
    let records = arguments.records.clone().or_else(|| config.records.file.clone());
    let descriptors = descriptors::raise();
    let scope = Scope::new()?;
    let runtime = runtime(Some(config.threads.map_or(1, std::num::NonZeroUsize::get)))?;
    block_on(runtime, async {
        let signals = Signals::catch()?;
        let frugal = Frugal::begin();
        let authority = Arc::new(Authority::ephemeral(&Providers::new(&config).names())?);
        let trust = Trust::deliver(authority.root_pem(), &|name| std::env::var_os(name))
            .context("cannot write the trust bundles")?;
        trust.notes().iter().for_each(|note| warn!("{note}"));
        let agent = Agent::start(&config, &scope.path, None, authority, records.as_deref())?;
        agent.know_names().await;
        drop(frugal);
        let status = match spawn(arguments, &scope, &trust, descriptors) {
            Ok(child) => wait(child, signals).await?,
            Err(problem) => {
                agent.drain(DRAIN).await;
                return Ok(cannot_start(&arguments.command[0], &problem));
            }
        };
        agent.drain(DRAIN).await;
        if !arguments.quiet {
            let summary = agent.summary();
            report::print(&summary, &["provider", "model"], arguments.output, &mut io::stderr())?;
        }
        Ok(exit_as(status))
    })
}

fn spawn(
    arguments: &Run,
    scope: &Scope,
    trust: &Trust,
    descriptors: descriptors::Before,
) -> io::Result<Child> {
    let procs = fs::OpenOptions::new().write(true).open(scope.path.join("cgroup.procs"))?;
    let mut command = Command::new(&arguments.command[0]);
    command.args(&arguments.command[1..]).envs(trust.variables());
    // SAFETY: between fork and exec only system calls are made: prctl(2), setrlimit(2), and write(2) to an open file.
    unsafe {
        command.pre_exec(move || {
            // weir's allocator does without huge pages, which a child would inherit.
            nix::sys::prctl::set_thp_disable(false)?;
            descriptors.restore()?;
            // "0" is the writing process itself.
            nix::unistd::write(&procs, b"0")?;
            Ok(())
        });
    }
    command.spawn()
}

#[expect(clippy::print_stderr, reason = "what a shell would say")]
fn cannot_start(command: &OsString, problem: &io::Error) -> ExitCode {
    eprintln!("weir: {}: {problem}", command.to_string_lossy());
    let missing = problem.kind() == io::ErrorKind::NotFound;
    ExitCode::from(if missing { NOT_FOUND } else { CANNOT_RUN })
}

/// Caught from the start, so that none of them ends weir before it has cleaned up.
struct Signals {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// The terminal's signals reach the command by themselves; those that only weir gets (TERM, HUP) are passed on.
async fn wait(mut child: Child, mut signals: Signals) -> anyhow::Result<ExitStatus> {
    let pid = child.id();
    loop {
        let pass = tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = signals.interrupt.recv() => None,
            _ = signals.quit.recv() => None,
            _ = signals.terminate.recv() => Some(nix::sys::signal::Signal::SIGTERM),
            _ = signals.hangup.recv() => Some(nix::sys::signal::Signal::SIGHUP),
        };
        if let (Some(signal), Some(pid)) = (pass, pid) {
            let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
            if let Err(problem) = nix::sys::signal::kill(pid, signal) {
                debug!(%problem, "a signal could not be passed on");
            }
        }
    }
}

/// As a shell tells it: the code, or 128 and the signal.
fn exit_as(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(code.to_le_bytes()[0])
}

/// Removes the cgroups of runs that were killed. Fails, and rightly, where a command still runs in one.
fn sweep(parent: &Path) {
    for path in cgroup::children(parent) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(pid) = name.strip_prefix(SCOPE_PREFIX) else { continue };
        if !Path::new("/proc").join(pid).exists() && cgroup::remove_tree(&path).is_ok() {
            debug!(cgroup = %path.display(), "removed what a killed run had left");
        }
    }
}

/// A cgroup for one run, removed on drop.
struct Scope {
    path: PathBuf,
    parent: PathBuf,
}

impl Scope {
    fn new() -> anyhow::Result<Self> {
        let parent = capture::cgroup2_mount()?;
        sweep(&parent);
        let path = parent.join(format!("{SCOPE_PREFIX}{}", std::process::id()));
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        Ok(Self { path, parent })
    }

    /// What the command left running goes on, outside.
    fn release(&self) {
        let left = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for pid in left.lines() {
            if let Err(problem) = fs::write(self.parent.join("cgroup.procs"), pid) {
                debug!(%problem, pid, "a process did not leave the cgroup");
            }
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        for _ in 0..LEAVE_TRIES {
            self.release();
            if cgroup::remove_tree(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(LEAVE_PAUSE);
        }
        warn!(cgroup = %self.path.display(), "the cgroup could not be removed");
    }
}
