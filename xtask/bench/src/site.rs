//! The place where the comparison happens: a network namespace with nothing but a loopback device, and a mount
//! namespace in which the provider's name leads there. Both end with the process; nothing on the machine is changed.

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::tls::NAME;

/// Addresses from the block that is set aside for benchmarks (RFC 2544), one for each who listens.
pub(crate) const PROVIDER: SocketAddr = address(10);
pub(crate) const NGINX: SocketAddr = address(11);
pub(crate) const FLOOR: SocketAddr = address(12);

/// The bundle of authorities that programs on Debian trust.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

const fn address(host: u8) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, host)), 443)
}

/// Move this process into its own namespaces. Call before any thread is started.
pub(crate) fn enter() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the benchmark makes namespaces and attaches kernel programs: run it as root"
    );
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("make namespaces")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("keep mounts to ourselves")?;
    ip(&["link", "set", "lo", "up"])?;
    for listener in [PROVIDER, NGINX, FLOOR] {
        ip(&["address", "add", &format!("{}/32", listener.ip()), "dev", "lo"])?;
    }
    Ok(())
}

/// Make this process and all it starts find the provider here, and trust its authority.
pub(crate) fn furnish(folder: &Path) -> Result<()> {
    let hosts = format!("127.0.0.1 localhost\n{} {NAME}\n", PROVIDER.ip());
    cover("/etc/hosts", &folder.join("hosts"), hosts.as_bytes())?;
    // Nothing listens there: every other name fails at once instead of after a long wait.
    cover(
        "/etc/resolv.conf",
        &folder.join("resolv.conf"),
        b"nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )?;
    cover(SYSTEM_BUNDLE, &folder.join("bundle.pem"), &fs::read(folder.join("ca.pem"))?)
}

fn cover(system: &str, ours: &Path, content: &[u8]) -> Result<()> {
    fs::write(ours, content).with_context(|| ours.display().to_string())?;
    mount(Some(ours), system, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("put our own file over {system}"))
}

fn ip(arguments: &[&str]) -> Result<()> {
    let status =
        Command::new("ip").args(arguments).status().context("start `ip` (package iproute2)")?;
    ensure!(status.success(), "`ip {}` failed", arguments.join(" "));
    Ok(())
}
