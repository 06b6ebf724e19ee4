//! What connect() costs in a captured cgroup when the destination is not ours, beside the same with nothing attached.
//! Prints `{"none_ns": .., "attached_ns": ..}`: medians of interleaved rounds. Needs root.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use socket2::{Domain, Socket, Type};
use weir::capture::{Capture, NameRule, Settings, cgroup2_mount};

const ROUNDS: usize = 21;
/// All of a round wait in the server's queue.
const CONNECTS: usize = 2_000;

/// Not 127.0.0.1: that is where our listeners are, and the programs look twice at it.
const DESTINATION: &str = "127.0.0.2:0";

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("client") {
        return client();
    }
    let cgroup = Cgroup::new()?;
    let mut client = Client::start(&cgroup, server()?)?;
    // Warms caches, and the client's own code.
    client.round()?;
    let (mut none, mut attached) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        none.push(client.round()?);
        let capture = attach(&cgroup)?;
        attached.push(client.round()?);
        drop(capture);
    }
    let (none, attached) = (median(none), median(attached));
    writeln!(
        std::io::stdout(),
        "{{\"none_ns\": {none}, \"attached_ns\": {attached}, \"added_ns\": {}, \"rounds\": {ROUNDS}, \
         \"connects_per_round\": {CONNECTS}}}",
        attached as i64 - none as i64
    )?;
    Ok(())
}

/// As in production: names, learned addresses, a listener.
fn attach(cgroup: &Cgroup) -> anyhow::Result<Capture> {
    let capture = Capture::attach(&Settings {
        cgroup: cgroup.path.clone(),
        names: vec![NameRule::Exact("api.openai.com".to_owned())],
        ports: vec![443],
        ..Settings::default()
    })?;
    for last in 0..100 {
        capture.learn([192, 0, 2, last].into())?;
    }
    Ok(capture)
}

/// Runs in the cgroup: a line in, a round, a line out.
fn client() -> anyhow::Result<()> {
    let destination = std::env::args().nth(2).context("where to?")?;
    let destination: SocketAddr = destination.parse()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let costs = (0..CONNECTS).map(|_| connect(destination));
        writeln!(std::io::stdout(), "{}", median(costs.collect::<anyhow::Result<_>>()?))?;
    }
    Ok(())
}

fn connect(destination: SocketAddr) -> anyhow::Result<u64> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // A reset instead of a wait: ports stay plenty.
    socket.set_linger(Some(Duration::ZERO))?;
    let start = Instant::now();
    socket.connect(&destination.into())?;
    Ok(start.elapsed().as_nanos() as u64)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn server() -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&DESTINATION.parse::<SocketAddr>()?.into())?;
    socket.listen(2 * CONNECTS as i32)?;
    Ok(socket.into())
}

struct Client {
    child: Child,
    answers: BufReader<ChildStdout>,
    /// Outside the cgroup, as a foreign destination is.
    server: TcpListener,
}

impl Client {
    fn start(cgroup: &Cgroup, server: TcpListener) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["client", &server.local_addr()?.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        server.set_nonblocking(true)?;
        fs::write(cgroup.path.join("cgroup.procs"), child.id().to_string())?;
        let answers = BufReader::new(child.stdout.take().context("a pipe was asked for")?);
        Ok(Self { child, answers, server })
    }

    fn round(&mut self) -> anyhow::Result<u64> {
        writeln!(self.child.stdin.as_mut().context("a pipe was asked for")?, "go")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        // Only now: nobody who waits in accept() is woken inside a connect() that is timed.
        while self.server.accept().is_ok() {}
        Ok(line.trim().parse()?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    fn new() -> anyhow::Result<Self> {
        let path = cgroup2_mount()?.join(format!("weir-connect-cost-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.path).ok();
    }
}
