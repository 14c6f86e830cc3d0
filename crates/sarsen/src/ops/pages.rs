//! The one page, its script and its style: embedded, and asked for again each time by their tag.

use super::{Ops, keep_private};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, SET_COOKIE,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Only what the application itself serves, and nothing that stands in the page.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; \
                      object-src 'none'; form-action 'self'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Address, content and type of each file.
const FILES: [(&str, &str, &str); 8] = [
    ("/ops/ops.css", include_str!("web/ops.css"), STYLE),
    ("/ops/theme.js", include_str!("web/theme.js"), SCRIPT),
    ("/ops/ops.js", include_str!("web/ops.js"), SCRIPT),
    ("/ops/pages.js", include_str!("web/pages.js"), SCRIPT),
    ("/ops/work.js", include_str!("web/work.js"), SCRIPT),
    ("/ops/grid.js", include_str!("web/grid.js"), SCRIPT),
    ("/ops/charts.js", include_str!("web/charts.js"), SCRIPT),
    ("/ops/dom.js", include_str!("web/dom.js"), SCRIPT),
];

/// What the page shows at which address is up to its script.
const PAGES: [&str; 15] = [
    "/ops",
    "/ops/budgets",
    "/ops/slow",
    "/ops/operation",
    "/ops/sample/{id}",
    "/ops/queries",
    "/ops/jobs",
    "/ops/job/{id}",
    "/ops/modules",
    "/ops/live",
    "/ops/files",
    "/ops/cache",
    "/ops/dependencies",
    "/ops/errors",
    "/ops/process",
];

pub(super) fn routes() -> Router<Arc<Ops>> {
    let page =
        |router: Router<Arc<Ops>>, address: &&str| router.route(address, file(include_str!("web/index.html"), HTML));
    let router = PAGES.iter().fold(Router::new(), page);
    FILES.iter().fold(router, |router, (address, content, kind)| router.route(address, file(content, kind)))
}

fn file(content: &'static str, kind: &'static str) -> MethodRouter<Arc<Ops>> {
    let hash = Sha256::digest(content.as_bytes());
    let tag: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    get(move |headers: HeaderMap| async move { answer(&headers, content, kind, &format!("\"{tag}\"")) })
}

fn answer(request: &HeaderMap, content: &'static str, kind: &'static str, tag: &str) -> Response {
    let known = request.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { content.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// Gives a browser its pass, and sends it to the same page without the token.
///
/// It is a page that leads on, not a redirect: a browser that came by a link of another site would follow that one without
/// the cookie (`SameSite=Strict`).
pub(super) fn come_in(path: &str, pass: HeaderValue) -> Response {
    let path: String = path.chars().filter(|c| c.is_ascii_alphanumeric() || "/-_".contains(*c)).collect();
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>ops</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={path}\"><p><a href=\"{path}\">Come in</a></p></html>"
    );
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    headers.insert(SET_COOKIE, pass);
    keep_private(headers);
    response
}
