//! Bedrock's InvokeModel: a body in the model's own format, whole, or in frames that carry it in base64. Which format
//! tells the body itself, because a path may name no model: all families read until one is recognised.

mod base64;
#[cfg(test)]
mod tests;

use super::{Documents, Framing, Read};
use crate::answer::Answer;
use crate::call::Unread;
use crate::dialect::Dialect;
use crate::dialect::anthropic_messages::AnthropicMessages;
use crate::dialect::bedrock_converse::BedrockConverse;
use crate::dialect::bedrock_text::BedrockText;
use crate::dialect::error_body::ErrorBody;
use crate::dialect::openai_chat::OpenAiChat;
use crate::field::Field;
use crate::frames::Frames;
use crate::json::{Fields, Node, Scanner, Shape, Sink, Value};
use crate::sse::Events;
use Shape::{Leaf, Seen, Tree};
use base64::Base64;

#[derive(Clone, Copy, PartialEq)]
enum Family {
    Claude,
    Nova,
    Chat,
    Text,
}

pub(super) struct Invoke {
    framing: Framing,
    frames: Frames,
    chunks: Chunks,
}

impl Invoke {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { framing: Framing::Unknown, frames: Frames::new(), chunks: Chunks::new(key) }
    }
}

impl Read for Invoke {
    fn push(&mut self, mut body: &[u8]) {
        if self.framing == Framing::Unknown {
            let Some(start) = body.iter().position(|b| !b.is_ascii_whitespace()) else { return };
            body = &body[start..];
            self.framing = match body[0] {
                b'{' | b'[' => Framing::Json,
                0 => Framing::Frames,
                _ => Framing::Neither,
            };
            match self.framing {
                Framing::Frames => self.chunks.native.streamed(),
                Framing::Neither => self.chunks.native.unread(Unread::NotJson),
                Framing::Unknown | Framing::Json | Framing::Sse => {}
            }
        }
        match self.framing {
            Framing::Json => self.chunks.native.data(body),
            Framing::Frames => self.frames.push(body, &mut self.chunks),
            Framing::Unknown | Framing::Sse | Framing::Neither => {}
        }
    }

    fn has_content(&self) -> bool {
        self.chunks.native.has_content()
    }

    fn finish(mut self: Box<Self>) -> Answer {
        match self.framing {
            Framing::Json => self.chunks.native.end(),
            Framing::Frames => self.frames.finish(&mut self.chunks),
            Framing::Unknown | Framing::Sse | Framing::Neither => {}
        }
        self.chunks.finish()
    }
}

static CHUNK_NODE: Node =
    Node { fields: Fields::of(&[("bytes", Shape::Text(Field::Content))]), ..Node::EMPTY };
static CHUNK: Shape = Tree(&CHUNK_NODE);

/// The frames' payloads: chunks of the native stream, and at worst an exception.
struct Chunks {
    native: Native,
    chunk: Scanner,
    base64: Base64,
    exception: Option<Documents<ErrorBody>>,
}

impl Chunks {
    fn new(key: [u8; 32]) -> Self {
        Self {
            native: Native::new(key),
            chunk: Scanner::new(&CHUNK),
            base64: Base64::default(),
            exception: None,
        }
    }

    fn finish(self) -> Answer {
        let mut answer = self.native.finish();
        if let Some(exception) = self.exception {
            answer.error = exception.dialect.finish(0).error;
            answer.complete = true;
        }
        answer
    }
}

impl Events for Chunks {
    fn name(&mut self, name: &[u8]) {
        if name.ends_with(b"Exception") {
            let mut error = ErrorBody::default();
            error.name(name);
            self.exception = Some(Documents::new(error));
        }
    }

    fn data(&mut self, bytes: &[u8]) {
        match &mut self.exception {
            Some(exception) => exception.data(bytes),
            None => {
                let mut carried = Carried { base64: &mut self.base64, native: &mut self.native };
                self.chunk.push(bytes, &mut carried);
            }
        }
    }

    fn end(&mut self) {
        if let Some(exception) = &mut self.exception {
            return exception.end();
        }
        let mut carried = Carried { base64: &mut self.base64, native: &mut self.native };
        let whole = self.chunk.finish(&mut carried);
        self.chunk.restart();
        let carried = self.base64.finish();
        match whole {
            Ok(()) if carried => self.native.end(),
            Ok(()) | Err(_) => self.native.broken(),
        }
    }

    fn broken(&mut self) {
        self.native.broken();
    }
}

/// Base64 on its way into the families.
struct Carried<'a> {
    base64: &'a mut Base64,
    native: &'a mut Native,
}

impl Sink for Carried<'_> {
    fn piece(&mut self, _field: Field, bytes: &[u8]) {
        self.base64.push(bytes, |bytes| self.native.data(bytes));
    }

    fn value(&mut self, _field: Field, _value: Value<'_>) {}
}

/// The families that the body may still be of.
struct Native {
    families: Vec<(Family, Box<dyn Reader>)>,
    /// While there is more than one.
    marks: Option<(Box<Scanner>, Marks)>,
}

trait Reader: Events + Send {
    fn streamed(&mut self);
    fn unread(&mut self, why: Unread);
    fn has_content(&self) -> bool;
    fn finish(self: Box<Self>) -> Answer;
}

impl<D: Dialect> Reader for Documents<D> {
    fn streamed(&mut self) {
        self.dialect.streamed();
    }

    fn unread(&mut self, why: Unread) {
        self.dialect.unread(why);
    }

    fn has_content(&self) -> bool {
        self.dialect.has_content()
    }

    fn finish(self: Box<Self>) -> Answer {
        self.dialect.finish(200)
    }
}

impl Native {
    fn new(key: [u8; 32]) -> Self {
        fn boxed<D: Dialect + 'static>(dialect: D) -> Box<dyn Reader> {
            Box::new(Documents::new(dialect))
        }
        let families = vec![
            (Family::Text, boxed(BedrockText::new(key))),
            (Family::Claude, boxed(AnthropicMessages::new(key))),
            (Family::Nova, boxed(BedrockConverse::new(key))),
            (Family::Chat, boxed(OpenAiChat::new(key))),
        ];
        Self { families, marks: Some((Box::new(Scanner::new(&MARKS)), Marks::default())) }
    }

    fn streamed(&mut self) {
        self.families.iter_mut().for_each(|(_, reader)| reader.streamed());
    }

    fn unread(&mut self, why: Unread) {
        self.families.iter_mut().for_each(|(_, reader)| reader.unread(why));
    }

    fn data(&mut self, bytes: &[u8]) {
        if let Some((scanner, marks)) = &mut self.marks {
            scanner.push(bytes, marks);
            if let Some(family) = marks.family {
                self.families.retain(|(other, _)| *other == family);
                self.marks = None;
            }
        }
        self.families.iter_mut().for_each(|(_, reader)| reader.data(bytes));
    }

    fn end(&mut self) {
        if let Some((scanner, _)) = &mut self.marks {
            scanner.restart();
        }
        self.families.iter_mut().for_each(|(_, reader)| reader.end());
    }

    fn broken(&mut self) {
        self.families.iter_mut().for_each(|(_, reader)| reader.broken());
    }

    fn has_content(&self) -> bool {
        self.families.iter().any(|(_, reader)| reader.has_content())
    }

    /// A body that no family was recognised in is read as the plainest.
    fn finish(self) -> Answer {
        let Some((family, reader)) = self.families.into_iter().next() else {
            return Answer::default();
        };
        let mut answer = reader.finish();
        if family == Family::Nova {
            // Its own format does not tell of the provider's tools.
            answer.server_tool_calls = answer.server_tool_calls.filter(|calls| *calls > 0);
        }
        answer
    }
}

/// What only one family says.
static MARKS_NODE: Node = Node {
    fields: Fields::of(&[
        ("type", Leaf(Field::Type)),
        ("output", Seen(Field::Status)),
        ("messageStart", Seen(Field::Status)),
        ("contentBlockStart", Seen(Field::Status)),
        ("contentBlockDelta", Seen(Field::Status)),
        ("messageStop", Seen(Field::Status)),
        ("choices", Seen(Field::Choice)),
        ("inputTextTokenCount", Leaf(Field::Item)),
        ("outputText", Seen(Field::Item)),
        ("generation", Seen(Field::Item)),
        ("outputs", Seen(Field::Item)),
        ("generations", Seen(Field::Item)),
        ("completions", Seen(Field::Item)),
        ("embedding", Seen(Field::Item)),
        ("embeddings", Seen(Field::Item)),
    ]),
    ..Node::EMPTY
};
static MARKS: Shape = Tree(&MARKS_NODE);

#[derive(Default)]
struct Marks {
    family: Option<Family>,
}

impl Sink for Marks {
    fn value(&mut self, field: Field, value: Value<'_>) {
        let family = match (field, value) {
            (Field::Type, Value::Text(b"completion")) => Family::Text,
            (Field::Type, Value::Text(_)) => Family::Claude,
            (Field::Status, _) => Family::Nova,
            (Field::Choice, _) => Family::Chat,
            (Field::Item, _) => Family::Text,
            _ => return,
        };
        self.family.get_or_insert(family);
    }
}
