//! What is asked of a document, and how it is answered. Knows no bytes.

use super::Fields;
use crate::field::Field;

/// What to do with a value.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Skip,
    /// A scalar is yielded, a text cut at `KEPT_MAX`.
    Leaf(Field),
    /// Yielded once as `Value::Seen` unless it is null or an empty text.
    Seen(Field),
    /// A string is yielded in decoded pieces, an object or array in pieces of its own bytes; then `end`.
    Text(Field),
    Tree(&'static Node),
}

/// What is asked of an object or an array.
pub(crate) struct Node {
    /// Yielded as `begin` and `end`.
    pub(crate) scope: Option<Field>,
    /// For a scalar where an object or array was expected.
    pub(crate) bare: Option<Field>,
    pub(crate) fields: Fields,
    pub(crate) items: Shape,
}

impl Node {
    pub(crate) const EMPTY: Self =
        Self { scope: None, bare: None, fields: Fields::of(&[]), items: Shape::Skip };
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a [u8]),
    Text(&'a [u8]),
    Seen,
}

/// Who asked.
pub(crate) trait Sink {
    fn begin(&mut self, _scope: Field) {}
    fn end(&mut self, _scope: Field) {}
    fn piece(&mut self, _field: Field, _bytes: &[u8]) {}
    fn value(&mut self, field: Field, value: Value<'_>);
    /// Nothing more is asked of this document: the rest of its outermost object need not be told.
    #[inline]
    fn has_enough(&self) -> bool {
        false
    }
}
