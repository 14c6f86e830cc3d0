//! The headers that every answer carries.

use crate::telemetry::Trace;
use http::HeaderMap;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// Only what this origin serves runs or is framed; a page that needs more sets its own.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; \
                      object-src 'none'; form-action 'self'";

/// Makes browsers strict. A handler's own header holds.
pub(super) fn secure(headers: &mut HeaderMap, https: bool) {
    let html = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if html {
        let add = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        };
        add(headers, CONTENT_SECURITY_POLICY, POLICY);
        add(headers, REFERRER_POLICY, "strict-origin-when-cross-origin");
        add(headers, OPENER_POLICY, "same-origin");
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// Gives the answer the id under which the logs know it.
pub(super) fn name(headers: &mut HeaderMap, trace: &Trace) {
    if let Ok(value) = HeaderValue::from_bytes(&trace.id_text()) {
        headers.insert(X_REQUEST_ID, value);
    }
}
