//! The demo: unmodified clients call providers by their real names; weir captures them and says what it saw.
//! Everything happens in network namespaces that end with this process.

mod acts;
mod check;
mod interrupt;
mod perform;
mod show;
mod stage;

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of a process that ctrl-C ended, as shells report it.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "weir-demo",
    about = "Shows weir at work on real clients, in a network of its own"
)]
struct Arguments {
    /// The weir binary
    #[arg(long)]
    weir: PathBuf,
    /// A Python that has the SDKs
    #[arg(long)]
    python: PathBuf,
    /// Folder of the client programs
    #[arg(long)]
    clients: PathBuf,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A closed stderr is no reason to fail differently.
            let _ = writeln!(std::io::stderr().lock(), "weir-demo: {error:#}");
            if interrupt::happened() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

/// Perform every act and show how it went; true if all was as it should be.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    interrupt::watch()?;
    let stage = stage::Stage::build()?;
    let acts = acts::all(arguments);
    let bar = ProgressBar::new(u64::try_from(acts.len())?);
    bar.set_style(ProgressStyle::with_template("  {spinner} {pos}/{len} {wide_msg}")?);
    let mut reviews = Vec::new();
    for act in acts {
        bar.set_message(format!("{}: {}", act.client, act.asks));
        let scene = perform::perform(&act, &stage, arguments)?;
        reviews.push(check::review(act, scene));
        bar.inc(1);
    }
    bar.finish_and_clear();
    match arguments.output {
        Output::Text => show::text(&reviews)?,
        Output::Json => show::json(&reviews)?,
    }
    Ok(reviews.iter().all(check::Review::is_good))
}
