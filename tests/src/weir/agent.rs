//! `weir agent` on a cgroup of the rig, and clients that are put into it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{COUNT, Records, binary};
use crate::client::{Plan, Report};
use crate::rig::{Cgroup, Rig, Workload, wait_until};

/// An agent that is not ready by then never will be.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A running `weir agent`. Dropped, it is killed.
pub struct Agent<'a> {
    pub child: Child,
    host: &'a Workload,
    cgroup: &'a Cgroup,
    base: PathBuf,
    config: PathBuf,
    roots: PathBuf,
}

impl<'a> Agent<'a> {
    /// Starts it and waits until it captures. `more` is YAML below `capture`.
    pub fn start(rig: &Rig, host: &'a Workload, cgroup: &'a Cgroup, more: &str) -> Result<Self> {
        let command = host.command(binary()?);
        Self::start_as(command, rig, host, cgroup, more)
    }

    /// The same, itself in the cgroup that it captures.
    pub fn start_inside(rig: &Rig, host: &'a Workload, cgroup: &'a Cgroup) -> Result<Self> {
        let mut command = host.command(binary()?);
        cgroup.adopt(&mut command)?;
        Self::start_as(command, rig, host, cgroup, "")
    }

    fn start_as(
        mut command: Command,
        rig: &Rig,
        host: &'a Workload,
        cgroup: &'a Cgroup,
        more: &str,
    ) -> Result<Self> {
        let base =
            host.directory().join(format!("agent-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let config = base.with_extension("yaml");
        let yaml = format!(
            "capture:\n  cgroup: {}\n{more}ca: {{directory: {}}}\nrecords: {{file: {}}}\n\
             upstream: {{extra_roots: [{}]}}\ndrain_timeout: 20s\n",
            cgroup.path().display(),
            host.directory().join("ca").display(),
            base.with_extension("records").display(),
            rig.root_pem_path().display(),
        );
        fs::write(&config, yaml).context("write the configuration")?;
        let roots = base.with_extension("pem");
        command.arg("agent").arg("--config").arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(base.with_extension("stderr"))?);
        let child = command.spawn().context("start weir agent")?;
        let mut agent = Self { child, host, cgroup, base, config, roots };
        let mut ended = false;
        wait_until(START_LIMIT, || {
            ended = agent.child.try_wait().is_ok_and(|status| status.is_some());
            ended || agent.stderr().contains("capturing")
        });
        ensure!(!ended && agent.stderr().contains("capturing"), "weir agent: {}", agent.stderr());
        agent.write_roots(rig)?;
        Ok(agent)
    }

    /// A command in the captured cgroup, with the agent's root among those it trusts.
    pub fn command(&self, program: &str) -> Result<Command> {
        self.command_in(self.host, self.cgroup, program)
    }

    /// The same on another host, and in another cgroup.
    pub fn command_in(&self, host: &Workload, cgroup: &Cgroup, program: &str) -> Result<Command> {
        let mut command = host.command(program);
        cgroup.adopt(&mut command)?;
        command.env("SSL_CERT_FILE", &self.roots);
        Ok(command)
    }

    /// A command in the captured cgroup that was never told of the agent's root.
    pub fn distrusting_command(&self, program: &str) -> Result<Command> {
        let mut command = self.command(program)?;
        command.env_remove("SSL_CERT_FILE");
        Ok(command)
    }

    /// Carries out a plan in the captured cgroup.
    pub fn carry_out(&self, client: &str, plan: &Plan) -> Result<Report> {
        let output = self.command(client)?.arg("plan").arg(plan.write(self.host)?).output()?;
        ensure!(output.status.success(), "rig-client: {}", String::from_utf8_lossy(&output.stderr));
        Report::read(&output.stdout)
    }

    #[must_use]
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.base.with_extension("stderr")).unwrap_or_default()
    }

    pub fn records(&self) -> Result<Records> {
        Records::read(&self.base.with_extension("records"))
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    /// Waits for it to end by itself.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        let child = &mut self.child;
        let ended =
            wait_until(STOP_LIMIT, || child.try_wait().is_ok_and(|status| status.is_some()));
        ensure!(ended, "weir agent does not end: {}", self.stderr());
        Ok(self.child.wait()?)
    }

    /// The system's roots, the rig's and the agent's.
    fn write_roots(&self, rig: &Rig) -> Result<()> {
        let mut command = self.host.command(binary()?);
        let output = command.args(["ca", "export", "--config"]).arg(&self.config).output()?;
        ensure!(output.status.success(), "weir ca: {}", String::from_utf8_lossy(&output.stderr));
        let mut roots = fs::read(rig.bundle_path())?;
        roots.extend_from_slice(&output.stdout);
        fs::write(&self.roots, roots).context("write the roots")
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
