//! The `weir` program: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use weir::cli::{Cli, Command, FAILURE};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    weir::install_crypto();
    let outcome = match cli.command {
        Command::Run(run) => weir::run::run(&run),
        Command::Agent(agent) => weir::node::run(&agent),
        Command::Doctor { output } => weir::views::doctor(output),
        Command::Validate(validate) => weir::views::validate(&validate),
        Command::Report(report) => weir::views::report(&report),
        Command::Inspect(inspect) => weir::inspect::run(&inspect),
        Command::Ca(ca) => weir::views::ca(&ca),
    };
    match outcome {
        Ok(code) => code,
        Err(problem) => {
            weir::complain(&problem);
            let code = problem.downcast_ref::<weir::BadConfiguration>();
            ExitCode::from(code.map_or(FAILURE, |_| weir::cli::BAD_CONFIGURATION))
        }
    }
}
