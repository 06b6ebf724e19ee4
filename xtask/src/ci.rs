//! `cargo xtask ci`: everything that must hold before a change goes in, cheapest first.

use crate::{cargo, demo, ebpf, step, test, tidy};
use anyhow::Result;
use std::process::Command;

/// The kernel half is not in the workspace: host builds of its shared parts are checked by its own manifest.
pub(crate) const KERNEL_MANIFEST: &str = "agent-ebpf/Cargo.toml";

pub(crate) fn run() -> Result<()> {
    step::run("Format", cargo::plain("fmt").args(["--all", "--check"]))?;
    step::run(
        "Format of the kernel half",
        cargo::plain("fmt").args(["--manifest-path", KERNEL_MANIFEST, "--check"]),
    )?;
    tidy::run()?;
    step::run(
        "Lints",
        deny_warnings(cargo::locked("clippy").args(["--workspace", "--all-targets"])),
    )?;
    let mut kernel = cargo::locked("clippy");
    kernel.args(["--manifest-path", KERNEL_MANIFEST, "--lib", "--tests"]);
    step::run("Lints of the kernel half's shared parts", deny_warnings(&mut kernel))?;
    ebpf::run(true)?;
    test::run()?;
    demo::run_quietly()
}

fn deny_warnings(clippy: &mut Command) -> &mut Command {
    clippy.args(["--", "--deny", "warnings"])
}
