//! The certificate authority: one root that workloads trust, one intermediate that may only speak for the configured names,
//! and a leaf per server name. Knows names and X.509; knows no socket, no provider and no configuration.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, bail, ensure};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use crate::names::{NameSet, normal_name};

mod describe;
mod leaves;
mod mint;
mod store;

pub use describe::{CertificateDescription, Description};
use leaves::Leaves;
use mint::{Intermediate, Root};

/// A running agent replaces its intermediate when less than this is left; `open_or_create` does so too.
const INTERMEDIATE_LEFT_MIN: Duration = Duration::days(60);

/// Issues leaves for LLM names. The private key of the root is not kept in memory.
pub struct Authority {
    names: NameSet,
    root_pem: String,
    /// None for an authority that lives in memory only.
    directory: Option<PathBuf>,
    intermediate: RwLock<Arc<Intermediate>>,
    leaves: Mutex<Leaves>,
}

impl Authority {
    /// An authority for one `weir run`. Its root key is forgotten as soon as the intermediate is signed.
    pub fn ephemeral(names: &NameSet) -> Result<Authority> {
        refuse_unconstrained(names)?;
        let now = OffsetDateTime::now_utc();
        let root = Root::ephemeral(now)?;
        let intermediate = root.intermediate(names, now)?;
        Ok(Authority::new(names, root.certificate_pem(), None, intermediate))
    }

    /// The agent's authority, kept in `directory`. The root stays as it is for its whole life, because workloads trust it;
    /// the intermediate is replaced when the names changed or it nears its end.
    pub fn open_or_create(directory: &Path, names: &NameSet) -> Result<Authority> {
        refuse_unconstrained(names)?;
        let now = OffsetDateTime::now_utc();
        let (root_pem, intermediate) = store::open_or_create(directory, names, now)?;
        Ok(Authority::new(names, root_pem, Some(directory.to_owned()), intermediate))
    }

    fn new(
        names: &NameSet,
        root_pem: String,
        directory: Option<PathBuf>,
        intermediate: Intermediate,
    ) -> Authority {
        Authority {
            names: names.clone(),
            root_pem,
            directory,
            intermediate: RwLock::new(Arc::new(intermediate)),
            leaves: Mutex::new(Leaves::default()),
        }
    }

    /// What a workload must trust.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Where the root certificate lies, if it is on disk.
    pub fn root_path(&self) -> Option<PathBuf> {
        self.directory.as_deref().map(store::root_path)
    }

    /// The certificate and key for a server name: from the cache, or newly signed. Names that no rule covers are refused.
    pub fn leaf(&self, name: &str) -> Result<Arc<CertifiedKey>> {
        self.leaf_at(name, OffsetDateTime::now_utc())
    }

    fn leaf_at(&self, name: &str, now: OffsetDateTime) -> Result<Arc<CertifiedKey>> {
        let name = normal_name(name).with_context(|| format!("server name {name:?}"))?;
        ensure!(
            self.names.matches(&name),
            "{name} is not a configured LLM name; no certificate for it"
        );
        if let Some(leaf) = self.leaves().fresh(&name, now) {
            return Ok(leaf);
        }
        let (leaf, renew_at) = self
            .intermediate(now)
            .leaf(&name, now)
            .with_context(|| format!("certificate for {name}"))?;
        let leaf = Arc::new(leaf);
        self.leaves().keep(name, leaf.clone(), renew_at);
        Ok(leaf)
    }

    /// For `weir ca`.
    pub fn describe(&self) -> Result<Description> {
        let intermediate = self.intermediate(OffsetDateTime::now_utc());
        Description::new(&self.root_pem, intermediate.der(), &self.names, self.root_path())
    }

    fn intermediate(&self, now: OffsetDateTime) -> Arc<Intermediate> {
        let current = self.intermediate.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(directory) = &self.directory else {
            return current;
        };
        if current.left(now) > INTERMEDIATE_LEFT_MIN {
            return current;
        }
        match store::open_or_create(directory, &self.names, now) {
            Ok((root_pem, next)) if root_pem == self.root_pem => {
                let next = Arc::new(next);
                *self.intermediate.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
                next
            }
            Ok(_) => {
                tracing::warn!(directory = %directory.display(), "root changed on disk; restart the agent to use it");
                current
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "intermediate certificate not renewed"
                );
                current
            }
        }
    }

    fn leaves(&self) -> std::sync::MutexGuard<'_, Leaves> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without a permitted name the constraint would be absent, and the intermediate could speak for everyone.
fn refuse_unconstrained(names: &NameSet) -> Result<()> {
    if names.is_empty() {
        bail!("no LLM names configured; an authority without name constraints is not made");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
