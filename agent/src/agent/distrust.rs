//! Who refuses our certificate, and for which name: their next connections are carried untouched for a while,
//! so that distrust costs a client a connection or two and not its work. An alert says it at once. Some
//! clients leave without a word, but so does one that opened a connection in advance: only twice in a row,
//! from a client that never asked anything, counts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After this, the client is asked once more: it may have been given our root meanwhile.
const MEMORY: Duration = Duration::from_secs(10 * 60);
/// More clients than this are not remembered.
const CLIENTS_MAX: usize = 4096;

/// A program of a workload, and whom it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    cgroup: u64,
    exe: Option<Box<str>>,
    name: Box<str>,
}

impl Client {
    pub(crate) fn new(cgroup: u64, exe: Option<&str>, name: &str) -> Self {
        Self { cgroup, exe: exe.map(Into::into), name: name.into() }
    }
}

#[derive(Default)]
pub(crate) struct Distrust {
    known: Mutex<HashMap<Client, Known>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Trusts,
    /// It left once without a word.
    Suspect,
    DistrustsUntil(Instant),
}

impl Distrust {
    fn known(&self) -> MutexGuard<'_, HashMap<Client, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn holds(&self, client: &Client) -> bool {
        let mut known = self.known();
        match known.get(client) {
            Some(Known::DistrustsUntil(until)) if *until > Instant::now() => true,
            Some(Known::DistrustsUntil(_)) => {
                known.remove(client);
                false
            }
            Some(Known::Trusts | Known::Suspect) | None => false,
        }
    }

    /// It said so.
    pub(crate) fn note(&self, client: &Client) {
        self.learn(client, Known::DistrustsUntil(Instant::now() + MEMORY));
    }

    /// It left before it asked anything.
    pub(crate) fn suspect(&self, client: &Client) {
        let before = self.known().get(client).copied();
        match before {
            Some(Known::Trusts | Known::DistrustsUntil(_)) => {}
            Some(Known::Suspect) => self.note(client),
            None => self.learn(client, Known::Suspect),
        }
    }

    /// It asked something: it accepts our certificate.
    pub(crate) fn clear(&self, client: &Client) {
        self.learn(client, Known::Trusts);
    }

    fn learn(&self, client: &Client, what: Known) {
        let mut known = self.known();
        if let Some(before) = known.get_mut(client) {
            *before = what;
            return;
        }
        if known.len() >= CLIENTS_MAX {
            // What is lost costs a distrusting client one more connection.
            known.retain(
                |_, what| matches!(what, Known::DistrustsUntil(until) if *until > Instant::now()),
            );
        }
        if known.len() < CLIENTS_MAX {
            known.insert(client.clone(), what);
        }
    }
}

#[cfg(test)]
mod tests;
