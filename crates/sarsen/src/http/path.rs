//! The parts of a path that its route's pattern names, read as the type that a handler takes: as axum reads them, without a
//! router that has left them beside the request.

use super::problem::Refusal;
use crate::error::{Error, Result};
use percent_encoding::percent_decode_str;
use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use smallvec::SmallVec;
use std::any::type_name;
use std::borrow::Cow;
use std::fmt;

/// The names in a pattern, in their order. They are kept as long as the process lives, as the name of the route is, so that a
/// request has them without a count.
pub(super) type PathNames = &'static [Box<str>];

/// The named parts of the path of a request, still encoded.
#[derive(Clone, Debug)]
pub(super) struct PathParts {
    names: PathNames,
    /// One after another.
    text: String,
    ends: SmallVec<[u32; 4]>,
}

impl PathParts {
    /// `parts` are of a path that is `length` long.
    #[inline]
    pub(super) fn new<'p>(names: PathNames, length: usize, parts: impl Iterator<Item = &'p str>) -> Self {
        let (mut text, mut ends) = (String::with_capacity(length), SmallVec::new());
        for part in parts {
            text.push_str(part);
            ends.push(text.len() as u32);
        }
        Self { names, text, ends }
    }

    /// The parts as a `T`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let (mut parts, mut from) = (SmallVec::<[Part<'_>; 4]>::new(), 0);
        for (name, end) in self.names.iter().zip(&self.ends) {
            let text = self.text.get(from..*end as usize).unwrap_or_default();
            from = *end as usize;
            // Counted, which is done for many bytes at a time.
            let text = match text.bytes().filter(|byte| *byte == b'%').count() {
                0 => Cow::Borrowed(text),
                _ => percent_decode_str(text).decode_utf8().map_err(|_| wrong(name.to_string(), "is not UTF-8"))?,
            };
            parts.push(Part { name, text });
        }
        T::deserialize(Parts(&parts)).map_err(|fault| match fault {
            Fault::Of(name, message) => wrong(name, &message),
            Fault::Handler(message) => Error::internal(message),
        })
    }
}

fn wrong(name: String, message: &str) -> Error {
    Refusal::Malformed.error("the path is wrong").field(name, message)
}

/// What is wrong: a part of the path, or what the handler asks for.
#[derive(Debug)]
enum Fault {
    Of(String, String),
    Handler(String),
}

impl Fault {
    fn unsupported<T>() -> Self {
        Self::Handler(format!("a handler cannot take `{}` from a path", type_name::<T>()))
    }

    /// Says which part it was that somebody else refused.
    fn of(self, name: &str) -> Self {
        match self {
            Self::Of(known, message) if known.is_empty() => Self::Of(name.to_owned(), message),
            fault => fault,
        }
    }
}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Of(String::new(), message.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(name, message) => write!(f, "{name}: {message}"),
            Self::Handler(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Fault {}

/// One named part, decoded.
struct Part<'a> {
    name: &'a str,
    text: Cow<'a, str>,
}

/// All of them: one value, a tuple, a struct or a map.
#[derive(Clone, Copy)]
struct Parts<'a>(&'a [Part<'a>]);

impl<'a> Parts<'a> {
    fn count(self, wanted: usize) -> Result<Self, Fault> {
        let has = self.0.len();
        let fault = || Fault::Handler(format!("the path has {has} parameters, and the handler takes {wanted}"));
        if has == wanted { Ok(self) } else { Err(fault()) }
    }

    fn only(self) -> Result<Value<'a>, Fault> {
        Ok(Value(&self.count(1)?.0[0]))
    }

    fn each(self) -> SeqDeserializer<impl Iterator<Item = Value<'a>>, Fault> {
        SeqDeserializer::new(self.0.iter().map(Value))
    }
}

/// Methods that hand on to the value that is alone in its path.
macro_rules! only {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.only()?.$method(visitor)
        })*
    };
}

macro_rules! unsupported {
    ($($method:ident($($name:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $type,)* _: V) -> Result<V::Value, Fault> {
            $(let _ = $name;)*
            Err(Fault::unsupported::<V::Value>())
        })*
    };
}

impl<'de> Deserializer<'de> for Parts<'de> {
    type Error = Fault;

    only! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_byte_buf
    }
    unsupported! { deserialize_bytes() deserialize_option() deserialize_identifier() deserialize_ignored_any() }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(self.each())
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(self.count(count)?.each())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(MapDeserializer::new(self.0.iter().map(|part| (part.name, Value(part)))))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }
}

/// The value of one part.
struct Value<'a>(&'a Part<'a>);

impl<'de> IntoDeserializer<'de, Fault> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let wrong = |_| Fault::Of(self.0.name.to_owned(), concat!("is not a ", stringify!($type)).to_owned());
            visitor.$visit(self.0.text.parse::<$type>().map_err(wrong)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Fault;

    parsed! {
        deserialize_bool visit_bool bool
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
        deserialize_f32 visit_f32 f32
        deserialize_f64 visit_f64 f64
        deserialize_char visit_char char
    }
    unsupported! {
        deserialize_map() deserialize_seq() deserialize_identifier() deserialize_tuple(count: usize)
        deserialize_tuple_struct(name: &'static str, count: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(&self.0.text).map_err(|fault: Fault| fault.of(self.0.name))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_bytes(self.0.text.as_bytes()).map_err(|fault: Fault| fault.of(self.0.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let reader: serde::de::value::StrDeserializer<'_, Fault> = (&*self.0.text).into_deserializer();
        let read = reader.deserialize_enum(name, variants, visitor);
        read.map_err(|fault| fault.of(self.0.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn read<T: DeserializeOwned>(names: &[&str], path: &'static str) -> Result<T> {
        let names: Vec<_> = names.iter().map(|name| Box::<str>::from(*name)).collect();
        PathParts::new(names.leak(), path.len(), path.split('/').skip(1)).read()
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Side {
        Left,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Place {
        shelf: u32,
        note: Option<String>,
        side: Side,
    }

    #[test]
    fn parts_are_read_as_what_the_handler_takes() {
        assert_eq!(read::<u32>(&["id"], "/7").expect("one"), 7);
        assert_eq!(read::<String>(&["id"], "/a%20b%2F").expect("decoded"), "a b/");
        assert_eq!(read::<Side>(&["side"], "/left").expect("an enum"), Side::Left);
        assert_eq!(read::<(u8, bool)>(&["a", "b"], "/1/true").expect("a tuple"), (1, true));
        assert_eq!(read::<Vec<String>>(&["a", "b"], "/x/y").expect("a list"), ["x", "y"]);
        let map = read::<BTreeMap<String, u8>>(&["a", "b"], "/1/2").expect("a map");
        assert_eq!(map, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
        let place = Place { shelf: 3, note: Some("%".to_owned()), side: Side::Left };
        assert_eq!(read::<Place>(&["shelf", "note", "side"], "/3/%25/left").expect("a struct"), place);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let field = |error: Error| (error.fields()[0].field.clone(), error.fields()[0].message.clone());
        let of = |name: &str, message: &str| (name.to_owned(), message.to_owned());
        assert_eq!(field(read::<u32>(&["id"], "/x").expect_err("no number")), of("id", "is not a u32"));
        assert_eq!(field(read::<(u8, u8)>(&["a", "b"], "/1/x").expect_err("no number")), of("b", "is not a u8"));
        assert_eq!(field(read::<Uuid>(&["id"], "/x").expect_err("no id")).0, "id");
        assert_eq!(field(read::<Side>(&["side"], "/right").expect_err("no side")).0, "side");
        assert_eq!(field(read::<String>(&["id"], "/%ff").expect_err("no text")), of("id", "is not UTF-8"));
    }

    #[test]
    fn a_handler_that_asks_for_other_parts_is_a_fault_of_ours() {
        for error in [
            read::<(u8, u8)>(&["a"], "/1").expect_err("two of one"),
            read::<u8>(&["a", "b"], "/1/2").expect_err("one of two"),
            read::<(Vec<u8>,)>(&["a"], "/1").expect_err("a list in a part"),
        ] {
            assert_eq!(error.kind(), crate::error::Kind::Internal);
        }
    }
}
