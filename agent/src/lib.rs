//! weir: captures the LLM calls of a node, a cgroup or one command, understands them, and accounts for
//! them. `main → run | node → connection → exchange` is the way of a call; start reading at `exchange`.

use std::fmt;
use std::path::Path;

use anyhow::Context;

mod accounting;
mod agent;
pub mod authority;
pub mod capture;
mod cgroup;
pub mod cli;
pub mod config;
mod connection;
mod descriptors;
pub mod doctor;
mod exchange;
pub mod identity;
pub mod inspect;
mod memory;
pub mod names;
pub mod node;
mod providers;
pub mod record;
mod relay;
pub mod report;
pub mod run;
#[cfg(test)]
mod testing;
pub mod trust;
mod upstream;
pub mod views;

/// Where the configuration is, if no other file is named.
pub const DEFAULT_CONFIG: &str = "/etc/weir/weir.yaml";

/// All TLS is by this one provider; must be called before any.
pub fn install_crypto() {
    // Fails only if it was done before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The one place that writes to standard error outside the log: what went wrong, and why.
#[expect(clippy::print_stderr, reason = "this is the command line's own voice")]
pub fn complain(problem: &anyhow::Error) {
    if problem.is::<BadConfiguration>() {
        eprintln!("{problem}");
    } else {
        eprintln!("weir: {problem:#}");
    }
}

/// The configuration file is wrong; the message has every place.
#[derive(Debug)]
pub struct BadConfiguration(String);

impl fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadConfiguration {}

/// The named file, or the default one if it exists, or what holds without a file.
pub(crate) fn load_config(file: Option<&Path>) -> anyhow::Result<config::Config> {
    let path = match file {
        Some(path) => path,
        None if Path::new(DEFAULT_CONFIG).exists() => Path::new(DEFAULT_CONFIG),
        None => return Ok(config::Config::default()),
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    config::parse(&text, &path.display().to_string()).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        BadConfiguration(lines.join("\n")).into()
    })
}

/// The log goes to standard error; `WEIR_LOG` outranks the configuration.
pub(crate) fn start_log(config: &config::Log, level: config::LogLevel) {
    let filter = log_filter(std::env::var("WEIR_LOG").ok().as_deref(), level);
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(filter);
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    // Fails only if a log was started before.
    let _ = match config.format {
        config::LogFormat::Text => log.with_ansi(false).try_init(),
        config::LogFormat::Json => log.json().try_init(),
    };
}

/// Only weir's own words, whatever is asked for: the libraries below it log headers, and keys are headers.
fn log_filter(asked: Option<&str>, level: config::LogLevel) -> String {
    let directive = |part: &str| match part.trim() {
        level if !level.contains(['=', ':']) && !level.starts_with("weir") => {
            format!("weir={level}")
        }
        own => own.to_owned(),
    };
    let own: Vec<String> = asked
        .unwrap_or(level.as_str())
        .split(',')
        .map(directive)
        .filter(|directive| directive.starts_with("weir"))
        .collect();
    format!("warn,{}", own.join(","))
}

/// A runtime of so many threads; one of one thread pays for no hand-over between threads.
pub(crate) fn runtime(threads: Option<usize>) -> anyhow::Result<tokio::runtime::Runtime> {
    let threads = threads.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    });
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads);
        builder
    };
    builder.max_blocking_threads(16).enable_all().build().context("cannot start the runtime")
}

/// Runs `work` to its end. What blocks then (a resolver that does not answer) is not waited for.
pub(crate) fn block_on<T>(runtime: tokio::runtime::Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_see_keys_stay_quiet() {
        let check = |asked: Option<&str>, expected: &str| {
            assert_eq!(log_filter(asked, config::LogLevel::Info), expected, "{asked:?}");
        };
        check(None, "warn,weir=info");
        check(Some("trace"), "warn,weir=trace");
        check(Some("h2=trace,h2::codec=debug,weir::upstream=debug"), "warn,weir::upstream=debug");
        check(Some("rustls=debug"), "warn,");
    }
}
