//! What a recorded exchange says, as a line. Knows the order of reading; what the bytes mean is `weir-wire`'s.

use std::num::NonZeroUsize;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;
use weir_policy::price::{self, Cost, Sale};
use weir_wire::{
    Answer, Call, Dialect, Endpoint, FinishClass, Operation, Provider, ProviderError,
    RequestObserver, ResponseObserver, ToolCall, Usage,
};

use super::recording::Recording;

/// Hashes of arguments are the same in every run, so that two files can be compared.
const HASH_KEY: [u8; 32] = [7; 32];

/// An unknown host that serves here is an Ollama.
const OLLAMA_PORT: &str = ":11434";

#[derive(Default, Serialize)]
pub(super) struct Observation {
    id: Value,
    provider: Option<Provider>,
    dialect: Option<Dialect>,
    operation: Option<Operation>,
    request_model: Option<String>,
    model: Option<String>,
    stream: bool,
    usage: Option<Totalled>,
    /// In the provider's words; some number them.
    finish_reasons: Vec<Value>,
    finish_classes: Vec<FinishClass>,
    tool_calls: Vec<ToolCall>,
    server_tool_calls: Option<u32>,
    error: Option<Told>,
    /// `null` is unknown, never free.
    cost_nanodollars: Option<u64>,
    price_table: Option<&'static str>,
    /// The answer came to its end; `false` also where nothing is read.
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<String>,
}

/// The buckets, and what they come to.
#[derive(Serialize)]
struct Totalled {
    #[serde(flatten)]
    usage: Usage,
    total_input: Option<u64>,
    total_output: Option<u64>,
}

/// An error in the provider's own words.
#[derive(Serialize)]
struct Told {
    r#type: Option<String>,
    code: Option<Value>,
    class: weir_wire::ErrorClass,
    retry_after_ms: Option<u64>,
}

impl Observation {
    pub(super) fn unread(why: String) -> Self {
        Self { unread: Some(why), ..Self::default() }
    }

    pub(super) fn of(recording: &Recording, split: Option<NonZeroUsize>) -> Self {
        let piece = split.map_or(usize::MAX, NonZeroUsize::get);
        let endpoint = endpoint(recording);
        let call = call(recording, endpoint, piece);
        let request_model = call.model.or_else(|| weir_wire::model_in_path(&recording.path));
        let mut told = Self {
            id: recording.id.clone(),
            provider: Some(endpoint.provider),
            dialect: Some(endpoint.dialect),
            operation: Some(endpoint.operation),
            request_model,
            stream: call.stream || is_stream(recording),
            ..Self::default()
        };
        let body = match &recording.response {
            Ok(body) => body,
            Err(why) => return Self { unread: Some((*why).to_owned()), ..told },
        };
        let answer = answer(recording, endpoint, body, piece);
        told.unread = why_unread(endpoint, recording.status, &answer);
        told.price(&answer, endpoint.provider, recording.at_unix_seconds);
        told.take(answer);
        told
    }

    fn take(&mut self, answer: Answer) {
        self.usage = answer.usage.map(|usage| Totalled {
            total_input: usage.total_input(),
            total_output: usage.total_output(),
            usage,
        });
        self.model = answer.model;
        self.finish_reasons = answer.finish_reasons.into_iter().map(word).collect();
        self.finish_classes = answer.finish_classes;
        self.tool_calls = answer.tool_calls;
        self.server_tool_calls = answer.server_tool_calls;
        self.error = answer.error.map(told);
        self.complete = answer.complete;
    }

    fn price(&mut self, answer: &Answer, provider: Provider, at: Option<i64>) {
        let Some(usage) = &answer.usage else { return };
        let table = price::bundled();
        let cost = table.price(&Sale {
            provider,
            served_model: answer.model.as_deref(),
            request_model: self.request_model.as_deref(),
            service_tier: answer.service_tier.as_deref(),
            usage,
            at_unix_seconds: at.unwrap_or_else(now),
        });
        self.price_table = Some(table.version);
        self.cost_nanodollars = match cost {
            Cost::Known { nanodollars } => Some(nanodollars),
            Cost::Unknown => None,
        };
    }
}

/// By host; else by what the file says; else by the path alone, as a server that imitates a known format.
fn endpoint(recording: &Recording) -> Endpoint {
    let Recording { host, method, path, .. } = recording;
    weir_wire::detect(host, method, path).unwrap_or_else(|| {
        let named = recording.provider.as_deref().and_then(Provider::from_word);
        let imitates =
            if host.ends_with(OLLAMA_PORT) { Provider::Ollama } else { Provider::Compatible };
        weir_wire::detect_at(named.unwrap_or(imitates), method, path)
    })
}

fn call(recording: &Recording, endpoint: Endpoint, piece: usize) -> Call {
    let mut observer = RequestObserver::new(endpoint);
    recording.request.chunks(piece).for_each(|piece| observer.push(piece));
    observer.finish()
}

fn answer(recording: &Recording, endpoint: Endpoint, body: &[u8], piece: usize) -> Answer {
    let (status, kind) = (recording.status, recording.content_type());
    let mut observer = ResponseObserver::new(endpoint, status, kind, HASH_KEY);
    for (name, value) in &recording.response_headers {
        observer.header(name, value.as_bytes());
    }
    body.chunks(piece).for_each(|piece| observer.push(piece));
    observer.finish()
}

fn why_unread(endpoint: Endpoint, status: u16, answer: &Answer) -> Option<String> {
    if let Some(why) = answer.unread {
        return Some(why.as_str().to_owned());
    }
    let is_unknown = endpoint.dialect == Dialect::Other && endpoint.operation == Operation::Other;
    (is_unknown && status < 400).then(|| "no format is known for this path".to_owned())
}

/// No provider's word is made of digits: then it wrote a number.
fn word(reason: String) -> Value {
    reason.parse::<u32>().map_or(Value::String(reason), Value::from)
}

/// A bare sentence stands where others put a type.
fn told(error: ProviderError) -> Told {
    let sentence =
        error.message.as_ref().filter(|_| error.is_bare).map(|text| text.reveal().to_owned());
    let number = |code: &str| code.parse::<i64>().ok().filter(|_| error.code_is_number);
    Told {
        code: error
            .code
            .as_ref()
            .map(|code| number(code).map_or_else(|| Value::from(code.as_str()), Value::from)),
        r#type: error.kind.or(sentence),
        class: error.class,
        retry_after_ms: error.retry_after_ms,
    }
}

/// The types and paths that providers stream by; some say so nowhere else.
fn is_stream(recording: &Recording) -> bool {
    let types = ["event-stream", "eventstream", "x-ndjson", "stream+json"];
    let verbs = [":streamGenerateContent", ":streamRawPredict", "/converse-stream", "-stream"];
    let path = recording.path.split('?').next().unwrap_or_default();
    let kind = recording.content_type().unwrap_or_default().to_ascii_lowercase();
    types.iter().any(|stream| kind.contains(stream))
        || verbs.iter().any(|verb| path.ends_with(verb))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
