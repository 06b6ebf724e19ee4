//! The names that are asked for in one object, and a quick no for all others. Knows no bytes but names.

use super::Shape;

pub(crate) struct Fields {
    names: &'static [(&'static str, Shape)],
    /// A bit for each name's look; most other names look like none of them.
    looks: u64,
}

impl Fields {
    pub(crate) const fn of(names: &'static [(&'static str, Shape)]) -> Self {
        let mut looks = 0;
        let mut at = 0;
        while at < names.len() {
            looks |= look(names[at].0.as_bytes());
            at += 1;
        }
        Self { names, looks }
    }

    #[inline]
    pub(super) fn shape(&self, name: &[u8]) -> &'static Shape {
        if look(name) & self.looks == 0 {
            return &Shape::Skip;
        }
        let known = self.names.iter().find(|(known, _)| known.as_bytes() == name);
        known.map_or(&Shape::Skip, |(_, shape)| shape)
    }
}

/// One bit of 64, by length and the first and last letters.
#[inline]
const fn look(name: &[u8]) -> u64 {
    let [first, .., last] = name else { return 1 };
    let mixed = (name.len() as u64)
        .wrapping_mul(3)
        .wrapping_add((*first as u64).wrapping_mul(7))
        .wrapping_add(*last as u64);
    1 << (mixed & 63)
}
