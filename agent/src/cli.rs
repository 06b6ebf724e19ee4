//! The command line. Knows words and exit codes; does nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::inspect::Inspect;
use crate::report::Grouping;

/// Something failed.
pub const FAILURE: u8 = 1;
/// The configuration is wrong (sysexits.h: EX_CONFIG).
pub const BAD_CONFIGURATION: u8 = 78;

/// Captures, understands and accounts for calls to LLM providers, without changing the application.
#[derive(Parser)]
#[command(name = "weir", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run a command with its LLM calls captured, and show what they were.
    Run(Run),
    /// Capture the node, or the configured cgroup, until stopped.
    Agent(Agent),
    /// Tell what this machine can do, and prove capture with a live probe.
    Doctor {
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Check a configuration file; every error is shown with its place.
    Validate(Validate),
    /// Sum up records files.
    Report(Report),
    /// Read recorded exchanges and print what each of them says, one JSON line each.
    Inspect(Inspect),
    /// Show the certificate authority, or print its root certificate.
    Ca(Ca),
}

#[derive(Args)]
pub struct Run {
    /// Append one JSON line per exchange and per connection to this file.
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
    /// How the summary is printed (to standard error).
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Print no summary.
    #[arg(long, short)]
    pub quiet: bool,
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Trust these certificates (PEM) as provider roots, beside the system's.
    #[arg(long = "extra-root", value_name = "FILE")]
    pub extra_roots: Vec<PathBuf>,
    /// The command and its arguments.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "CMD"
    )]
    pub command: Vec<OsString>,
}

#[derive(Args)]
pub struct Agent {
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args)]
pub struct Validate {
    /// The file to check.
    #[arg(value_name = "FILE", default_value = crate::DEFAULT_CONFIG)]
    pub file: PathBuf,
    /// Print the JSON Schema of the configuration instead.
    #[arg(long)]
    pub schema: bool,
}

#[derive(Args)]
pub struct Report {
    /// Records files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What a row stands for.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["provider", "model"])]
    pub by: Vec<Grouping>,
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Args)]
pub struct Ca {
    #[arg(value_enum, default_value_t)]
    pub what: CaView,
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum CaView {
    /// Subject, validity, fingerprint and permitted names.
    #[default]
    Show,
    /// The root certificate, as PEM, for a trust store.
    Export,
    /// Where the root certificate is.
    Path,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Text,
    Json,
}
