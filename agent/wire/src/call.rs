//! What a request asks, understood. Knows no bytes.

use serde::Serialize;

use crate::endpoint::words;

/// The facts of a request body. Never text of the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Call {
    pub model: Option<String>,
    pub stream: bool,
    /// `stream_options.include_usage`: without it some providers' streams state no usage.
    pub include_usage: bool,
    /// Tool definitions offered to the model.
    pub tools: u32,
    pub unread: Option<Unread>,
}

words! {
    /// Why a body gave no facts, or not all.
    Unread {
        InvalidJson = "invalid JSON",
        TooDeep = "JSON nested too deep",
        Truncated = "body ends in the middle of a value",
        NotJson = "not JSON",
        BrokenFrame = "broken frame",
    }
}
