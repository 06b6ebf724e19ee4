#![expect(clippy::unwrap_used, reason = "a test may")]

use super::{detect, model_in_path};

fn check(host: &str, path: &str, words: &str) {
    check_method(host, "POST", path, words);
}

fn check_method(host: &str, method: &str, path: &str, words: &str) {
    let found = detect(host, method, path).unwrap();
    assert_eq!(
        format!("{} {} {}", found.provider, found.dialect, found.operation),
        words,
        "{host} {path}"
    );
}

#[test]
fn openai() {
    check("api.openai.com", "/v1/chat/completions", "openai openai.chat chat");
    check("api.openai.com", "/v1/responses", "openai openai.responses chat");
    check("api.openai.com", "/v1/completions", "openai openai.completions completion");
    check("api.openai.com", "/v1/embeddings", "openai openai.embeddings embeddings");
    check("api.openai.com", "/v1/responses/resp_1/cancel", "openai other other");
    check("api.openai.com", "/v1/threads/thread_1/messages", "openai other other");
    check("api.openai.com", "/v1/audio/speech", "openai other audio");
    check("api.openai.com", "/v1/images/edits", "openai other images");
    check_method("api.openai.com", "GET", "/v1/models", "openai other models");
    check_method("api.openai.com", "GET", "/v1/chat/completions", "openai other other");
}

#[test]
fn anthropic() {
    check("api.anthropic.com", "/v1/messages", "anthropic anthropic.messages chat");
    check("api.anthropic.com", "/v1/messages?beta=true", "anthropic anthropic.messages chat");
    check(
        "api.anthropic.com",
        "/v1/messages/count_tokens",
        "anthropic anthropic.count_tokens count_tokens",
    );
    check("api.anthropic.com", "/v1/messages/batches", "anthropic other batches");
    check("api.anthropic.com", "/v1/complete", "anthropic other other");
}

#[test]
fn azure() {
    let host = "team.openai.azure.com";
    check(
        host,
        "/openai/deployments/mine/chat/completions?api-version=2024-10-21",
        "azure openai.chat chat",
    );
    check(
        host,
        "//openai/deployments/mine/completions?api-version=1",
        "azure openai.completions completion",
    );
    check(host, "/openai/v1/responses", "azure openai.responses chat");
    check("team.services.ai.azure.com", "/models/chat/completions", "azure openai.chat chat");
    check("team.services.ai.azure.com", "/anthropic/v1/messages", "azure anthropic.messages chat");
}

#[test]
fn imitators() {
    check("api.deepseek.com", "/chat/completions", "deepseek openai.chat chat");
    check("api.deepseek.com", "/anthropic/v1/messages", "deepseek anthropic.messages chat");
    check("api.groq.com", "/openai/v1/chat/completions", "groq openai.chat chat");
    check("api.mistral.ai", "/v1/fim/completions", "mistral openai.chat chat");
    check("api.x.ai", "/v1/responses", "xai openai.responses chat");
    check("openrouter.ai", "/api/v1/chat/completions", "openrouter openai.chat chat");
    check("api.fireworks.ai", "/inference/v1/chat/completions", "fireworks openai.chat chat");
    check(
        "generativelanguage.googleapis.com",
        "/v1beta/openai/chat/completions",
        "gemini openai.chat chat",
    );
    check("api.cohere.com", "/compatibility/v1/chat/completions", "cohere openai.chat chat");
    check("api.cohere.com", "/v2/chat", "cohere cohere.chat.v2 chat");
    check("api.cohere.com", "/v2/rerank", "cohere cohere.rerank.v2 rerank");
    check("api.cohere.com", "/v1/rerank", "cohere cohere.rerank.v1 rerank");
    check("api.cohere.com", "/v1/chat", "cohere cohere.chat.v1 chat");
    check("api.cohere.com", "/v1/generate", "cohere cohere.generate.v1 completion");
    check("api.cohere.com", "/v2/embed", "cohere cohere.embed.v2 embeddings");
    check("ollama.com", "/api/chat", "ollama ollama.chat chat");
    check("ollama.com", "/api/embed", "ollama ollama.embeddings embeddings");
    check("api.writer.com", "/v1/chat", "writer openai.chat chat");
}

#[test]
fn google() {
    let host = "generativelanguage.googleapis.com";
    check(
        host,
        "/v1beta/models/gemini-2.5-flash:generateContent?key=k",
        "gemini gemini.generate chat",
    );
    check(
        host,
        "/v1beta/models/gemini-2.5-flash:countTokens",
        "gemini gemini.count_tokens count_tokens",
    );
    check(
        host,
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        "gemini gemini.embeddings embeddings",
    );
    let models = "/v1/projects/p/locations/l/publishers";
    let host = "us-central1-aiplatform.googleapis.com";
    check(
        host,
        &format!("{models}/google/models/gemini-2.5-pro:streamGenerateContent"),
        "vertex gemini.generate chat",
    );
    check(
        host,
        &format!("{models}/anthropic/models/claude-haiku-4-5:streamRawPredict"),
        "vertex anthropic.messages chat",
    );
    check(
        host,
        &format!("{models}/mistralai/models/mistral-small-2503:streamRawPredict"),
        "vertex openai.chat chat",
    );
    check(
        host,
        &format!("{models}/anthropic/models/count-tokens:rawPredict"),
        "vertex anthropic.count_tokens count_tokens",
    );
    check(
        host,
        &format!("{models}/google/models/text-embedding-004:predict"),
        "vertex vertex.predict embeddings",
    );
}

#[test]
fn bedrock() {
    let host = "bedrock-runtime.us-east-1.amazonaws.com";
    check(
        host,
        "/model/us.amazon.nova-2-lite-v1:0/converse-stream",
        "bedrock bedrock.converse chat",
    );
    check(host, "/model/anthropic.claude-v2/converse", "bedrock bedrock.converse chat");
    check(host, "/model/anthropic.claude-v2/count-tokens", "bedrock other count_tokens");
    check(
        "bedrock-mantle.us-east-1.api.aws",
        "/v1/responses",
        "bedrock-mantle openai.responses chat",
    );
}

#[test]
fn strangers() {
    assert_eq!(detect("example.com", "POST", "/v1/chat/completions"), None);
    assert_eq!(detect("chatgpt.com", "POST", "/backend-api/conversation"), None);
}

#[test]
fn odd_paths() {
    check("api.openai.com", "", "openai other other");
    check("api.openai.com", "/", "openai other other");
    check("api.openai.com", "/v1/chat/completions/", "openai openai.chat chat");
    check("api.openai.com", "/v1/notembeddings", "openai other other");
    check("api.openai.com", "?v1/chat/completions", "openai other other");
}

#[test]
fn models_in_paths() {
    let check = |path: &str, model: Option<&str>| {
        assert_eq!(model_in_path(path).as_deref(), model, "{path}")
    };
    check("/openai/deployments/mine/chat/completions?api-version=1", Some("mine"));
    check("/v1beta/models/gemini-2.5-flash:generateContent", Some("gemini-2.5-flash"));
    check(
        "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        Some("gemini-2.5-pro"),
    );
    check(
        "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
        Some("anthropic.claude-3-haiku-20240307-v1:0"),
    );
    check(
        "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke",
        Some("anthropic.claude-3-haiku-20240307-v1:0"),
    );
    check("/v1/chat/completions", None);
    check("/models/chat/completions", None);
    check("/v1/models", None);
    check("/v1/models/gpt-4o", None);
}
