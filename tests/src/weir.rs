//! The program under test, as an operator starts it, and what it left in its records file.
//! Knows the command line and the names of record fields; knows nothing of its inside.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::client::{Plan, Report};
use crate::rig::{Rig, Workload, wait_until};

mod agent;

pub use agent::Agent;

/// No test runs a command under weir for longer.
const RUN_LIMIT: Duration = Duration::from_secs(180);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// `weir run` on a workload of the rig, with the rig's authority as extra root.
pub struct Weir<'a> {
    host: &'a Workload,
    arguments: Vec<OsString>,
    base: PathBuf,
}

/// What a finished `weir run` left.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// The command's own, and weir's summary at the end.
    pub stderr: String,
    pub records: Records,
}

/// The lines of a records file, by kind.
#[derive(Debug, Default)]
pub struct Records {
    pub exchanges: Vec<Value>,
    pub connections: Vec<Value>,
}

impl<'a> Weir<'a> {
    #[must_use]
    pub fn on(host: &'a Workload, rig: &Rig) -> Self {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let base = host.directory().join(format!("weir-{n}"));
        let arguments = vec!["--extra-root".into(), rig.root_pem_path().into()];
        Self { host, arguments, base }
    }

    /// Another option of `weir run`.
    #[must_use]
    pub fn option(mut self, words: &[&str]) -> Self {
        self.arguments.extend(words.iter().map(OsString::from));
        self
    }

    /// With this configuration file.
    pub fn config(mut self, yaml: &str) -> Result<Self> {
        let path = self.base.with_extension("yaml");
        fs::write(&path, yaml).context("write the configuration")?;
        self.arguments.extend(["--config".into(), path.into()]);
        Ok(self)
    }

    /// Runs a command to its end.
    pub fn run(self, command: &[&str]) -> Result<Run> {
        let mut running = self.start(command, Stdio::null())?;
        let ended = wait_until(RUN_LIMIT, || running.has_ended());
        ensure!(ended, "weir run {command:?} did not end: {}", running.stderr());
        running.finish()
    }

    /// Carries out a plan with the rig's client.
    pub fn carry_out(self, client: &Path, plan: &Plan) -> Result<(Report, Run)> {
        let plan = plan.write(self.host)?;
        let run = self.run(&[&client.to_string_lossy(), "plan", &plan.to_string_lossy()])?;
        ensure!(run.status.success(), "weir run ended with {}: {}", run.status, run.stderr);
        Ok((Report::read(&run.stdout)?, run))
    }

    /// Starts a command and leaves it running.
    pub fn start(self, command: &[&str], stdin: Stdio) -> Result<Running> {
        let records = self.base.with_extension("records");
        let mut weir = self.host.command(binary()?);
        weir.arg("run").arg("--records").arg(&records).args(&self.arguments);
        weir.arg("--").args(command);
        weir.env("RUST_BACKTRACE", "1");
        weir.stdin(stdin);
        weir.stdout(File::create(self.base.with_extension("stdout"))?);
        weir.stderr(File::create(self.base.with_extension("stderr"))?);
        let child = weir.spawn().context("start weir")?;
        Ok(Running { child, base: self.base, ended: None })
    }
}

/// A `weir run` that has not ended. Dropped, it is killed.
pub struct Running {
    pub child: Child,
    base: PathBuf,
    ended: Option<ExitStatus>,
}

impl Running {
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_some()
    }

    #[must_use]
    pub fn stdout(&self) -> Vec<u8> {
        fs::read(self.base.with_extension("stdout")).unwrap_or_default()
    }

    #[must_use]
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.base.with_extension("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What has been written so far.
    pub fn records(&self) -> Result<Records> {
        Records::read(&self.base.with_extension("records"))
    }

    pub fn finish(mut self) -> Result<Run> {
        let status = match self.ended {
            Some(status) => status,
            None => self.child.wait().context("wait for weir")?,
        };
        self.ended = Some(status);
        Ok(Run { status, stdout: self.stdout(), stderr: self.stderr(), records: self.records()? })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Records {
    /// A file that was never written is a file without lines.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut records = Self::default();
        for line in text.lines() {
            let value: Value =
                serde_json::from_str(line).with_context(|| format!("record {line}"))?;
            match value["kind"].as_str() {
                Some("exchange") => records.exchanges.push(value),
                Some("connection") => records.connections.push(value),
                other => bail!("a record of kind {other:?}"),
            }
        }
        Ok(records)
    }

    /// The only exchange.
    pub fn exchange(&self) -> Result<&Value> {
        let [one] = &self.exchanges[..] else {
            bail!("{} exchanges instead of one: {:#?}", self.exchanges.len(), self.exchanges);
        };
        Ok(one)
    }

    /// The only connection.
    pub fn connection(&self) -> Result<&Value> {
        let [one] = &self.connections[..] else {
            bail!("{} connections instead of one: {:#?}", self.connections.len(), self.connections);
        };
        Ok(one)
    }
}

/// `$WEIR_BIN`, or the program of this workspace, built now so that it is never an old one.
pub fn binary() -> Result<PathBuf> {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = BINARY.get() {
        return Ok(found.clone());
    }
    let path = match std::env::var_os("WEIR_BIN") {
        Some(path) => PathBuf::from(path),
        None => build()?,
    };
    ensure!(path.exists(), "there is no {}", path.display());
    Ok(BINARY.get_or_init(|| path).clone())
}

fn build() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&workspace).args(["build", "--locked", "--quiet", "--package", "weir"]);
    let mut directory = std::env::current_exe()?;
    // A test lies in <target>/<profile>/deps, a program in <target>/<profile>.
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    if directory.ends_with("release") {
        command.arg("--release");
    }
    let target = directory.parent().context("a target directory")?;
    let status = command.arg("--target-dir").arg(target).status().context("run cargo")?;
    ensure!(status.success(), "cargo build --package weir failed");
    Ok(directory.join("weir"))
}
