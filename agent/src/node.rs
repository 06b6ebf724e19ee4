//! `weir agent`: captures a cgroup, usually the node's root, until it is told to stop. Knows signals and
//! start-up order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::agent::Agent;
use crate::authority::Authority;
use crate::capture;
use crate::cgroup;
use crate::cli;
use crate::config::Config;
use crate::descriptors;
use crate::memory::Frugal;
use crate::providers::Providers;
use crate::{block_on, load_config, runtime, start_log};

pub fn run(arguments: &cli::Agent) -> anyhow::Result<ExitCode> {
    let config = load_config(arguments.config.as_deref())?;
    start_log(&config.log, config.log.level);
    if !nix::unistd::geteuid().is_root() {
        bail!("weir agent needs root, or the capabilities that `weir doctor` lists");
    }
    descriptors::raise();
    let runtime = runtime(config.threads.map(std::num::NonZeroUsize::get))?;
    block_on(runtime, serve(&config))
}

async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let captured = match &config.capture.cgroup {
        Some(path) => path.clone(),
        None => capture::cgroup2_mount()?,
    };
    let frugal = Frugal::begin();
    let own = OwnCgroup::settle(&captured)?;
    let authority =
        Authority::open_or_create(&config.ca.directory, &Providers::new(config).names())
            .with_context(|| {
                format!("the certificate authority in {}", config.ca.directory.display())
            })?;
    let records = config.records.file.as_deref();
    let agent = Agent::start(config, &captured, own.id, Arc::new(authority), records)?;
    agent.listen_for(&captured);
    agent.know_names().await;
    drop(frugal);
    info!(cgroup = %captured.display(), "capturing");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => warn!("reloading is not built yet; restart to apply a changed file"),
        }
    }
    info!("draining");
    agent.drain(config.drain_timeout).await;
    Ok(ExitCode::SUCCESS)
}

/// The agent's own cgroup, exempt from capture. It must hold nobody else, or they would be exempt as well.
struct OwnCgroup {
    /// `None`: the agent is outside what it captures.
    id: Option<u64>,
    made: Option<(PathBuf, PathBuf)>,
}

impl OwnCgroup {
    fn settle(captured: &Path) -> anyhow::Result<Self> {
        let own = cgroup::own()?;
        if !own.starts_with(captured) {
            return Ok(Self { id: None, made: None });
        }
        let procs = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
        if procs.lines().count() == 1 && own != captured {
            return Ok(Self { id: Some(capture::cgroup_id(&own)?), made: None });
        }
        let path = captured.join(format!("weir-agent-{}", std::process::id()));
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        fs::write(path.join("cgroup.procs"), "0")
            .with_context(|| format!("cannot move into the cgroup {}", path.display()))?;
        Ok(Self { id: Some(capture::cgroup_id(&path)?), made: Some((path, own)) })
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        let Some((path, before)) = &self.made else { return };
        let left = fs::write(before.join("cgroup.procs"), "0").and_then(|()| fs::remove_dir(path));
        if let Err(problem) = left {
            warn!(%problem, cgroup = %path.display(), "the agent's cgroup could not be removed");
        }
    }
}
