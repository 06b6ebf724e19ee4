//! A small DNS server inside a test namespace. It answers as it is told, also in ways no real server would.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::place::Namespace;

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const AAAA: u16 = 28;
pub(crate) const HTTPS: u16 = 65;

/// A record of an answer.
#[derive(Clone)]
pub(crate) struct Record {
    /// None: a pointer to the name that was asked.
    pub(crate) owner: Option<&'static str>,
    pub(crate) kind: u16,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn a(address: [u8; 4]) -> Record {
    Record { owner: None, kind: A, data: address.to_vec() }
}

pub(crate) fn aaaa(address: &str) -> Record {
    Record { owner: None, kind: AAAA, data: address.parse::<Ipv6Addr>().unwrap().octets().to_vec() }
}

pub(crate) fn cname(target: &str) -> Record {
    Record { owner: None, kind: CNAME, data: wire_name(target) }
}

/// A name without compression.
pub(crate) fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A query for a name, as it stands.
pub(crate) fn query(name: &[u8], kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(name);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// The answer to a query.
pub(crate) fn answer(query: &[u8], records: &[Record]) -> Vec<u8> {
    let question_end = question_end(query);
    let mut message = query[..question_end].to_vec();
    message[2] |= 0x80;
    message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
    message[8..12].fill(0);
    for record in records {
        match record.owner {
            None => message.extend_from_slice(&[0xc0, 12]),
            Some(name) => message.extend(wire_name(name)),
        }
        message.extend_from_slice(&record.kind.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 0, 5]);
        message.extend_from_slice(&(record.data.len() as u16).to_be_bytes());
        message.extend_from_slice(&record.data);
    }
    message
}

fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

/// The name and the type of a query, in lower case.
pub(crate) fn asked(query: &[u8]) -> (String, u16) {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]))
}

/// A running server; it stops when dropped.
pub(crate) struct Resolver {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Answers every query at `address`, port 53, with what `reply` makes of it.
    pub(crate) fn start(
        namespace: &Namespace,
        address: IpAddr,
        reply: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let socket = namespace.run(move || UdpSocket::bind((address, 53)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut query = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((bytes, from)) = socket.recv_from(&mut query) {
                    socket.send_to(&reply(&query[..bytes]), from).ok();
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// The address of the server in the tests.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
