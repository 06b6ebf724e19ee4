//! The rig's DNS: a real server (hickory) over a zone that tests fill while it runs.
//! Knows names and addresses; knows no provider.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use super::netns::Namespace;

/// The same for every workload.
pub(super) const DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);

/// Short, as providers behind a CDN have it.
const TTL_SECONDS: u32 = 5;

/// No client of a test waits longer for a DNS answer over TCP.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);

/// What a name resolves to.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Names that stand between the question and the addresses, in order.
    pub cnames: Vec<String>,
    pub v4: Vec<Ipv4Addr>,
    pub v6: Vec<Ipv6Addr>,
}

/// All names of the rig. A name that is not in it does not exist.
#[derive(Clone, Default)]
pub struct Zone {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    questions: Arc<Mutex<HashMap<String, u64>>>,
}

impl Zone {
    pub fn set(&self, name: &str, entry: Entry) {
        let name = name.to_ascii_lowercase();
        self.entries.lock().expect("no panic holds the zone").insert(name, entry);
    }

    /// From now on the name does not exist.
    pub fn remove(&self, name: &str) {
        self.entries.lock().expect("no panic holds the zone").remove(&name.to_ascii_lowercase());
    }

    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry> {
        let name = name.to_ascii_lowercase();
        self.entries.lock().expect("no panic holds the zone").get(&name).cloned()
    }

    /// Every address of `name`, IPv4 first.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let entry = self.entry(name).unwrap_or_default();
        let v4 = entry.v4.into_iter().map(IpAddr::from);
        v4.chain(entry.v6.into_iter().map(IpAddr::from)).collect()
    }

    /// How often `name` was asked for, with any type.
    #[must_use]
    pub fn questions(&self, name: &str) -> u64 {
        let questions = self.questions.lock().expect("no panic holds the questions");
        questions.get(&name.to_ascii_lowercase()).copied().unwrap_or(0)
    }

    /// Serves the zone inside `namespace`. Must be called in a runtime.
    pub(super) fn serve(&self, namespace: &Namespace) -> Result<Server<Zone>> {
        let (udp, tcp) = namespace.enter(|| {
            let udp = UdpSocket::bind((DNS_ADDRESS, 53)).context("bind DNS over UDP")?;
            let tcp = TcpListener::bind((DNS_ADDRESS, 53)).context("bind DNS over TCP")?;
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            Ok((udp, tcp))
        })?;
        let mut server = Server::new(self.clone());
        server.register_socket(tokio::net::UdpSocket::from_std(udp)?);
        server.register_listener(tokio::net::TcpListener::from_std(tcp)?, TCP_TIMEOUT, 64);
        Ok(server)
    }

    fn count(&self, name: &str) {
        let mut questions = self.questions.lock().expect("no panic holds the questions");
        *questions.entry(name.to_owned()).or_default() += 1;
    }
}

#[async_trait::async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        metadata.recursion_available = true;
        let answers = self.answer(request, &mut metadata);
        let builder = MessageResponseBuilder::from_message_request(request);
        let response = builder.build(metadata, &answers, &[], &[], &[]);
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(_client_gone) => {
                ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() })
            }
        }
    }
}

impl Zone {
    fn answer(&self, request: &Request, metadata: &mut Metadata) -> Vec<Record> {
        let Ok(info) = request.request_info() else {
            metadata.response_code = ResponseCode::FormErr;
            return Vec::new();
        };
        let asked = info.query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
        self.count(&asked);
        let Some(entry) = self.entry(&asked) else {
            metadata.response_code = ResponseCode::NXDomain;
            return Vec::new();
        };
        match records(&asked, &entry, info.query.query_type()) {
            Ok(records) => records,
            Err(_bad_name) => {
                metadata.response_code = ResponseCode::ServFail;
                Vec::new()
            }
        }
    }
}

fn records(asked: &str, entry: &Entry, kind: RecordType) -> Result<Vec<Record>> {
    let mut owner = name(asked)?;
    let mut records = Vec::new();
    for cname in &entry.cnames {
        let next = name(cname)?;
        records.push(Record::from_rdata(owner, TTL_SECONDS, RData::CNAME(CNAME(next.clone()))));
        owner = next;
    }
    if kind == RecordType::A {
        for address in &entry.v4 {
            records.push(Record::from_rdata(owner.clone(), TTL_SECONDS, RData::A(A(*address))));
        }
    }
    if kind == RecordType::AAAA {
        for address in &entry.v6 {
            records.push(Record::from_rdata(
                owner.clone(),
                TTL_SECONDS,
                RData::AAAA(AAAA(*address)),
            ));
        }
    }
    Ok(records)
}

fn name(text: &str) -> Result<Name> {
    let mut name = Name::from_ascii(text).with_context(|| format!("{text} as a DNS name"))?;
    name.set_fqdn(true);
    Ok(name)
}
