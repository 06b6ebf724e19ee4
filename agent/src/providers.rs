//! Which names are LLM names, and what is asked there: the built-in catalogue and the configured servers.
//! Knows configuration and catalogue; knows no connection.

use std::path::Path;

use weir_wire::catalogue::{self, HostRule};
use weir_wire::{Dialect, Endpoint, Operation, Provider};

use crate::capture;
use crate::config::{self, Config, FailMode};
use crate::names::{NameRule, NameSet};

pub(crate) struct Providers {
    rules: Vec<NameRule>,
    configured: Vec<config::Provider>,
}

impl Providers {
    pub(crate) fn new(config: &Config) -> Self {
        let built_in = catalogue::hosts().map(|rule| match rule {
            HostRule::Exact(name) => NameRule::Exact(name.to_owned()),
            HostRule::Suffix(below) => NameRule::Suffix(below.to_owned()),
        });
        let own = config.providers.iter().flat_map(|provider| provider.hosts.iter().cloned());
        let extra = config.capture.names.iter().cloned();
        Self {
            rules: built_in.chain(own).chain(extra).collect(),
            configured: config.providers.clone(),
        }
    }

    pub(crate) fn names(&self) -> NameSet {
        self.rules.iter().cloned().collect()
    }

    /// Names that can be resolved as they stand.
    pub(crate) fn exact_names(&self) -> impl Iterator<Item = &String> {
        self.rules.iter().filter_map(|rule| match rule {
            NameRule::Exact(name) => Some(name),
            NameRule::Suffix(_) => None,
        })
    }

    pub(crate) fn capture_settings(
        &self,
        config: &Config,
        cgroup: &Path,
        exempt_cgroup: Option<u64>,
    ) -> capture::Settings {
        let names = self.rules.iter().map(|rule| match rule {
            NameRule::Exact(name) => capture::NameRule::Exact(name.clone()),
            NameRule::Suffix(below) => capture::NameRule::Suffix(below.clone()),
        });
        capture::Settings {
            cgroup: cgroup.to_owned(),
            names: names.collect(),
            ports: config.capture.ports.iter().map(|port| port.get()).collect(),
            fail_mode: match config.capture.fail_mode {
                FailMode::Open => capture::FailMode::Open,
                FailMode::Closed => capture::FailMode::Closed,
            },
            exempt_cgroup,
            strict: None,
        }
    }

    /// What a request to `host` asks. A configured server outranks the catalogue.
    pub(crate) fn endpoint(&self, host: &str, method: &str, path_and_query: &str) -> Endpoint {
        let configured = self
            .configured
            .iter()
            .find(|provider| provider.hosts.iter().any(|rule| rule.matches(host)));
        match configured {
            Some(provider) => {
                let imitated = match provider.dialect {
                    config::Dialect::Openai => Provider::OpenAi,
                    config::Dialect::Anthropic => Provider::Anthropic,
                };
                let endpoint = weir_wire::detect_at(imitated, method, path_and_query);
                Endpoint { provider: Provider::Compatible, ..endpoint }
            }
            None => weir_wire::detect(host, method, path_and_query).unwrap_or(UNKNOWN),
        }
    }
}

/// A name that only `capture.names` lists: forwarded and recorded, not understood.
const UNKNOWN: Endpoint = Endpoint {
    provider: Provider::Compatible,
    dialect: Dialect::Other,
    operation: Operation::Other,
};

#[cfg(test)]
mod tests;
