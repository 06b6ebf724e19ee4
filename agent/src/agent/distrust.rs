//! Who refused our certificate, and for which name: their next connections are carried untouched for a
//! while, so that distrust costs a client one connection and not its work.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::identity::Workload;

/// After this, the client is asked once more: it may have been given our root meanwhile.
const MEMORY: Duration = Duration::from_secs(10 * 60);
/// More than this are not remembered; the oldest knowledge is the least useful.
const ENTRIES_MAX: usize = 4096;

#[derive(Default)]
pub(crate) struct Distrust {
    until: Mutex<HashMap<Key, Instant>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    cgroup: u64,
    exe: Option<String>,
    name: String,
}

impl Key {
    fn new(cgroup: u64, workload: &Workload, name: &str) -> Self {
        Self { cgroup, exe: workload.exe.clone(), name: name.to_owned() }
    }
}

impl Distrust {
    fn until(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn holds(&self, cgroup: u64, workload: &Workload, name: &str) -> bool {
        let mut until = self.until();
        if until.is_empty() {
            return false;
        }
        let key = Key::new(cgroup, workload, name);
        match until.get(&key) {
            Some(instant) if *instant > Instant::now() => true,
            Some(_) => {
                until.remove(&key);
                false
            }
            None => false,
        }
    }

    pub(crate) fn note(&self, cgroup: u64, workload: &Workload, name: &str) {
        let mut until = self.until();
        let now = Instant::now();
        if until.len() >= ENTRIES_MAX {
            until.retain(|_, instant| *instant > now);
        }
        if until.len() >= ENTRIES_MAX
            && let Some(first) = until.iter().min_by_key(|(_, instant)| **instant)
        {
            let Key { cgroup, exe, name } = first.0;
            let first = Key { cgroup: *cgroup, exe: exe.clone(), name: name.clone() };
            until.remove(&first);
        }
        until.insert(Key::new(cgroup, workload, name), now + MEMORY);
    }

    /// The client accepted our certificate.
    pub(crate) fn clear(&self, cgroup: u64, workload: &Workload, name: &str) {
        let mut until = self.until();
        if !until.is_empty() {
            until.remove(&Key::new(cgroup, workload, name));
        }
    }
}
