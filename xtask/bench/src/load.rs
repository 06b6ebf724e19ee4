//! The load: one thread that keeps connections busy and measures what a client would. Told what to do by lines of
//! JSON on stdin, so that it can live wherever it was started, in a captured cgroup for one.

mod answer;
mod connection;

use crate::scenario::{Figures, MEMORY_PACE_MS, Order, PACE_MS, Report, Scenario};
use crate::{canned, tls};
use anyhow::{Context, Result, bail};
use connection::{Client, Connection};
use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Requests on each connection before anything is measured.
const WARM_UP_REQUESTS: usize = 50;

/// How many streams are opened at the same time: below the accept queue of every contender.
const OPENING_MAX: usize = 64;

/// Chunks that each held stream must have seen before memory is looked at.
const HELD_CHUNKS: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to connect to; the name asked for is the provider's all the same
    #[arg(long)]
    connect: SocketAddr,
    /// Trusted authorities
    #[arg(long, env = "SSL_CERT_FILE")]
    bundle: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let client = Arc::new(Client::new(arguments.connect, tls::client(&arguments.bundle)?));
    let (sender, orders) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(order) = line.context("read").and_then(|line| Ok(serde_json::from_str(&line)?))
            else {
                break;
            };
            if sender.blocking_send(order).is_err() {
                break;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(obey(client, orders))
}

async fn obey(client: Arc<Client>, mut orders: mpsc::Receiver<Order>) -> Result<()> {
    let mut load =
        Load { client, scenario: Scenario::Small1, connections: Vec::new(), held: JoinSet::new() };
    while let Some(order) = orders.recv().await {
        let report = load
            .carry_out(order)
            .await
            .unwrap_or_else(|error| Report::Failed(format!("{error:#}")));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
        out.flush()?;
    }
    Ok(())
}

struct Load {
    client: Arc<Client>,
    scenario: Scenario,
    connections: Vec<Connection>,
    held: JoinSet<Result<()>>,
}

/// What one worker saw.
#[derive(Default)]
struct Tally {
    answers: u64,
    units: u64,
    latencies_ns: Vec<u64>,
}

impl Load {
    async fn carry_out(&mut self, order: Order) -> Result<Report> {
        match order {
            Order::Prepare(scenario) => self.prepare(scenario).await?,
            Order::Go { millis } => {
                return self.go(Duration::from_millis(millis)).await.map(Report::Done);
            }
            Order::Hold { streams } => self.hold(streams).await?,
            Order::Release => self.release().await,
        }
        Ok(Report::Ready)
    }

    async fn prepare(&mut self, scenario: Scenario) -> Result<()> {
        self.release().await;
        self.scenario = scenario;
        for _ in 0..scenario.connections() {
            self.connections.push(self.client.connect().await?);
        }
        let mut workers = JoinSet::new();
        for (index, mut connection) in self.connections.drain(..).enumerate() {
            let client = Arc::clone(&self.client);
            workers.spawn(async move {
                let rounds = if scenario == Scenario::Chunk { 1 } else { WARM_UP_REQUESTS };
                for _ in 0..rounds {
                    one_round(scenario, &client, &mut connection, index, &mut Tally::default())
                        .await?;
                }
                anyhow::Ok(connection)
            });
        }
        while let Some(worker) = workers.join_next().await {
            self.connections.push(worker??);
        }
        Ok(())
    }

    async fn go(&mut self, stretch: Duration) -> Result<Figures> {
        let start = Instant::now();
        let scenario = self.scenario;
        let mut workers = JoinSet::new();
        for (index, mut connection) in self.connections.drain(..).enumerate() {
            let client = Arc::clone(&self.client);
            workers.spawn(async move {
                let mut tally = Tally::default();
                while start.elapsed() < stretch {
                    one_round(scenario, &client, &mut connection, index, &mut tally).await?;
                }
                anyhow::Ok((connection, tally))
            });
        }
        let mut total = Tally::default();
        while let Some(worker) = workers.join_next().await {
            let (connection, tally) = worker??;
            self.connections.push(connection);
            total.answers += tally.answers;
            total.units += tally.units;
            total.latencies_ns.extend(tally.latencies_ns);
        }
        figures(total, start.elapsed())
    }

    /// Open more streams, a few at a time, and keep reading them until they are released.
    async fn hold(&mut self, streams: usize) -> Result<()> {
        let (settled, mut settlements) = mpsc::channel(streams.max(1));
        let opening = Arc::new(tokio::sync::Semaphore::new(OPENING_MAX));
        for _ in 0..streams {
            let permit = Arc::clone(&opening).acquire_owned().await?;
            let client = Arc::clone(&self.client);
            let settled = settled.clone();
            self.held.spawn(async move {
                let mut connection = client.connect().await?;
                let mut permit = Some(permit);
                let mut chunks = 0;
                let request = canned::stream_request(MEMORY_PACE_MS);
                connection
                    .stream(&request, |_| {
                        permit.take();
                        chunks += 1;
                        if chunks == HELD_CHUNKS {
                            // Nobody listens any more once the whole was given up.
                            let _ = settled.try_send(());
                        }
                    })
                    .await
            });
        }
        drop(settled);
        let mut open = 0;
        while open < streams {
            tokio::select! {
                biased;
                Some(ended) = self.held.join_next() => {
                    ended??;
                    bail!("a stream ended before all {streams} were open: this machine is too slow for so many");
                }
                Some(()) = settlements.recv() => open += 1,
            }
        }
        Ok(())
    }

    async fn release(&mut self) {
        self.held.shutdown().await;
        for connection in self.connections.drain(..) {
            connection.close().await;
        }
    }
}

/// One unit of the closed loop that each worker runs.
async fn one_round(
    scenario: Scenario,
    client: &Client,
    connection: &mut Connection,
    worker: usize,
    tally: &mut Tally,
) -> Result<()> {
    let start = Instant::now();
    match scenario {
        Scenario::Small1 | Scenario::Small16 => connection.exchange(&client.small).await?,
        Scenario::Body64k => connection.exchange(&client.large).await?,
        Scenario::Conn => {
            let mut fresh = client.connect().await?;
            fresh.exchange(&client.small).await?;
            fresh.close().await;
        }
        Scenario::Chunk => {
            if tally.answers == 0 {
                // Spread the streams over the pace, or all their chunks would come in one burst.
                let share =
                    PACE_MS * u64::try_from(worker)? / u64::try_from(scenario.connections())?;
                tokio::time::sleep(Duration::from_millis(share)).await;
            }
            let before = tally.latencies_ns.len();
            connection
                .stream(&client.streamed, |delay_ns| tally.latencies_ns.push(delay_ns))
                .await?;
            tally.answers += 1;
            tally.units += u64::try_from(tally.latencies_ns.len() - before)?;
            return Ok(());
        }
        Scenario::Memory => bail!("memory is measured by holding streams"),
    }
    tally.answers += 1;
    tally.units += 1;
    tally.latencies_ns.push(u64::try_from(start.elapsed().as_nanos())?);
    Ok(())
}

fn figures(mut total: Tally, elapsed: Duration) -> Result<Figures> {
    total.latencies_ns.sort_unstable();
    Ok(Figures {
        answers: total.answers,
        units: total.units,
        seconds: elapsed.as_secs_f64(),
        p50_us: percentile_us(&total.latencies_ns, 50)?,
        p99_us: percentile_us(&total.latencies_ns, 99)?,
    })
}

/// The smallest value that at least `percent` of all are not above.
#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^52 nanoseconds")]
fn percentile_us(sorted_ns: &[u64], percent: usize) -> Result<f64> {
    let rank = (sorted_ns.len() * percent).div_ceil(100).max(1);
    let value = sorted_ns.get(rank - 1).context("nothing was measured")?;
    Ok(*value as f64 / 1000.0)
}

#[cfg(test)]
mod tests;
