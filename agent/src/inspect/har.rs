//! HAR: what browsers and proxies save. Knows its names; knows no dialect.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::recording::{Recording, body};

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: Option<String>,
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct PostData {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    /// Browsers write 0 or less for an answer that never came.
    status: i64,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    mime_type: Option<String>,
    text: Option<String>,
    encoding: Option<String>,
}

/// Whether a first line begins one: it is no whole document, or one with a log.
pub(super) fn may_begin(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Outer {
        log: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_slice::<Outer>(line) {
        Ok(outer) => outer.log.is_some(),
        Err(problem) => problem.is_eof(),
    }
}

pub(super) fn read(text: &[u8]) -> anyhow::Result<Vec<Recording>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let har: Har = serde_json::from_slice(text).context("neither JSON lines nor HAR")?;
    Ok(har.log.entries.into_iter().enumerate().map(|(at, entry)| recording(at, entry)).collect())
}

fn recording(at: usize, entry: Entry) -> Recording {
    let (host, path) = split_url(&entry.request.url);
    let (headers, content) = (entry.response.headers, entry.response.content);
    let mut response_headers: Vec<(String, String)> =
        headers.into_iter().map(|header| (header.name, header.value)).collect();
    if let Some(kind) = content.mime_type {
        response_headers.push(("content-type".into(), kind));
    }
    let time = entry.started_date_time.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok());
    Recording {
        // An entry has no name but its place.
        id: Value::from(at + 1),
        provider: None,
        host: host.to_owned(),
        method: entry.request.method,
        path: path.to_owned(),
        request: entry.request.post_data.and_then(|data| data.text).unwrap_or_default().into(),
        status: u16::try_from(entry.response.status).unwrap_or(0),
        response_headers,
        response: body(content.text.as_deref(), content.encoding.as_deref() == Some("base64")),
        at_unix_seconds: time.map(OffsetDateTime::unix_timestamp),
    }
}

/// `https://user@host:1/path?query` → `host:1`, `/path?query`.
fn split_url(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    (authority.rsplit_once('@').map_or(authority, |(_, host)| host), path)
}
