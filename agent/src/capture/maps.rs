//! The kernel maps: what user space writes into them and reads from them. Knows layouts; decides nothing.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, lpm_trie::Key},
};
use weir_ebpf::{
    abi::{self, Address, Listener, OriginKey, Outcome, Shared, Sighting, map},
    names::Rule,
};

use super::{FailMode, NameRule, NetnsCookie, Network, Settings};

/// An origin that nobody asked for in this time belongs to a connection that was never accepted, and its port may be
/// somebody else's by now.
const ORIGIN_AGE_MAX: Duration = Duration::from_secs(30);

/// A shared type, as aya wants to see it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Plain<T>(T);

// SAFETY: `Shared` promises what `Pod` asks for, and the wrapper is transparent.
unsafe impl<T: Shared> Pod for Plain<T> {}

/// The maps that user space uses.
pub(super) struct Maps {
    addresses: Mutex<HashMap<MapData, Plain<Address>, Plain<Sighting>>>,
    counters: PerCpuArray<MapData, u64>,
    direct: Mutex<LpmTrie<MapData, [u8; 16], u32>>,
    fail_modes: Mutex<HashMap<MapData, u64, u32>>,
    listeners: Mutex<HashMap<MapData, u64, Plain<Listener>>>,
    names: Mutex<LpmTrie<MapData, [u8; 256], u32>>,
    origins: Mutex<HashMap<MapData, Plain<OriginKey>, Plain<abi::Origin>>>,
    ports: Mutex<HashMap<MapData, u32, u32>>,
    settings: Mutex<Array<MapData, Plain<abi::Settings>>>,
}

impl Maps {
    pub(super) fn take(object: &mut Ebpf) -> anyhow::Result<Self> {
        Ok(Self {
            addresses: Mutex::new(take(object, map::ADDRESSES)?),
            counters: take(object, map::COUNTERS)?,
            direct: Mutex::new(take(object, map::DIRECT)?),
            fail_modes: Mutex::new(take(object, map::FAIL_MODES)?),
            listeners: Mutex::new(take(object, map::LISTENERS)?),
            names: Mutex::new(take(object, map::NAMES)?),
            origins: Mutex::new(take(object, map::ORIGINS)?),
            ports: Mutex::new(take(object, map::PORTS)?),
            settings: Mutex::new(take(object, map::SETTINGS)?),
        })
    }

    pub(super) fn configure(&self, settings: &Settings) -> anyhow::Result<()> {
        for rule in &settings.names {
            self.name(rule)?;
        }
        for port in &settings.ports {
            lock(&self.ports).insert(u32::from(*port), 1, 0)?;
        }
        for network in settings.strict.iter().flatten() {
            self.direct(network)?;
        }
        let fixed = abi::Settings {
            exempt_cgroup: settings.exempt_cgroup.unwrap_or(0),
            fail_mode: abi::FailMode::from(settings.fail_mode) as u32,
            strict: u32::from(settings.strict.is_some()),
        };
        Ok(lock(&self.settings).set(0, Plain(fixed), 0)?)
    }

    fn name(&self, rule: &NameRule) -> anyhow::Result<()> {
        let (parsed, name) = match rule {
            NameRule::Exact(name) => (Rule::exact(name), name),
            NameRule::Suffix(name) => (Rule::suffix(name), name),
        };
        let parsed = parsed.with_context(|| format!("`{name}` is not a DNS name"))?;
        Ok(lock(&self.names).insert(&Key::new(parsed.bits(), parsed.key()), 1, 0)?)
    }

    fn direct(&self, network: &Network) -> anyhow::Result<()> {
        // An IPv4 prefix counts from the start of the mapped form.
        let bits = u32::from(network.prefix) + if network.address.is_ipv4() { 96 } else { 0 };
        Ok(lock(&self.direct).insert(
            &Key::new(bits, Address::from(network.address).bytes()),
            1,
            0,
        )?)
    }

    pub(super) fn learn(&self, address: IpAddr) -> anyhow::Result<()> {
        let address = Address::from(address);
        if !address.is_connectable() {
            return Ok(());
        }
        let sighting = Sighting { last_seen_ns: monotonic_ns() };
        lock(&self.addresses)
            .insert(Plain(address), Plain(sighting), 0)
            .context("cannot note an address in the kernel")
    }

    pub(super) fn listening(&self, netns: NetnsCookie, listener: Listener) -> anyhow::Result<()> {
        lock(&self.listeners)
            .insert(netns.0, Plain(listener), 0)
            .context("cannot note a listener in the kernel")
    }

    pub(super) fn not_listening(&self, netns: NetnsCookie) {
        // An entry that is gone is as good as removed.
        let _ = lock(&self.listeners).remove(&netns.0);
    }

    pub(super) fn fail_mode(&self, cgroup: u64, mode: Option<FailMode>) -> anyhow::Result<()> {
        let mut map = lock(&self.fail_modes);
        match mode {
            Some(mode) => Ok(map.insert(cgroup, abi::FailMode::from(mode) as u32, 0)?),
            None => match map.remove(&cgroup) {
                Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }
    }

    pub(super) fn take_origin(&self, key: &OriginKey) -> Option<abi::Origin> {
        let mut map = lock(&self.origins);
        let Plain(origin) = map.get(&Plain(*key), 0).ok()?;
        // The kernel may have evicted it in between.
        let _ = map.remove(&Plain(*key));
        let age = monotonic_ns().saturating_sub(origin.established_ns);
        let is_stale = u128::from(age) > ORIGIN_AGE_MAX.as_nanos();
        (!is_stale).then_some(origin)
    }

    pub(super) fn counters(&self) -> anyhow::Result<Vec<(&'static str, u64)>> {
        Outcome::ALL
            .iter()
            .map(|(outcome, name)| {
                let by_cpu = self.counters.get(&(*outcome as u32), 0)?;
                Ok((*name, by_cpu.iter().sum()))
            })
            .collect()
    }
}

fn take<T>(object: &mut Ebpf, name: &str) -> anyhow::Result<T>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map =
        object.take_map(name).with_context(|| format!("the kernel object lacks the map {name}"))?;
    T::try_from(map).with_context(|| format!("the map {name} is of another kind"))
}

/// The maps stay usable when a holder panicked: every write is one system call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clock that the kernel half writes down.
pub(super) fn monotonic_ns() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map(|now| Duration::from(now).as_nanos() as u64)
        .unwrap_or(0)
}

impl From<FailMode> for abi::FailMode {
    fn from(mode: FailMode) -> Self {
        match mode {
            FailMode::Open => Self::Open,
            FailMode::Closed => Self::Closed,
        }
    }
}
