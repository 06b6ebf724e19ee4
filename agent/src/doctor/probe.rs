//! The live proof: a scratch cgroup, a process in it, and connections that must end at our listener with the right origin.
//! Knows what capture promises. Everything stays on this machine's loopback.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::visitor::{Errand, Seen, Visitor};
use super::{Finding, Group};
use crate::capture::{Capture, FailMode, Listeners, Netns, Settings, cgroup_id, cgroup2_mount};

/// Loopback, but not an address that anything uses: without capture, connections to it are refused at once.
const V4: Ipv4Addr = Ipv4Addr::new(127, 84, 119, 1);
const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;
/// Discard: what is redirected is chosen by address and port, and nobody listens here either.
const PORT: u16 = 9;

/// Everything is in place.
pub(super) struct Scene {
    // Detached before the cgroup is removed.
    capture: Capture,
    listeners: Listeners,
    scratch: Scratch,
}

impl Scene {
    pub(super) fn set() -> Result<Scene> {
        let scratch = Scratch::new()?;
        let settings =
            Settings { cgroup: scratch.path.clone(), ports: vec![PORT], ..Settings::default() };
        let capture = Capture::attach(&settings)?;
        let listeners = Netns::own()?.listen()?;
        capture.listening(&listeners)?;
        for address in [IpAddr::V4(V4), IpAddr::V6(V6)] {
            capture.learn(address).context("cannot teach the kernel an address")?;
        }
        Ok(Scene { capture, listeners, scratch })
    }

    /// Runs every check. The listeners are gone after the last.
    pub(super) fn play(self) -> Vec<Finding> {
        let v4 = SocketAddr::from((V4, PORT));
        let mapped = SocketAddr::from((V4.to_ipv6_mapped(), PORT));
        let mut findings = vec![
            finding(
                "IPv4",
                "calls over IPv4 are not captured",
                true,
                self.redirected(v4, &self.listeners.v4),
            ),
            finding(
                "IPv4 through IPv6 sockets",
                "calls of programs with dual-stack sockets are not captured",
                true,
                self.redirected(mapped, &self.listeners.v4),
            ),
            self.ipv6(),
            finding(
                "QUIC is refused",
                "clients that prefer QUIC go past the agent",
                true,
                self.refused(Errand::udp(v4)),
            ),
        ];
        let Scene { capture, listeners, scratch } = self;
        drop(listeners);
        let (open, closed) =
            (goes_direct(&capture, &scratch, v4), is_denied(&capture, &scratch, v4));
        findings.push(finding("fails open", "a stopped agent stops calls", true, open));
        findings.push(finding("fails closed", "a stopped agent lets calls past", true, closed));
        findings
    }

    fn ipv6(&self) -> Finding {
        let cost = "calls over IPv6 are not captured";
        match &self.listeners.v6 {
            Some(listener) if self.listeners.reaches_ipv6() => {
                finding("IPv6", cost, true, self.redirected((V6, PORT).into(), listener))
            }
            Some(_) | None => {
                let reason = "this network namespace has no global IPv6 address; left alone, as it leads nowhere";
                finding("IPv6", cost, false, Err(anyhow::anyhow!(reason)))
            }
        }
    }

    /// A connection must arrive at our listener, with its origin, while the program sees the peer it asked for.
    fn redirected(&self, destination: SocketAddr, listener: &TcpListener) -> Result<String> {
        let (visitor, seen) = Visitor::send(&self.scratch.path, Errand::tcp(destination))
            .context("no process could be sent")?;
        ensure!(seen.errno == 0, "connect to {destination}: {}", said(seen));
        let (_connection, peer) =
            listener.accept().context("the connection did not arrive at the listener")?;
        let netns = self.listeners.netns().cookie();
        let origin = self
            .capture
            .origin(netns, peer)
            .context("the connection arrived without its origin")?;
        let expected = SocketAddr::new(destination.ip().to_canonical(), destination.port());
        let found =
            SocketAddr::new(origin.destination.ip().to_canonical(), origin.destination.port());
        ensure!(found == expected, "the origin is {found} instead of {expected}");
        ensure!(
            origin.cgroup == self.scratch.id,
            "the origin's cgroup is {} instead of {}",
            origin.cgroup,
            self.scratch.id
        );
        ensure!(
            seen.peer == Some(destination),
            "the program sees another peer than it asked for: {:?}",
            seen.peer
        );
        // In another process namespace the kernel's number is not ours.
        let pid =
            if origin.pid == visitor.pid() { "" } else { ", by another process number than here" };
        Ok(format!("redirected, with origin {found}{pid}"))
    }

    fn refused(&self, errand: Errand) -> Result<String> {
        let (_visitor, seen) =
            Visitor::send(&self.scratch.path, errand).context("no process could be sent")?;
        ensure!(seen.errno == libc::EPERM, "UDP to {}: {}", errand.destination, said(seen));
        Ok("EPERM, so clients fall back to TCP".to_owned())
    }
}

/// Nobody listens any more. Nobody listens at the destination either, so direct means refused by its host.
fn goes_direct(capture: &Capture, scratch: &Scratch, destination: SocketAddr) -> Result<String> {
    capture.fail_mode(scratch.id, Some(FailMode::Open))?;
    let (_visitor, seen) = Visitor::send(&scratch.path, Errand::tcp(destination))
        .context("no process could be sent")?;
    let direct = seen.errno == libc::ECONNREFUSED || seen.peer == Some(destination);
    ensure!(direct, "connect to {destination}: {}", said(seen));
    Ok("without a listener, connections go direct".to_owned())
}

fn is_denied(capture: &Capture, scratch: &Scratch, destination: SocketAddr) -> Result<String> {
    capture.fail_mode(scratch.id, Some(FailMode::Closed))?;
    let (_visitor, seen) = Visitor::send(&scratch.path, Errand::tcp(destination))
        .context("no process could be sent")?;
    ensure!(seen.errno == libc::EPERM, "connect to {destination}: {}", said(seen));
    Ok("without a listener, connections get EPERM".to_owned())
}

fn said(seen: Seen) -> String {
    match seen.errno {
        0 => "connected, which it should not".to_owned(),
        errno => io::Error::from_raw_os_error(errno).to_string(),
    }
}

fn finding(
    name: &'static str,
    cost: &'static str,
    required: bool,
    outcome: Result<String>,
) -> Finding {
    let present = outcome.is_ok();
    let detail = outcome.unwrap_or_else(|error| format!("{error:#}"));
    Finding { group: Group::Probe, name, present, detail, required, cost }
}

/// A cgroup of the probe's own.
struct Scratch {
    path: PathBuf,
    id: u64,
}

impl Scratch {
    fn new() -> Result<Scratch> {
        let path = cgroup2_mount()?.join(format!("weir-doctor-{}", std::process::id()));
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        let id = cgroup_id(&path).inspect_err(|_| remove(&path))?;
        Ok(Scratch { path, id })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Its processes are gone: every visitor was waited for.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir(path) {
        tracing::warn!(path = %path.display(), %error, "cgroup left behind");
    }
}
