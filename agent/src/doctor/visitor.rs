//! A process inside a cgroup that opens one connection and tells what it saw. A process, because all threads of one share
//! a cgroup. Knows sockets; knows nothing of capture.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, write};
use socket2::{Domain, Socket, Type};

/// A visitor that hangs is ended by the kernel after so many seconds.
const LIFE_S: u32 = 10;

/// What connect() and getpeername() said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// 0: connected.
    pub(super) errno: i32,
    pub(super) peer: Option<SocketAddr>,
}

/// What to open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand {
    pub(super) kind: Type,
    pub(super) destination: SocketAddr,
}

impl Errand {
    pub(super) fn tcp(destination: SocketAddr) -> Errand {
        Errand { kind: Type::STREAM, destination }
    }

    pub(super) fn udp(destination: SocketAddr) -> Errand {
        Errand { kind: Type::DGRAM, destination }
    }

    fn run(self) -> Seen {
        let connect = || -> io::Result<SocketAddr> {
            let socket = Socket::new(Domain::for_address(self.destination), self.kind, None)?;
            socket.connect(&self.destination.into())?;
            let peer = socket.peer_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
            // Stays open until this process ends.
            std::mem::forget(socket);
            Ok(peer)
        };
        match connect() {
            Ok(peer) => Seen { errno: 0, peer: Some(peer) },
            Err(error) => Seen { errno: error.raw_os_error().unwrap_or(libc::EIO), peer: None },
        }
    }
}

/// The process, with its connection open until this is dropped.
#[derive(Debug)]
pub(super) struct Visitor {
    pid: Pid,
    /// Its end is the sign to leave.
    socket: Option<UnixStream>,
}

impl Visitor {
    /// Sends a process into the cgroup, and waits for what it saw.
    pub(super) fn send(cgroup: &Path, errand: Errand) -> io::Result<(Visitor, Seen)> {
        let procs = OpenOptions::new().write(true).open(cgroup.join("cgroup.procs"))?;
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: the child makes system calls only, on what was opened before, and ends without running destructors.
        match unsafe { fork() }? {
            ForkResult::Child => visit(&procs, &ours, &theirs, errand),
            ForkResult::Parent { child } => {
                drop(theirs);
                let mut visitor = Visitor { pid: child, socket: Some(ours) };
                let seen = visitor.hear()?;
                Ok((visitor, seen))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    fn hear(&mut self) -> io::Result<Seen> {
        let mut report = [0; REPORT_BYTES];
        let Some(socket) = &mut self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        socket.read_exact(&mut report)?;
        Ok(decode(report))
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.socket = None;
        // It ends by itself now, or by its alarm.
        let _ = waitpid(self.pid, None);
    }
}

/// The life of the child. Never returns into the program it was forked from.
fn visit(procs: &File, ours: &UnixStream, mut theirs: &UnixStream, errand: Errand) -> ! {
    // SAFETY: plain system calls. The parent's end is closed here, so that the parent's leaving is seen.
    unsafe {
        libc::alarm(LIFE_S);
        libc::close(std::os::fd::AsRawFd::as_raw_fd(ours));
    }
    // "0" is the writing process itself.
    let seen = match write(procs, b"0") {
        Ok(_) => errand.run(),
        Err(errno) => Seen { errno: errno as i32, peer: None },
    };
    // When nobody listens there is nothing left to do, and this ends either way.
    let _ = theirs.write_all(&encode(seen));
    let _ = theirs.read(&mut [0]);
    // SAFETY: ends this process, which holds nothing that must be put in order.
    unsafe { libc::_exit(0) }
}

/// errno, whether there is a peer, its port, its address in IPv6 form, whether that is an IPv4 address.
const REPORT_BYTES: usize = 24;

fn encode(seen: Seen) -> [u8; REPORT_BYTES] {
    let mut report = [0; REPORT_BYTES];
    report[..4].copy_from_slice(&seen.errno.to_ne_bytes());
    if let Some(peer) = seen.peer {
        let address = match peer.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        report[4] = 1;
        report[5..7].copy_from_slice(&peer.port().to_ne_bytes());
        report[7..23].copy_from_slice(&address.octets());
        report[23] = u8::from(peer.is_ipv4());
    }
    report
}

fn decode(report: [u8; REPORT_BYTES]) -> Seen {
    let mut octets = [0; 16];
    octets.copy_from_slice(&report[7..23]);
    let address = Ipv6Addr::from(octets);
    let address =
        if report[23] == 1 { IpAddr::V6(address).to_canonical() } else { IpAddr::V6(address) };
    let port = u16::from_ne_bytes([report[5], report[6]]);
    let errno = i32::from_ne_bytes([report[0], report[1], report[2], report[3]]);
    Seen { errno, peer: (report[4] == 1).then_some(SocketAddr::new(address, port)) }
}

#[cfg(test)]
mod tests;
