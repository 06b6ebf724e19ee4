//! The benchmark: one binary that is the provider, the load, the `floor` relay and the conductor of them all.
//!
//! `cargo xtask bench` builds it and calls `compare`; the other subcommands are what `compare` starts, each as its
//! own process, so that the processor time of each can be told apart.

mod canned;
mod compare;
mod contender;
mod floor;
mod load;
mod measure;
mod provider;
mod report;
mod scenario;
mod site;
mod tls;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "weir-bench",
    about = "Compares weir with nginx, a bare relay and no proxy at all"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every contender through every scenario, interleaved, and print the figures
    Compare(compare::Arguments),
    /// A provider that answers from memory
    Provider(provider::Arguments),
    /// Drive load as told by lines of JSON on stdin
    Load(load::Arguments),
    /// A bare hyper and rustls relay: the least that terminating and re-encrypting can cost
    Floor(floor::Arguments),
}

fn main() -> ExitCode {
    tls::install();
    let outcome = match Arguments::parse().command {
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Provider(arguments) => provider::run(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::Floor(arguments) => floor::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
