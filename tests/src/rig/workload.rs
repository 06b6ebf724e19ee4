//! A host for unmodified clients: its own network, resolver, hosts file and trusted roots.
//! Knows namespaces and mounts; knows no provider.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::dns::DNS_ADDRESS;
use super::mounts::Mounts;
use super::netns::Namespace;

/// Where Debian keeps the roots that everybody trusts.
pub(super) const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Settings of the machine that would point a client somewhere else.
const FOREIGN_VARIABLES: [&str; 22] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "RES_OPTIONS",
];

pub struct Workload {
    n: u8,
    namespace: Namespace,
    directory: PathBuf,
    mounts: Mounts,
}

impl Workload {
    pub(super) fn new(n: u8, providers: &Namespace, directory: &Path) -> Result<Self> {
        let namespace = Namespace::new()?;
        wire(n, &namespace, providers)?;
        let directory = directory.join(format!("workload-{n}"));
        fs::create_dir(&directory)?;
        let resolver = format!("nameserver {DNS_ADDRESS}\noptions timeout:2 attempts:3\n");
        fs::write(directory.join("resolv.conf"), resolver)?;
        fs::write(directory.join("hosts"), "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")?;
        let mut mounts = vec![
            (directory.join("resolv.conf"), "/etc/resolv.conf"),
            (directory.join("hosts"), "/etc/hosts"),
        ];
        if Path::new(SYSTEM_BUNDLE).exists() {
            mounts.push((directory.with_file_name("bundle.pem"), SYSTEM_BUNDLE));
        }
        Ok(Self { n, namespace, directory, mounts: Mounts::with(&mounts)? })
    }

    /// A command that runs on this host: its network, its name resolution, its trusted roots.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in FOREIGN_VARIABLES {
            command.env_remove(name);
        }
        self.namespace.adopt(&mut command);
        self.mounts.adopt(&mut command);
        command
    }

    /// What to put before a command so that a process of another host runs in this network:
    /// its own cgroup, files and resolver stay.
    #[must_use]
    pub fn entering(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--net={}", self.namespace.path())]
    }

    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    #[must_use]
    pub fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.n, 2)
    }

    #[must_use]
    pub fn v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, u16::from(self.n), 0, 0, 0, 0, 0, 2)
    }

    /// A directory of this host, which goes away with the rig.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line to the host's `/etc/hosts`.
    pub fn add_host(&self, address: std::net::IpAddr, name: &str) -> Result<()> {
        use std::io::Write as _;
        let path = self.directory.join("hosts");
        let mut file = fs::OpenOptions::new().append(true).open(&path)?;
        writeln!(file, "{address} {name}").with_context(|| format!("write {}", path.display()))
    }
}

/// Lays the wire between a workload and the providers, with routes to providers only.
fn wire(n: u8, workload: &Namespace, providers: &Namespace) -> Result<()> {
    let link = format!("link add net0 type veth peer name w{n} netns {}", providers.path());
    workload.ip(&[&link])?;
    providers.ip(&[
        &format!("address add 10.77.{n}.1/24 dev w{n}"),
        &format!("address add fd77:{n:x}::1/64 dev w{n} nodad"),
        &format!("link set w{n} up"),
    ])?;
    workload.ip(&[
        &format!("address add 10.77.{n}.2/24 dev net0"),
        &format!("address add fd77:{n:x}::2/64 dev net0 nodad"),
        "link set net0 up",
        &format!("route add 198.51.100.0/24 via 10.77.{n}.1"),
        &format!("route add 203.0.113.0/24 via 10.77.{n}.1"),
        &format!("route add 198.18.0.0/15 via 10.77.{n}.1"),
        &format!("route add 2001:db8::/32 via fd77:{n:x}::1"),
    ])
}
