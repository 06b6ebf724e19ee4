//! The kernel half, from user space: loads the programs, attaches them to one cgroup, feeds their maps and reads what
//! they noted. The only place that knows aya. Knows no TLS and no HTTP, and decides nothing about a connection.

mod answers;
mod cgroup;
mod events;
mod maps;
mod netns;
mod pins;
mod probe;
mod programs;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use weir_ebpf::abi::{self, Listener, OriginKey};

use self::{answers::Names, maps::Maps, programs::Programs};
pub use self::{
    cgroup::{cgroup_id, cgroup2_mount},
    events::{Event, Events},
    netns::{Listeners, Netns, NetnsCookie},
    probe::{Trial, probe},
};

/// What to capture, and where.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A directory of the cgroup v2 hierarchy; everything below it is captured.
    pub cgroup: PathBuf,
    /// The names whose addresses are learned from DNS answers.
    pub names: Vec<NameRule>,
    /// TCP ports to redirect; UDP to them is refused, so that QUIC falls back.
    pub ports: Vec<u16>,
    pub fail_mode: FailMode,
    /// The agent's own cgroup, so that it does not capture itself.
    pub exempt_cgroup: Option<u64>,
    /// Redirect every connection to `ports`, except to these networks.
    pub strict: Option<Vec<Network>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameRule {
    /// This name only.
    Exact(String),
    /// Every name below this one, whole labels only.
    Suffix(String),
}

/// An address and the number of leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

/// What happens to a captured connection when nobody listens for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailMode {
    /// It goes direct.
    #[default]
    Open,
    /// It is refused with EPERM.
    Closed,
}

/// Who opened a redirected connection, and where to: noted by the kernel at connect().
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub destination: SocketAddr,
    pub cgroup: u64,
    pub netns: NetnsCookie,
    pub pid: u32,
    pub uid: u32,
    /// The name of the thread that connected; a hint, never an identity.
    pub command: String,
}

/// The attached kernel half. Dropping it detaches everything. When the process is killed instead, fail mode open leaves
/// nothing attached, and fail mode closed leaves everything.
pub struct Capture {
    maps: Arc<Maps>,
    ring: Mutex<Option<events::Ring>>,
    names: Names,
    kernel_dns: bool,
    listened: Mutex<HashMap<NetnsCookie, Listened>>,
    programs: Mutex<Programs>,
}

/// Where there are listeners, and what the kernel half is told about them.
struct Listened {
    netns: Netns,
    port: u16,
    has_v6: bool,
}

impl Listened {
    fn entry(&self) -> Listener {
        let ipv6 = self.has_v6 && self.netns.reaches_ipv6();
        Listener { port: self.port, ipv6: u8::from(ipv6), zero: [0; 5] }
    }
}

impl Capture {
    /// Loads the programs and attaches them to `settings.cgroup`.
    pub fn attach(settings: &Settings) -> anyhow::Result<Self> {
        let mut object = programs::load()
            .context("the kernel refused the programs; `weir doctor` tells what it lacks")?;
        let maps = Arc::new(Maps::take(&mut object)?);
        maps.configure(settings).context("cannot fill the kernel maps")?;
        let ring = events::Ring::take(&mut object)?;
        let mut programs = Programs::attach(object, &settings.cgroup)
            .with_context(|| format!("cannot attach to cgroup {}", settings.cgroup.display()))?;
        if settings.fail_mode == FailMode::Closed {
            programs.pin()?;
        }
        pins::sweep(cgroup_id(&settings.cgroup)?);
        Ok(Self {
            maps,
            ring: Mutex::new(Some(ring)),
            names: Names::new(&settings.names),
            kernel_dns: programs.kernel_dns(),
            listened: Mutex::default(),
            programs: Mutex::new(programs),
        })
    }

    /// Ends the agent's part and leaves the kernel's: in fail mode closed, what is captured stays refused until an agent
    /// comes back to this cgroup. In fail mode open nothing is left.
    pub fn leave(self) {
        self.programs.into_inner().unwrap_or_else(PoisonError::into_inner).leave();
    }

    /// Whether answers are learned in the kernel, before the application reads them.
    #[must_use]
    pub fn learns_dns_in_kernel(&self) -> bool {
        self.kernel_dns
    }

    /// Redirects connections to `address` from now on.
    pub fn learn(&self, address: IpAddr) -> anyhow::Result<()> {
        self.maps.learn(address)
    }

    /// A pair of listeners exists there now, on this port.
    pub fn listening(&self, listeners: &Listeners) -> anyhow::Result<()> {
        let listened = Listened {
            netns: listeners.netns().clone(),
            port: listeners.port(),
            has_v6: listeners.v6.is_some(),
        };
        self.maps.listening(listened.netns.cookie(), listened.entry())?;
        self.listened().insert(listened.netns.cookie(), listened);
        Ok(())
    }

    /// Nobody listens there any more. The kernel notices by itself; this frees what is kept of it.
    pub fn not_listening(&self, netns: NetnsCookie) {
        self.maps.not_listening(netns);
        self.listened().remove(&netns);
    }

    /// To be called now and then: looks again where IPv6 leads anywhere, and tells the namespaces with listeners in which
    /// nobody lives any more. Those listeners should be closed, and `not_listening` called: a listener keeps its
    /// namespace alive.
    pub fn look_around(&self) -> anyhow::Result<Vec<NetnsCookie>> {
        let inhabited = netns::inhabited();
        let mut deserted = Vec::new();
        for (cookie, listened) in self.listened().iter() {
            self.maps.listening(*cookie, listened.entry())?;
            if !listened.netns.is_inhabited(&inhabited) {
                deserted.push(*cookie);
            }
        }
        Ok(deserted)
    }

    fn listened(&self) -> MutexGuard<'_, HashMap<NetnsCookie, Listened>> {
        self.listened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fail mode for one cgroup, by its id; `None` goes back to the one of the settings.
    pub fn fail_mode(&self, cgroup: u64, mode: Option<FailMode>) -> anyhow::Result<()> {
        if mode == Some(FailMode::Closed) {
            self.programs.lock().unwrap_or_else(PoisonError::into_inner).pin()?;
        }
        self.maps.fail_mode(cgroup, mode)
    }

    /// Where an accepted connection comes from, by the peer address that accept() returned. Answers once: what is
    /// taken cannot be claimed by a later connection from the same port.
    #[must_use]
    pub fn origin(&self, netns: NetnsCookie, peer: SocketAddr) -> Option<Origin> {
        let origin = self.maps.take_origin(&OriginKey { netns: netns.0, peer: peer.into() })?;
        Some(origin.into())
    }

    /// What the programs did since they were loaded, by outcome.
    pub fn counters(&self) -> anyhow::Result<Vec<(&'static str, u64)>> {
        self.maps.counters()
    }

    /// What the programs report. There is one reader: the second call fails. Needs a runtime.
    pub fn events(&self) -> anyhow::Result<Events> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner).take();
        Events::new(
            ring.context("events are read already")?,
            Arc::clone(&self.maps),
            self.names.clone(),
        )
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("kernel_dns", &self.kernel_dns).finish_non_exhaustive()
    }
}

impl From<abi::Origin> for Origin {
    fn from(origin: abi::Origin) -> Self {
        let end = origin.comm.iter().position(|byte| *byte == 0).unwrap_or(origin.comm.len());
        Self {
            destination: origin.destination.into(),
            cgroup: origin.cgroup,
            netns: NetnsCookie(origin.netns),
            pid: origin.tgid,
            uid: origin.uid,
            command: String::from_utf8_lossy(&origin.comm[..end]).into_owned(),
        }
    }
}
