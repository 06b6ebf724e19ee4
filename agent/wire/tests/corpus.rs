//! Recorded exchanges against what another program read from them. The recordings are not part of the project:
//! `$WEIR_CORPUS` or `../shared/corpus` beside the workspace; without them this says that it skips.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may")]

use std::io::Read as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use weir_wire::{
    Answer, Dialect, Endpoint, Provider, RequestObserver, ResponseObserver, detect, detect_at,
};

const KEY: [u8; 32] = [7; 32];
/// Dialects whose figures are read.
const READ: &[Dialect] = &[
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiEmbeddings,
    Dialect::AnthropicMessages,
    Dialect::CohereChatV2,
    Dialect::GeminiGenerate,
    Dialect::BedrockConverse,
    Dialect::GeminiEmbeddings,
    Dialect::BedrockInvoke,
    Dialect::CohereChatV1,
    Dialect::CohereGenerateV1,
    Dialect::CohereEmbedV2,
    Dialect::CohereRerankV1,
    Dialect::CohereRerankV2,
    Dialect::OllamaChat,
    Dialect::OllamaGenerate,
    Dialect::OllamaEmbeddings,
    Dialect::VertexPredict,
    Dialect::AnthropicCountTokens,
    Dialect::GeminiCountTokens,
];

#[test]
fn detection() {
    let Some(exchanges) = corpus() else { return };
    let mut wrong = Vec::new();
    for exchange in &exchanges {
        let found = endpoint(exchange);
        let api = text(exchange, "api");
        let expected = Dialect::from_word(api).unwrap_or(Dialect::Other);
        let known = READ.contains(&expected);
        if Some(found.provider) != Provider::from_word(text(exchange, "provider"))
            || (known && found.dialect != expected)
            || (!known && READ.contains(&found.dialect))
        {
            wrong.push(format!(
                "{} {api} {}: {found:?}",
                text(exchange, "provider"),
                text(exchange, "path")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn requests() {
    let Some(exchanges) = corpus() else { return };
    let mut wrong = Vec::new();
    for exchange in exchanges.iter().filter(|exchange| is_read(exchange)) {
        let body = match text(exchange, "request_body_encoding") {
            "base64" => base64(text(exchange, "request_body")),
            _ => text(exchange, "request_body").as_bytes().to_vec(),
        };
        for piece in [usize::MAX, 1, 7, 4096] {
            let mut observer = RequestObserver::new(endpoint(exchange));
            body.chunks(piece.min(body.len().max(1))).for_each(|piece| observer.push(piece));
            let call = observer.finish();
            // One recording has a comma too many in its tools; its provider did not mind either.
            let Ok(told) = serde_json::from_slice::<Value>(&body) else { continue };
            let expected = json!([
                told["model"].as_str(),
                told["stream"].as_bool().unwrap_or(false),
                tools(&told),
                told["stream_options"]["include_usage"].as_bool().unwrap_or(false),
                Value::Null
            ]);
            let got = json!([call.model, call.stream, call.tools, call.include_usage, call.unread]);
            if got != expected {
                wrong.push(format!("{}: got {got}, expected {expected}", text(exchange, "id")));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn answers() {
    let Some(exchanges) = corpus() else { return };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for exchange in exchanges.iter().filter(|exchange| is_read(exchange)) {
        let body = base64(text(exchange, "response_body_b64"));
        let expected = expectation(exchange);
        let whole = observe(exchange, &body, usize::MAX);
        let got = observation(exchange, &whole);
        count += 1;
        if got != expected {
            wrong.push(difference(exchange, &got, &expected));
        }
        for piece in [1, 7, 4096] {
            if observe(exchange, &body, piece) != whole {
                wrong.push(format!("{}: differs in pieces of {piece}", text(exchange, "id")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{count} answers as expected");
}

fn tools(request: &Value) -> usize {
    let functions = |tool: &Value| tool["functionDeclarations"].as_array().map_or(1, Vec::len);
    let tools = request["tools"]
        .as_array()
        .or(request["toolConfig"]["tools"].as_array())
        .or(request["functions"].as_array());
    tools.into_iter().flatten().map(functions).sum()
}

/// Every field of `expected` that an answer has an equal of.
fn observation(exchange: &Value, answer: &Answer) -> Value {
    let stated = answer.usage.map(|usage| usage.stated).unwrap_or_default();
    let says = |field: &str| !exchange["expected"][field].is_null();
    let says_calls = answer.error.is_none() && has_calls(exchange);
    let others_call = !has_calls(exchange) && says("tool_call_count");
    let error = answer.error.as_ref().map(|error| {
        let flat = error.kind.is_none() && is_flat(exchange);
        let kind = if flat {
            error.message.as_ref().map(|m| m.reveal().to_owned())
        } else {
            error.kind.clone()
        };
        json!({ "type": kind, "code": error.code })
    });
    json!({
        "model": answer.model,
        "input_tokens": stated.input_tokens,
        "output_tokens": stated.output_tokens,
        "cached_input_tokens": stated.cached_input_tokens,
        "cache_creation_tokens": stated.cache_creation_tokens,
        "reasoning_tokens": stated.reasoning_tokens,
        "total_tokens": stated.total_tokens,
        "total_input_tokens": answer.usage.and_then(|usage| usage.total_input()),
        "total_output_tokens": answer.usage.and_then(|usage| usage.total_output()),
        "finish_reasons": answer.finish_reasons,
        "tool_call_count": (says_calls || others_call).then_some(answer.tool_calls.len()),
        "server_tool_call_count": if says_calls || others_call { answer.server_tool_calls } else { None },
        "error": error,
        "unread": answer.unread,
    })
}

fn expectation(exchange: &Value) -> Value {
    let mut expected = exchange["expected"].clone();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("usage_raw");
    fields.remove("usage_source");
    fields.insert("unread".into(), Value::Null);
    // A count written as 3.0 is 3.
    for (_, value) in fields.iter_mut() {
        if let Some(whole) = value.as_f64().filter(|_| value.is_f64()) {
            *value = json!(whole as u64);
        }
    }
    // Vertex may name a reason by its number; here reasons are texts.
    for reason in fields.get_mut("finish_reasons").and_then(Value::as_array_mut).unwrap() {
        if let Some(number) = reason.as_u64() {
            *reason = Value::String(number.to_string());
        }
    }
    if let Some(error) = fields.get_mut("error").and_then(Value::as_object_mut) {
        let code = match &error["code"] {
            Value::Number(code) => Value::String(code.to_string()),
            // xAI's flat shape has a code beside its `error`, which is what we say.
            Value::Null if is_flat(exchange) => body_json(exchange)["code"].clone(),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => error["code"].clone(),
        };
        error.insert("code".into(), code);
    }
    expected
}

fn has_calls(exchange: &Value) -> bool {
    matches!(
        text(exchange, "api"),
        "openai.chat"
            | "openai.responses"
            | "anthropic.messages"
            | "gemini.generate"
            | "cohere.chat.v2"
            | "bedrock.converse"
    )
}

/// `{"error": "…"}`: `expected` takes the sentence for a type.
fn is_flat(exchange: &Value) -> bool {
    body_json(exchange)["error"].is_string()
}

fn body_json(exchange: &Value) -> Value {
    serde_json::from_slice(&base64(text(exchange, "response_body_b64"))).unwrap_or(Value::Null)
}

fn difference(exchange: &Value, got: &Value, expected: &Value) -> String {
    let fields = got.as_object().unwrap();
    let told = |(name, got): (&String, &Value)| {
        let expected = &expected[name];
        (got != expected).then(|| format!("{name}: got {got}, expected {expected}"))
    };
    let fields: Vec<String> = fields.iter().filter_map(told).collect();
    let (id, provider, api) =
        (text(exchange, "id"), text(exchange, "provider"), text(exchange, "api"));
    format!("{id} {provider} {api} stream={}: {}", exchange["streaming"], fields.join("; "))
}

fn observe(exchange: &Value, body: &[u8], piece: usize) -> Answer {
    let headers = exchange["response_headers"].as_array().unwrap();
    let content_type = headers
        .iter()
        .find(|h| h[0].as_str().unwrap().eq_ignore_ascii_case("content-type"))
        .and_then(|h| h[1].as_str());
    let status = u16::try_from(exchange["status"].as_u64().unwrap()).unwrap();
    let mut observer = ResponseObserver::new(endpoint(exchange), status, content_type, KEY);
    for header in headers {
        observer.header(header[0].as_str().unwrap(), header[1].as_str().unwrap().as_bytes());
    }
    body.chunks(piece.min(body.len().max(1))).for_each(|piece| observer.push(piece));
    observer.finish()
}

/// Hosts that only a configuration can name are told by the recording.
fn endpoint(exchange: &Value) -> Endpoint {
    let (host, path) = (text(exchange, "provider_host"), text(exchange, "path"));
    let method = text(exchange, "method");
    detect(host, method, path).unwrap_or_else(|| {
        let provider = Provider::from_word(text(exchange, "provider")).unwrap();
        let configured = matches!(provider, Provider::Compatible | Provider::Ollama)
            || host.starts_with("test-");
        assert!(configured, "{host} is not in the catalogue");
        detect_at(provider, method, path)
    })
}

fn is_read(exchange: &Value) -> bool {
    Dialect::from_word(text(exchange, "api")).is_some_and(|dialect| READ.contains(&dialect))
}

fn text<'a>(exchange: &'a Value, field: &str) -> &'a str {
    exchange[field].as_str().unwrap_or("")
}

fn corpus() -> Option<Vec<Value>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let folder =
        std::env::var_os("WEIR_CORPUS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let file = folder.join("exchanges.jsonl.gz");
    let Ok(packed) = std::fs::File::open(&file) else {
        eprintln!("SKIPPED: no recorded exchanges at {}", file.display());
        return None;
    };
    let mut lines = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut lines).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for six in text.bytes().filter_map(digit) {
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}
