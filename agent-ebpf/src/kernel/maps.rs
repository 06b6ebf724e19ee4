//! The maps, and the one way to count and to announce. Knows layouts; decides nothing.

use aya_ebpf::{
    btf_maps::SkStorage,
    helpers::bpf_ktime_get_ns,
    macros::{btf_map, map},
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf},
};
use weir_ebpf::abi::{
    Address, EventHeader, EventKind, FailMode, Listener, Origin, OriginKey, Outcome, Settings,
    Sighting,
};

/// Addresses of listed names. Sticky: a wrong entry costs one splice, a missing one is a bypass.
#[map]
pub(crate) static ADDRESSES: LruHashMap<Address, Sighting> =
    LruHashMap::with_max_entries(16_384, 0);

/// Names to learn from DNS: exact ones and suffixes, reversed, as `weir_ebpf::names` spells them.
#[map]
pub(crate) static NAMES: LpmTrie<[u8; 256], u32> = LpmTrie::with_max_entries(4096, NO_PREALLOC);

/// Ports that are captured.
#[map]
pub(crate) static PORTS: HashMap<u32, u32> = HashMap::with_max_entries(64, 0);

/// Strict mode: networks whose connections go direct.
#[map]
pub(crate) static DIRECT: LpmTrie<[u8; 16], u32> = LpmTrie::with_max_entries(1024, NO_PREALLOC);

/// By network namespace cookie.
#[map]
pub(crate) static LISTENERS: HashMap<u64, Listener> = HashMap::with_max_entries(4096, 0);

/// By cgroup id; without an entry `Settings::fail_mode` holds.
#[map]
pub(crate) static FAIL_MODES: HashMap<u64, u32> = HashMap::with_max_entries(4096, 0);

/// Established, redirected connections that the proxy has not asked about yet.
#[map]
pub(crate) static ORIGINS: LruHashMap<OriginKey, Origin> = LruHashMap::with_max_entries(65_536, 0);

/// What was noted at connect(), for as long as the socket lives.
#[btf_map]
pub(crate) static NOTES: SkStorage<Origin> = SkStorage::new();

/// When a network namespace without a listener was last announced.
#[map]
static ANNOUNCED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1024, 0);

#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Outcome::COUNT, 0);

#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// `BPF_F_NO_PREALLOC`: an LPM trie cannot be preallocated.
const NO_PREALLOC: u32 = 1;

/// A namespace is announced again if nothing came of it: user space may have missed it.
const ANNOUNCE_AGAIN_NS: u64 = 100_000_000;

#[inline(always)]
pub(crate) fn count(outcome: Outcome) {
    add(outcome, 1);
}

#[inline(always)]
pub(crate) fn add(outcome: Outcome, number: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(outcome as u32) {
        // SAFETY: the slot is this CPU's own, and programs do not migrate.
        unsafe { *counter += number };
    }
}

#[inline(always)]
pub(crate) fn settings() -> Settings {
    SETTINGS.get(0).copied().unwrap_or(Settings { exempt_cgroup: 0, fail_mode: 0, strict: 0 })
}

#[inline(always)]
pub(crate) fn fail_mode(cgroup: u64, settings: &Settings) -> FailMode {
    // SAFETY: a plain integer; a torn read is impossible.
    let own = unsafe { FAIL_MODES.get(&cgroup) }.copied();
    FailMode::from_u32(own.unwrap_or(settings.fail_mode))
}

#[inline(always)]
pub(crate) fn listener(netns: u64) -> Option<Listener> {
    // SAFETY: eight aligned bytes, written at once by user space.
    unsafe { LISTENERS.get(&netns) }.copied()
}

#[inline(always)]
pub(crate) fn learn(address: Address) {
    let sighting = Sighting { last_seen_ns: now_ns() };
    if ADDRESSES.insert(&address, &sighting, 0).is_err() {
        count(Outcome::MapFull);
    }
}

#[inline(always)]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: takes nothing, returns a number.
    unsafe { bpf_ktime_get_ns() }
}

/// Tells user space about a network namespace that has no listener, so that it can make one before the connect comes.
#[inline(always)]
pub(crate) fn announce(netns: u64, tgid: u32) {
    let now = now_ns();
    // SAFETY: a plain integer.
    if let Some(at) = unsafe { ANNOUNCED.get(&netns) }
        && now.wrapping_sub(*at) < ANNOUNCE_AGAIN_NS
    {
        return;
    }
    let _ = ANNOUNCED.insert(&netns, &now, 0);
    let event = EventHeader {
        kind: EventKind::NewNetns as u32,
        bytes: 0,
        subject: netns,
        tgid,
        full_bytes: 0,
    };
    if EVENTS.output::<EventHeader>(&event, 0).is_err() {
        count(Outcome::EventLost);
    }
}
