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
    let (mut html, mut strict, mut named, mut fits) = (false, false, None, head || length.is_none());
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

/// The numbers below a thousand, three digits each: most lengths are one of them, and take no memory.
static SMALL: &str = {
    const TEXT: [u8; 3_000] = {
        let (mut text, mut at) = ([b'0'; 3_000], 0);
        while at < 1_000 {
            text[3 * at] += (at / 100) as u8;
            text[3 * at + 1] += (at / 10 % 10) as u8;
            text[3 * at + 2] += (at % 10) as u8;
            at += 1;
        }
        text
    };
    match std::str::from_utf8(&TEXT) {
        Ok(text) => text,
        Err(_) => "",
    }
};

/// A length as text.
fn number(number: usize) -> HeaderValue {
    let zeros = if number < 10 { 2 } else { usize::from(number < 100) };
    match SMALL.get((number.min(1_000) * 3 + zeros)..(number.min(1_000) * 3 + 3)) {
        Some(text) => HeaderValue::from_static(text),
        None => HeaderValue::from(number),
    }
}

fn parsed(value: &HeaderValue) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |sum: u64, byte| sum.checked_mul(10)?.checked_add(digit(byte)?);
    if value.is_empty() { None } else { value.as_bytes().iter().try_fold(0, add) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_as_they_are_read() {
        for length in (0..1_200).chain([9_999, 10_000, usize::MAX]) {
            let told = number(length);
            assert_eq!(
                (told.to_str().expect("text"), parsed(&told)),
                (length.to_string().as_str(), Some(length as u64))
            );
        }
        for text in ["", "x", "-1", "+1", "18446744073709551616"] {
            assert_eq!(parsed(&HeaderValue::from_static(text)), None, "{text}");
        }
    }
}
