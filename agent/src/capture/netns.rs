//! Network namespaces: a handle, its cookie, and sockets made inside. Knows how to enter one; knows nothing of capture.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    sync::{
        Arc, OnceLock,
        mpsc::{Sender, channel},
    },
};

use anyhow::Context as _;
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

/// What the kernel calls a network namespace; never reused while the machine is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetnsCookie(pub u64);

/// A pair that finds no common port in this many tries is on a machine in trouble.
const PAIR_TRIES_MAX: usize = 16;

/// Connections wait here for accept(); a burst above it is retried by the client's own SYN timer.
const BACKLOG: i32 = 4096;

/// A network namespace that sockets can be made in.
#[derive(Debug, Clone)]
pub struct Netns {
    cookie: NetnsCookie,
    /// None for the agent's own.
    entrance: Option<Arc<File>>,
}

impl Netns {
    /// The agent's own.
    pub fn own() -> anyhow::Result<Self> {
        Ok(Self { cookie: cookie_here()?, entrance: None })
    }

    /// The one that a process lives in.
    pub fn of_process(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/ns/net");
        let file =
            File::open(&path).with_context(|| format!("cannot open {path}: process gone?"))?;
        Self::open(file)
    }

    /// The one behind a handle, such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    pub fn open(file: File) -> anyhow::Result<Self> {
        let own = Self::own()?;
        let entrance = Arc::new(file);
        let cookie =
            enter(&entrance, cookie_here)?.context("cannot tell which network namespace it is")?;
        let entrance = (cookie != own.cookie).then_some(entrance);
        Ok(Self { cookie, entrance })
    }

    #[must_use]
    pub fn cookie(&self) -> NetnsCookie {
        self.cookie
    }

    /// Whether IPv6 leads anywhere from there, now.
    #[must_use]
    pub fn reaches_ipv6(&self) -> bool {
        self.run(has_ipv6_here).unwrap_or(false)
    }

    /// Whether any process lives there. Sockets keep a namespace alive, also our listeners: without this question a
    /// namespace would stay for as long as the agent does.
    pub(super) fn is_inhabited(&self, inhabited: &HashSet<u64>) -> bool {
        let Some(entrance) = &self.entrance else { return true };
        entrance.metadata().is_ok_and(|metadata| inhabited.contains(&metadata.ino()))
    }

    /// A TCP socket of the family of `peer`, non-blocking and not yet connected.
    pub fn socket(&self, peer: IpAddr) -> io::Result<OwnedFd> {
        let domain = if peer.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        self.run(move || {
            let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
            Ok(OwnedFd::from(socket))
        })?
    }

    /// A new pair of listeners.
    pub fn listen(&self) -> anyhow::Result<Listeners> {
        let (v4, v6) = self.run(listen_here)?.context("cannot listen on loopback")?;
        Ok(Listeners { netns: self.clone(), port: v4.local_addr()?.port(), v4, v6 })
    }

    /// Runs `job` inside the namespace, and waits for it.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        match &self.entrance {
            None => Ok(job()),
            Some(entrance) => enter(entrance, job),
        }
    }
}

/// The network namespaces that processes live in, by inode. Reads one link per process.
pub(super) fn inhabited() -> HashSet<u64> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    // Fails for what is no process, and for one that is gone.
    processes
        .filter_map(|entry| Some(fs::metadata(entry.path().join("ns/net")).ok()?.ino()))
        .collect()
}

/// 127.0.0.1 and `::1` of one network namespace, on the same port, non-blocking.
#[derive(Debug)]
pub struct Listeners {
    netns: Netns,
    port: u16,
    /// 127.0.0.1
    pub v4: TcpListener,
    /// `::1`, if that namespace has one.
    pub v6: Option<TcpListener>,
}

impl Listeners {
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Whether IPv6 leads anywhere from there, now. If not, its connections are left alone: the kernel says
    /// "unreachable" at once, and the application goes on to the next address.
    #[must_use]
    pub fn reaches_ipv6(&self) -> bool {
        self.v6.is_some() && self.netns.reaches_ipv6()
    }
}

/// Any address of global scope (`00`). Link-local ones lead to no provider.
fn has_ipv6_here() -> bool {
    let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    addresses.lines().any(|line| line.split_ascii_whitespace().nth(3) == Some("00"))
}

fn listen_here() -> io::Result<(TcpListener, Option<TcpListener>)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PAIR_TRIES_MAX {
        let v4 = listen_at((Ipv4Addr::LOCALHOST, 0).into())?;
        match listen_at((Ipv6Addr::LOCALHOST, v4.local_addr()?.port()).into()) {
            Ok(v6) => return Ok((v4, Some(v6))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            // No IPv6 here, or no ::1.
            Err(_) => return Ok((v4, None)),
        }
    }
    Err(last)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn cookie_here() -> io::Result<NetnsCookie> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut cookie: u64 = 0;
    let mut bytes = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel writes at most `bytes` to `cookie`.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut bytes,
        )
    };
    if status == 0 { Ok(NetnsCookie(cookie)) } else { Err(io::Error::last_os_error()) }
}

/// Linux 5.14.
const SO_NETNS_COOKIE: libc::c_int = 71;

type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` inside a namespace, on the one thread that wanders between them: the runtime's threads never leave theirs.
fn enter<T: Send + 'static>(
    entrance: &Arc<File>,
    job: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (reply, answer) = channel();
    let entrance = Arc::clone(entrance);
    let job: Job = Box::new(move || {
        let result = setns(entrance.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(io::Error::from)
            .map(|()| job());
        // Nobody waits any more only if the asking thread is gone.
        let _ = reply.send(result);
    });
    wanderer()?
        .send(job)
        .map_err(|_| io::Error::other("the thread that enters network namespaces is gone"))?;
    answer
        .recv()
        .map_err(|_| io::Error::other("the thread that enters network namespaces is gone"))?
}

fn wanderer() -> io::Result<&'static Sender<Job>> {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    if let Some(jobs) = JOBS.get() {
        return Ok(jobs);
    }
    let (jobs, queue) = channel::<Job>();
    std::thread::Builder::new().name("weir-netns".to_owned()).spawn(move || {
        for job in queue {
            job();
        }
    })?;
    Ok(JOBS.get_or_init(|| jobs))
}
