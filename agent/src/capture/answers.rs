//! DNS answers that the kernel half could not read: over TCP, cut, or unusual. Bytes in, addresses out; knows no map.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use hickory_proto::{
    op::Message,
    rr::{
        RData, Record,
        rdata::svcb::{SVCB, SvcParamValue},
    },
};
use weir_ebpf::{
    abi::Address,
    dns::{self, Buffer, Sink},
    names::Spelling,
};

use super::NameRule;

/// The names whose answers count.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    exact: Vec<String>,
    suffixes: Vec<String>,
}

impl Names {
    pub(super) fn new(rules: &[NameRule]) -> Self {
        let mut names = Self::default();
        for rule in rules {
            match rule {
                NameRule::Exact(name) => names.exact.push(plain(name)),
                NameRule::Suffix(name) => names.suffixes.push(format!(".{}", plain(name))),
            }
        }
        names
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name = plain(name);
        self.exact.contains(&name) || self.suffixes.iter().any(|suffix| name.ends_with(suffix))
    }
}

fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Every address in an answer to a listed name.
pub(super) fn addresses(message: &[u8], names: &Names) -> Vec<IpAddr> {
    let Ok(parsed) = Message::from_vec(message) else {
        return addresses_of_cut(message, names);
    };
    // The name may be in lower case, mixed, or with an escaped dot inside a label: that one matches nothing.
    if !parsed.queries.iter().any(|query| names.matches(&query.name.to_ascii())) {
        return Vec::new();
    }
    parsed.answers.iter().flat_map(addresses_of_record).filter(is_connectable).collect()
}

fn is_connectable(address: &IpAddr) -> bool {
    Address::from(*address).is_connectable()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "dozens of kinds of records, few hold addresses"
)]
fn addresses_of_record(record: &Record) -> Vec<IpAddr> {
    match &record.data {
        RData::A(address) => vec![address.0.into()],
        RData::AAAA(address) => vec![address.0.into()],
        RData::HTTPS(service) => hints(&service.0),
        RData::SVCB(service) => hints(service),
        _ => Vec::new(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other parameters hold no addresses")]
fn hints(service: &SVCB) -> Vec<IpAddr> {
    let parameters = service.svc_params.iter().map(|(_, value)| value);
    parameters
        .flat_map(|value| match value {
            SvcParamValue::Ipv4Hint(hint) => {
                hint.0.iter().map(|address| address.0.into()).collect()
            }
            SvcParamValue::Ipv6Hint(hint) => {
                hint.0.iter().map(|address| address.0.into()).collect()
            }
            _ => Vec::new(),
        })
        .collect()
}

/// What a full parser refuses, the lenient one of the kernel half reads as far as it goes.
fn addresses_of_cut(message: &[u8], names: &Names) -> Vec<IpAddr> {
    let mut buffer: Box<Buffer> = Box::new([0; _]);
    let bytes = message.len().min(weir_ebpf::abi::MESSAGE_BYTES_MAX);
    buffer[..bytes].copy_from_slice(&message[..bytes]);
    let cut = dns::Message::new(&buffer, bytes as u32);
    let mut spelling = Spelling::new();
    let dns::Question::Answered { records, count } = dns::question(cut, &mut spelling) else {
        return Vec::new();
    };
    if !names.matches(&spelling.text()) {
        return Vec::new();
    }
    let mut found = Found(Vec::new());
    dns::answers(cut, records, count, &mut found);
    found.0
}

struct Found(Vec<IpAddr>);

impl Sink for &mut Found {
    fn address(&mut self, address: Address) {
        self.0.push(address.into());
    }
}

/// A DNS message over TCP is at most this long, with its length.
const STREAM_BYTES_MAX: usize = 2 + u16::MAX as usize;

/// More streams at once are not put together: the oldest is forgotten.
const STREAMS_MAX: usize = 256;

/// Puts the messages of DNS streams together.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
}

impl Streams {
    /// Takes the next bytes of a stream, and gives every message they complete.
    pub(super) fn push(&mut self, stream: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut pending = self.open.remove(&stream).unwrap_or_default();
        pending.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(message) = split(&mut pending) {
            messages.push(message);
        }
        if !pending.is_empty() && pending.len() <= STREAM_BYTES_MAX {
            self.keep(stream, pending);
        }
        messages
    }

    /// Bytes were lost: what is left cannot be put together.
    pub(super) fn forget(&mut self, stream: u64) {
        self.open.remove(&stream);
    }

    fn keep(&mut self, stream: u64, pending: Vec<u8>) {
        self.order.retain(|known| self.open.contains_key(known));
        self.order.push_back(stream);
        self.open.insert(stream, pending);
        while self.order.len() > STREAMS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.open.remove(&oldest);
            }
        }
    }
}

/// Takes the first message off, if it is whole.
fn split(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (length, rest) = pending.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let message = rest.get(..length)?.to_vec();
    pending.drain(..2 + length);
    Some(message)
}

#[cfg(test)]
mod tests;
