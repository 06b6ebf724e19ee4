//! JSON as it passes: a push-based scanner that yields the few values a tree of names asks for.
//! Knows JSON; knows no dialect. Keeps no document: one short value and one path at a time.
//!
//! What nobody asked for is checked for its brackets and strings only. What is asked for is checked in full.

mod bytes;
mod fields;
mod number;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use fields::Fields;
pub(crate) use number::{scaled, whole};
pub(crate) use shape::{Node, Shape, Sink, Value};

use crate::call::Unread;
use crate::short::Short;
use bytes::{bare_end, string_stop};
use text::Escape;

/// As deep as `serde_json` goes; nobody nests deeper on purpose.
const DEPTH_MAX: u32 = 128;
/// Trees of names are shallower than this; below it nothing is looked for.
const TRACKED_MAX: usize = 16;
/// Longest key or value that is kept. Model names and error codes are far shorter; messages are cut.
pub(crate) const KEPT_MAX: usize = 256;

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// A value must come.
    Value,
    /// An item or the end of the array.
    FirstItem,
    /// A key or the end of the object.
    FirstKey,
    Key,
    InKey,
    Colon,
    InText,
    InBare,
    /// Inside a container that nobody asked for.
    Nested,
    InNestedText,
    /// A comma or the end of the container.
    After,
    Done,
    Bad(Unread),
}

/// Where a member of an object leads.
enum Member {
    /// To the next key.
    Next(usize),
    /// To whatever the state says.
    Left(usize),
}

static NONE: Node = Node::EMPTY;

pub(crate) struct Scanner {
    root: &'static Shape,
    state: State,
    /// One bit a level, innermost lowest: set for an object.
    objects: u128,
    depth: u32,
    /// Where `Nested` ends.
    nested_from: u32,
    nodes: [&'static Node; TRACKED_MAX],
    /// What the value that comes, or is being read, is for.
    shape: &'static Shape,
    /// Whether the beginning is being measured, and its length so far.
    measuring: bool,
    beginning: usize,
    escape: Escape,
    kept: Short<KEPT_MAX>,
}

impl Scanner {
    pub(crate) fn new(root: &'static Shape) -> Self {
        Self {
            root,
            state: State::Value,
            objects: 0,
            depth: 0,
            nested_from: 0,
            nodes: [&NONE; TRACKED_MAX],
            shape: root,
            measuring: false,
            beginning: 0,
            escape: Escape::None,
            kept: Short::new(),
        }
    }

    /// Forget the document; another may follow.
    pub(crate) fn restart(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.objects = 0;
        self.shape = self.root;
        self.escape = Escape::None;
    }

    /// Whether nothing but white space has come.
    pub(crate) fn is_untouched(&self) -> bool {
        self.state == State::Value && self.depth == 0
    }

    /// No more bytes of this document will come.
    pub(crate) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), Unread> {
        if self.state == State::InBare && self.depth == 0 {
            self.end_bare(sink);
        }
        match self.state {
            State::Done => Ok(()),
            State::Bad(why) => Err(why),
            State::Value
            | State::FirstItem
            | State::FirstKey
            | State::Key
            | State::InKey
            | State::Colon
            | State::InText
            | State::InBare
            | State::Nested
            | State::InNestedText
            | State::After => Err(Unread::Truncated),
        }
    }

    /// The first bytes of a document. Returns how many of them, up to a key of the outermost object, yielded nothing
    /// but scalars: another document that begins with the same bytes may be resumed after them.
    pub(crate) fn push_first(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        self.measuring = true;
        self.beginning = 0;
        self.push(bytes, sink);
        self.measuring = false;
        self.beginning
    }

    /// Goes on as if a beginning had just been read.
    pub(crate) fn resume(&mut self) {
        if let Shape::Tree(node) = *self.root {
            self.nodes[0] = node;
        }
        self.objects = 1;
        self.depth = 1;
        self.state = State::Key;
    }

    /// Up to the end of this document; returns how many bytes were its own.
    pub(crate) fn push_document(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            at = match self.state {
                State::Value | State::FirstItem => self.value(bytes, at, sink),
                State::FirstKey | State::Key => self.key(bytes, at, sink),
                State::InKey => self.in_key(bytes, at),
                State::Colon => self.colon(bytes, at),
                State::InText => self.in_text(bytes, at, sink),
                State::InBare => self.in_bare(bytes, at, sink),
                State::Nested => self.nested(bytes, at, sink),
                State::InNestedText => self.in_nested_text(bytes, at, sink),
                State::After => self.after(bytes, at, sink),
                State::Done | State::Bad(_) => usize::MAX,
            };
        }
        at.min(bytes.len())
    }

    /// Whether the document has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Value | State::FirstItem => self.value(bytes, at, sink),
                State::FirstKey | State::Key => self.key(bytes, at, sink),
                State::InKey => self.in_key(bytes, at),
                State::Colon => self.colon(bytes, at),
                State::InText => self.in_text(bytes, at, sink),
                State::InBare => self.in_bare(bytes, at, sink),
                State::Nested => self.nested(bytes, at, sink),
                State::InNestedText => self.in_nested_text(bytes, at, sink),
                State::After => self.after(bytes, at, sink),
                State::Done => self.done(bytes, at),
                State::Bad(_) => return,
            };
        }
    }

    fn bad(&mut self, why: Unread) -> usize {
        self.state = State::Bad(why);
        usize::MAX
    }

    #[inline]
    fn value(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        match bytes[at] {
            b'"' => self.open_text(bytes, at + 1, sink),
            b'{' => self.open(true, at, sink),
            b'[' => self.open(false, at, sink),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.open_bare(bytes, at, sink),
            b' ' | b'\n' | b'\r' | b'\t' => at + 1,
            b']' if self.state == State::FirstItem => self.close(false, at + 1, sink),
            _ => self.bad(Unread::InvalidJson),
        }
    }

    fn open(&mut self, object: bool, at: usize, sink: &mut impl Sink) -> usize {
        if self.depth == DEPTH_MAX {
            return self.bad(Unread::TooDeep);
        }
        let level = self.depth as usize;
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        match *self.shape {
            Shape::Tree(node) if level < TRACKED_MAX => {
                self.nodes[level] = node;
                if let Some(scope) = node.scope {
                    sink.begin(scope);
                }
                self.state = if object { State::FirstKey } else { State::FirstItem };
                self.shape = &node.items;
                return at + 1;
            }
            Shape::Seen(field) => sink.value(field, Value::Seen),
            Shape::Text(field) => sink.piece(field, if object { b"{" } else { b"[" }),
            Shape::Skip | Shape::Leaf(_) | Shape::Tree(_) => {}
        }
        self.nested_from = self.depth;
        self.state = State::Nested;
        at + 1
    }

    fn close(&mut self, object: bool, next: usize, sink: &mut impl Sink) -> usize {
        if (self.objects & 1 == 1) != object || self.depth == 0 {
            return self.bad(Unread::InvalidJson);
        }
        self.objects >>= 1;
        self.depth -= 1;
        if let Some(scope) = self.nodes[self.depth as usize].scope {
            sink.end(scope);
        }
        self.settle();
        next
    }

    /// A value has ended.
    #[inline]
    fn settle(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::After };
    }

    #[inline]
    fn node(&self) -> &'static Node {
        self.nodes[self.depth as usize - 1]
    }

    #[inline]
    fn after(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        match bytes[at] {
            b',' if self.objects & 1 == 1 => {
                self.state = State::Key;
                if self.depth == 1 && sink.has_enough() {
                    self.shape = &Shape::Skip;
                    self.nested_from = 1;
                    self.state = State::Nested;
                }
                at + 1
            }
            b',' => {
                self.shape = &self.node().items;
                self.state = State::Value;
                at + 1
            }
            b'}' => self.close(true, at + 1, sink),
            b']' => self.close(false, at + 1, sink),
            b' ' | b'\n' | b'\r' | b'\t' => at + 1,
            _ => self.bad(Unread::InvalidJson),
        }
    }

    fn done(&mut self, bytes: &[u8], at: usize) -> usize {
        match bytes[at] {
            b' ' | b'\n' | b'\r' | b'\t' => at + 1,
            _ => self.bad(Unread::InvalidJson),
        }
    }

    #[inline]
    fn key(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        match bytes[at] {
            b'"' => {}
            b' ' | b'\n' | b'\r' | b'\t' => return at + 1,
            b'}' if self.state == State::FirstKey => return self.close(true, at + 1, sink),
            _ => return self.bad(Unread::InvalidJson),
        }
        let node = self.node();
        let mut key = at;
        loop {
            let start = key + 1;
            let stop = string_stop(bytes, start);
            if bytes.get(stop) != Some(&b'"') {
                self.kept.clear();
                self.kept.add(&bytes[start..stop]);
                self.state = State::InKey;
                return stop;
            }
            self.shape = node.fields.shape(&bytes[start..stop]);
            if self.measuring && matches!(*self.shape, Shape::Tree(_) | Shape::Text(_)) {
                self.measuring = false;
                self.beginning = key;
            }
            if bytes.get(stop + 1) != Some(&b':') {
                self.state = State::Colon;
                return stop + 1;
            }
            match self.scalar(bytes, stop + 2, sink) {
                Member::Next(next) => key = next,
                Member::Left(next) => return next,
            }
        }
    }

    /// A scalar member and the comma after it, if both are whole: the way of most bytes.
    #[inline]
    fn scalar(&mut self, bytes: &[u8], mut at: usize, sink: &mut impl Sink) -> Member {
        if bytes.get(at) == Some(&b' ') {
            at += 1;
        }
        let end = match bytes.get(at) {
            Some(b'"') => {
                let stop = string_stop(bytes, at + 1);
                if bytes.get(stop) != Some(&b'"') {
                    self.state = State::Value;
                    return Member::Left(at);
                }
                self.whole_text(&bytes[at + 1..stop], sink);
                stop + 1
            }
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                let end = bare_end(bytes, at);
                if end >= bytes.len() {
                    self.state = State::Value;
                    return Member::Left(at);
                }
                if !matches!(*self.shape, Shape::Skip)
                    && !yield_bare(*self.shape, &bytes[at..end], sink)
                {
                    return Member::Left(self.bad(Unread::InvalidJson));
                }
                end
            }
            Some(_) | None => {
                self.state = State::Value;
                return Member::Left(at);
            }
        };
        let goes_on = bytes.get(end) == Some(&b',') && bytes.get(end + 1) == Some(&b'"');
        if goes_on && !(self.depth == 1 && sink.has_enough()) {
            return Member::Next(end + 1);
        }
        self.state = State::After;
        Member::Left(end)
    }

    fn colon(&mut self, bytes: &[u8], at: usize) -> usize {
        match bytes[at] {
            b':' => {
                self.state = State::Value;
                at + 1
            }
            b' ' | b'\n' | b'\r' | b'\t' => at + 1,
            _ => self.bad(Unread::InvalidJson),
        }
    }

    /// A key with an escape in it, or cut by the end of a push.
    fn in_key(&mut self, bytes: &[u8], at: usize) -> usize {
        let kept = &mut self.kept;
        match self.escape.read(bytes, at, |piece| kept.add(piece)) {
            text::Read::More(next) => next,
            text::Read::Bad => self.bad(Unread::InvalidJson),
            text::Read::End(next) => {
                let node = self.node();
                self.shape = if self.kept.is_cut() {
                    &Shape::Skip
                } else {
                    node.fields.shape(self.kept.text())
                };
                self.state = State::Colon;
                next
            }
        }
    }

    #[inline]
    fn open_text(&mut self, bytes: &[u8], start: usize, sink: &mut impl Sink) -> usize {
        if let Shape::Seen(field) = *self.shape {
            // A string cut right after its quote is decided by its next byte.
            if start < bytes.len() {
                self.shape = &Shape::Skip;
                if bytes[start] != b'"' {
                    sink.value(field, Value::Seen);
                }
            }
        }
        let stop = string_stop(bytes, start);
        if stop < bytes.len() && bytes[stop] == b'"' {
            self.whole_text(&bytes[start..stop], sink);
            self.settle();
            return stop + 1;
        }
        self.kept.clear();
        self.state = State::InText;
        start
    }

    #[inline]
    fn whole_text(&mut self, text: &[u8], sink: &mut impl Sink) {
        match *self.shape {
            Shape::Skip => {}
            Shape::Seen(field) => {
                if !text.is_empty() {
                    sink.value(field, Value::Seen);
                }
            }
            Shape::Leaf(field) => sink.value(field, Value::Text(&text[..text.len().min(KEPT_MAX)])),
            Shape::Text(field) => {
                if !text.is_empty() {
                    sink.piece(field, text);
                }
                sink.end(field);
            }
            Shape::Tree(node) => {
                if let Some(field) = node.bare {
                    sink.value(field, Value::Text(&text[..text.len().min(KEPT_MAX)]));
                }
            }
        }
    }

    /// A string with an escape in it, or cut by the end of a push.
    fn in_text(&mut self, bytes: &[u8], mut at: usize, sink: &mut impl Sink) -> usize {
        if let Shape::Seen(field) = *self.shape {
            self.shape = &Shape::Skip;
            if bytes[at] != b'"' {
                sink.value(field, Value::Seen);
            }
        }
        let kept = &mut self.kept;
        let shape = *self.shape;
        let read = loop {
            let read = match shape {
                Shape::Skip | Shape::Seen(_) => self.escape.pass(bytes, at),
                Shape::Leaf(_) | Shape::Tree(_) => {
                    self.escape.read(bytes, at, |piece| kept.add(piece))
                }
                Shape::Text(field) => self.escape.read(bytes, at, |piece| sink.piece(field, piece)),
            };
            match read {
                text::Read::More(next) if next < bytes.len() => at = next,
                text::Read::More(_) | text::Read::End(_) | text::Read::Bad => break read,
            }
        };
        match read {
            text::Read::More(next) => next,
            text::Read::Bad => self.bad(Unread::InvalidJson),
            text::Read::End(next) => {
                match shape {
                    Shape::Leaf(field) => sink.value(field, Value::Text(self.kept.text())),
                    Shape::Text(field) => sink.end(field),
                    Shape::Tree(node) => {
                        if let Some(field) = node.bare {
                            sink.value(field, Value::Text(self.kept.text()));
                        }
                    }
                    Shape::Skip | Shape::Seen(_) => {}
                }
                self.settle();
                next
            }
        }
    }

    #[inline]
    fn open_bare(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let end = bare_end(bytes, at);
        if end < bytes.len() {
            let shape = *self.shape;
            if !matches!(shape, Shape::Skip) && !yield_bare(shape, &bytes[at..end], sink) {
                return self.bad(Unread::InvalidJson);
            }
            self.settle();
            return end;
        }
        self.kept.clear();
        self.kept.add(&bytes[at..]);
        self.state = State::InBare;
        end
    }

    fn in_bare(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let end = bare_end(bytes, at);
        self.kept.add(&bytes[at..end]);
        if end < bytes.len() {
            self.end_bare(sink);
            if matches!(self.state, State::Bad(_)) {
                return usize::MAX;
            }
        }
        end
    }

    fn end_bare(&mut self, sink: &mut impl Sink) {
        let shape = *self.shape;
        if !matches!(shape, Shape::Skip) && !yield_bare(shape, self.kept.text(), sink) {
            self.state = State::Bad(Unread::InvalidJson);
            return;
        }
        self.settle();
    }

    fn nested(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let end = self.nested_run(bytes, at);
        if let Shape::Text(field) = *self.shape {
            sink.piece(field, &bytes[at..end.min(bytes.len())]);
            if self.state == State::Done || self.state == State::After {
                sink.end(field);
            }
        }
        end
    }

    /// Passes brackets and strings until the container closes, a string is cut, or the bytes end.
    fn nested_run(&mut self, bytes: &[u8], mut at: usize) -> usize {
        loop {
            at = bytes::bracket_or_quote(bytes, at);
            let Some(byte) = bytes.get(at) else { return at };
            at += 1;
            match byte {
                b'"' => {
                    let Some(next) = bytes::string_end(bytes, at) else {
                        self.state = State::InNestedText;
                        return at;
                    };
                    at = next;
                }
                b'{' | b'[' => {
                    if self.depth == DEPTH_MAX {
                        return self.bad(Unread::TooDeep);
                    }
                    self.depth += 1;
                    self.objects = self.objects << 1 | u128::from(*byte == b'{');
                }
                _ => {
                    if (self.objects & 1 == 1) != (*byte == b'}') {
                        return self.bad(Unread::InvalidJson);
                    }
                    self.objects >>= 1;
                    self.depth -= 1;
                    if self.depth < self.nested_from {
                        self.settle();
                        return at;
                    }
                }
            }
        }
    }

    /// A string inside a skipped container, cut by the end of a push.
    fn in_nested_text(&mut self, bytes: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let (next, read) = match self.escape.pass(bytes, at) {
            text::Read::More(next) => (next, State::InNestedText),
            text::Read::End(next) => (next, State::Nested),
            text::Read::Bad => return self.bad(Unread::InvalidJson),
        };
        self.state = read;
        if let Shape::Text(field) = *self.shape {
            sink.piece(field, &bytes[at..next]);
        }
        next
    }
}

fn yield_bare(shape: Shape, text: &[u8], sink: &mut impl Sink) -> bool {
    let value = match text {
        b"null" => Value::Null,
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        _ if number::is_number(text) => Value::Number(text),
        _ => return false,
    };
    match shape {
        Shape::Leaf(field) | Shape::Text(field) => sink.value(field, value),
        Shape::Seen(field) if value != Value::Null => sink.value(field, Value::Seen),
        Shape::Tree(node) => {
            if let Some(field) = node.bare {
                sink.value(field, value);
            }
        }
        Shape::Skip | Shape::Seen(_) => {}
    }
    true
}
