//! What a value is found by, and what it hangs on.

use super::versions::TagHash;
use crate::error::{Error, Result};
use smallvec::SmallVec;
use std::fmt;
use uuid::Uuid;

/// Longest text of a tag.
const MAX_TAG: usize = 200;

/// What a value is found by: the name of its family, and the parts that tell one value of the family from another.
///
/// Families are of the module whose handle is asked: two modules may use the same name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub(super) module: &'static str,
    pub(super) family: &'static str,
    /// Each part begins with its kind, so that no two lists of parts are written alike.
    parts: SmallVec<[u8; 40]>,
}

/// A key of `family`; `key("access").with(user).with(channel)`.
#[inline]
pub fn key(family: &'static str) -> Key {
    Key { module: "", family, parts: SmallVec::new() }
}

impl Key {
    /// The same with one more part.
    #[inline]
    #[must_use]
    pub fn with(mut self, part: impl Into<Id>) -> Self {
        match part.into() {
            Id::Uuid(id) => {
                self.parts.push(1);
                self.parts.extend_from_slice(id.as_bytes());
            }
            Id::Number(number) => {
                self.parts.push(2);
                self.parts.extend_from_slice(&number.to_le_bytes());
            }
            Id::Text(text) => {
                self.parts.push(3);
                self.parts.extend_from_slice(&text.len().to_le_bytes());
                self.parts.extend_from_slice(text.as_bytes());
            }
        }
        self
    }

    #[inline]
    pub(super) fn of(mut self, module: &'static str) -> Self {
        self.module = module;
        self
    }

    /// Bytes that it takes beside what every entry takes.
    pub(super) fn bytes(&self) -> u64 {
        if self.parts.spilled() { self.parts.capacity() as u64 } else { 0 }
    }
}

impl fmt::Debug for Key {
    /// Without its parts: they may be of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}({} bytes)", self.module, self.family, self.parts.len())
    }
}

/// What values hang on: when it changes, all of them are gone. Tags are of the whole application: `tag("channel", id)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    kind: &'static str,
    id: Id,
}

/// The tag of one thing of a kind.
#[inline]
pub fn tag(kind: &'static str, id: impl Into<Id>) -> Tag {
    Tag { kind, id: id.into() }
}

impl Tag {
    /// 16 digits, the same in every process, which say nothing about what it is of.
    pub fn digits(&self) -> String {
        format!("{:016x}", TagHash::of(&self.to_string()).number())
    }

    pub(super) fn hash(&self) -> Result<TagHash> {
        Ok(TagHash::of(&self.text()?))
    }

    /// The text under which all processes know it.
    pub(super) fn text(&self) -> Result<String> {
        let text = self.to_string();
        if text.len() > MAX_TAG {
            return Err(Error::invalid(format!("a tag of kind `{}` is longer than {MAX_TAG} bytes", self.kind))
                .hint("tag values with ids, or with a hash of what is long"));
        }
        Ok(text)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Id::Uuid(id) => write!(f, "{}:{id}", self.kind),
            Id::Number(number) => write!(f, "{}:{number}", self.kind),
            Id::Text(text) => write!(f, "{}:{text}", self.kind),
        }
    }
}

/// One part of a key, or what a tag is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// An id.
    Uuid(Uuid),
    /// A number.
    Number(i64),
    /// A text.
    Text(Box<str>),
}

impl From<Uuid> for Id {
    #[inline]
    fn from(id: Uuid) -> Self {
        Id::Uuid(id)
    }
}

impl From<i64> for Id {
    #[inline]
    fn from(number: i64) -> Self {
        Id::Number(number)
    }
}

impl From<u32> for Id {
    #[inline]
    fn from(number: u32) -> Self {
        Id::Number(number.into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id::Text(text.into())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Id::Text(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_only_where_every_part_is() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(key("f").with(a).with(b), key("f").with(a).with(b));
        let all = [
            key("f"),
            key("g"),
            key("f").of("m"),
            key("f").with(a),
            key("f").with(a).with(b),
            key("f").with(b).with(a),
            key("f").with(1_i64),
            key("f").with("1"),
            key("f").with("ab").with("c"),
            key("f").with("a").with("bc"),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| one != other), "{index}");
        }
    }

    #[test]
    fn tags_have_a_text_that_is_bounded() {
        assert_eq!(tag("channel", Uuid::from_u128(7)).to_string(), "channel:00000000-0000-0000-0000-000000000007");
        assert_eq!(tag("page", 3_i64).text().expect("short"), "page:3");
        assert!(tag("page", "x".repeat(300)).text().is_err());
    }
}
