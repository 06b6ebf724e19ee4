//! The cache of leaves. Knows names and times; makes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

/// Suffix rules let a client ask for any number of names; a node talks to a few dozen.
const LEAVES_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Leaves {
    by_name: HashMap<String, Entry>,
    /// Counts uses, so that the entry unused for longest is known without a clock.
    uses: u64,
}

struct Entry {
    leaf: Arc<CertifiedKey>,
    renew_at: OffsetDateTime,
    last_use: u64,
}

impl Leaves {
    /// The cached leaf, unless it is due for renewal.
    pub(super) fn fresh(&mut self, name: &str, now: OffsetDateTime) -> Option<Arc<CertifiedKey>> {
        let entry = self.by_name.get_mut(name)?;
        if now >= entry.renew_at {
            return None;
        }
        self.uses += 1;
        entry.last_use = self.uses;
        Some(entry.leaf.clone())
    }

    pub(super) fn keep(&mut self, name: String, leaf: Arc<CertifiedKey>, renew_at: OffsetDateTime) {
        if self.by_name.len() >= LEAVES_MAX && !self.by_name.contains_key(&name) {
            self.forget_one();
        }
        self.uses += 1;
        self.by_name.insert(name, Entry { leaf, renew_at, last_use: self.uses });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    fn forget_one(&mut self) {
        let oldest = self
            .by_name
            .iter()
            .min_by_key(|(_, entry)| entry.last_use)
            .map(|(name, _)| name.clone());
        if let Some(name) = oldest {
            self.by_name.remove(&name);
        }
    }
}
