//! Where things are, and how cargo is called: always with the committed lock file.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// `cargo SUBCOMMAND --locked`, in the workspace's folder.
pub(crate) fn locked(subcommand: &str) -> Command {
    let mut command = plain(subcommand);
    command.arg("--locked");
    command
}

/// `cargo SUBCOMMAND`, for the few that take no `--locked`.
pub(crate) fn plain(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).arg(subcommand);
    command
}

/// The folder that cargo builds into, wherever it was put.
pub(crate) fn target() -> Result<PathBuf> {
    let output = locked("metadata")
        .args(["--no-deps", "--format-version", "1"])
        .output()
        .context("start cargo")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let folder =
        metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}
