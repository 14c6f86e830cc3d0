//! The headers that every answer carries.

use crate::telemetry::Trace;
use axum::response::Response;
use http::HeaderMap;
use http::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http_body::Body as _;
use std::sync::LazyLock;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const EMPTY: HeaderValue = HeaderValue::from_static("");
/// Only what this origin serves runs or is framed; a page that needs more sets its own.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; \
                      object-src 'none'; form-action 'self'";

/// What an answer of JSON carries in the end. It is cloned: to hash each of the names costs several times as much.
static OF_JSON: LazyLock<HeaderMap> = LazyLock::new(|| {
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    [json, (CONTENT_LENGTH, EMPTY), (X_CONTENT_TYPE_OPTIONS, NOSNIFF), (X_REQUEST_ID, EMPTY)].into_iter().collect()
});

/// The headers of an answer of JSON; the id of the request is still to come, see [`complete`].
pub(super) fn of_json(length: usize) -> HeaderMap {
    let mut headers = OF_JSON.clone();
    if let Some((_, value)) = headers.iter_mut().find(|(name, _)| **name == CONTENT_LENGTH) {
        *value = number(length);
    }
    headers
}

/// Gives the answer the id under which the logs know it, and makes browsers strict. A handler's own policies hold.
///
/// The few headers there are at this point are looked through once, which is cheaper than to look for each.
pub(super) fn complete(response: &mut Response, head: bool, https: bool, trace: &Trace) {
    let length = response.body().size_hint().exact();
    let headers = response.headers_mut();
    let id = HeaderValue::from_bytes(&trace.id_text()).unwrap_or(EMPTY);
    let (mut html, mut strict, mut named, mut fits) = (false, false, None, true);
    for (name, value) in headers.iter_mut() {
        match name {
            name if *name == CONTENT_TYPE => html = value.as_bytes().starts_with(b"text/html"),
            name if *name == CONTENT_LENGTH => fits = head || parsed(value) == length,
            name if *name == X_CONTENT_TYPE_OPTIONS => strict = *value == NOSNIFF,
            name if *name == X_REQUEST_ID => named = Some(value),
            _ => {}
        }
    }
    match named {
        Some(value) => *value = id,
        None => drop(headers.insert(X_REQUEST_ID, id)),
    }
    if !strict {
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    }
    if !fits {
        mend_length(headers, length);
    }
    if html {
        secure_page(headers);
    }
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

fn secure_page(headers: &mut HeaderMap) {
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(CONTENT_SECURITY_POLICY, POLICY);
    add(REFERRER_POLICY, "strict-origin-when-cross-origin");
    add(OPENER_POLICY, "same-origin");
}

/// A layer may have put another body in the place of the one whose length was told.
#[cold]
fn mend_length(headers: &mut HeaderMap, length: Option<u64>) {
    match length {
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => headers.remove(CONTENT_LENGTH),
    };
}

/// A length as text, in memory of just its size.
fn number(mut number: usize) -> HeaderValue {
    let (mut digits, mut first) = ([b'0'; 20], 20);
    while number > 0 || first == 20 {
        first -= 1;
        digits[first] += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    HeaderValue::from_bytes(&digits[first..]).unwrap_or(EMPTY)
}

fn parsed(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}
