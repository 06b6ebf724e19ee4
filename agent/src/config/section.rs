//! Reads typed values out of the tree and collects what is wrong with them. Knows kinds of values; knows no key of ours.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tree::{Key, Node, Place, Value};
use super::{ConfigError, units};

/// A value that is one word out of a few.
pub(super) trait Choice: Sized + Copy + 'static {
    /// With its article: "a fail mode".
    const NOUN: &'static str;
    const WORDS: &'static [(&'static str, Self)];
}

/// What was wrong so far.
pub(super) struct Errors {
    file: String,
    list: RefCell<Vec<ConfigError>>,
}

impl Errors {
    pub(super) fn new(file: &str) -> Errors {
        Errors { file: file.to_owned(), list: RefCell::default() }
    }

    pub(super) fn add(&self, place: Place, key: &str, message: String) {
        let Place { line, column } = place;
        let error =
            ConfigError { file: self.file.clone(), line, column, key: key.to_owned(), message };
        self.list.borrow_mut().push(error);
    }

    /// In the order of the file.
    pub(super) fn into_sorted(self) -> Vec<ConfigError> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|error| (error.line, error.column));
        list
    }
}

/// One value and the path that leads to it.
pub(super) struct Item<'a> {
    errors: &'a Errors,
    node: &'a Node,
    path: String,
}

impl<'a> Item<'a> {
    pub(super) fn root(errors: &'a Errors, node: &'a Node) -> Item<'a> {
        Item { errors, node, path: String::new() }
    }

    pub(super) fn refuse(&self, message: String) {
        self.errors.add(self.node.place, &self.path, message);
    }

    /// Reads a mapping; keys that nobody asked for are errors.
    pub(super) fn section<T>(&self, read: impl FnOnce(&mut Section<'a>) -> T) -> Option<T> {
        let entries: &'a [(Key, Node)] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => {
                self.refuse(format!(
                    "{} is not a section; write keys and values below it",
                    self.shown()
                ));
                return None;
            }
        };
        let path = self.path.clone();
        let mut section = Section {
            errors: self.errors,
            place: self.node.place,
            entries,
            path,
            asked: Vec::new(),
        };
        let value = read(&mut section);
        section.refuse_the_rest();
        Some(value)
    }

    fn list(&self, least: usize, mut read: impl FnMut(Item<'a>)) -> Option<()> {
        let Value::List(nodes) = &self.node.value else {
            self.refuse(format!(
                "{} is not a list; write [a, b] or one \"- item\" a line",
                self.shown()
            ));
            return None;
        };
        if nodes.len() < least {
            self.refuse("is an empty list; name at least one, or remove the key".to_owned());
            return None;
        }
        for (index, node) in nodes.iter().enumerate() {
            read(Item { errors: self.errors, node, path: format!("{}[{index}]", self.path) });
        }
        Some(())
    }

    /// `wanted` is what would be right, with its article.
    pub(super) fn text(&self, wanted: &str) -> Option<String> {
        match &self.node.value {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            Value::Text(_) => {
                self.refuse(format!("is empty; write {wanted}"));
                None
            }
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Map(_) => {
                self.refuse(format!("{} is not text; write {wanted}", self.shown()));
                None
            }
        }
    }

    pub(super) fn integer(&self, least: usize, most: usize) -> Option<usize> {
        let range = format!("{least} to {most}");
        let Value::Integer(number) = self.node.value else {
            self.refuse(format!("{} is not a whole number; use {range}", self.shown()));
            return None;
        };
        let number = usize::try_from(number).ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.refuse(format!("{} is out of range; use {range}", self.shown()));
        }
        number
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.text("a file path").map(PathBuf::from)
    }

    fn absolute_path(&self) -> Option<PathBuf> {
        let path = self.path()?;
        if !path.is_absolute() {
            self.refuse(format!(
                "{} is relative; write it from the root, such as {}",
                self.shown(),
                absolute(&path)
            ));
            return None;
        }
        Some(path)
    }

    fn choice<C: Choice>(&self) -> Option<C> {
        let word = match &self.node.value {
            Value::Text(text) => text.as_str(),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::List(_)
            | Value::Map(_) => "",
        };
        let found = C::WORDS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = C::WORDS.iter().map(|(name, _)| *name).collect();
            self.refuse(format!(
                "{} is not {}; use {}",
                self.shown(),
                C::NOUN,
                alternatives(&words)
            ));
        }
        found
    }

    fn duration(&self, (least, most): (Duration, Duration)) -> Option<Duration> {
        let duration = self.quantity("a duration such as 10s", units::duration)?;
        if !(least..=most).contains(&duration) {
            let range =
                format!("{} to {}", units::show_duration(least), units::show_duration(most));
            self.refuse(format!("{} is out of range; use {range}", self.shown()));
            return None;
        }
        Some(duration)
    }

    fn size(&self, (least, most): (u64, u64)) -> Option<u64> {
        let size = self.quantity("a size such as 16MiB", units::size)?;
        if !(least..=most).contains(&size) {
            let range = format!("{} to {}", units::show_size(least), units::show_size(most));
            self.refuse(format!("{} is out of range; use {range}", self.shown()));
            return None;
        }
        Some(size)
    }

    fn quantity<T>(
        &self,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = match &self.node.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                self.refuse(format!("{} is not {wanted}", self.shown()));
                return None;
            }
        };
        parse(&text).map_err(|reason| self.refuse(format!("{} {reason}", self.shown()))).ok()
    }

    /// The value as an error quotes it.
    fn shown(&self) -> String {
        match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a section".to_owned(),
        }
    }
}

/// One mapping while it is read.
pub(super) struct Section<'a> {
    errors: &'a Errors,
    place: Place,
    entries: &'a [(Key, Node)],
    path: String,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        self.item(key)?.section(read)
    }

    pub(super) fn list(
        &mut self,
        key: &'static str,
        least: usize,
        read: impl FnMut(Item<'a>),
    ) -> Option<()> {
        self.item(key)?.list(least, read)
    }

    pub(super) fn integer(
        &mut self,
        key: &'static str,
        least: usize,
        most: usize,
    ) -> Option<usize> {
        self.item(key)?.integer(least, most)
    }

    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.item(key)?.path()
    }

    pub(super) fn absolute_path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.item(key)?.absolute_path()
    }

    pub(super) fn choice<C: Choice>(&mut self, key: &'static str) -> Option<C> {
        self.item(key)?.choice()
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: (Duration, Duration),
    ) -> Option<Duration> {
        self.item(key)?.duration(range)
    }

    pub(super) fn size(&mut self, key: &'static str, range: (u64, u64)) -> Option<u64> {
        self.item(key)?.size(range)
    }

    pub(super) fn text(&mut self, key: &'static str, wanted: &str) -> Option<String> {
        self.item(key)?.text(wanted)
    }

    /// Reads a value that must be there.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if self.find(key).is_none() {
            self.asked.push(key);
            self.errors.add(self.place, &self.key_path(key), "is missing".to_owned());
            return None;
        }
        read(self)
    }

    /// Refuses a value for a reason that only the caller can see.
    pub(super) fn refuse(&self, key: &str, message: String) {
        let place = self.find(key).map_or(self.place, |node| node.place);
        self.errors.add(place, &self.key_path(key), message);
    }

    fn item(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.asked.push(key);
        let node = self.find(key)?;
        Some(Item { errors: self.errors, node, path: self.key_path(key) })
    }

    /// A key without a value counts as absent.
    fn find(&self, key: &str) -> Option<&'a Node> {
        let (_, node) = self.entries.iter().find(|(name, _)| name.name == key)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn refuse_the_rest(&self) {
        for (index, (key, _)) in self.entries.iter().enumerate() {
            let path = self.key_path(&key.name);
            if let Some((first, _)) =
                self.entries[..index].iter().find(|(other, _)| other.name == key.name)
            {
                self.errors.add(
                    key.place,
                    &path,
                    format!("is given twice, first on line {}", first.place.line),
                );
            } else if !self.asked.contains(&key.name.as_str()) {
                self.errors.add(
                    key.place,
                    &path,
                    format!("is not a key here; use {}", alternatives(&self.asked)),
                );
            }
        }
    }
}

fn absolute(path: &Path) -> String {
    Path::new("/").join(path.strip_prefix(".").unwrap_or(path)).display().to_string()
}

/// "a, b or c".
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
