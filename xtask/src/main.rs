//! Every script of the project. Each task is one file; what two of them need is in `cargo`, `packages` and `step`.

mod bench;
mod cargo;
mod ci;
mod demo;
mod ebpf;
mod packages;
mod step;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Every script of the project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show weir at work on real clients, on this machine, without touching the network outside it
    Demo(demo::Arguments),
    /// Run every test; as root the kernel and end-to-end tests too
    Test,
    /// Format, lints, tidy, the kernel object, every test, the demo: what CI runs
    Ci,
    /// Build the kernel half and write the object that is committed beside its source
    Ebpf {
        /// Write nothing; fail if the committed object is not what its source gives
        #[arg(long)]
        check: bool,
    },
    /// Compare weir with nginx, a bare relay and no proxy at all
    Bench(bench::Arguments),
    /// Check what the compiler cannot: who may import what, and what must not be in a tracked file
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test => test::run(),
        Task::Ci => ci::run(),
        Task::Ebpf { check } => ebpf::run(check),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
