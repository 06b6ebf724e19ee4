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
            Some("invoke" | "invoke-with-response-stream") => {
                return (Dialect::BedrockInvoke, of_model(path));
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
        "predict" => (Dialect::VertexPredict, of_model(path)),
        "rawPredict" if before.ends_with("/publishers/anthropic/models/count-tokens") => {
            (Dialect::AnthropicCountTokens, Operation::CountTokens)
        }
        "rawPredict" | "streamRawPredict" if before.contains("/publishers/mistralai/") => {
            (Dialect::OpenAiChat, Operation::Chat)
        }
        "rawPredict" | "streamRawPredict" if before.contains("/publishers/anthropic/") => {
            (Dialect::AnthropicMessages, Operation::Chat)
        }
        _ => return None,
    })
}

/// What is asked where only the model's name in the path tells.
fn of_model(path: &str) -> Operation {
    let path = path.to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| path.contains(word));
    if names(&["embed", "gecko"]) {
        Operation::Embeddings
    } else if names(&["rerank"]) {
        Operation::Rerank
    } else if names(&["imagen", "image", "stability.", "canvas"]) {
        Operation::Images
    } else if names(&["veo-", "reel"]) {
        Operation::Video
    } else if path.ends_with(":predict") {
        Operation::Other
    } else {
        Operation::Chat
    }
}

/// Calls that are billed by the token are told by how the path ends; hosts differ in how it begins.
fn of_end(provider: Provider, path: &str) -> Option<(Dialect, Operation)> {
    let ends = |end: &str| {
        path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let known = |dialect, operation| Some((dialect, operation));
    if matches!(provider, Provider::Cohere) && !path.contains("/compatibility/") {
        return of_cohere(path);
    }
    if matches!(provider, Provider::Ollama | Provider::Compatible) {
        for (end, dialect, operation) in OLLAMA {
            if ends(end) {
                return known(*dialect, *operation);
            }
        }
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

/// Its own paths, beside those of the formats it imitates.
static OLLAMA: &[(&str, Dialect, Operation)] = &[
    ("api/chat", Dialect::OllamaChat, Operation::Chat),
    ("api/generate", Dialect::OllamaGenerate, Operation::Completion),
    ("api/embed", Dialect::OllamaEmbeddings, Operation::Embeddings),
    ("api/embeddings", Dialect::OllamaEmbeddings, Operation::Embeddings),
];

fn of_cohere(path: &str) -> Option<(Dialect, Operation)> {
    Some(match path {
        "/v1/chat" => (Dialect::CohereChatV1, Operation::Chat),
        "/v2/chat" => (Dialect::CohereChatV2, Operation::Chat),
        "/v1/generate" => (Dialect::CohereGenerateV1, Operation::Completion),
        "/v1/embed" => (Dialect::CohereEmbedV1, Operation::Embeddings),
        "/v2/embed" => (Dialect::CohereEmbedV2, Operation::Embeddings),
        "/v1/rerank" => (Dialect::CohereRerankV1, Operation::Rerank),
        "/v2/rerank" => (Dialect::CohereRerankV2, Operation::Rerank),
        _ => return None,
    })
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
