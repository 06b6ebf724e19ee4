//! What arrived at a provider, as it arrived. Knows no socket.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    H1,
    H2,
}

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// The server name of the TLS handshake.
    pub host: Arc<str>,
    /// Counts the connections of the rig, from 1.
    pub connection: u64,
    pub http: Http,
    pub peer: SocketAddr,
    /// The provider's address that the connection was made to.
    pub destination: SocketAddr,
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// In order, and on HTTP/1.1 in the case that was sent.
    pub headers: Vec<(String, Bytes)>,
}

/// A whole request.
#[derive(Clone, Debug)]
pub struct Received {
    pub head: Head,
    pub body: Bytes,
    /// The framing that the client chose, on HTTP/1.1.
    pub chunked: bool,
    pub trailers: Vec<(String, Bytes)>,
}

impl Head {
    /// The first value of a header, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Received {
    /// A request whose body was not read.
    #[must_use]
    pub fn head_alone(head: Head) -> Self {
        Self { head, body: Bytes::new(), chunked: false, trailers: Vec::new() }
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path()
    }

    #[must_use]
    pub fn body_sha256(&self) -> String {
        sha256(&self.body)
    }
}

/// In lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
