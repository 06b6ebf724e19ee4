//! One captured connection: who opened it and where to, what its ClientHello asks for, and what becomes of
//! it. Every connection leaves one line in the ledger. Knows verdicts; the bytes are carried by `relay`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::{debug, warn};

use crate::accounting::Accounting;
use crate::agent::{Agent, Client};
use crate::capture::{Netns, Origin};
use crate::identity::Workload;
use crate::record::{Ledger, Outcome, Reason, Verdict};
use crate::relay::side::{End, Side};
use crate::relay::{Way, tunnel};
use crate::upstream::{self, Refusal};

mod hello;
mod intercept;

use hello::{Decision, Hello};

/// Facts of one intercepted connection that its exchanges share.
pub(crate) struct Connection {
    pub(crate) accounting: Arc<Accounting>,
    pub(crate) id: String,
    pub(crate) workload: Arc<Workload>,
    pub(crate) server_name: String,
    /// Host and address, for the record of an attempt.
    pub(crate) target: String,
    exchanges: AtomicU32,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    provider_broke: AtomicBool,
}

impl Connection {
    pub(crate) fn next_exchange(&self) -> String {
        let count = self.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{count}", self.id)
    }

    pub(crate) fn is_used(&self) -> bool {
        self.exchanges.load(Ordering::Relaxed) > 0
    }

    /// From now on, exchanges that end unfinished are the provider's fault.
    pub(crate) fn provider_broke(&self) {
        self.provider_broke.store(true, Ordering::Relaxed);
    }

    /// Why an exchange ended that nobody closed.
    pub(crate) fn outcome_of_drop(&self) -> Outcome {
        if self.accounting.abandon.is_cancelled() {
            Outcome::Stopped
        } else if self.provider_broke.load(Ordering::Relaxed) {
            Outcome::ProviderCut
        } else {
            Outcome::ClientGone
        }
    }

    /// Body bytes of one exchange.
    pub(crate) fn carried(&self, sent: u64, received: u64) {
        self.sent_bytes.fetch_add(sent, Ordering::Relaxed);
        self.received_bytes.fetch_add(received, Ordering::Relaxed);
    }
}

/// Serves one accepted connection to its end.
pub(crate) async fn serve(agent: Arc<Agent>, netns: Netns, socket: TcpStream, peer: SocketAddr) {
    let Some(origin) = agent.capture.origin(netns.cookie(), peer) else {
        // It did not come through the kernel half: serving it would lend a stranger an identity.
        warn!("a connection without an origin was refused");
        reset(&socket);
        return;
    };
    let mut entry = Entry::open(&agent, &origin);
    if let Err(problem) = socket.set_nodelay(true) {
        debug!(%problem, "TCP_NODELAY was refused");
    }
    let mut captured = Captured { agent: &agent, netns: &netns, origin: &origin, socket };
    let hello = Hello::read(&mut captured.socket).await;
    entry.ledger.server_name = hello.server_name().map(str::to_owned);
    let outcome = match hello.decide(&agent.names) {
        Decision::Intercept { name, offer } => {
            captured.intercept(&mut entry, hello, name, offer).await
        }
        Decision::Pass(reason) => captured.pass(&mut entry, hello.into_bytes(), reason).await,
        Decision::Drop => {
            entry.decide(Verdict::Failed, Reason::ClosedEarly);
            End::Clean
        }
    };
    debug!(?outcome, "a connection ended");
}

struct Captured<'a> {
    agent: &'a Arc<Agent>,
    netns: &'a Netns,
    origin: &'a Origin,
    socket: TcpStream,
}

impl Captured<'_> {
    /// Carries the connection to where it was going, bytes untouched.
    async fn pass(self, entry: &mut Entry, first: Vec<u8>, reason: Reason) -> End {
        entry.decide(Verdict::Passed, reason);
        let dial = tokio::time::timeout(
            self.agent.connect_timeout,
            upstream::dial(self.netns, self.origin.destination),
        );
        let provider = match dial.await {
            Ok(Ok(provider)) => provider,
            Ok(Err(problem)) => return self.unreachable(entry, &problem.to_string()),
            Err(_) => return self.unreachable(entry, "timed out"),
        };
        let mut client = Side::with_bytes(self.socket, first);
        let mut provider = Side::new(provider);
        let ledger = &mut entry.ledger;
        let end = tokio::select! {
            biased;
            end = tunnel(&mut client, &mut provider, |way, count| match way {
                Way::Out => ledger.sent_bytes += count as u64,
                Way::Back => ledger.received_bytes += count as u64,
            }) => end,
            () = self.agent.accounting.abandon.cancelled() => End::Reset,
        };
        if end == End::Reset {
            reset(&client.io);
            reset(&provider.io);
        }
        end
    }

    fn unreachable(&self, entry: &mut Entry, detail: &str) -> End {
        entry.decide(Verdict::Failed, Reason::ProviderUnreachable);
        entry.ledger.detail = Some(detail.to_owned());
        reset(&self.socket);
        End::Reset
    }

    async fn intercept(
        self,
        entry: &mut Entry,
        hello: Hello,
        name: ServerName<'static>,
        offer: upstream::Offer,
    ) -> End {
        let server_name = name.to_str().into_owned();
        let exe = entry.ledger.workload.exe.as_deref();
        if self.agent.distrust.holds(&Client::new(self.origin.cgroup, exe, &server_name)) {
            return self.pass(entry, hello.into_bytes(), Reason::ClientDistrusts).await;
        }
        let leased =
            self.agent.upstream.lease(self.netns, self.origin.destination, &name, offer).await;
        let lease = match leased {
            Ok(lease) => lease,
            Err(Refusal::Unreachable(problem)) => {
                return self.unreachable(entry, &problem.to_string());
            }
            Err(Refusal::Unverified(problem) | Refusal::Handshake(problem)) => {
                // The client shall see the provider's own certificate, or its own failure.
                entry.ledger.detail = Some(problem.to_string());
                return self.pass(entry, hello.into_bytes(), Reason::ProviderUnverified).await;
            }
        };
        entry.decide(Verdict::Intercepted, Reason::LlmName);
        entry.ledger.alpn = lease.alpn.as_str().map(str::to_owned);
        let connection = Arc::new(Connection {
            accounting: Arc::clone(&self.agent.accounting),
            id: entry.ledger.connection.clone(),
            workload: Arc::clone(&entry.ledger.workload),
            target: format!("{server_name} {}", lease.address),
            server_name,
            exchanges: AtomicU32::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            provider_broke: AtomicBool::new(false),
        });
        let cgroup = self.origin.cgroup;
        let end =
            intercept::serve(self.agent, self.socket, hello, lease, &connection, entry, cgroup)
                .await;
        entry.ledger.exchanges = connection.exchanges.load(Ordering::Relaxed);
        entry.ledger.sent_bytes = connection.sent_bytes.load(Ordering::Relaxed);
        entry.ledger.received_bytes = connection.received_bytes.load(Ordering::Relaxed);
        end
    }
}

/// The ledger line of one connection, while it is open. Written when dropped: no way out leaves none.
struct Entry {
    accounting: Arc<Accounting>,
    ledger: Ledger,
    started: Instant,
}

impl Entry {
    fn open(agent: &Agent, origin: &Origin) -> Self {
        let workload =
            agent.identities.resolve(origin.cgroup, origin.pid, origin.uid, &origin.command);
        let ledger = Ledger {
            time: SystemTime::now(),
            connection: agent.next_connection(),
            workload,
            server_name: None,
            destination: origin.destination.to_string(),
            verdict: Verdict::Failed,
            reason: Reason::ClosedEarly,
            detail: None,
            alpn: None,
            exchanges: 0,
            sent_bytes: 0,
            received_bytes: 0,
            duration_ms: 0.0,
        };
        Self { accounting: Arc::clone(&agent.accounting), ledger, started: Instant::now() }
    }

    fn decide(&mut self, verdict: Verdict, reason: Reason) {
        (self.ledger.verdict, self.ledger.reason) = (verdict, reason);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.duration_ms = self.started.elapsed().as_secs_f64() * 1e3;
        self.accounting.recorder.connection(&self.ledger);
    }
}

/// The peer sees RST: what a connection that failed looks like.
fn reset(socket: &TcpStream) {
    if let Err(problem) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        debug!(%problem, "SO_LINGER was refused");
    }
}

/// Gives the client the end that the provider gave.
async fn end_client(mut socket: tokio_rustls::server::TlsStream<TcpStream>, end: End) {
    /// The peer's own close is awaited this long: closing with unread bytes would destroy what it has not read.
    const LINGER: Duration = Duration::from_secs(2);
    let finish = async {
        match end {
            End::Reset => reset(socket.get_ref().0),
            // A failure means that the client left first.
            End::Cut => drop(socket.flush().await),
            End::Clean => {
                let mut rest = [0; 1024];
                if socket.shutdown().await.is_ok() {
                    while socket.read(&mut rest).await.is_ok_and(|count| count > 0) {}
                }
            }
        }
    };
    // The client had its time.
    let _ = tokio::time::timeout(LINGER, finish).await;
}

#[cfg(test)]
pub(crate) mod tests;
