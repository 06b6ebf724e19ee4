//! One rig: a namespace for all providers, one for each workload, wires between them, and
//! no way out. Knows the address plan; the parts are in its folder.
//!
//! | Prefix | Is |
//! |---|---|
//! | 10.77.n.0/24, fd77:n::/64 | the wire between the providers (.1, ::1) and workload n (.2, ::2) |
//! | 198.51.100.53 | the DNS server |
//! | 203.0.113.0/24, 2001:db8:1::/48 | providers with a name |
//! | 198.18.0.0/15, 2001:db8:2::/48 | fresh names: every address is handed out once |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt::Ipv6V6Only};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::provider::{self, Provider, Providers};
use crate::received::Received;

mod authority;
mod cgroup;
mod dns;
mod mounts;
mod netns;
mod workload;

pub use authority::{AUTHORITY_NAME, Authority, STRANGER_NAME, crypto};
pub use cgroup::Cgroup;
pub use dns::{Entry, Zone};
pub use netns::Namespace;
pub use workload::Workload;

/// Where provider addresses live: all of it is local to the provider namespace.
const PROVIDER_PREFIXES: [&str; 4] =
    ["198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"];

const TEMP_PREFIX: &str = "weir-rig-";

pub struct Rig {
    pub zone: Zone,
    host: Namespace,
    authority: Authority,
    providers: Arc<Providers>,
    files: TempDir,
    workloads: AtomicU8,
    named: AtomicU32,
    fresh: AtomicU32,
    runtime: Option<Runtime>,
}

impl Rig {
    /// Makes the provider host with its DNS. Needs root.
    pub fn start() -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the rig makes network namespaces: run it as root"
        );
        Self::cleanup_stale();
        let host = Namespace::new()?;
        let lines = PROVIDER_PREFIXES.map(|prefix| format!("route add local {prefix} dev lo"));
        host.ip(&lines.each_ref().map(String::as_str))?;
        let authority = Authority::named(AUTHORITY_NAME)?;
        let files = tempfile::Builder::new()
            .prefix(&format!("{TEMP_PREFIX}{}-", std::process::id()))
            .tempdir()
            .context("make the rig's directory")?;
        std::fs::write(files.path().join("root.pem"), authority.root_pem())?;
        write_bundle(files.path(), authority.root_pem())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("rig")
            .enable_all()
            .build()?;
        let rig = Self {
            zone: Zone::default(),
            host,
            authority,
            providers: Arc::default(),
            files,
            workloads: AtomicU8::new(0),
            named: AtomicU32::new(0),
            fresh: AtomicU32::new(0),
            runtime: Some(runtime),
        };
        rig.serve_sockets()?;
        Ok(rig)
    }

    /// Removes what rigs of dead processes have left: directories and cgroups, by name and pid.
    pub fn cleanup_stale() {
        let directories = [std::env::temp_dir(), cgroup::mount_point().unwrap_or_default()];
        for entry in
            directories.iter().filter_map(|d| std::fs::read_dir(d).ok()).flatten().flatten()
        {
            let name = entry.file_name();
            let pid = name
                .to_str()
                .and_then(|n| n.strip_prefix(TEMP_PREFIX))
                .and_then(|n| n.split('-').next());
            let dead =
                pid.is_some_and(|pid| !pid.is_empty() && !Path::new("/proc").join(pid).exists());
            if dead && entry.path().starts_with(std::env::temp_dir()) {
                let _ = std::fs::remove_dir_all(entry.path());
            } else if dead {
                cgroup::remove(&entry.path());
            }
        }
    }

    /// Gives a provider addresses and a certificate, and starts to answer under its name.
    pub fn serve(&self, provider: Provider) -> Result<()> {
        let entry = match &provider.shares_address_of {
            Some(other) => {
                let entry = self.zone.entry(other);
                entry.with_context(|| format!("{other} is served before {}", provider.name))?
            }
            None => self.new_entry(&provider),
        };
        let tls = self.tls(&provider)?;
        self.zone.set(&provider.name, entry);
        self.providers.add(&provider, tls, &self.zone.addresses(&provider.name));
        Ok(())
    }

    /// A name that was never asked for, on addresses that nobody has seen.
    pub fn serve_fresh(&self, mut provider: Provider) -> Result<()> {
        let mut entry = Entry { cnames: std::mem::take(&mut provider.cnames), ..Entry::default() };
        for _ in 0..provider.addresses {
            let n = self.fresh.fetch_add(1, Ordering::Relaxed) + 1;
            entry.v4.push(Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + n));
            let first = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0);
            entry.v6.push(Ipv6Addr::from_bits(first.to_bits() + u128::from(n)));
        }
        let tls = self.tls(&provider)?;
        self.zone.set(&provider.name, entry);
        self.providers.add(&provider, tls, &self.zone.addresses(&provider.name));
        Ok(())
    }

    /// A new host that can reach the providers and nothing else.
    pub fn workload(&self) -> Result<Workload> {
        let n = self.workloads.fetch_add(1, Ordering::Relaxed) + 1;
        ensure!(n < 250, "too many workloads in one rig");
        Workload::new(n, &self.host, self.files.path())
    }

    /// The certificate of the test authority, as a PEM file.
    #[must_use]
    pub fn root_pem_path(&self) -> PathBuf {
        self.files.path().join("root.pem")
    }

    /// The system's roots and the test authority, as a PEM file.
    #[must_use]
    pub fn bundle_path(&self) -> PathBuf {
        self.files.path().join("bundle.pem")
    }

    /// A directory that goes away with the rig.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.files.path()
    }

    /// The namespace of the providers, to start another server there.
    #[must_use]
    pub fn provider_host(&self) -> &Namespace {
        &self.host
    }

    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        self.zone.addresses(name)
    }

    /// Every request since the start or the last `take_received`.
    #[must_use]
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.providers.received()
    }

    #[must_use]
    pub fn take_received(&self) -> Vec<Arc<Received>> {
        self.providers.take_received()
    }

    /// TCP connections that providers have accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.providers.connections()
    }

    /// Bytes of answers that providers could send: it stands still while nobody reads.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.providers.bytes_sent()
    }

    /// Whether requests are kept for `received`; a benchmark wants not.
    pub fn set_recording(&self, on: bool) {
        self.providers.set_recording(on);
    }

    fn tls(&self, provider: &Provider) -> Result<rustls::ServerConfig> {
        if provider.signed_by_a_stranger {
            return Authority::named(STRANGER_NAME)?.server_config(&provider.name, &provider.alpn);
        }
        self.authority.server_config(&provider.name, &provider.alpn)
    }

    fn new_entry(&self, provider: &Provider) -> Entry {
        let mut entry = Entry { cnames: provider.cnames.clone(), ..Entry::default() };
        for _ in 0..provider.addresses {
            let n = self.named.fetch_add(1, Ordering::Relaxed) + 1;
            entry.v4.push(Ipv4Addr::from_bits(Ipv4Addr::new(203, 0, 113, 0).to_bits() + n));
            let first = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0);
            entry.v6.push(Ipv6Addr::from_bits(first.to_bits() + u128::from(n)));
        }
        entry
    }

    fn serve_sockets(&self) -> Result<()> {
        let listeners = self
            .host
            .enter(|| Ok([listen("0.0.0.0:443".parse()?)?, listen("[::]:443".parse()?)?]))?;
        let runtime = self.runtime.as_ref().context("the runtime lives as long as the rig")?;
        let _inside = runtime.enter();
        let mut dns = self.zone.serve(&self.host)?;
        runtime.spawn(async move { dns.block_until_done().await });
        for listener in listeners {
            runtime.spawn(provider::accept(Arc::clone(&self.providers), listener));
        }
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits until `done` says so; `false` when `limit` has passed.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn listen(address: std::net::SocketAddr) -> Result<TcpListener> {
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        setsockopt(&socket, Ipv6V6Only, &true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;
    socket.listen(4096)?;
    Ok(socket.into())
}

fn write_bundle(directory: &Path, root_pem: &str) -> Result<()> {
    let mut bundle = std::fs::read_to_string(workload::SYSTEM_BUNDLE).unwrap_or_default();
    bundle.push('\n');
    bundle.push_str(root_pem);
    std::fs::write(directory.join("bundle.pem"), bundle).context("write the bundle")
}
