//! Reads HTTP/1.1 heads in place. Knows which headers the relay must understand; changes nothing.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{Header, Status};

use crate::exchange::{RequestHead, ResponseHead};
use crate::record::Http;
use crate::relay::framing::{Ambiguous, Framing, Version};

/// A longer head is not waited for: its bytes go on without being understood.
pub(super) const HEAD_BYTES_MAX: usize = 128 * 1024;
const HEADERS_MAX: usize = 256;

pub(super) struct Request {
    pub(super) head_bytes: usize,
    pub(super) method: String,
    pub(super) framing: Result<Framing, Ambiguous>,
    pub(super) keep_alive: bool,
    path_and_query: String,
    content_encoding: Option<String>,
}

impl Request {
    /// `None`: the head is not whole yet.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Ambiguous> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(Status::Partial) => Ok(None),
            Err(_) => Err(Ambiguous("request head is not HTTP/1")),
            Ok(Status::Complete(head_bytes)) => Ok(Some(Self {
                head_bytes,
                method: request.method.unwrap_or_default().to_owned(),
                framing: request_framing(&bytes[..head_bytes], &request),
                keep_alive: keeps_alive(request.version, request.headers),
                path_and_query: path_of(request.path.unwrap_or_default()).to_owned(),
                content_encoding: text(request.headers, "content-encoding").map(str::to_owned),
            })),
        }
    }

    pub(super) fn head(&self) -> RequestHead<'_> {
        RequestHead {
            http: Http::H1,
            method: &self.method,
            path_and_query: &self.path_and_query,
            content_encoding: self.content_encoding.as_deref(),
        }
    }
}

/// Stands for a request that could not be read.
pub(super) fn unread() -> RequestHead<'static> {
    RequestHead { http: Http::H1, method: "", path_and_query: "", content_encoding: None }
}

pub(super) struct Response {
    pub(super) head_bytes: usize,
    pub(super) status: u16,
    pub(super) framing: Result<Framing, Ambiguous>,
    pub(super) keep_alive: bool,
    /// The line of an `alt-svc` header, its end included.
    pub(super) alt_svc: Option<Range<usize>>,
    content_type: Option<String>,
    content_encoding: Option<String>,
}

impl Response {
    /// Reads the head of the answer to `method`. `None`: it is not whole yet.
    pub(super) fn parse(bytes: &[u8], method: &str) -> Result<Option<Self>, Ambiguous> {
        if bytes.is_empty() {
            return Ok(None);
        }
        with_response(bytes, |status, response| {
            let Status::Complete(head_bytes) = status else { return None };
            let status = response.code.unwrap_or_default();
            let version = version(response.version);
            Some(Self {
                head_bytes,
                status,
                keep_alive: keeps_alive(response.version, response.headers),
                framing: Framing::of_response(version, method, status, response.headers),
                alt_svc: line_of(bytes, response.headers, "alt-svc"),
                content_type: text(response.headers, "content-type").map(str::to_owned),
                content_encoding: text(response.headers, "content-encoding").map(str::to_owned),
            })
        })
    }

    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    pub(super) fn head(&self) -> ResponseHead<'_> {
        ResponseHead {
            status: self.status,
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
        }
    }
}

/// The fields of a response head that was read before.
pub(super) fn each_header(head: &[u8], mut each: impl FnMut(&str, &[u8])) {
    // A head that could not be read has no fields.
    let _ = with_response(head, |_, response| {
        response.headers.iter().for_each(|header| each(header.name, header.value));
    });
}

fn with_response<T>(
    bytes: &[u8],
    then: impl FnOnce(Status<usize>, &httparse::Response<'_, '_>) -> T,
) -> Result<T, Ambiguous> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut headers,
    );
    match parsed {
        Ok(status) => Ok(then(status, &response)),
        Err(_) => Err(Ambiguous("response head is not HTTP/1")),
    }
}

/// httparse takes a bare LF as a line's end; another reader may not, and see another head.
fn request_framing(head: &[u8], request: &httparse::Request<'_, '_>) -> Result<Framing, Ambiguous> {
    if head.split(|byte| *byte == b'\n').rev().skip(1).any(|line| line.last() != Some(&b'\r')) {
        return Err(Ambiguous("a bare LF in the request head"));
    }
    let method = request.method.unwrap_or_default();
    Framing::of_request(version(request.version), method, request.headers)
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(1) { Version::Http11 } else { Version::Http10 }
}

/// The path of a request target, which may be in absolute form.
fn path_of(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://") else { return target };
    if target.starts_with('/') {
        return target;
    }
    rest.find('/').map_or("/", |at| &rest[at..])
}

fn keeps_alive(version: Option<u8>, headers: &[Header<'_>]) -> bool {
    let mut keep = version == Some(1);
    for header in headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection")) {
        for option in header.value.split(|byte| *byte == b',') {
            if option.trim_ascii().eq_ignore_ascii_case(b"close") {
                return false;
            }
            keep |= option.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
        }
    }
    keep
}

fn text<'h>(headers: &[Header<'h>], name: &str) -> Option<&'h str> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .and_then(|header| std::str::from_utf8(header.value).ok())
}

fn line_of(bytes: &[u8], headers: &[Header<'_>], name: &str) -> Option<Range<usize>> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    let start = header.name.as_ptr().addr() - bytes.as_ptr().addr();
    let end = bytes[start..].iter().position(|byte| *byte == b'\n')? + start + 1;
    Some(start..end)
}
