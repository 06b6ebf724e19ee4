//! Where a test happens: a cgroup and a network namespace of its own, removed when it ends.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::sched::{CloneFlags, setns, unshare};
use weir::capture::{
    Capture, FailMode, Listeners, NameRule, Netns, NetnsCookie, Settings, cgroup2_mount,
};

/// Whether the test can run. If not it says why, past the capture of the test runner: `cargo xtask
/// test` counts these lines.
pub(crate) fn may_run() -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a kernel test");
    let why = "needs root, to load programs and to make cgroups and network namespaces";
    writeln!(io::stderr(), "skipped: {name}: {why}").ok();
    false
}

/// One child at a time: it inherits what every other test has open, and would keep alive links and listeners that their
/// test has dropped.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A scratch cgroup.
pub(crate) struct Cgroup {
    pub(crate) path: PathBuf,
}

impl Cgroup {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("weir-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = cgroup2_mount().unwrap().join(name);
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    /// Runs `job` in a process of its own inside this cgroup, and gives back what it wrote.
    ///
    /// A process, because threads of one process share a cgroup.
    pub(crate) fn run(&self, netns: Option<&File>, job: impl FnOnce() -> String) -> String {
        let _alone = alone();
        self.run_alone(netns, job)
    }

    /// The same for who has the lock already.
    pub(crate) fn run_alone(&self, netns: Option<&File>, job: impl FnOnce() -> String) -> String {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        // SAFETY: the child only makes system calls and allocates; the C library's allocator survives a fork.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                drop(reader);
                let text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    fs::write(self.path.join("cgroup.procs"), "0").unwrap();
                    if let Some(netns) = netns {
                        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
                    }
                    job()
                }))
                .unwrap_or_else(|_| "the job panicked".to_owned());
                File::from(writer).write_all(text.as_bytes()).ok();
                // SAFETY: ends the child without the parent's exit handlers.
                unsafe { libc::_exit(0) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                drop(writer);
                let mut text = String::new();
                io::Read::read_to_string(&mut File::from(reader), &mut text).unwrap();
                nix::sys::wait::waitpid(child, None).unwrap();
                text
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.path).ok();
    }
}

/// A network namespace with loopback up and these addresses on it. No way out.
pub(crate) struct Namespace {
    pub(crate) file: File,
}

impl Namespace {
    pub(crate) fn new(addresses: &[&str]) -> Self {
        let addresses: Vec<String> =
            addresses.iter().map(|address| (*address).to_owned()).collect();
        let made = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ip(&["link", "set", "lo", "up"]);
            addresses.iter().for_each(|address| add_here(address));
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self { file: made.join().unwrap() }
    }

    /// One more address on loopback.
    pub(crate) fn add(&self, address: &'static str) {
        self.run(move || add_here(address));
    }

    pub(crate) fn netns(&self) -> Netns {
        Netns::open(self.file.try_clone().unwrap()).unwrap()
    }

    /// Runs `job` on a thread inside.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let file = self.file.try_clone().unwrap();
        std::thread::spawn(move || {
            setns(file.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            job()
        })
        .join()
        .unwrap()
    }
}

fn add_here(address: &str) {
    let family = if address.contains(':') { "-6" } else { "-4" };
    let mut arguments = vec![family, "address", "add", address, "dev", "lo"];
    if family == "-6" {
        arguments.push("nodad");
    }
    ip(&arguments);
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

/// One cgroup, one namespace with a provider's addresses in it, the kernel half, and its listeners.
pub(crate) struct Place {
    pub(crate) capture: Capture,
    pub(crate) listeners: Option<Listeners>,
    pub(crate) namespace: Namespace,
    pub(crate) cgroup: Cgroup,
}

/// Addresses in every test namespace. The first two are a provider's, the others nobody's.
pub(crate) const PROVIDER: &str = "192.0.2.10";
pub(crate) const PROVIDER_V6: &str = "2001:db8::10";
pub(crate) const FOREIGN: &str = "192.0.2.20";
pub(crate) const FOREIGN_V6: &str = "2001:db8::20";

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let namespace = Namespace::new(&[
            &format!("{PROVIDER}/32"),
            &format!("{FOREIGN}/32"),
            &format!("{PROVIDER_V6}/128"),
            &format!("{FOREIGN_V6}/128"),
        ]);
        Self::on(namespace, change)
    }

    pub(crate) fn on(namespace: Namespace, change: impl FnOnce(&mut Settings)) -> Self {
        let cgroup = Cgroup::new();
        let mut settings = Settings {
            cgroup: cgroup.path.clone(),
            names: vec![NameRule::Exact("api.openai.com".to_owned())],
            ports: vec![443],
            fail_mode: FailMode::Open,
            ..Settings::default()
        };
        change(&mut settings);
        let capture = Capture::attach(&settings).unwrap();
        for address in [PROVIDER, PROVIDER_V6] {
            capture.learn(address.parse().unwrap()).unwrap();
        }
        let listeners = namespace.netns().listen().unwrap();
        capture.listening(&listeners).unwrap();
        Self { capture, listeners: Some(listeners), namespace, cgroup }
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        self.listeners.as_ref().unwrap()
    }

    pub(crate) fn netns(&self) -> NetnsCookie {
        self.namespace.netns().cookie()
    }

    /// Runs `job` in the cgroup and in the namespace.
    pub(crate) fn run(&self, job: impl FnOnce() -> String) -> String {
        self.cgroup.run(Some(&self.namespace.file), job)
    }

    /// Someone real who listens in the namespace, to see who arrives unredirected.
    pub(crate) fn server(&self, address: &str, port: u16) -> TcpListener {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        self.namespace.run(move || TcpListener::bind(address).unwrap())
    }

    pub(crate) fn count(&self, outcome: &str) -> u64 {
        let counters = self.capture.counters().unwrap();
        counters.iter().find(|(name, _)| *name == outcome).unwrap().1
    }
}

/// Connects, and tells how that went: the peer and the local address, or the error.
pub(crate) fn dial(address: &str, port: u16) -> String {
    let address: IpAddr = address.parse().unwrap();
    match TcpStream::connect(SocketAddr::new(address, port)) {
        Ok(stream) => format!("{} {}", stream.peer_addr().unwrap(), stream.local_addr().unwrap()),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Makes the C library of this process ask this server, and nobody else on the machine.
pub(crate) fn use_resolver(server: IpAddr) {
    use nix::mount::{MsFlags, mount};

    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let nothing: Option<&str> = None;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("nameserver {server}\noptions timeout:5\n")).unwrap();
    mount(Some(file.path()), "/etc/resolv.conf", nothing, MsFlags::MS_BIND, nothing).unwrap();
}
