//! Single system calls and tight loops, to see what the kernel half does to them.
//! Knows sockets; knows no HTTP beyond one request.

use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::{ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::Family;
use super::session::{client_config, issuer, resolve, resolve_all, roots};

const LIMIT: Duration = Duration::from_secs(20);

/// What a connect looked like from the application.
#[derive(Debug, Serialize, Deserialize)]
pub struct Connected {
    pub asked: SocketAddr,
    pub peer: Option<SocketAddr>,
    pub local: Option<SocketAddr>,
    /// What a non-blocking connect returned at once.
    pub first_errno: Option<i32>,
    pub errno: Option<i32>,
}

/// How datagrams to an address fared: `EPERM` is 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct Datagrams {
    pub connect_errno: Option<i32>,
    pub sendto_errno: Option<i32>,
}

/// One fresh name after another: who answered?
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Race {
    pub rounds: usize,
    /// By the issuer of the certificate that was shown.
    pub issuers: std::collections::BTreeMap<String, usize>,
    pub failures: Vec<String>,
}

/// One attempt of a client that connects again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// Whole: the issuer of the certificate, and the status of the answer.
    Answered { issuer: String, status: String },
    /// `connect` failed.
    NotConnected { errno: Option<i32> },
    /// Something else failed, later.
    Broken { error: String },
}

/// Connects once and looks at the socket.
pub fn connect(asked: SocketAddr, blocking: bool, mapped: bool) -> Result<Connected> {
    let target = if mapped { as_mapped(asked) } else { asked };
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    if mapped {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(!blocking)?;
    let first = socket.connect(&target.into()).err();
    let mut connected =
        Connected { asked, peer: None, local: None, first_errno: None, errno: None };
    connected.first_errno = first.as_ref().and_then(io::Error::raw_os_error);
    if connected.first_errno == Some(libc::EINPROGRESS) {
        let mut wait = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
        poll(&mut wait, PollTimeout::try_from(LIMIT)?)?;
        connected.errno = socket.take_error()?.and_then(|error| error.raw_os_error());
    } else {
        connected.errno = connected.first_errno;
    }
    if connected.errno.is_none() {
        connected.peer = socket.peer_addr()?.as_socket();
        connected.local = socket.local_addr()?.as_socket();
    }
    Ok(connected)
}

/// Sends to an address, once with `connect` and once with `sendto`.
pub fn datagrams(to: SocketAddr) -> Result<Datagrams> {
    let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let connected = UdpSocket::bind((any, 0))?;
    let connect_errno = connected.connect(to).err().and_then(|error| error.raw_os_error());
    let unconnected = UdpSocket::bind((any, 0))?;
    let sendto_errno =
        unconnected.send_to(b"datagram", to).err().and_then(|error| error.raw_os_error());
    Ok(Datagrams { connect_errno, sendto_errno })
}

/// Resolves each name of `names` (one a line) and connects at once, to every address in turn.
pub fn race(names: impl BufRead, family: Family) -> Result<Race> {
    let roots = Arc::new(roots()?);
    let mut race = Race::default();
    for name in names.lines() {
        let name = name?;
        let addresses = match resolve_all(&name, 443, family) {
            Ok(addresses) => addresses,
            Err(error) => {
                race.failures.push(format!("{name}: {error:#}"));
                continue;
            }
        };
        for address in addresses {
            race.rounds += 1;
            match ask_at(address, &name, &roots) {
                Attempt::Answered { issuer, .. } => *race.issuers.entry(issuer).or_default() += 1,
                other @ (Attempt::NotConnected { .. } | Attempt::Broken { .. }) => {
                    race.failures.push(format!("{name} {address}: {other:?}"));
                }
            }
        }
    }
    Ok(race)
}

/// Asks again and again, one line of JSON an attempt, as often as a line comes on `turns`.
pub fn take_turns(
    host: &str,
    family: Family,
    turns: impl BufRead,
    mut out: impl Write,
) -> Result<()> {
    let roots = Arc::new(roots()?);
    for turn in turns.lines() {
        turn?;
        serde_json::to_writer(&mut out, &ask(host, family, &roots))?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

/// Sends bytes over plain TCP and reads what comes back.
pub fn say(to: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut tcp = TcpStream::connect_timeout(&to, LIMIT)?;
    tcp.set_read_timeout(Some(LIMIT))?;
    tcp.write_all(bytes)?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer)?;
    Ok(answer)
}

/// One small request on a connection of its own.
fn ask(host: &str, family: Family, roots: &Arc<RootCertStore>) -> Attempt {
    match resolve(host, 443, family) {
        Ok(address) => ask_at(address, host, roots),
        Err(error) => Attempt::Broken { error: format!("{error:#}") },
    }
}

fn ask_at(address: SocketAddr, host: &str, roots: &Arc<RootCertStore>) -> Attempt {
    let tcp = match TcpStream::connect_timeout(&address, LIMIT) {
        Ok(tcp) => tcp,
        Err(error) => return Attempt::NotConnected { errno: error.raw_os_error() },
    };
    match ask_over(tcp, host, roots) {
        Ok((issuer, status)) => Attempt::Answered { issuer, status },
        Err(error) => Attempt::Broken { error: format!("{error:#}") },
    }
}

fn ask_over(tcp: TcpStream, host: &str, roots: &Arc<RootCertStore>) -> Result<(String, String)> {
    tcp.set_read_timeout(Some(LIMIT))?;
    tcp.set_nodelay(true)?;
    let config = client_config(Arc::clone(roots))?;
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from(host.to_owned())?)?;
    let mut tls = StreamOwned::new(session, tcp);
    tls.write_all(
        format!("GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
    )
    .context("send")?;
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer).context("read")?;
    let leaf = tls.conn.peer_certificates().and_then(<[_]>::first).context("a certificate")?;
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok((issuer(leaf), String::from_utf8_lossy(line).into_owned()))
}

fn as_mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        SocketAddr::V6(v6) => v6.into(),
    }
}
