//! Host, method and path of a request → whose, which format, what is asked. Knows no body.

#[cfg(test)]
mod tests;

use crate::catalogue;
use crate::endpoint::{Dialect, Endpoint, Operation, Provider};

/// `None`: the host is no provider's.
pub fn detect(host: &str, method: &str, path_and_query: &str) -> Option<Endpoint> {
    Some(detect_at(catalogue::provider_of(host)?, method, path_and_query))
}

/// The same for a server that is known by configuration, whatever its host.
pub fn detect_at(provider: Provider, method: &str, path_and_query: &str) -> Endpoint {
    let path = path_and_query.split(['?', '#']).next().unwrap_or("");
    let (dialect, operation) = format(provider, method, path.trim_end_matches('/'));
    Endpoint { provider, dialect, operation }
}

/// The model that a path names, where the body does not: an Azure deployment, a Gemini model, a Bedrock model.
pub fn model_in_path(path_and_query: &str) -> Option<String> {
    let path = path_and_query.split(['?', '#']).next().unwrap_or("");
    let mut segments = path.split('/');
    let before = segments.find(|segment| matches!(*segment, "deployments" | "models" | "model"))?;
    let model = segments.next()?;
    let named =
        model.rsplit_once(':').filter(|(_, verb)| verb.bytes().all(|b| b.is_ascii_alphabetic()));
    let model = decoded(named.map_or(model, |(model, _)| model));
    let is_model = if before == "models" { named.is_some() } else { segments.next().is_some() };
    (is_model && !model.is_empty()).then_some(model)
}

/// Percent-decoded, cut at a length that no model's name has.
fn decoded(text: &str) -> String {
    const MODEL_MAX: usize = 256;
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest
        && bytes.len() < MODEL_MAX
    {
        let digit = |at: usize| after.get(at).and_then(|b| (*b as char).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn format(provider: Provider, method: &str, path: &str) -> (Dialect, Operation) {
    let post = method.eq_ignore_ascii_case("POST");
    if post && provider == Provider::Bedrock && path.contains("/model/") {
        match path.rsplit('/').next() {
            Some("converse" | "converse-stream") => {
                return (Dialect::BedrockConverse, Operation::Chat);
            }
            Some("count-tokens") => return (Dialect::Other, Operation::CountTokens),
            Some(_) | None => {}
        }
    }
    if post && let Some(known) = of_verb(provider, path) {
        return known;
    }
    if post && let Some(known) = of_end(provider, path) {
        return known;
    }
    (Dialect::Other, operation(path))
}

/// Google's calls end in a colon and a verb.
fn of_verb(provider: Provider, path: &str) -> Option<(Dialect, Operation)> {
    if !matches!(provider, Provider::Gemini | Provider::Vertex) {
        return None;
    }
    let (before, verb) = path.rsplit_once(':')?;
    Some(match verb {
        "generateContent" | "streamGenerateContent" => (Dialect::GeminiGenerate, Operation::Chat),
        "embedContent" | "batchEmbedContents" => (Dialect::GeminiEmbeddings, Operation::Embeddings),
        "countTokens" => (Dialect::GeminiCountTokens, Operation::CountTokens),
        "rawPredict" | "streamRawPredict" if before.contains("/publishers/anthropic/") => {
            (Dialect::AnthropicMessages, Operation::Chat)
        }
        _ => return None,
    })
}

/// Calls that are billed by the token are told by how the path ends; hosts differ in how it begins.
fn of_end(provider: Provider, path: &str) -> Option<(Dialect, Operation)> {
    let ends = |end: &str| {
        path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let known = |dialect, operation| Some((dialect, operation));
    if provider == Provider::Cohere && ends("v2/chat") {
        return known(Dialect::CohereChatV2, Operation::Chat);
    }
    if matches!(provider, Provider::Cohere) && !path.contains("/compatibility/") {
        return None;
    }
    if ends("chat/completions")
        || (provider == Provider::Mistral
            && (ends("agents/completions") || ends("fim/completions")))
    {
        return known(Dialect::OpenAiChat, Operation::Chat);
    }
    if provider == Provider::Writer && ends("v1/chat") {
        return known(Dialect::OpenAiChat, Operation::Chat);
    }
    if ends("completions") {
        return known(Dialect::OpenAiCompletions, Operation::Completion);
    }
    if ends("responses") || ends("responses/compact") {
        return known(Dialect::OpenAiResponses, Operation::Chat);
    }
    if ends("messages/count_tokens") {
        return known(Dialect::AnthropicCountTokens, Operation::CountTokens);
    }
    // An assistants' thread has messages, too.
    if ends("messages") && !path.contains("/threads/") && !path.contains("/conversations/") {
        return known(Dialect::AnthropicMessages, Operation::Chat);
    }
    // Ollama's own `/api/embeddings` has another shape.
    if ends("embeddings") && !path.ends_with("api/embeddings") {
        return known(Dialect::OpenAiEmbeddings, Operation::Embeddings);
    }
    None
}

/// What is asked where no figures are read: the first telling segment says it.
fn operation(path: &str) -> Operation {
    path.split('/').find_map(of_segment).unwrap_or(Operation::Other)
}

fn of_segment(segment: &str) -> Option<Operation> {
    let verb = segment.rsplit_once(':').map_or(segment, |(_, verb)| verb);
    Some(match verb {
        "rerank" => Operation::Rerank,
        "count_tokens" | "count-tokens" | "countTokens" | "input_tokens" | "tokenize" => {
            Operation::CountTokens
        }
        "images" => Operation::Images,
        "audio" | "stt" | "tts" => Operation::Audio,
        "videos" | "video" => Operation::Video,
        "moderations" | "moderation" => Operation::Moderation,
        "files" | "uploads" => Operation::Files,
        "batches" | "batch" => Operation::Batches,
        "models" => Operation::Models,
        "fine_tuning" | "fine-tunes" => Operation::FineTuning,
        "realtime" => Operation::Realtime,
        _ => return None,
    })
}
