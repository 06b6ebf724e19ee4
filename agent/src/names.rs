//! Rules that say which host names are LLM names. Knows DNS labels; knows no provider, certificate or configuration file.

use std::collections::BTreeSet;
use std::fmt;

/// RFC 1035: a name has at most 253 characters in text form, a label at most 63.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// One rule. Names are kept lower case, without a dot at either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameRule {
    /// This name alone.
    Exact(String),
    /// Every name below this one, not the name itself. Written `*.example.com`.
    Suffix(String),
}

impl NameRule {
    /// Reads `name` or `*.name`. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<NameRule, BadName> {
        match text.strip_prefix("*.") {
            Some(below) => Ok(NameRule::Suffix(normal_suffix(below)?)),
            None => Ok(NameRule::Exact(normal_name(text)?)),
        }
    }

    /// Does the rule cover this host? Ignores case and a final dot; whole labels only.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            NameRule::Exact(name) => name.eq_ignore_ascii_case(host),
            NameRule::Suffix(below) => {
                let Some(cut) = host.len().checked_sub(below.len() + 1) else {
                    return false;
                };
                let tail = &host.as_bytes()[cut..];
                cut > 0 && tail[0] == b'.' && tail[1..].eq_ignore_ascii_case(below.as_bytes())
            }
        }
    }

    /// The name without the `*.`: the subtree an X.509 name constraint can express.
    pub fn subtree(&self) -> &str {
        match self {
            NameRule::Exact(name) | NameRule::Suffix(name) => name,
        }
    }
}

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameRule::Exact(name) => f.write_str(name),
            NameRule::Suffix(below) => write!(f, "*.{below}"),
        }
    }
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    Empty,
    TooLong,
    Label,
    Address,
    Wildcard,
    /// `*.com` would cover a whole top-level domain.
    TooWide,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Empty => "is empty",
            BadName::TooLong => "is longer than 253 characters",
            BadName::Label => {
                "is not a host name; labels have 1 to 63 letters, digits or inner hyphens"
            }
            BadName::Address => "is an address, not a host name",
            BadName::Wildcard => {
                "has a wildcard that is not the whole first label; write *.example.com"
            }
            BadName::TooWide => "covers a whole top-level domain",
        })
    }
}

impl std::error::Error for BadName {}

/// A host name as weir compares it: lower case, no final dot.
pub fn normal_name(text: &str) -> Result<String, BadName> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(BadName::TooLong);
    }
    if text.contains('*') {
        return Err(BadName::Wildcard);
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(BadName::Address);
    }
    if !text.split('.').all(is_label) {
        return Err(BadName::Label);
    }
    Ok(text.to_ascii_lowercase())
}

fn normal_suffix(below: &str) -> Result<String, BadName> {
    let name = normal_name(below)?;
    if !name.contains('.') {
        return Err(BadName::TooWide);
    }
    Ok(name)
}

/// Underscores are not host names by the book, but they exist inside clusters.
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=LABEL_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// All rules together. Order and duplicates do not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameSet {
    rules: BTreeSet<NameRule>,
}

impl NameSet {
    pub fn matches(&self, host: &str) -> bool {
        let Ok(host) = normal_name(host) else {
            return false;
        };
        if self.rules.contains(&NameRule::Exact(host.clone())) {
            return true;
        }
        host.match_indices('.')
            .any(|(dot, _)| self.rules.contains(&NameRule::Suffix(host[dot + 1..].to_owned())))
    }

    pub fn iter(&self) -> impl Iterator<Item = &NameRule> {
        self.rules.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The smallest list of DNS subtrees that covers every rule: what name constraints hold.
    pub fn subtrees(&self) -> BTreeSet<String> {
        let all: BTreeSet<&str> = self.rules.iter().map(NameRule::subtree).collect();
        all.iter()
            .filter(|name| !name.match_indices('.').any(|(dot, _)| all.contains(&name[dot + 1..])))
            .map(|name| (*name).to_owned())
            .collect()
    }
}

impl FromIterator<NameRule> for NameSet {
    fn from_iter<I: IntoIterator<Item = NameRule>>(rules: I) -> NameSet {
        NameSet { rules: rules.into_iter().collect() }
    }
}

impl Extend<NameRule> for NameSet {
    fn extend<I: IntoIterator<Item = NameRule>>(&mut self, rules: I) {
        self.rules.extend(rules);
    }
}

#[cfg(test)]
mod tests;
