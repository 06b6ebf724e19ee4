//! One recorded exchange, and how a line of JSON tells it. Knows no dialect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

pub(super) struct Recording {
    pub(super) id: Value,
    /// Who answered, where the file says so: some hosts only a configuration could name.
    pub(super) provider: Option<String>,
    pub(super) host: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) request: Vec<u8>,
    pub(super) status: u16,
    pub(super) response_headers: Vec<(String, String)>,
    /// Or why there is none.
    pub(super) response: Result<Vec<u8>, &'static str>,
    /// Where the file tells a time: prices change.
    pub(super) at_unix_seconds: Option<i64>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    provider: Option<String>,
    provider_host: Option<String>,
    method: Option<String>,
    path: String,
    request_body: Option<String>,
    request_body_encoding: Option<String>,
    status: u16,
    response_headers: Option<Vec<(String, Option<String>)>>,
    response_body_b64: Option<String>,
}

impl Recording {
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let line: Line = serde_json::from_slice(line).map_err(|problem| place(&problem))?;
        let request = line.request_body.unwrap_or_default();
        let request = match line.request_body_encoding.as_deref() {
            Some("base64") => STANDARD.decode(&request).unwrap_or_default(),
            Some(_) | None => request.into_bytes(),
        };
        let headers = line.response_headers.into_iter().flatten();
        let headers = headers.map(|(name, value)| (name, value.unwrap_or_default()));
        Ok(Self {
            id: line.id,
            provider: line.provider,
            host: line.provider_host.unwrap_or_default(),
            method: line.method.unwrap_or_else(|| "POST".to_owned()),
            path: line.path,
            request,
            status: line.status,
            response_headers: headers.collect(),
            response: body(line.response_body_b64.as_deref(), true),
            at_unix_seconds: None,
        })
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        let is_type = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-type");
        self.response_headers.iter().find(is_type).map(|(_, value)| value.as_str())
    }
}

pub(super) fn body(text: Option<&str>, is_base64: bool) -> Result<Vec<u8>, &'static str> {
    let text = text.ok_or("no response body was recorded")?;
    if !is_base64 {
        return Ok(text.as_bytes().to_vec());
    }
    STANDARD.decode(text).map_err(|_| "the recorded response body is no base64")
}

/// What is wrong, without the text that is: it may be a prompt.
fn place(problem: &serde_json::Error) -> String {
    let what = match problem.classify() {
        serde_json::error::Category::Data => "a field is missing or of another type",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io => "it could not be read",
    };
    format!("{what}, column {}", problem.column())
}
