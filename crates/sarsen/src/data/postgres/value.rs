//! Values in the server's binary form, both ways.

use crate::clock::Timestamp;
use crate::data::query::Bind;
use crate::data::row::RowSource;
use crate::data::value::{Value, ValueRef};
use crate::error::{Error, Result};
use bytes::BytesMut;
use postgres_types::{FromSql, IsNull, Kind as TypeKind, ToSql, Type, to_sql_checked};

/// Microseconds between 1970 and 2000, from where the server counts.
const EPOCH_2000: i64 = 946_684_800_000_000;

/// A bound value, written in the type that the server asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Param<'a> {
    One(&'a Value),
    List(&'a [Value]),
    /// One column of rows of values, as an array.
    Column(&'a [Vec<Value>], usize),
}

impl<'a> From<&'a Bind> for Param<'a> {
    fn from(bind: &'a Bind) -> Self {
        match bind {
            Bind::One(value) => Param::One(value),
            Bind::List(values) => Param::List(values),
        }
    }
}

type Written = std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Written {
        match (self, ty.kind()) {
            (Param::One(Value::Null), _) => Ok(IsNull::Yes),
            (Param::List(values), TypeKind::Array(_)) => elements(values.iter(), ty, out),
            (Param::Column(rows, column), TypeKind::Array(_)) => {
                elements(rows.iter().map(|row| row.get(*column).unwrap_or(&Value::Null)), ty, out)
            }
            (Param::One(value), TypeKind::Array(_)) => elements(std::iter::once(*value), ty, out),
            (Param::One(value), _) => write(value, ty, out),
            (_, _) => Err(format!("a list is bound where {ty} is expected: write it as IN (?)").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn elements<'a>(values: impl Iterator<Item = &'a Value>, ty: &Type, out: &mut BytesMut) -> Written {
    values.map(Element).collect::<Vec<_>>().to_sql(ty, out)
}

#[derive(Debug)]
struct Element<'a>(&'a Value);

impl ToSql for Element<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Written {
        write(self.0, ty, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn write(value: &Value, ty: &Type, out: &mut BytesMut) -> Written {
    match (value, ty) {
        (Value::Null, _) => return Ok(IsNull::Yes),
        (Value::Int(value), &Type::INT2) => return i16::try_from(*value)?.to_sql(ty, out),
        (Value::Int(value), &Type::INT4) => return i32::try_from(*value)?.to_sql(ty, out),
        (Value::Int(value), &Type::FLOAT8) => return (*value as f64).to_sql(ty, out),
        (Value::Float(value), &Type::FLOAT4) => return (*value as f32).to_sql(ty, out),
        (Value::Timestamp(value), &Type::TIMESTAMPTZ | &Type::TIMESTAMP) => {
            return (value.as_micros() - EPOCH_2000).to_sql(&Type::INT8, out);
        }
        (Value::Json(value), &Type::JSONB) => out.extend_from_slice(&[&[1], value.as_bytes()].concat()),
        (Value::Json(value), &Type::JSON | &Type::TEXT) => out.extend_from_slice(value.as_bytes()),
        _ => return write_plain(value, ty, out),
    }
    Ok(IsNull::No)
}

fn write_plain(value: &Value, ty: &Type, out: &mut BytesMut) -> Written {
    match value {
        Value::Bool(value) => plain(value, ty, out),
        Value::Int(value) => plain(value, ty, out),
        Value::Float(value) => plain(value, ty, out),
        Value::Text(value) => plain(&value.as_ref(), ty, out),
        Value::Bytes(value) => plain(value, ty, out),
        Value::Uuid(value) => plain(value, ty, out),
        Value::Null | Value::Timestamp(_) | Value::Json(_) => misfit(value, ty),
    }
}

fn plain<T: ToSql>(value: &T, ty: &Type, out: &mut BytesMut) -> Written {
    if T::accepts(ty) { value.to_sql(ty, out) } else { misfit(value, ty) }
}

fn misfit(value: &dyn std::fmt::Debug, ty: &Type) -> Written {
    Err(format!("{value:?} is bound where {ty} is expected").into())
}

/// A row of the server's.
pub(super) struct Source<'a>(pub(super) &'a tokio_postgres::Row);

impl RowSource for Source<'_> {
    fn columns(&self) -> usize {
        self.0.len()
    }
    fn column_name(&self, index: usize) -> &str {
        self.0.columns()[index].name()
    }
    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        let read = self.0.try_get::<_, Option<Read<'_>>>(index);
        let read = read.map_err(|error| {
            let ty = self.0.columns()[index].type_();
            Error::internal(format!("column `{}` has type {ty}, which is not portable", self.column_name(index)))
                .source(error)
                .hint("cast it: CAST(… AS BIGINT), AS DOUBLE PRECISION or AS TEXT")
        })?;
        Ok(read.map_or(ValueRef::Null, |read| read.0))
    }
}

struct Read<'a>(ValueRef<'a>);

impl<'a> FromSql<'a> for Read<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::BOOL => ValueRef::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => ValueRef::Int(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => ValueRef::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => ValueRef::Int(i64::from_sql(ty, raw)?),
            Type::OID => ValueRef::Int(u32::from_sql(ty, raw)?.into()),
            Type::FLOAT4 => ValueRef::Float(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => ValueRef::Float(f64::from_sql(ty, raw)?),
            Type::UUID => ValueRef::Uuid(uuid::Uuid::from_sql(ty, raw)?),
            Type::BYTEA => ValueRef::Bytes(raw),
            Type::TIMESTAMPTZ | Type::TIMESTAMP => {
                ValueRef::Timestamp(Timestamp::from_micros(i64::from_sql(&Type::INT8, raw)?.saturating_add(EPOCH_2000)))
            }
            Type::JSON => ValueRef::Text(std::str::from_utf8(raw)?),
            Type::JSONB => ValueRef::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?),
            _ => ValueRef::Text(<&str>::from_sql(ty, raw)?),
        }))
    }

    fn accepts(ty: &Type) -> bool {
        let known = [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::OID,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::UUID,
            Type::BYTEA,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMP,
            Type::JSON,
            Type::JSONB,
        ];
        known.contains(ty) || <&str as FromSql>::accepts(ty)
    }
}
