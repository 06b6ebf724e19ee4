//! From the tree to a `Config`. Knows every key, its limits and what to say when a value is wrong.

use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::section::{Choice, Errors, Item, Section};
use super::tree;
use super::{
    Ca, Capture, Config, ConfigError, Dialect, FailMode, Log, LogFormat, LogLevel, Observe,
    Provider, Records, Upstream,
};
use crate::names::NameRule;

const RESOLVE_INTERVAL: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(86_400));
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3600));
/// Below this not even the model's name is sure to be seen; above it one body would fill a small node's memory.
const BODY_LIMIT: (u64, u64) = (1 << 10, 1 << 30);
const THREADS_MAX: usize = 1024;
const PROVIDER_NAME_BYTES_MAX: usize = 63;

pub(super) fn config(text: &str, file: &str) -> Result<Config, Vec<ConfigError>> {
    let errors = Errors::new(file);
    let config = match tree::parse(text) {
        Ok(root) => Item::root(&errors, &root).section(whole),
        Err((place, message)) => {
            errors.add(place, "", message);
            None
        }
    };
    match (config, errors.into_sorted()) {
        (Some(config), errors) if errors.is_empty() => Ok(config),
        (_, errors) => Err(errors),
    }
}

fn whole(section: &mut Section<'_>) -> Config {
    let default = Config::default();
    Config {
        capture: section.section("capture", capture).unwrap_or_default(),
        providers: providers(section),
        upstream: section.section("upstream", upstream).unwrap_or_default(),
        observe: section.section("observe", observe).unwrap_or_default(),
        records: section.section("records", records).unwrap_or_default(),
        ca: section.section("ca", ca).unwrap_or_default(),
        threads: section.integer("threads", 1, THREADS_MAX).and_then(NonZeroUsize::new),
        log: section.section("log", log).unwrap_or_default(),
        drain_timeout: section.duration("drain_timeout", TIMEOUT).unwrap_or(default.drain_timeout),
    }
}

fn capture(section: &mut Section<'_>) -> Capture {
    let default = Capture::default();
    Capture {
        cgroup: section.absolute_path("cgroup"),
        fail_mode: section.choice("fail_mode").unwrap_or_default(),
        ports: ports(section).unwrap_or(default.ports),
        names: names(section, "names").unwrap_or_default(),
        resolve_interval: section
            .duration("resolve_interval", RESOLVE_INTERVAL)
            .unwrap_or(default.resolve_interval),
    }
}

fn ports(section: &mut Section<'_>) -> Option<BTreeSet<NonZeroU16>> {
    let mut ports = BTreeSet::new();
    section.list("ports", 1, |item| {
        let Some(port) =
            item.integer(1, usize::from(u16::MAX)).map(narrow).and_then(NonZeroU16::new)
        else {
            return;
        };
        if !ports.insert(port) {
            item.refuse(format!("{port} is listed twice"));
        }
    })?;
    Some(ports)
}

/// The caller checked the range.
fn narrow(port: usize) -> u16 {
    u16::try_from(port).unwrap_or_default()
}

fn names(section: &mut Section<'_>, key: &'static str) -> Option<Vec<NameRule>> {
    let mut names: Vec<NameRule> = Vec::new();
    section.list(key, 1, |item| {
        let Some(text) = item.text("a host name such as llm.internal.example or *.llm.example")
        else {
            return;
        };
        match NameRule::parse(&text) {
            Ok(rule) if names.contains(&rule) => item.refuse(format!("{text:?} is listed twice")),
            Ok(rule) => names.push(rule),
            Err(reason) => item.refuse(format!("{text:?} {reason}")),
        }
    })?;
    Some(names)
}

fn providers(section: &mut Section<'_>) -> Vec<Provider> {
    let mut providers: Vec<Provider> = Vec::new();
    section.list("providers", 0, |item| {
        item.section(|section| {
            let name = section.require("name", provider_name);
            let hosts = section.require("hosts", |section| names(section, "hosts"));
            let dialect = section.require("dialect", |section| section.choice("dialect"));
            let (Some(name), Some(hosts), Some(dialect)) = (name, hosts, dialect) else {
                return;
            };
            if providers.iter().any(|other| other.name == name) {
                section.refuse(
                    "name",
                    format!("{name:?} is the name of an earlier provider; names are unique"),
                );
                return;
            }
            if let Some((host, other)) = shared_host(&hosts, &providers) {
                section.refuse("hosts", format!("{host} belongs to provider {other:?} already"));
                return;
            }
            providers.push(Provider { name, hosts, dialect });
        });
    });
    providers
}

/// It becomes a word in records and metrics.
fn provider_name(section: &mut Section<'_>) -> Option<String> {
    let name = section.text("name", "a short name such as my-vllm")?;
    let fits = name.len() <= PROVIDER_NAME_BYTES_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !fits {
        section.refuse(
            "name",
            format!("{name:?} is not a provider name; use up to 63 of a-z, 0-9 and -"),
        );
        return None;
    }
    Some(name)
}

fn shared_host(hosts: &[NameRule], providers: &[Provider]) -> Option<(String, String)> {
    providers.iter().find_map(|other| {
        let host = hosts.iter().find(|host| other.hosts.contains(host))?;
        Some((host.to_string(), other.name.clone()))
    })
}

fn upstream(section: &mut Section<'_>) -> Upstream {
    let default = Upstream::default();
    Upstream {
        extra_roots: extra_roots(section),
        connect_timeout: section
            .duration("connect_timeout", TIMEOUT)
            .unwrap_or(default.connect_timeout),
        idle_timeout: section.duration("idle_timeout", TIMEOUT).unwrap_or(default.idle_timeout),
    }
}

fn extra_roots(section: &mut Section<'_>) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    section.list("extra_roots", 0, |item| roots.extend(item.path()));
    roots
}

fn observe(section: &mut Section<'_>) -> Observe {
    let default = Observe::default();
    let limit =
        section.size("body_limit", BODY_LIMIT).and_then(|bytes| usize::try_from(bytes).ok());
    Observe { body_limit: limit.unwrap_or(default.body_limit) }
}

fn records(section: &mut Section<'_>) -> Records {
    Records { file: section.path("file") }
}

fn ca(section: &mut Section<'_>) -> Ca {
    Ca { directory: section.absolute_path("directory").unwrap_or_else(|| Ca::default().directory) }
}

fn log(section: &mut Section<'_>) -> Log {
    Log {
        level: section.choice("level").unwrap_or_default(),
        format: section.choice("format").unwrap_or_default(),
    }
}

impl Choice for FailMode {
    const NOUN: &'static str = "a fail mode";
    const WORDS: &'static [(&'static str, FailMode)] =
        &[("open", FailMode::Open), ("closed", FailMode::Closed)];
}

impl Choice for Dialect {
    const NOUN: &'static str = "a dialect";
    const WORDS: &'static [(&'static str, Dialect)] =
        &[("openai", Dialect::Openai), ("anthropic", Dialect::Anthropic)];
}

impl Choice for LogLevel {
    const NOUN: &'static str = "a log level";
    const WORDS: &'static [(&'static str, LogLevel)] = &[
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
}

impl Choice for LogFormat {
    const NOUN: &'static str = "a log format";
    const WORDS: &'static [(&'static str, LogFormat)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}
