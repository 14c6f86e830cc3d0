//! What handlers take and give: JSON, query, and path, with problems that name the field.

use super::beside::Beside;
use super::problem::Refusal;
use super::{body, headers};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use std::cell::Cell;

/// A body of JSON: read as `T` from a request, or written into an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

/// The query of the address, as a struct.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

/// The parts of the path that the route's pattern names: one value, a tuple, or a struct.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

/// The answer 201 with what was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Created<T>(pub T);

/// The answer 204: done, and nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContent;

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let bytes = body::read(json_body(request)?).await?;
        read_json(&bytes).map(Json)
    }
}

/// The body of a request that says that it is JSON.
pub(super) fn json_body(request: Request) -> Result<Body> {
    if is_json(request.headers()) {
        return Ok(request.into_body());
    }
    Err(Refusal::MediaType.error("the body must be application/json").hint("set the content-type"))
}

/// The value that a body of JSON holds; an error names the field that is wrong.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if bytes.trim_ascii_start().starts_with(b"[") && is_struct::<T>() {
        return Err(Error::invalid("the body is a list, and must be an object"));
    }
    serde_json::from_slice(bytes).or_else(|_| explain_json(bytes))
}

/// Whether `T` reads itself as a struct: serde would take one from a list of its values too.
fn is_struct<T: DeserializeOwned>() -> bool {
    T::deserialize(Shape).is_err_and(|shape| shape.to_string() == Shape::STRUCT)
}

/// Gives nothing to read, and says what was asked for.
struct Shape;

impl Shape {
    const STRUCT: &'static str = "struct";
}

impl<'de> Deserializer<'de> for Shape {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("anything else"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom(Self::STRUCT))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = given.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let suffix = subtype.len() > 5 && subtype[subtype.len() - 5..].eq_ignore_ascii_case("+json");
    kind.eq_ignore_ascii_case("application") && (subtype.eq_ignore_ascii_case("json") || suffix)
}

/// Reads the wrong body once more, to say which field it is.
fn explain_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return Err(Refusal::Malformed.error("the body is not JSON: there is more after its end"));
    };
    let (path, error) = (error.path().to_string(), error.into_inner());
    let message = error.to_string();
    if error.is_data() {
        return Err(wrong_field(Error::invalid("the body does not have the right form"), &path, &message));
    }
    let malformed = Refusal::Malformed.error(format!("the body is not JSON: {message}"));
    Err(if is_place(&path) { wrong_field(malformed, &path, &message) } else { malformed })
}

/// Whether the path of an error leads into a field.
fn is_place(path: &str) -> bool {
    !matches!(path, "." | "?" | "")
}

/// Adds the field, by its path or by the name in "missing field `name`".
pub(super) fn wrong_field(error: Error, path: &str, message: &str) -> Error {
    let message = message.split(" at line ").next().unwrap_or_default();
    let named = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split('`').next());
    let inner = named("missing field `").or_else(|| named("unknown field `")).or_else(|| named("duplicate field `"));
    let field = match (path, inner) {
        (path, inner) if !is_place(path) => inner.unwrap_or_default().to_owned(),
        (path, Some(inner)) if last_part(path) != inner => format!("{path}.{inner}"),
        (path, _) => path.to_owned(),
    };
    error.field(field, message)
}

fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Most bytes of room that a thread keeps for the next JSON it writes.
const MAX_ROOM: usize = 64 << 10;

thread_local! {
    /// Where JSON is written: an answer then takes its own size once, and does not grow into it.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut room = ROOM.take();
        room.clear();
        if let Err(error) = serde_json::to_writer(&mut room, &self.0) {
            return Error::internal("the answer cannot be written as JSON").source(error).into_response();
        }
        let bytes = if room.capacity() > MAX_ROOM {
            Bytes::from(room)
        } else {
            let bytes = Bytes::copy_from_slice(&room);
            ROOM.set(room);
            bytes
        };
        let headers = headers::of_json(bytes.len());
        let mut response = Response::new(Body::from(bytes));
        *response.headers_mut() = headers;
        response
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.0).into_response();
        if response.status().is_success() {
            *response.status_mut() = StatusCode::CREATED;
        }
        response
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some(pair) = query.split('&').find(|pair| !decodes_to_utf8(pair)) {
            let name = pair.split('=').next().filter(|name| decodes_to_utf8(name)).unwrap_or_default();
            return Err(Refusal::Malformed.error("the query is not UTF-8").field(name.to_owned(), "is not UTF-8"));
        }
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Query).map_err(|error| {
            let path = error.path().to_string();
            wrong_field(Refusal::Malformed.error("the query is wrong"), &path, &error.into_inner().to_string())
        })
    }
}

/// Whether what `%xx` stands for is UTF-8; the form decoder would put replacement characters instead of saying so.
fn decodes_to_utf8(query: &str) -> bool {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = if *first == b'%' { hex.and_then(|two| u8::from_str_radix(two, 16).ok()) } else { None };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    std::str::from_utf8(&bytes).is_ok()
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let read = |beside: &Beside| beside.path.as_ref().map(|path| path.read());
        if let Some(read) = Beside::look(parts, read) {
            return read.map(Path);
        }
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(rejection) => Err(explain_path(rejection)),
        }
    }
}

fn explain_path(rejection: PathRejection) -> Error {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return Error::internal(format!("the route has no path parameters: {rejection}"));
    };
    let kind = failed.into_kind();
    let text = kind.to_string();
    let wrong = |field: String, message: String| Refusal::Malformed.error("the path is wrong").field(field, message);
    match kind {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => wrong(key, format!("is not a {expected_type}")),
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            wrong(index.to_string(), format!("is not a {expected_type}"))
        }
        ErrorKind::ParseError { expected_type, .. } => wrong(String::new(), format!("is not a {expected_type}")),
        ErrorKind::DeserializeError { key, message, .. } => wrong(key, message),
        ErrorKind::InvalidUtf8InPathParam { key } => wrong(key, "is not UTF-8".to_owned()),
        ErrorKind::Message(message) => wrong(String::new(), message),
        // A handler that asks for other parts than its route has.
        _ => Error::internal(text),
    }
}
