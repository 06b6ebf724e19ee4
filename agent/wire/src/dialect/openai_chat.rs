//! OpenAI chat completions and the older text completions, as every host that speaks them answers.
//! Usage is inclusive. Groq repeats it under `x_groq`, Moonshot puts it into the choice.

use super::Dialect;
use super::bedrock_text::METRICS;
use super::openai_usage::{SPARE_USAGE, USAGE};
use crate::answer::Answer;
use crate::call::Unread;
use crate::error::ERROR;
use crate::facts::Facts;
use crate::field::Field;
use crate::json::{Fields, Node, Shape, Sink, Value};
use crate::usage::Figures;
use Shape::{Leaf, Seen, Text, Tree};

static ROOT: Node = Node {
    fields: Fields::of(&[
        ("model", Leaf(Field::Model)),
        ("choices", Tree(&CHOICES)),
        ("usage", Tree(&USAGE)),
        ("service_tier", Leaf(Field::ServiceTier)),
        ("x_groq", Tree(&X_GROQ)),
        ("amazon-bedrock-invocationMetrics", Tree(&METRICS)),
        ("error", Tree(&ERROR)),
        // Mistral and old vLLM tell an error flat, Writer streams bare values.
        ("object", Leaf(Field::OuterObject)),
        ("type", Leaf(Field::OuterKind)),
        ("code", Leaf(Field::OuterCode)),
        ("message", Leaf(Field::OuterMessage)),
        ("value", Seen(Field::Content)),
    ]),
    ..Node::EMPTY
};

static START: Shape = Tree(&ROOT);

static CHOICES: Node = Node { items: Tree(&CHOICE), ..Node::EMPTY };

static CHOICE: Node = Node {
    scope: Some(Field::Choice),
    fields: Fields::of(&[
        ("index", Leaf(Field::ChoiceIndex)),
        ("delta", Tree(&DELTA)),
        ("finish_reason", Leaf(Field::FinishReason)),
        // DeepSeek on Bedrock.
        ("stop_reason", Leaf(Field::FinishReasonToo)),
        ("message", Tree(&MESSAGE)),
        ("text", Seen(Field::Content)),
        ("usage", Tree(&SPARE_USAGE)),
    ]),
    ..Node::EMPTY
};

static DELTA: Node = Node {
    scope: Some(Field::Delta),
    fields: Fields::of(&[
        ("content", Seen(Field::Content)),
        ("reasoning_content", Seen(Field::Content)),
        ("reasoning", Seen(Field::Content)),
        ("refusal", Seen(Field::Content)),
        ("tool_calls", Tree(&CALL_DELTAS)),
        ("function_call", Tree(&FUNCTION_DELTA)),
    ]),
    ..Node::EMPTY
};

static CALL_DELTAS: Node = Node { items: Tree(&CALL_DELTA), ..Node::EMPTY };

static CALL_DELTA: Node = Node {
    scope: Some(Field::CallDelta),
    fields: Fields::of(&[
        ("index", Leaf(Field::CallIndex)),
        ("id", Leaf(Field::CallId)),
        ("function", Tree(&FUNCTION)),
        ("custom", Tree(&FUNCTION)),
    ]),
    ..Node::EMPTY
};

static MESSAGE: Node = Node {
    fields: Fields::of(&[
        ("tool_calls", Tree(&CALLS)),
        ("function_call", Tree(&FUNCTION_CALL)),
        ("content", Seen(Field::Content)),
    ]),
    ..Node::EMPTY
};

static CALLS: Node = Node { items: Tree(&CALL), ..Node::EMPTY };

static CALL: Node = Node {
    scope: Some(Field::Call),
    fields: Fields::of(&[("function", Tree(&FUNCTION)), ("custom", Tree(&FUNCTION))]),
    ..Node::EMPTY
};

static FUNCTION: Node = Node { fields: Fields::of(FUNCTION_FIELDS), ..Node::EMPTY };
/// The older shape: one call, without a place.
static FUNCTION_CALL: Node =
    Node { scope: Some(Field::Call), fields: Fields::of(FUNCTION_FIELDS), ..Node::EMPTY };
static FUNCTION_DELTA: Node =
    Node { scope: Some(Field::CallDelta), fields: Fields::of(FUNCTION_FIELDS), ..Node::EMPTY };

const FUNCTION_FIELDS: &[(&str, Shape)] = &[
    ("name", Leaf(Field::CallName)),
    ("arguments", Text(Field::CallArguments)),
    // A custom tool takes free text.
    ("input", Text(Field::CallArguments)),
];

static X_GROQ: Node = Node {
    fields: Fields::of(&[("usage", Tree(&SPARE_USAGE)), ("error", Tree(&ERROR))]),
    ..Node::EMPTY
};

pub(crate) struct OpenAiChat {
    facts: Facts,
}

impl OpenAiChat {
    pub(crate) fn new(hash_key: [u8; 32]) -> Self {
        Self { facts: Facts::new(hash_key) }
    }
}

impl Dialect for OpenAiChat {
    const TOP_IS_REPEATABLE: bool = true;

    fn root(&self) -> &'static Shape {
        &START
    }

    fn streamed(&mut self) {
        self.facts.streamed = true;
    }

    fn end_document(&mut self, read: Result<(), Unread>) {
        self.facts.terminal |= !self.facts.streamed && read.is_ok();
        self.facts.end_document(read);
    }

    fn done(&mut self) {
        self.facts.terminal = true;
    }

    fn unread(&mut self, why: Unread) {
        self.facts.unread(why);
    }

    fn has_content(&self) -> bool {
        self.facts.content
    }

    fn finish(mut self: Box<Self>, status: u16) -> Answer {
        // Some hosts send no `[DONE]`: the reason is then their last word.
        self.facts.terminal |= self.facts.has_reason();
        self.facts.finish(status, Figures::inclusive)
    }
}

impl Sink for OpenAiChat {
    fn begin(&mut self, scope: Field) {
        self.facts.begin(scope);
    }

    fn end(&mut self, scope: Field) {
        self.facts.end(scope);
    }

    fn piece(&mut self, field: Field, bytes: &[u8]) {
        self.facts.piece(field, bytes);
    }

    fn value(&mut self, field: Field, value: Value<'_>) {
        self.facts.value(field, value);
    }
}
