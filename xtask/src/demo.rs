//! `cargo xtask demo`: builds, installs the SDKs once, and lets `weir-demo` show weir at work.

use crate::{cargo, packages, step};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the virtual environment holds, pinned.
const REQUIREMENTS: &str = "xtask/demo/requirements.txt";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For the demo itself: `--output json`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // In its place, so that ctrl-C and the exit code are its own.
    Err(prepare()?.args(&arguments.rest).exec()).context("start the demo")
}

/// The demo as a step of something larger: it says no more than that it went well.
pub(crate) fn run_quietly() -> Result<()> {
    let mut demo = prepare()?;
    step::run("Demo", &mut demo)
}

/// Build and install; gives the command that shows.
fn prepare() -> Result<Command> {
    packages::ensure_root("the demo makes network namespaces and loads kernel programs")?;
    packages::ensure(&[
        packages::CURL,
        packages::PYTHON_VENV,
        packages::IP,
        packages::AUTHORITIES,
    ])?;
    let mut build = cargo::locked("build");
    build.args(["--release", "--package", "weir", "--package", "weir-demo", "--bins"]);
    step::run("Building weir and the demo", &mut build)?;
    let target = cargo::target()?;
    let python = install_sdks(&target.join("demo-venv"))?;
    let mut command = Command::new(target.join("release/weir-demo"));
    command.arg("--weir").arg(target.join("release/weir")).arg("--python").arg(python);
    command.arg("--clients").arg(cargo::root().join("xtask/demo/clients"));
    Ok(command)
}

/// Make the virtual environment unless it is there with the same requirements; gives its Python.
fn install_sdks(venv: &Path) -> Result<PathBuf> {
    let requirements = cargo::root().join(REQUIREMENTS);
    let wanted =
        fs::read_to_string(&requirements).with_context(|| requirements.display().to_string())?;
    let stamp = venv.join("installed-requirements.txt");
    let python = venv.join("bin/python");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        step::say("  ✓ Python SDKs (installed before)");
        return Ok(python);
    }
    let mut make = Command::new("python3");
    step::run("Making a virtual environment", make.args(["-m", "venv", "--clear"]).arg(venv))?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements);
    step::run("Installing the OpenAI and Anthropic SDKs", &mut install)?;
    fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
    Ok(python)
}
