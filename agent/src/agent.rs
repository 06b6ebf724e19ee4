//! The running agent: what all connections share, where it listens, and how it stops. Knows the parts and
//! in which order they start and end; decides nothing about a connection.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::accounting::Accounting;
use crate::authority::Authority;
use crate::capture::{Capture, Event, Events, Netns, NetnsCookie};
use crate::config::Config;
use crate::connection;
use crate::identity::Identities;
use crate::memory;
use crate::names::NameSet;
use crate::providers::Providers;
use crate::record::Recorder;
use crate::report::Summary;
use crate::upstream::Upstream;

mod distrust;
mod resolve;
mod terminator;

pub(crate) use distrust::Client;
use distrust::Distrust;
use terminator::Terminator;

/// How often idle provider connections are looked over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Sweeps between two looks at who lives where, which reads every process of the machine.
const LOOK_AROUND_EVERY: u32 = 12;
/// After being told to stop at once, a connection has this long to write its records.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Out of descriptors: some will be free again after this pause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Agent {
    pub(crate) capture: Capture,
    pub(crate) names: NameSet,
    pub(crate) identities: Identities,
    pub(crate) upstream: Upstream,
    pub(crate) terminator: Terminator,
    pub(crate) distrust: Distrust,
    pub(crate) accounting: Arc<Accounting>,
    pub(crate) connect_timeout: Duration,
    /// Where there are listeners, and what closes them.
    listening: Mutex<HashMap<NetnsCookie, CancellationToken>>,
    connections: TaskTracker,
    services: TaskTracker,
    run: u32,
    count: AtomicU64,
}

impl Agent {
    /// Attaches to `cgroup` and listens in the agent's own network namespace.
    pub(crate) fn start(
        config: &Config,
        cgroup: &Path,
        exempt_cgroup: Option<u64>,
        authority: Arc<Authority>,
        records: Option<&Path>,
    ) -> anyhow::Result<Arc<Self>> {
        let providers = Providers::new(config);
        let names = providers.names();
        let capture = Capture::attach(&providers.capture_settings(config, cgroup, exempt_cgroup))?;
        let events = capture.events()?;
        let seed = weir_seed()?;
        let agent = Arc::new(Self {
            capture,
            names,
            identities: Identities::new(crate::capture::cgroup2_mount()?),
            upstream: Upstream::new(&config.upstream)?,
            terminator: Terminator::new(authority)?,
            distrust: Distrust::default(),
            accounting: Arc::new(Accounting {
                providers,
                recorder: Recorder::open(records)?,
                body_bytes_max: config.observe.body_limit as u64,
                hash_key: seed,
                stop: CancellationToken::new(),
                abandon: CancellationToken::new(),
            }),
            connect_timeout: config.upstream.connect_timeout,
            listening: Mutex::default(),
            connections: TaskTracker::new(),
            services: TaskTracker::new(),
            run: u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]),
            count: AtomicU64::new(0),
        });
        agent
            .listen(&Netns::own()?)
            .context("cannot listen in the agent's own network namespace")?;
        agent.serve(agent.clone().follow_events(events));
        agent.serve(agent.clone().sweep());
        agent.serve(resolve::now_and_then(agent.clone(), config.capture.resolve_interval));
        Ok(agent)
    }

    /// Runs a service until the agent stops.
    fn serve(&self, service: impl Future<Output = ()> + Send + 'static) {
        let stop = self.accounting.stop.clone();
        self.services.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = service => {}
            }
        });
    }

    /// Listens in one network namespace; once is enough.
    pub(crate) fn listen(self: &Arc<Self>, netns: &Netns) -> anyhow::Result<()> {
        let mut listening = self.listening();
        if listening.contains_key(&netns.cookie()) {
            return Ok(());
        }
        let listeners = netns.listen()?;
        self.capture.listening(&listeners)?;
        debug!(netns = netns.cookie().0, port = listeners.port(), "listening");
        let deserted = CancellationToken::new();
        for socket in std::iter::once(listeners.v4).chain(listeners.v6) {
            let accept = self.clone().accept(netns.clone(), socket);
            let deserted = deserted.clone();
            self.serve(async move {
                deserted.run_until_cancelled(accept).await;
            });
        }
        listening.insert(netns.cookie(), deserted);
        Ok(())
    }

    fn listening(&self) -> MutexGuard<'_, HashMap<NetnsCookie, CancellationToken>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes listeners where nobody lives any more: they alone would keep the namespace alive.
    fn leave_deserted(&self) {
        let deserted = match self.capture.look_around() {
            Ok(deserted) => deserted,
            Err(problem) => return warn!(%problem, "network namespaces could not be looked at"),
        };
        for cookie in deserted {
            debug!(netns = cookie.0, "nobody lives there any more");
            if let Some(deserted) = self.listening().remove(&cookie) {
                deserted.cancel();
            }
            self.capture.not_listening(cookie);
        }
    }

    async fn accept(self: Arc<Self>, netns: Netns, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(problem) => return warn!(%problem, "a listener cannot be watched"),
        };
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => {
                    let serve = connection::serve(self.clone(), netns.clone(), socket, peer);
                    let abandon = self.accounting.abandon.clone();
                    self.connections.spawn(async move {
                        tokio::select! {
                            () = serve => {}
                            () = abandoned_for(&abandon, LAST_WORDS) => {}
                        }
                    });
                }
                Err(problem) => {
                    warn!(%problem, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn follow_events(self: Arc<Self>, mut events: Events) {
        loop {
            match events.next().await {
                Ok(Event::NewNetns { cookie, pid }) => self.enter(cookie, pid),
                Ok(Event::LateDns { addresses }) => debug!(addresses, "an answer was read late"),
                Err(problem) => return warn!(%problem, "events of the kernel half cannot be read"),
            }
        }
    }

    /// A process was seen in a network namespace where nobody listens yet.
    fn enter(self: &Arc<Self>, cookie: NetnsCookie, pid: u32) {
        let entered = Netns::of_process(pid).and_then(|netns| {
            anyhow::ensure!(netns.cookie() == cookie, "the process moved on");
            self.listen(&netns)
        });
        if let Err(problem) = entered {
            debug!(%problem, pid, "a network namespace could not be entered");
        }
    }

    /// Listens wherever processes of `cgroup` are now.
    pub(crate) fn listen_for(self: &Arc<Self>, cgroup: &Path) {
        for pid in crate::cgroup::processes_below(cgroup) {
            if let Ok(netns) = Netns::of_process(pid)
                && let Err(problem) = self.listen(&netns)
            {
                debug!(%problem, pid, "a network namespace could not be entered");
            }
        }
    }

    async fn sweep(self: Arc<Self>) {
        let mut round: u32 = 0;
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.upstream.sweep();
            round += 1;
            if round.is_multiple_of(LOOK_AROUND_EVERY) {
                self.leave_deserted();
            }
            if self.connections.is_empty() {
                memory::give_back();
            }
        }
    }

    /// Learns what the configured names resolve to, before the first program asks.
    pub(crate) async fn know_names(self: &Arc<Self>) {
        resolve::at_start(self).await;
    }

    /// What was seen so far.
    pub(crate) fn summary(&self) -> Summary {
        self.accounting.recorder.summary().clone()
    }

    pub(crate) fn next_connection(&self) -> String {
        format!("{:08x}-{:x}", self.run, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// No new exchange begins; those that run may end within `patience`. True if all did.
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        self.accounting.stop.cancel();
        self.services.close();
        self.services.wait().await;
        self.connections.close();
        let drained = tokio::time::timeout(patience, self.connections.wait()).await.is_ok();
        if !drained {
            info!(open = self.connections.len(), "connections were cut: they did not end in time");
            self.accounting.abandon.cancel();
            // Each ends within its last words.
            let _ = tokio::time::timeout(2 * LAST_WORDS, self.connections.wait()).await;
        }
        self.accounting.recorder.finish();
        info!("stopped");
        drained
    }
}

/// Ends so long after `abandon`.
async fn abandoned_for(abandon: &CancellationToken, grace: Duration) {
    abandon.cancelled().await;
    tokio::time::sleep(grace).await;
}

fn weir_seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut seed)
        .map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(seed)
}
