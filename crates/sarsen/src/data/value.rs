//! Values that mean the same on every database: what is bound, and what a column holds.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use uuid::Uuid;

/// A value to bind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(Cow<'static, str>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An id.
    Uuid(Uuid),
    /// A moment.
    Timestamp(Timestamp),
    /// A JSON document, as text.
    Json(String),
}

/// What a column of a row holds, borrowed from the driver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text; also a JSON document, and a moment where the database keeps it as text.
    Text(&'a str),
    /// Bytes; also an id where the database keeps it as bytes.
    Bytes(&'a [u8]),
    /// An id.
    Uuid(Uuid),
    /// A moment.
    Timestamp(Timestamp),
}

impl ValueRef<'_> {
    fn name(&self) -> &'static str {
        match self {
            ValueRef::Null => "NULL",
            ValueRef::Bool(_) => "a boolean",
            ValueRef::Int(_) => "a whole number",
            ValueRef::Float(_) => "a floating-point number",
            ValueRef::Text(_) => "text",
            ValueRef::Bytes(_) => "bytes",
            ValueRef::Uuid(_) => "a uuid",
            ValueRef::Timestamp(_) => "a timestamp",
        }
    }

    fn is_not(&self, wanted: &str) -> Error {
        let hint = if *self == ValueRef::Null {
            "read it as Option<…>"
        } else {
            "change the field's type or cast the column"
        };
        Error::internal(format!("holds {} where {wanted} was expected", self.name())).hint(hint)
    }

    /// A copy that can be bound again.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(value) => Value::Bool(value),
            ValueRef::Int(value) => Value::Int(value),
            ValueRef::Float(value) => Value::Float(value),
            ValueRef::Text(value) => Value::Text(Cow::Owned(value.to_owned())),
            ValueRef::Bytes(value) => Value::Bytes(value.to_vec()),
            ValueRef::Uuid(value) => Value::Uuid(value),
            ValueRef::Timestamp(value) => Value::Timestamp(value),
        }
    }
}

impl Value {
    /// The same value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Bool(value) => ValueRef::Bool(*value),
            Value::Int(value) => ValueRef::Int(*value),
            Value::Float(value) => ValueRef::Float(*value),
            Value::Text(value) => ValueRef::Text(value),
            Value::Bytes(value) => ValueRef::Bytes(value),
            Value::Uuid(value) => ValueRef::Uuid(*value),
            Value::Timestamp(value) => ValueRef::Timestamp(*value),
            Value::Json(value) => ValueRef::Text(value),
        }
    }
}

/// A type that a column can be read as.
pub trait FromValue: Sized {
    /// Reads the value; the error says what it holds instead.
    fn from_value(value: ValueRef<'_>) -> Result<Self>;
}

impl FromValue for bool {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Bool(value) => Ok(value),
            ValueRef::Int(value @ (0 | 1)) => Ok(value == 1),
            other => Err(other.is_not("a boolean")),
        }
    }
}

impl FromValue for i64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Int(value) => Ok(value),
            other => Err(other.is_not("a whole number")),
        }
    }
}

macro_rules! smaller_integers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: ValueRef<'_>) -> Result<Self> {
                let whole = i64::from_value(value)?;
                <$type>::try_from(whole)
                    .map_err(|_| Error::internal(format!("holds {whole}, which does not fit {}", stringify!($type))))
            }
        }
    )*};
}
smaller_integers!(i32, u32, u64);

impl FromValue for f64 {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Float(value) => Ok(value),
            #[expect(clippy::cast_precision_loss, reason = "the embedded database keeps 2.0 as 2")]
            ValueRef::Int(value) => Ok(value as f64),
            other => Err(other.is_not("a floating-point number")),
        }
    }
}

impl FromValue for String {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Text(value) => Ok(value.to_owned()),
            other => Err(other.is_not("text")),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Bytes(value) => Ok(value.to_vec()),
            other => Err(other.is_not("bytes")),
        }
    }
}

impl FromValue for Uuid {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Uuid(value) => Ok(value),
            ValueRef::Bytes(bytes) => Uuid::from_slice(bytes).map_err(|_| value.is_not("a uuid of 16 bytes")),
            other => Err(other.is_not("a uuid")),
        }
    }
}

impl FromValue for Timestamp {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        match value {
            ValueRef::Timestamp(value) => Ok(value),
            ValueRef::Text(text) => text.parse(),
            other => Err(other.is_not("a timestamp")),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        if value == ValueRef::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

/// A value kept as a JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: ValueRef<'_>) -> Result<Self> {
        let ValueRef::Text(text) = value else { return Err(value.is_not("a JSON document")) };
        let read = serde_json::from_str(text);
        read.map(Json).map_err(|error| Error::internal("holds JSON of another form").source(error))
    }
}

/// A type that can be bound: anything that turns into a [`Value`].
pub trait IntoValue {
    /// The value to bind; an error when it cannot be written (JSON only).
    fn into_value(self) -> Result<Value>;
}

macro_rules! binds {
    ($($type:ty => |$value:ident| $into:expr),* $(,)?) => {$(
        impl IntoValue for $type {
            #[inline]
            fn into_value(self) -> Result<Value> {
                let $value = self;
                Ok($into)
            }
        }
    )*};
}

binds! {
    Value => |value| value,
    bool => |value| Value::Bool(value),
    i32 => |value| Value::Int(value.into()),
    i64 => |value| Value::Int(value),
    u32 => |value| Value::Int(value.into()),
    f64 => |value| Value::Float(value),
    &str => |value| Value::Text(Cow::Owned(value.to_owned())),
    &String => |value| Value::Text(Cow::Owned(value.clone())),
    String => |value| Value::Text(Cow::Owned(value)),
    Vec<u8> => |value| Value::Bytes(value),
    &[u8] => |value| Value::Bytes(value.to_vec()),
    Uuid => |value| Value::Uuid(value),
    &Uuid => |value| Value::Uuid(*value),
    Timestamp => |value| Value::Timestamp(value),
}

impl<T: Serialize> IntoValue for Json<T> {
    fn into_value(self) -> Result<Value> {
        let text = serde_json::to_string(&self.0);
        text.map(Value::Json).map_err(|error| Error::internal("a value cannot be written as JSON").source(error))
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    #[inline]
    fn into_value(self) -> Result<Value> {
        self.map_or(Ok(Value::Null), IntoValue::into_value)
    }
}
