//! Errors as problem documents (RFC 9457): the kind decides the status, and nothing leaks.

use crate::blobs::{TooLarge, TooSlow};
use crate::error::{Error, Kind};
use crate::telemetry::Operation;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What a client is told about an error.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// The kind of error, stable: `urn:sarsen:problem:invalid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Names this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The fields that are wrong; absent when it is none in particular.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// One field of the input, and what is wrong with it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProblemField {
    /// Where it is: `items[2].name`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why HTTP itself refuses a request; kept as the source of an [`Error`], it decides the status more finely than the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not even well formed.
    Malformed,
    /// The method is not known here.
    Method,
    /// The body came too slowly.
    Slow,
    /// The body is too large.
    TooLarge,
    /// The content type is not what the route reads.
    MediaType,
    /// All places are taken.
    Busy,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Refusal::Malformed => StatusCode::BAD_REQUEST,
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::Method => "method-not-allowed",
            Refusal::Slow => "slow",
            Refusal::TooLarge => "too-large",
            Refusal::MediaType => "media-type",
            Refusal::Busy => "busy",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Refusal::Malformed => "The request cannot be read",
            Refusal::Method => "The method is not known here",
            Refusal::Slow => "The request came too slowly",
            Refusal::TooLarge => "The request is too large",
            Refusal::MediaType => "The content type is not known here",
            Refusal::Busy => "Too many requests are at work",
        }
    }

    /// An error of input with this status.
    pub(super) fn error(self, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        let kind = if self == Refusal::Busy { Kind::Unavailable } else { Kind::Invalid };
        Error::new(kind, message).source(self)
    }

    fn of(error: &Error) -> Option<Refusal> {
        let source = std::error::Error::source(error)?;
        let of_blobs = || match source {
            source if source.is::<TooLarge>() => Some(Refusal::TooLarge),
            source if source.is::<TooSlow>() => Some(Refusal::Slow),
            _ => None,
        };
        source.downcast_ref().copied().or_else(of_blobs)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Refusal {}

fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title_of(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "There is no such thing",
        Kind::Invalid => "The input is wrong",
        Kind::Unauthenticated => "Nobody is signed in",
        Kind::Forbidden => "This is not allowed",
        Kind::Conflict => "The state of things does not allow it",
        Kind::TooMany => "A limit is reached",
        Kind::Timeout => "It took too long",
        Kind::Unavailable => "Something needed cannot be reached",
        Kind::Unsupported => "This cannot be done here",
        Kind::Internal => "Something went wrong on our side",
    }
}

/// The status that an error is answered with.
pub(super) fn status(error: &Error) -> StatusCode {
    Refusal::of(error).map_or_else(|| status_of(error.kind()), Refusal::status)
}

/// Whether the causes of a fault of ours are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// For everybody: no.
    Public,
    /// For the developer at the machine: yes.
    Development,
}

fn document(error: &Error, status: StatusCode, detail: Detail) -> Problem {
    let hidden = error.kind() == Kind::Internal && detail == Detail::Public;
    let field =
        |field: &crate::error::FieldError| ProblemField { field: field.field.clone(), message: field.message.clone() };
    let text = if detail == Detail::Development && error.kind() == Kind::Internal {
        error.report()
    } else {
        error.message().to_owned()
    };
    Problem {
        kind: format!("urn:sarsen:problem:{}", Refusal::of(error).map_or(error.kind().as_str(), Refusal::name)),
        title: Refusal::of(error).map_or_else(|| title_of(error.kind()), Refusal::title).to_owned(),
        status: status.as_u16(),
        detail: (!hidden).then_some(text),
        trace_id: Operation::with_current(|operation| operation.trace().id()),
        errors: error.fields().iter().map(field).collect(),
        hint: if hidden { None } else { error.hint_text().map(str::to_owned) },
    }
}

fn render(error: &Error, detail: Detail) -> Response {
    let status = status(error);
    let body = serde_json::to_vec(&document(error, status, detail)).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, retry_after(error));
        }
        // What is left of the body would be taken for the next request.
        StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// Whole seconds, rounded up; one where nobody knows better.
fn retry_after(error: &Error) -> HeaderValue {
    let seconds = error.wait_time().map_or(1, |wait| wait.as_millis().div_ceil(1_000).max(1));
    HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX))
}

/// A fault of ours, carried beside its public answer so that development can show the causes.
#[derive(Clone, Debug)]
struct Fault(Arc<Error>);

impl IntoResponse for Error {
    /// The problem document; what is at 500 and above is noted on the Operation, whose line in the log tells it.
    fn into_response(self) -> Response {
        let mut response = render(&self, Detail::Public);
        if response.status().is_server_error() {
            Operation::with_current(|operation| operation.set_error(&self));
        }
        if self.kind() == Kind::Internal {
            response.extensions_mut().insert(Fault(Arc::new(self)));
        }
        response
    }
}

/// Shows the causes of a fault of ours, where that was asked for.
pub(super) fn reveal(response: &mut Response) {
    if let Some(Fault(error)) = response.extensions().get::<Fault>() {
        *response = render(error, Detail::Development);
    }
}

/// Gives an answer that is only a status (an unknown route, an unknown method) its document.
pub(super) fn fill(response: &mut Response) {
    if response.headers().contains_key(CONTENT_TYPE) {
        return;
    }
    let error = match response.status() {
        StatusCode::NOT_FOUND => Error::not_found("there is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => Refusal::Method.error("this address does not know the method"),
        _ => return,
    };
    let allow = response.headers().get(ALLOW).cloned();
    *response = render(&error, Detail::Public);
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
}
