//! `cargo xtask bench`: builds the contenders and lets the conductor in `xtask/bench` compare them.

use crate::{cargo, packages, step};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Measures connect(); part of the agent, because only its capture module may load kernel programs.
const CONNECT_COST: &str = "connect_cost";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For the conductor: `--quick`, `--only small1,chunk`, `--rounds N`, `--output json`; `--help` lists all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::ensure_root("the benchmark makes namespaces and loads kernel programs")?;
    packages::ensure(&[packages::NGINX, packages::IP, packages::AUTHORITIES])?;
    let mut build = cargo::locked("build");
    build.args(["--release", "--package", "weir-bench", "--package", "weir", "--bins"]);
    step::run("Building weir and the benchmark", &mut build)?;
    let release = cargo::target()?.join("release");
    let mut command = Command::new(release.join("weir-bench"));
    command.arg("compare").arg("--weir").arg(release.join("weir"));
    if cargo::root().join(format!("agent/examples/{CONNECT_COST}.rs")).exists() {
        let mut build = cargo::locked("build");
        build.args(["--release", "--package", "weir", "--example", CONNECT_COST]);
        step::run("Building the measure of connect()", &mut build)?;
        command.arg("--connect-cost").arg(release.join("examples").join(CONNECT_COST));
    }
    // In its place, so that ctrl-C and the exit code are its own.
    Err(command.args(&arguments.rest).exec()).context("start the benchmark")
}
