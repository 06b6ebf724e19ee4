//! The one table of provider hosts: a region or a host is one line. It feeds detection and the kernel's
//! list of names. Hosts that people browse (chat pages, consoles) are not in it. Knows no path.

use crate::endpoint::Provider;

/// How a host name is matched. Names are lower case and without a trailing dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRule {
    Exact(&'static str),
    /// Any name that ends with this one after a dot, not the name itself.
    Suffix(&'static str),
}

impl HostRule {
    pub fn matches(self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Suffix(name) => {
                let (host, name) = (host.as_bytes(), name.as_bytes());
                host.len() > name.len() + 1
                    && host[host.len() - name.len()..].eq_ignore_ascii_case(name)
                    && host[host.len() - name.len() - 1] == b'.'
            }
        }
    }
}

/// Every name that belongs to a provider.
pub fn hosts() -> impl Iterator<Item = HostRule> {
    TABLE.iter().map(|(rule, _)| *rule)
}

/// Whose host this is. A port and a trailing dot are ignored.
pub fn provider_of(host: &str) -> Option<Provider> {
    let host = bare(host);
    TABLE
        .iter()
        .find(|(rule, _)| rule.matches(host))
        .map(|(_, provider)| *provider)
}

fn bare(host: &str) -> &str {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        Some(_) | None => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

use HostRule::{Exact, Suffix};

static TABLE: &[(HostRule, Provider)] = &[
    (Exact("api.openai.com"), Provider::OpenAi),
    (Exact("api.anthropic.com"), Provider::Anthropic),
    (Suffix("openai.azure.com"), Provider::Azure),
];
