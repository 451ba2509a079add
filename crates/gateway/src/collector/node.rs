//! A YAML file as a tree in which every key and value knows its line.
//!
//! The language of the collector names things by their keys (`transform/tee-log-sanitize`), so its
//! file is read into this tree first and into options after, and every refusal can say where.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::environment::{self, Lookup};
use crate::config::{ConfigError, parse_yaml};

/// A value and the line that it begins in, from 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// Nothing behind the colon, or `null`.
    Null,
    /// Anything that is written as one word or text. What it means is for the option to say.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with their lines, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) value: Node,
}

impl Node {
    /// Reads a text and puts in what it takes from the environment.
    ///
    /// # Errors
    /// When it is not YAML, or names a variable that is not set.
    pub(crate) fn parse(text: &str, file: &Path, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let written: Spanned<Written> = parse_yaml(text, file)?;
        let mut node = written.into_node();
        node.expand(file, lookup)?;
        Ok(node)
    }

    fn expand(&mut self, file: &Path, lookup: Lookup<'_>) -> Result<(), ConfigError> {
        match &mut self.content {
            Content::Null => Ok(()),
            Content::Scalar(text) => {
                *text = environment::expand(text, lookup)
                    .map_err(|error| ConfigError::at(file, self.line, error.to_string()))?;
                Ok(())
            }
            Content::List(nodes) => nodes.iter_mut().try_for_each(|node| node.expand(file, lookup)),
            Content::Map(entries) => {
                entries.iter_mut().try_for_each(|entry| entry.value.expand(file, lookup))
            }
        }
    }
}

/// What the YAML reader hands over, before lines are put beside values.
enum Written {
    Null,
    Scalar(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

trait IntoNode {
    fn into_node(self) -> Node;
}

impl IntoNode for Spanned<Written> {
    fn into_node(self) -> Node {
        let content = match self.value {
            Written::Null => Content::Null,
            Written::Scalar(text) => Content::Scalar(text),
            Written::List(list) => Content::List(list.into_iter().map(Self::into_node).collect()),
            Written::Map(map) => {
                let entry = |(key, value): (Spanned<String>, Self)| {
                    let line = key.referenced.line();
                    Entry { key: key.value, line, value: value.into_node() }
                };
                Content::Map(map.into_iter().map(entry).collect())
            }
        };
        Node { line: self.referenced.line(), content }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

macro_rules! scalars {
    ($($visit:ident: $type:ty,)+) => {
        $(fn $visit<E>(self, value: $type) -> Result<Written, E> {
            Ok(Written::Scalar(value.to_string()))
        })+
    };
}

impl<'de> Visitor<'de> for Any {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Null)
    }

    fn visit_none<E>(self) -> Result<Written, E> {
        Ok(Written::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Written, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Written::Map(map))
    }
}
