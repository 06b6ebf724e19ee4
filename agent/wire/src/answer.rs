//! What an answer says, understood. Knows no bytes.

use serde::Serialize;

use crate::call::Unread;
use crate::endpoint::words;
use crate::usage::Usage;

/// The facts of a response body. Never text of the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// As the response names it.
    pub model: Option<String>,
    pub usage: Option<Usage>,
    /// In the provider's words, one a choice.
    pub finish_reasons: Vec<String>,
    /// The same, each as what it means.
    pub finish_classes: Vec<FinishClass>,
    /// Calls the client must run.
    pub tool_calls: Vec<ToolCall>,
    /// Calls the provider ran itself; `None` where the dialect does not say.
    pub server_tool_calls: Option<u32>,
    pub error: Option<ProviderError>,
    pub service_tier: Option<String>,
    /// The stream's terminal event, or the document's end, was seen. Never for a body that nothing is read from.
    pub complete: bool,
    pub unread: Option<Unread>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    pub name: String,
    /// Keyed, so that equal arguments can be recognised and none can be read or guessed.
    /// Empty where the arguments came in a way that could not be followed.
    pub arguments_hash: String,
}

/// An error in the provider's words, with what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderError {
    pub kind: Option<String>,
    pub code: Option<String>,
    pub class: ErrorClass,
    /// How long the provider asks to wait, wherever it says so.
    pub retry_after_ms: Option<u64>,
    /// The provider wrote the code as a number.
    #[serde(skip)]
    pub code_is_number: bool,
    /// The error was no object but the message itself.
    #[serde(skip)]
    pub is_bare: bool,
    #[serde(skip)]
    pub message: Option<Message>,
}

/// A provider's sentence about an error. It may quote the caller, so it prints and serialises as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Message(pub(crate) String);

impl Message {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(..)")
    }
}

words! {
    /// Why a model stopped.
    FinishClass {
        Stop = "stop",
        Length = "length",
        ToolCalls = "tool_calls",
        ContentRefused = "content_refused",
        /// The turn goes on when the caller says so.
        Paused = "paused",
        Error = "error",
        Unknown = "unknown",
    }
}

words! {
    ErrorClass {
        RateLimited = "rate_limited",
        QuotaExhausted = "quota_exhausted",
        Overloaded = "overloaded",
        ContextTooLong = "context_too_long",
        ContentRefused = "content_refused",
        Authentication = "authentication",
        Permission = "permission",
        BadRequest = "bad_request",
        NotFound = "not_found",
        Timeout = "timeout",
        Server = "server",
        Unknown = "unknown",
    }
}
