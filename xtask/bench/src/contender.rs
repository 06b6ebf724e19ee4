//! Who is compared: starts each contender with its own load process, and ends both.

mod nginx;
pub(crate) mod process;

use crate::scenario::{Order, Report};
use crate::site;
use anyhow::{Context, Result, bail};
use process::Process;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contender {
    /// No proxy
    Direct,
    /// nginx, terminating and re-encrypting
    Nginx,
    /// The bare relay
    Floor,
    /// weir, by kernel capture, with full observation and records on
    Weir,
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Nginx, Self::Floor, Self::Weir];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Floor => "floor",
            Self::Weir => "weir",
        }
    }
}

/// What starting a contender needs.
pub(crate) struct Ground<'a> {
    /// Keys, configurations, logs and records
    pub(crate) folder: &'a Path,
    /// The weir binary
    pub(crate) weir: &'a Path,
}

/// A contender that runs, and its load.
pub(crate) struct Running {
    pub(crate) contender: Contender,
    /// The processes whose time and memory are the contender's. None for direct.
    pub(crate) pids: Vec<u32>,
    /// weir's records
    pub(crate) records: Option<PathBuf>,
    orders: Option<ChildStdin>,
    reports: BufReader<ChildStdout>,
    /// The load, and then the proxy: ended in this order
    processes: Vec<Process>,
}

impl Running {
    pub(crate) fn start(contender: Contender, ground: &Ground<'_>) -> Result<Self> {
        match contender {
            Contender::Direct => {
                Self::with_load(contender, site::PROVIDER, ground, Vec::new(), Vec::new())
            }
            Contender::Floor => {
                let floor = process::floor(ground.folder)?;
                Self::with_load(contender, site::FLOOR, ground, vec![floor.id()], vec![floor])
            }
            Contender::Nginx => {
                let (master, pids) = nginx::start(ground.folder)?;
                Self::with_load(contender, site::NGINX, ground, pids, vec![master])
            }
            Contender::Weir => Self::weir(ground),
        }
    }

    fn with_load(
        contender: Contender,
        to: SocketAddr,
        ground: &Ground<'_>,
        pids: Vec<u32>,
        mut proxies: Vec<Process>,
    ) -> Result<Self> {
        let mut command = Command::new(process::own_binary()?);
        command
            .args(["load", "--connect", &to.to_string(), "--bundle"])
            .arg(ground.folder.join("ca.pem"));
        let (load, orders, reports) = spawn_talking("load", command)?;
        proxies.insert(0, load);
        Ok(Self {
            contender,
            pids,
            records: None,
            orders: Some(orders),
            reports,
            processes: proxies,
        })
    }

    /// weir starts the load itself and captures it: the same front door that users take.
    fn weir(ground: &Ground<'_>) -> Result<Self> {
        let records = ground.folder.join("weir-records.jsonl");
        let mut command = Command::new(ground.weir);
        command.args(["run", "--quiet", "--records"]).arg(&records).arg("--");
        command.arg(process::own_binary()?).args([
            "load",
            "--connect",
            &site::PROVIDER.to_string(),
        ]);
        let (weir, orders, reports) = spawn_talking("weir", command)?;
        let pids = vec![weir.id()];
        let records = Some(records);
        let contender = Contender::Weir;
        let mut running =
            Self { contender, pids, records, orders: Some(orders), reports, processes: vec![weir] };
        // The first answer shows that weir is up and has started the load.
        running.tell(&Order::Release)?;
        Ok(running)
    }

    /// Give one order and wait for the report.
    pub(crate) fn tell(&mut self, order: &Order) -> Result<Report> {
        let orders = self.orders.as_mut().context("the load was ended")?;
        writeln!(orders, "{}", serde_json::to_string(order)?).context("the load is gone")?;
        let mut line = String::new();
        self.reports.read_line(&mut line)?;
        if line.is_empty() {
            bail!("the load of {} ended on {order:?}", self.contender.name());
        }
        match serde_json::from_str(&line).with_context(|| format!("a report: {line}"))? {
            Report::Failed(reason) => bail!("{} under {order:?}: {reason}", self.contender.name()),
            report @ (Report::Ready | Report::Done(_)) => Ok(report),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The load ends with its orders, and weir with its load.
        self.orders = None;
        for process in &mut self.processes {
            process.end();
        }
    }
}

fn spawn_talking(
    name: &'static str,
    mut command: Command,
) -> Result<(Process, ChildStdin, BufReader<ChildStdout>)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    let (orders, reports) =
        child.stdin.take().zip(child.stdout.take()).context("pipes were asked for")?;
    Ok((Process::new(name, child), orders, BufReader::new(reports)))
}
