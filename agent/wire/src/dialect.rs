//! What a dialect adds to the common vocabulary: its names, and what its events mean. Knows no framing.

pub(crate) mod anthropic_messages;
pub(crate) mod bedrock_converse;
pub(crate) mod bedrock_text;
pub(crate) mod cohere_chat_v1;
pub(crate) mod cohere_chat_v2;
pub(crate) mod cohere_units;
pub(crate) mod error_body;
pub(crate) mod gemini_generate;
pub(crate) mod ollama;
pub(crate) mod openai_chat;
pub(crate) mod openai_embeddings;
pub(crate) mod openai_responses;
mod openai_usage;
pub(crate) mod vertex_predict;

use crate::answer::Answer;
use crate::call::Unread;
use crate::json::{Shape, Sink};

/// Whether an event can say anything that is asked for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Interest {
    Read,
    Pass,
}

/// One document at a time: a whole body, or an event of a stream.
pub(crate) trait Dialect: Sink + Send {
    /// Whether scalars at the top of an event say the same again when they are told again: then a beginning that is
    /// the last event's need not be read.
    const TOP_IS_REPEATABLE: bool = false;

    /// Whether a body may be several documents, one a line.
    const IS_LINES: bool = false;

    fn root(&self) -> &'static Shape;
    /// Documents will be events of a stream.
    fn streamed(&mut self);
    /// An event with this name is next.
    fn event(&mut self, _name: &[u8]) -> Interest {
        Interest::Read
    }
    fn end_document(&mut self, read: Result<(), Unread>);
    /// `[DONE]`
    fn done(&mut self) {}
    fn unread(&mut self, why: Unread);
    fn has_content(&self) -> bool;
    fn finish(self: Box<Self>, status: u16) -> Answer;
}
