//! Reads a request body as it passes. Owns none of it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sink answers to its own part of the vocabulary"
)]

use crate::call::Call;
use crate::endpoint::{Dialect, Endpoint};
use crate::field::Field;
use crate::json::{Fields, KEPT_MAX, Node, Scanner, Shape, Sink, Value};
use Shape::{Leaf, Tree};

/// The dialects' names do not clash.
static ROOT: Node = Node {
    fields: Fields::of(&[
        ("model", Leaf(Field::Model)),
        ("stream", Leaf(Field::Stream)),
        ("stream_options", Tree(&STREAM_OPTIONS)),
        ("tools", Tree(&TOOLS)),
        ("functions", Tree(&TOOLS)),
        ("toolConfig", Tree(&TOOL_CONFIG)),
    ]),
    ..Node::EMPTY
};

static START: Shape = Tree(&ROOT);

static STREAM_OPTIONS: Node =
    Node { fields: Fields::of(&[("include_usage", Leaf(Field::IncludeUsage))]), ..Node::EMPTY };
static TOOLS: Node = Node { scope: Some(Field::Items), items: Tree(&TOOL), ..Node::EMPTY };
/// Bedrock's place for them.
static TOOL_CONFIG: Node = Node { fields: Fields::of(&[("tools", Tree(&TOOLS))]), ..Node::EMPTY };
static TOOL: Node = Node {
    scope: Some(Field::Tool),
    fields: Fields::of(&[("functionDeclarations", Tree(&DECLARATIONS))]),
    ..Node::EMPTY
};
/// Gemini gathers its functions in one tool: they count, and the tool around them does not.
static DECLARATIONS: Node =
    Node { scope: Some(Field::Detail), items: Tree(&DECLARATION), ..Node::EMPTY };
static DECLARATION: Node = Node { scope: Some(Field::Tool), ..Node::EMPTY };

pub struct RequestObserver {
    scanner: Box<Scanner>,
    asked: Asked,
    /// What is not JSON is told; a body of no known format may be anything.
    is_known: bool,
}

#[derive(Default)]
struct Asked {
    call: Call,
}

impl RequestObserver {
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            scanner: Box::new(Scanner::new(&START)),
            asked: Asked::default(),
            is_known: endpoint.dialect != Dialect::Other,
        }
    }

    pub fn push(&mut self, body: &[u8]) {
        self.scanner.push(body, &mut self.asked);
    }

    pub fn finish(self) -> Call {
        let Self { mut scanner, mut asked, is_known } = self;
        // A request without a body asks nothing and is not broken.
        if scanner.is_untouched() {
            return asked.call;
        }
        match scanner.finish(&mut asked) {
            Ok(()) => asked.call,
            Err(_) if !is_known => Call::default(),
            Err(why) => Call { unread: Some(why), ..asked.call },
        }
    }
}

impl Sink for Asked {
    fn begin(&mut self, scope: Field) {
        match scope {
            Field::Items => self.call.tools = 0,
            Field::Detail => self.call.tools = self.call.tools.saturating_sub(1),
            Field::Tool => self.call.tools = self.call.tools.saturating_add(1),
            _ => {}
        }
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        match (field, value) {
            (Field::Model, Value::Text(name)) => {
                self.call.model =
                    Some(String::from_utf8_lossy(&name[..name.len().min(KEPT_MAX)]).into_owned());
            }
            (Field::Stream, Value::Bool(on)) => self.call.stream = on,
            (Field::IncludeUsage, Value::Bool(on)) => self.call.include_usage = on,
            _ => {}
        }
    }
}
