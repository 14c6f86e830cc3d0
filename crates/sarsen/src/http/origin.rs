//! Refuses requests that another site made a browser send: the algorithm of Go 1.25's `CrossOriginProtection`.

use crate::error::{Error, Result};
use http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Fails for a request that changes something and comes from a page of another origin.
///
/// Browsers say where a request comes from (`Sec-Fetch-Site`; older ones `Origin`), so no token is needed. What sends
/// neither is no browser, and carries no cookie that its user did not put there.
pub(super) fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<()> {
    if method.is_safe() {
        return Ok(());
    }
    let allowed = match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(b"same-origin" | b"none") => true,
        Some(b"") | None => origin_is_host(uri, headers),
        Some(_) => false,
    };
    if allowed { Ok(()) } else { Err(Error::forbidden("this request was made by a page of another origin")) }
}

fn origin_is_host(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN).filter(|origin| !origin.is_empty()) else { return true };
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    is_of(origin, authority.or_else(|| headers.get(HOST).map(HeaderValue::as_bytes)))
}

/// Whether a page of `origin` is one of the host that was asked.
pub(super) fn is_host(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    is_of(origin, host.map(HeaderValue::as_bytes))
}

fn is_of(origin: &HeaderValue, host: Option<&[u8]>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) => origin.as_bytes().eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        map.insert(HOST, http::HeaderValue::from_static("app.test:3000"));
        for (name, value) in headers {
            map.insert(*name, http::HeaderValue::from_static(value));
        }
        check(method, &Uri::from_static("/x"), &map).is_ok()
    }

    #[test]
    fn only_requests_of_the_same_origin_may_change_something() {
        assert!(allowed(&Method::GET, &[("sec-fetch-site", "cross-site")]));
        assert!(allowed(&Method::POST, &[]));
        assert!(allowed(&Method::POST, &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.test")]));
        assert!(allowed(&Method::POST, &[("sec-fetch-site", "none")]));
        assert!(!allowed(&Method::POST, &[("sec-fetch-site", "same-site")]));
        assert!(!allowed(&Method::DELETE, &[("sec-fetch-site", "cross-site")]));
        assert!(allowed(&Method::PUT, &[("origin", "http://app.test:3000")]));
        assert!(!allowed(&Method::PUT, &[("origin", "http://app.test")]));
        assert!(!allowed(&Method::PUT, &[("origin", "null")]));
        assert!(!allowed(&Method::PATCH, &[("origin", "https://evil.test")]));
    }
}
