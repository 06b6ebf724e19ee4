//! Performs one act: `weir run --records FILE -- CLIENT` on the rig's host, and collects all that came of it.

use crate::acts::Act;
use crate::stage::Stage;
use crate::{Arguments, interrupt};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The credential that every client sends: it must turn up nowhere.
pub(crate) const KEY: &str = "sk-demo-0123456789-must-not-be-recorded";

/// A client that takes longer hangs.
const ACT_MAX: Duration = Duration::from_secs(60);

/// How long weir may take to end after it was asked to.
const END_MAX: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(10);

/// What came of an act.
pub(crate) struct Scene {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Records of exchanges
    pub(crate) exchanges: Vec<Value>,
    /// Ledger lines of connections
    pub(crate) connections: Vec<Value>,
    /// The records file as it was written
    pub(crate) raw: String,
}

pub(crate) fn perform(act: &Act, stage: &Stage, arguments: &Arguments) -> Result<Scene> {
    let records = tempfile::NamedTempFile::new_in(stage.folder())?;
    let mut command = stage.host.command(&arguments.weir);
    command.args(["run", "--quiet", "--records"]).arg(records.path()).arg("--").args(&act.command);
    command.env("OPENAI_API_KEY", KEY).env("ANTHROPIC_API_KEY", KEY);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start weir")?;
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    let status = wait(&mut child).with_context(|| format!("{}, {}", act.client, act.asks))?;
    let raw = fs::read_to_string(records.path())?;
    let mut scene = Scene {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
        exchanges: Vec::new(),
        connections: Vec::new(),
        raw,
    };
    for line in scene.raw.lines() {
        let line: Value = serde_json::from_str(line).context("a line of the records file")?;
        match line["kind"].as_str() {
            Some("exchange") => scene.exchanges.push(line),
            Some("connection") => scene.connections.push(line),
            kind => bail!("a record of unknown kind {kind:?}"),
        }
    }
    Ok(scene)
}

/// Wait for the end, or bring it about when time is up or the user wants to stop.
fn wait(child: &mut Child) -> Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if interrupt::happened() {
                bail!("interrupted");
            }
            return Ok(status);
        }
        if interrupt::happened() || start.elapsed() > ACT_MAX {
            end(child)?;
            bail!("{}", if interrupt::happened() { "interrupted" } else { "not done in time" });
        }
        std::thread::sleep(POLL);
    }
}

/// Ask weir to end, so that it cleans up, and kill it only if it does not.
fn end(child: &mut Child) -> Result<()> {
    kill(Pid::from_raw(child.id().try_into()?), Signal::SIGTERM)?;
    let start = Instant::now();
    while start.elapsed() < END_MAX {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could be read before an error is what there is to show.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}
