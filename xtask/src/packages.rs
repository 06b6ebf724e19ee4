//! Installs what a bare Debian lacks. Knows apt; asks nothing.

use crate::step;
use anyhow::{Result, bail, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something a task needs, how to tell that it is there, and the Debian packages it is in.
pub(crate) struct Need {
    pub(crate) present: fn() -> bool,
    pub(crate) packages: &'static [&'static str],
}

pub(crate) const CURL: Need = Need { present: || on_path("curl"), packages: &["curl"] };
pub(crate) const IP: Need = Need { present: || on_path("ip"), packages: &["iproute2"] };
pub(crate) const NGINX: Need = Need { present: || on_path("nginx"), packages: &["nginx-light"] };
pub(crate) const PYTHON_VENV: Need =
    Need { present: python_has_venv, packages: &["python3", "python3-venv"] };
pub(crate) const AUTHORITIES: Need = Need {
    present: || Path::new("/etc/ssl/certs/ca-certificates.crt").exists(),
    packages: &["ca-certificates"],
};

/// Say so before anything is built, if a task could not be done in the end.
pub(crate) fn ensure_root(why: &str) -> Result<()> {
    // A process's folder belongs to its effective user.
    ensure!(fs::metadata("/proc/self")?.uid() == 0, "run it as root: {why}");
    Ok(())
}

/// Install what is missing.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !(need.present)())
        .flat_map(|need| need.packages)
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !on_path("apt-get") {
        bail!("install these first, by their names on your system: {}", missing.join(" "));
    }
    step::run("Refreshing the package list", apt().arg("update"))?;
    let title = format!("Installing {}", missing.join(" "));
    step::run(&title, apt().args(["install", "--yes", "--no-install-recommends"]).args(&missing))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether a program is found: also where only root's PATH would lead.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

/// Debian splits Python: without python3-venv, the module that makes environments is a stump.
fn python_has_venv() -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", "import ensurepip, venv"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
