//! Reads a response body as it passes: finds its framing, feeds its documents to its dialect. Owns none of it.

mod headers;
mod invoke;

use crate::answer::Answer;
use crate::call::Unread;
use crate::dialect::anthropic_messages::AnthropicMessages;
use crate::dialect::bedrock_converse::BedrockConverse;
use crate::dialect::cohere_chat_v1::CohereChatV1;
use crate::dialect::cohere_chat_v2::CohereChatV2;
use crate::dialect::cohere_units::CohereUnits;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::gemini_generate::GeminiGenerate;
use crate::dialect::ollama::Ollama;
use crate::dialect::openai_chat::OpenAiChat;
use crate::dialect::openai_embeddings::OpenAiEmbeddings;
use crate::dialect::openai_responses::OpenAiResponses;
use crate::dialect::vertex_predict::VertexPredict;
use crate::dialect::{Dialect, Interest};
use crate::endpoint::{Dialect as Name, Endpoint};
use crate::frames::Frames;
use crate::json::Scanner;
use crate::sse::{Events, Sse};

use headers::Headers;
use invoke::Invoke;

const DONE: &[u8] = b"[DONE]";
/// A longer common beginning of events is read again.
const BEGINNING_MAX: usize = 1024;

pub struct ResponseObserver {
    headers: Headers,
    reader: Option<Box<dyn Read + Send>>,
}

impl ResponseObserver {
    /// `hash_key` keys the hashes of tool arguments.
    pub fn new(
        endpoint: Endpoint,
        status: u16,
        content_type: Option<&str>,
        hash_key: [u8; 32],
    ) -> Self {
        Self {
            headers: Headers::new(endpoint.dialect, status),
            reader: reader(endpoint.dialect, status, content_type, hash_key),
        }
    }

    /// A response header, in any order; most say nothing here. Call it for each, before `finish`.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        self.headers.read(name, value);
    }

    /// Body bytes with transfer and content coding undone, in any pieces.
    pub fn push(&mut self, body: &[u8]) {
        if let Some(reader) = &mut self.reader {
            reader.push(body);
        }
    }

    /// Whether the first content token has passed.
    pub fn has_content(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.has_content())
    }

    pub fn finish(self) -> Answer {
        let mut answer = self.reader.map_or_else(Answer::default, Read::finish);
        self.headers.complete(&mut answer);
        answer
    }
}

fn reader(
    dialect: Name,
    status: u16,
    content_type: Option<&str>,
    key: [u8; 32],
) -> Option<Box<dyn Read + Send>> {
    let events = content_type.is_some_and(|kind| {
        let kind = kind.trim_start().as_bytes();
        kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream")
    });
    fn boxed<D: Dialect + 'static>(
        dialect: D,
        status: u16,
        events: bool,
    ) -> Option<Box<dyn Read + Send>> {
        Some(Box::new(Reading::new(dialect, status, events)))
    }
    if status >= 400 {
        return boxed(ErrorBody::default(), status, events);
    }
    match dialect {
        Name::OpenAiChat | Name::OpenAiCompletions => boxed(OpenAiChat::new(key), status, events),
        Name::OpenAiResponses => boxed(OpenAiResponses::new(key), status, events),
        Name::OpenAiEmbeddings => boxed(OpenAiEmbeddings::new(key), status, events),
        Name::AnthropicMessages => boxed(AnthropicMessages::new(key), status, events),
        Name::BedrockConverse => boxed(BedrockConverse::new(key), status, events),
        Name::BedrockInvoke => Some(Box::new(Invoke::new(key))),
        Name::CohereChatV1 | Name::CohereGenerateV1 => {
            boxed(CohereChatV1::new(key), status, events)
        }
        Name::CohereEmbedV1 | Name::CohereEmbedV2 | Name::CohereRerankV1 | Name::CohereRerankV2 => {
            boxed(CohereUnits::new(key), status, events)
        }
        Name::OllamaChat | Name::OllamaGenerate | Name::OllamaEmbeddings => {
            boxed(Ollama::new(key), status, events)
        }
        Name::VertexPredict => boxed(VertexPredict::new(key), status, events),
        Name::CohereChatV2 => boxed(CohereChatV2::new(key), status, events),
        Name::GeminiGenerate | Name::GeminiEmbeddings => {
            boxed(GeminiGenerate::new(key), status, events)
        }
        // A count of tokens is no usage.
        Name::AnthropicCountTokens | Name::GeminiCountTokens | Name::Other => None,
    }
}

/// A body being read, whatever its dialect.
trait Read {
    fn push(&mut self, body: &[u8]);
    fn has_content(&self) -> bool;
    fn finish(self: Box<Self>) -> Answer;
}

struct Reading<D> {
    status: u16,
    /// The header says that this is an event stream.
    events: bool,
    framing: Framing,
    sse: Sse,
    frames: Frames,
    documents: Documents<D>,
}

#[derive(Clone, Copy, PartialEq)]
enum Framing {
    /// Nothing but white space has come.
    Unknown,
    Json,
    Sse,
    Frames,
    Neither,
}

impl<D: Dialect> Reading<D> {
    fn new(dialect: D, status: u16, events: bool) -> Self {
        Self {
            status,
            events,
            framing: Framing::Unknown,
            sse: Sse::new(),
            frames: Frames::new(),
            documents: Documents::new(dialect),
        }
    }

    /// The first byte tells more than the header: errors come as JSON under a stream's type, and the reverse.
    fn frame(&mut self, byte: u8) -> Framing {
        match byte {
            b'{' | b'[' => Framing::Json,
            // The first byte of a frame's length, and of nothing else.
            0 => Framing::Frames,
            b':' | b'd' | b'e' | b'i' | b'r' => Framing::Sse,
            _ if self.events => Framing::Sse,
            _ => {
                self.documents.dialect.unread(Unread::NotJson);
                Framing::Neither
            }
        }
    }
}

impl<D: Dialect> Read for Reading<D> {
    fn push(&mut self, mut body: &[u8]) {
        if self.framing == Framing::Unknown {
            let blank = |b: &u8| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | 0xef | 0xbb | 0xbf);
            let Some(start) = body.iter().position(|b| !blank(b)) else { return };
            body = &body[start..];
            self.framing = self.frame(body[0]);
            if matches!(self.framing, Framing::Sse | Framing::Frames) {
                self.documents.dialect.streamed();
            }
        }
        match self.framing {
            Framing::Json if D::IS_LINES => self.documents.lines(body),
            Framing::Json => self.documents.data(body),
            Framing::Sse => self.sse.push(body, &mut self.documents),
            Framing::Frames => self.frames.push(body, &mut self.documents),
            Framing::Unknown | Framing::Neither => {}
        }
    }

    fn has_content(&self) -> bool {
        self.documents.dialect.has_content()
    }

    fn finish(mut self: Box<Self>) -> Answer {
        match self.framing {
            Framing::Json => self.documents.end(),
            Framing::Sse => self.sse.finish(&mut self.documents),
            Framing::Frames => self.frames.finish(&mut self.documents),
            Framing::Unknown | Framing::Neither => {}
        }
        self.documents.dialect.finish(self.status)
    }
}

/// Documents one after the other: a whole body, or the events of a stream.
struct Documents<D> {
    dialect: Box<D>,
    scanner: Scanner,
    interest: Interest,
    /// How much of `[DONE]` this document has been.
    done: usize,
    /// What the last event began with, up to where its content begins: ids, a model, a date.
    beginning: Vec<u8>,
    /// A document has ended.
    ended: bool,
}

impl<D: Dialect> Events for Documents<D> {
    fn name(&mut self, name: &[u8]) {
        self.interest = self.dialect.event(name);
    }

    #[inline]
    fn data(&mut self, bytes: &[u8]) {
        if self.interest == Interest::Pass {
            return;
        }
        if !self.scanner.is_untouched() {
            return self.scanner.push(bytes, &mut *self.dialect);
        }
        if self.done > 0 || bytes.first() == Some(&b'[') {
            return self.maybe_done(bytes);
        }
        if !D::TOP_IS_REPEATABLE {
            return self.scanner.push(bytes, &mut *self.dialect);
        }
        self.repeatable(bytes);
    }

    fn end(&mut self) {
        if self.done == DONE.len() {
            self.dialect.done();
        } else if self.interest == Interest::Read && !self.scanner.is_untouched() {
            let read = self.scanner.finish(&mut *self.dialect);
            self.dialect.end_document(read);
        }
        self.scanner.restart();
        self.interest = Interest::Read;
        self.done = 0;
        self.ended = true;
    }

    fn broken(&mut self) {
        self.dialect.end_document(Err(Unread::BrokenFrame));
    }
}

impl<D: Dialect> Documents<D> {
    fn new(dialect: D) -> Self {
        Self {
            scanner: Scanner::new(dialect.root()),
            dialect: Box::new(dialect),
            interest: Interest::Read,
            done: 0,
            beginning: Vec::new(),
            ended: false,
        }
    }

    /// Documents with nothing but white space between them.
    fn lines(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.scanner.is_untouched() {
                let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
                let Some(start) = start else { return };
                bytes = &bytes[start..];
                if self.ended {
                    self.dialect.streamed();
                }
            }
            let taken = self.scanner.push_document(bytes, &mut *self.dialect);
            bytes = &bytes[taken..];
            if self.scanner.is_done() {
                self.end();
            }
        }
    }

    /// The first bytes of an event that may begin like the last one.
    fn repeatable(&mut self, bytes: &[u8]) {
        if !self.beginning.is_empty() && bytes.starts_with(&self.beginning) {
            self.scanner.resume();
            return self.scanner.push(&bytes[self.beginning.len()..], &mut *self.dialect);
        }
        let beginning = self.scanner.push_first(bytes, &mut *self.dialect);
        self.beginning.clear();
        if beginning <= BEGINNING_MAX {
            self.beginning.extend_from_slice(&bytes[..beginning]);
        }
    }

    /// Data that began like `[DONE]`.
    fn maybe_done(&mut self, bytes: &[u8]) {
        let rest = &DONE[self.done..];
        let same = bytes.iter().zip(rest).take_while(|(a, b)| a == b).count();
        let blank = bytes[same..].iter().all(|b| b.is_ascii_whitespace());
        if same == bytes.len() || (same == rest.len() && blank) {
            self.done += same;
            return;
        }
        // An array after all.
        let held = &DONE[..self.done];
        self.done = 0;
        self.scanner.push(held, &mut *self.dialect);
        self.scanner.push(bytes, &mut *self.dialect);
    }
}
