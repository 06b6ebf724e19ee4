//! What the operator wants, checked. A `Config` cannot be wrong: whoever holds one need not look twice.
//! Knows the file's words and limits; opens no file, no socket, and resolves nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::names::NameRule;

mod read;
mod schema;
mod section;
mod tree;
mod units;

pub use schema::schema;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub capture: Capture,
    /// Self-hosted servers that speak a known dialect, beside the built-in providers.
    pub providers: Vec<Provider>,
    pub upstream: Upstream,
    pub observe: Observe,
    pub records: Records,
    pub ca: Ca,
    /// None: as many as the machine has processors.
    pub threads: Option<NonZeroUsize>,
    pub log: Log,
    /// How long exchanges in flight may take after SIGTERM.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            capture: Capture::default(),
            providers: Vec::new(),
            upstream: Upstream::default(),
            observe: Observe::default(),
            records: Records::default(),
            ca: Ca::default(),
            threads: None,
            log: Log::default(),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Inside the cgroup v2 mount. None: the whole node for `weir agent`, a scoped one for `weir run`.
    pub cgroup: Option<PathBuf>,
    pub fail_mode: FailMode,
    /// Destination ports that are captured.
    pub ports: BTreeSet<NonZeroU16>,
    /// LLM names beside those of the providers.
    pub names: Vec<NameRule>,
    /// How often the configured names are resolved.
    pub resolve_interval: Duration,
}

impl Default for Capture {
    fn default() -> Capture {
        Capture {
            cgroup: None,
            fail_mode: FailMode::Open,
            ports: NonZeroU16::new(443).into_iter().collect(),
            names: Vec::new(),
            resolve_interval: Duration::from_secs(30),
        }
    }
}

/// What becomes of a new connection while the agent is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailMode {
    /// It goes direct.
    #[default]
    Open,
    /// It is refused.
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    /// Never empty.
    pub hosts: Vec<NameRule>,
    pub dialect: Dialect,
}

/// Which server the provider's own server imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Openai,
    Anthropic,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// PEM files of authorities that are trusted beside the system's.
    pub extra_roots: Vec<PathBuf>,
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
}

impl Default for Upstream {
    fn default() -> Upstream {
        Upstream {
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observe {
    /// Bytes of one body that are read for the record. A longer body is forwarded and marked unobserved.
    pub body_limit: usize,
}

impl Default for Observe {
    fn default() -> Observe {
        Observe { body_limit: 16 * 1024 * 1024 }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// JSON lines. None: kept in memory for the report only.
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ca {
    pub directory: PathBuf,
}

impl Default for Ca {
    fn default() -> Ca {
        Ca { directory: PathBuf::from("/var/lib/weir/ca") }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// As a `tracing` filter directive.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub file: String,
    /// From 1; 0 when the place is not known.
    pub line: u64,
    pub column: u64,
    /// Dotted path, as `providers[1].hosts[0]`. Empty for the whole file.
    pub key: String,
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        match self.key.as_str() {
            "" => f.write_str(&self.message),
            key => write!(f, "{key}: {}", self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Reads a configuration file's text. Every error at once, in the order of the file.
pub fn parse(text: &str, file_name: &str) -> Result<Config, Vec<ConfigError>> {
    read::config(text, file_name)
}

#[cfg(test)]
mod tests;
