//! The words for who answers, in which format, and what is asked. Knows no host and no path.

use serde::Serialize;

/// A closed set of words: a `Copy` enum that prints, serialises and compares as its word.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$about])* $variant,)+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Who answers. `Compatible` is any other server that speaks a known dialect, by configuration.
    Provider {
        AlephAlpha = "aleph-alpha",
        Anthropic = "anthropic",
        Azure = "azure",
        Bedrock = "bedrock",
        BedrockAgent = "bedrock-agent",
        BedrockMantle = "bedrock-mantle",
        Cerebras = "cerebras",
        Cohere = "cohere",
        Compatible = "compatible",
        DeepInfra = "deepinfra",
        DeepSeek = "deepseek",
        Fireworks = "fireworks",
        Gemini = "gemini",
        Groq = "groq",
        HuggingFace = "huggingface",
        Jina = "jina",
        Mistral = "mistral",
        Moonshot = "moonshot",
        Ollama = "ollama",
        OpenAi = "openai",
        OpenRouter = "openrouter",
        Perplexity = "perplexity",
        Replicate = "replicate",
        SageMaker = "sagemaker",
        Together = "together",
        Vertex = "vertex",
        Voyage = "voyage",
        Watsonx = "watsonx",
        Writer = "writer",
        XAi = "xai",
        Zai = "zai",
    }
}

words! {
    /// The wire format of a request and its answer.
    Dialect {
        OpenAiChat = "openai.chat",
        OpenAiResponses = "openai.responses",
        OpenAiCompletions = "openai.completions",
        OpenAiEmbeddings = "openai.embeddings",
        AnthropicMessages = "anthropic.messages",
        AnthropicCountTokens = "anthropic.count_tokens",
        GeminiGenerate = "gemini.generate",
        GeminiEmbeddings = "gemini.embeddings",
        GeminiCountTokens = "gemini.count_tokens",
        BedrockConverse = "bedrock.converse",
        BedrockInvoke = "bedrock.invoke",
        CohereChatV1 = "cohere.chat.v1",
        CohereChatV2 = "cohere.chat.v2",
        CohereGenerateV1 = "cohere.generate.v1",
        CohereEmbedV1 = "cohere.embed.v1",
        CohereEmbedV2 = "cohere.embed.v2",
        CohereRerankV1 = "cohere.rerank.v1",
        CohereRerankV2 = "cohere.rerank.v2",
        OllamaChat = "ollama.chat",
        OllamaGenerate = "ollama.generate",
        OllamaEmbeddings = "ollama.embeddings",
        VertexPredict = "vertex.predict",
        /// Known to be a provider's, but no figures are read from it. Errors still are.
        Other = "other",
    }
}

words! {
    /// What is asked.
    Operation {
        Chat = "chat",
        Completion = "completion",
        Embeddings = "embeddings",
        Rerank = "rerank",
        CountTokens = "count_tokens",
        Images = "images",
        Audio = "audio",
        Video = "video",
        Moderation = "moderation",
        Files = "files",
        Batches = "batches",
        Models = "models",
        FineTuning = "fine_tuning",
        Realtime = "realtime",
        Other = "other",
    }
}

/// What a request line and a host say before any body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Endpoint {
    pub provider: Provider,
    pub dialect: Dialect,
    pub operation: Operation,
}
