//! The one table of provider hosts: a region or a host is one line. It feeds detection and the kernel's
//! list of names. Hosts that people browse (chat pages, consoles) are not in it. Knows no path.

mod table;
#[cfg(test)]
mod tests;

use crate::endpoint::Provider;

/// How a host name is matched. Names are lower case and without a trailing dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRule {
    Exact(&'static str),
    /// Any name that ends with this one after a dot, not the name itself.
    Suffix(&'static str),
}

impl HostRule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact(name) | Self::Suffix(name) => name,
        }
    }

    pub fn matches(self, host: &str) -> bool {
        let (host, name) = (host.as_bytes(), self.name().as_bytes());
        match self {
            Self::Exact(_) => host.eq_ignore_ascii_case(name),
            Self::Suffix(_) => {
                let Some(before) = host.len().checked_sub(name.len() + 1) else { return false };
                before > 0 && host[before] == b'.' && host[before + 1..].eq_ignore_ascii_case(name)
            }
        }
    }
}

/// Every name that belongs to a provider.
pub fn hosts() -> impl Iterator<Item = HostRule> {
    table::HOSTS.iter().map(|(rule, _)| *rule)
}

/// Whose host this is. A port and a trailing dot are ignored.
pub fn provider_of(host: &str) -> Option<Provider> {
    let host = without_port(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    table::HOSTS.iter().find(|(rule, _)| rule.matches(host)).map(|(_, provider)| *provider)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        Some(_) | None => host,
    }
}
