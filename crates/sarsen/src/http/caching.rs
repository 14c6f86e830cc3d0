//! Who may keep an answer and for how long, answers that have not changed, and the tags by which a network of caches forgets them.
//!
//! An answer that read who is there, or that sets a cookie, is `private, no-store` unless its route says otherwise. One that says
//! it may be kept for everybody all the same is an error in development and in tests, and is kept by nobody in production.

use crate::error::{Error, Result};
use aide::generate::GenContext;
use aide::openapi::{Operation as ApiOperation, Response as ApiResponse};
use aide::operation::{OperationInput, OperationOutput};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::header::{CACHE_CONTROL, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const NOBODY: HeaderValue = HeaderValue::from_static("private, no-store");
/// Most tags of one answer.
const MAX_TAGS: usize = 200;

/// Who may keep an answer, and for how long: a part of an answer, `(CacheControl::public(HOUR), Json(value))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheControl {
    scope: Scope,
    max_age: Option<Duration>,
    shared: Option<Duration>,
    while_loading: Option<Duration>,
    if_error: Option<Duration>,
    network: Option<Duration>,
    immutable: bool,
    whoever_asks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Public,
    Private,
    Ask,
    Nobody,
}

impl CacheControl {
    const fn new(scope: Scope, max_age: Option<Duration>) -> Self {
        let (shared, while_loading, if_error, network) = (None, None, None, None);
        Self { scope, max_age, shared, while_loading, if_error, network, immutable: false, whoever_asks: false }
    }

    /// Everybody may keep it for so long.
    pub const fn public(max_age: Duration) -> Self {
        Self::new(Scope::Public, Some(max_age))
    }

    /// Only the browser that asked may keep it for so long.
    pub const fn private(max_age: Duration) -> Self {
        Self::new(Scope::Private, Some(max_age))
    }

    /// Only the browser that asked may keep it, and asks each time whether it has changed.
    pub const fn ask_each_time() -> Self {
        Self::new(Scope::Ask, None)
    }

    /// Nobody keeps it.
    pub const fn nobody() -> Self {
        Self::new(Scope::Nobody, None)
    }

    /// Caches that many share may keep it for another time.
    #[must_use]
    pub const fn shared(mut self, max_age: Duration) -> Self {
        self.shared = Some(max_age);
        self
    }

    /// For so long after its time it serves while a new one is asked for (RFC 5861).
    #[must_use]
    pub const fn stale_while_revalidate(mut self, time: Duration) -> Self {
        self.while_loading = Some(time);
        self
    }

    /// For so long after its time it serves where a new one cannot be had (RFC 5861).
    #[must_use]
    pub const fn stale_if_error(mut self, time: Duration) -> Self {
        self.if_error = Some(time);
        self
    }

    /// A network of caches in front of the application may keep it for another time (RFC 9213).
    #[must_use]
    pub const fn network(mut self, max_age: Duration) -> Self {
        self.network = Some(max_age);
        self
    }

    /// It never changes.
    #[must_use]
    pub const fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// It is the same for whoever asks, although the route finds out who that is. It still is kept by nobody where it sets a
    /// cookie.
    #[must_use]
    pub const fn whoever_asks(mut self) -> Self {
        self.whoever_asks = true;
        self
    }
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scope {
            Scope::Public => "public",
            Scope::Private => "private",
            Scope::Ask => "private, no-cache",
            Scope::Nobody => "private, no-store",
        })?;
        let times = [
            ("max-age", self.max_age),
            ("s-maxage", self.shared),
            ("stale-while-revalidate", self.while_loading),
            ("stale-if-error", self.if_error),
        ];
        for (name, time) in times {
            time.map_or(Ok(()), |time| write!(f, ", {name}={}", time.as_secs()))?;
        }
        if self.immutable { f.write_str(", immutable") } else { Ok(()) }
    }
}

impl IntoResponseParts for CacheControl {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            parts.headers_mut().insert(CACHE_CONTROL, value);
        }
        if let Some(network) = self.network {
            let value = HeaderValue::try_from(format!("max-age={}", network.as_secs()));
            value.into_iter().for_each(|value| drop(parts.headers_mut().insert(CDN_CACHE_CONTROL, value)));
        }
        if self.whoever_asks {
            parts.extensions_mut().insert(WhoeverAsks);
        }
        Ok(parts)
    }
}

/// The route says that its answer is the same for everybody.
#[derive(Clone, Copy)]
struct WhoeverAsks;

/// Sees to it that an answer which knows who is there, or sets a cookie, is kept by nobody else. `strict` is development and tests.
pub(super) fn keep_private(response: &mut Response, strict: bool) {
    let agreed = response.extensions_mut().remove::<WhoeverAsks>().is_some();
    let headers = response.headers_mut();
    if headers.contains_key(SET_COOKIE) {
        headers.remove(CDN_CACHE_CONTROL);
        headers.insert(CACHE_CONTROL, NOBODY);
        return;
    }
    let says = headers.get(CACHE_CONTROL).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match says {
        None => drop(headers.insert(CACHE_CONTROL, NOBODY)),
        Some(says) if is_for_all(&says) && !agreed => {
            let error = exposed(&says);
            if strict {
                *response = error.into_response();
                response.headers_mut().insert(CACHE_CONTROL, NOBODY);
            } else {
                tracing::error!("{}", error.report());
                headers.remove(CDN_CACHE_CONTROL);
                headers.insert(CACHE_CONTROL, NOBODY);
            }
        }
        Some(_) => {}
    }
}

/// Whether a cache that many share may give it to others.
fn is_for_all(says: &str) -> bool {
    let mut words = says.split(',').map(|word| word.split('=').next().unwrap_or_default().trim());
    let own = says.split(',').any(|word| matches!(word.trim(), "private" | "no-store"));
    !own && words.any(|word| matches!(word, "public" | "max-age" | "s-maxage" | "immutable"))
}

fn exposed(says: &str) -> Error {
    Error::internal(format!("an answer that read who is there says `cache-control: {says}`: others would be given it"))
        .hint(
            "give it CacheControl::private(…), or do not ask who is there; where it is the same for everybody, say \
         CacheControl::whoever_asks()",
        )
}

/// Which version of something an answer is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(HeaderValue);

impl Etag {
    /// Of a version that is known: a number, a time, an id. Only its hash is told.
    pub fn version(version: impl fmt::Display) -> Self {
        Self::hash(version.to_string().as_bytes())
    }

    /// Of the value itself.
    pub fn of<T: Serialize>(value: &T) -> Result<Self> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| Error::internal("a value cannot be written as JSON").source(error))?;
        Ok(Self::hash(&bytes))
    }

    fn hash(bytes: &[u8]) -> Self {
        let digits = super::file::hex(&Sha256::digest(bytes)[..12]);
        // Weak: between here and the client the bytes may be compressed.
        Self(HeaderValue::try_from(format!("W/\"{digits}\"")).unwrap_or_else(|_| unreachable!("digits")))
    }

    /// Whether the client has this version.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let own = self.0.to_str().map(bare).unwrap_or_default();
        let named = |value: &HeaderValue| {
            value.to_str().is_ok_and(|tags| tags.split(',').map(bare).any(|tag| tag == "*" || tag == own))
        };
        headers.get_all(IF_NONE_MATCH).iter().any(named)
    }
}

impl IntoResponseParts for Etag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.headers_mut().insert(ETAG, self.0);
        Ok(parts)
    }
}

/// Finds out which version the answer to a request is of, at less cost than the answer.
pub trait Version<S>: Sized + Send {
    /// How answers may be kept; the one that says "not modified" repeats it.
    const KEEP: CacheControl = CacheControl::ask_each_time();

    /// The version, from the request and the state of the route.
    fn version(parts: &mut Parts, state: &S) -> impl Future<Output = Result<Etag>> + Send;
}

/// Lets a handler run only where the client does not have this version: otherwise the answer is 304, and the handler does not begin.
///
/// It stands after those arguments that say who is there, and who may not see the answer.
#[derive(Clone, Debug)]
pub struct IfChanged<V> {
    etag: Etag,
    keep: CacheControl,
    of: PhantomData<fn() -> V>,
}

impl<V> IfChanged<V> {
    /// The answer of a handler, with its version.
    pub fn with<T>(self, body: T) -> Versioned<T> {
        Versioned { etag: self.etag, keep: self.keep, body }
    }
}

impl<V, S> FromRequestParts<S> for IfChanged<V>
where
    V: Version<S>,
    S: Send + Sync,
{
    type Rejection = Unchanged;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Unchanged> {
        let etag = V::version(parts, state).await.map_err(Unchanged::Failed)?;
        if etag.is_known(&parts.headers) {
            return Err(Unchanged::NotModified(etag, V::KEEP));
        }
        Ok(Self { etag, keep: V::KEEP, of: PhantomData })
    }
}

impl<V> OperationInput for IfChanged<V> {}

/// Why a handler did not begin.
#[derive(Debug)]
pub enum Unchanged {
    /// The client has this version.
    NotModified(Etag, CacheControl),
    /// The version could not be found out.
    Failed(Error),
}

impl IntoResponse for Unchanged {
    fn into_response(self) -> Response {
        match self {
            Unchanged::NotModified(etag, keep) => (StatusCode::NOT_MODIFIED, keep, etag, ()).into_response(),
            Unchanged::Failed(error) => error.into_response(),
        }
    }
}

/// An answer of a version.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    etag: Etag,
    keep: CacheControl,
    body: T,
}

impl<T: IntoResponse> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        (self.keep, self.etag, self.body).into_response()
    }
}

impl<T: OperationOutput> OperationOutput for Versioned<T> {
    type Inner = T::Inner;

    fn operation_response(context: &mut GenContext, operation: &mut ApiOperation) -> Option<ApiResponse> {
        T::operation_response(context, operation)
    }

    fn inferred_responses(context: &mut GenContext, operation: &mut ApiOperation) -> Vec<(Option<u16>, ApiResponse)> {
        T::inferred_responses(context, operation)
    }
}

/// Tells a network of caches by which tags to forget an answer: those of [`Memo::tags`](crate::cache::Memo::tags), or of
/// [`Tag::digits`](crate::cache::Tag::digits). In the forms of Cloudflare and of Fastly.
#[derive(Clone, Debug, Default)]
pub struct CdnTags(Vec<String>);

impl CdnTags {
    /// Limit: 200 tags, without blanks and commas.
    pub fn new(tags: impl IntoIterator<Item = String>) -> Result<Self> {
        let tags: Vec<String> = tags.into_iter().collect();
        if tags.len() > MAX_TAGS {
            return Err(Error::invalid(format!("{} tags of one answer are more than {MAX_TAGS}", tags.len()))
                .hint("let what is read hang on fewer tags"));
        }
        let good = |tag: &String| tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        match tags.iter().find(|tag| !good(tag)) {
            Some(tag) => Err(Error::invalid(format!("`{tag}` cannot be a tag of an answer"))),
            None => Ok(Self(tags)),
        }
    }
}

impl IntoResponseParts for CdnTags {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        for (name, between) in [(CACHE_TAG, ","), (SURROGATE_KEY, " ")] {
            if let (false, Ok(value)) = (self.0.is_empty(), HeaderValue::try_from(self.0.join(between))) {
                parts.headers_mut().insert(name, value);
            }
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_may_be_kept_is_written_as_the_rules_say() {
        let open =
            CacheControl::public(MINUTE).shared(MINUTE * 2).stale_while_revalidate(MINUTE).stale_if_error(MINUTE * 3);
        assert_eq!(open.to_string(), "public, max-age=60, s-maxage=120, stale-while-revalidate=60, stale-if-error=180");
        assert_eq!(CacheControl::public(MINUTE).immutable().to_string(), "public, max-age=60, immutable");
        assert_eq!(CacheControl::private(MINUTE).to_string(), "private, max-age=60");
        assert_eq!(CacheControl::ask_each_time().to_string(), "private, no-cache");
        assert_eq!(CacheControl::nobody().to_string(), "private, no-store");
    }

    #[test]
    fn it_is_known_what_others_would_be_given() {
        for open in ["public, max-age=1", "max-age=60", "s-maxage=5", "immutable", "public"] {
            assert!(is_for_all(open), "{open}");
        }
        for closed in ["private, max-age=60", "no-store", "private, no-cache", "no-cache", ""] {
            assert!(!is_for_all(closed), "{closed}");
        }
    }

    #[test]
    fn what_knows_who_asks_is_kept_by_nobody_else() {
        let kept = |answer: Response, strict: bool| {
            let mut answer = answer;
            keep_private(&mut answer, strict);
            let says = answer.headers()[CACHE_CONTROL].to_str().expect("text").to_owned();
            (answer.status().as_u16(), says)
        };
        let open = || (CacheControl::public(MINUTE).network(MINUTE), "mine").into_response();
        assert_eq!(kept("mine".into_response(), true), (200, "private, no-store".to_owned()));
        assert_eq!(kept(open(), true), (500, "private, no-store".to_owned()), "a test hears of it");
        assert_eq!(kept(open(), false), (200, "private, no-store".to_owned()), "and nobody is given it");
        let mut closed = open();
        keep_private(&mut closed, false);
        assert!(!closed.headers().contains_key(CDN_CACHE_CONTROL));
        let own = (CacheControl::private(MINUTE), "mine").into_response();
        assert_eq!(kept(own, true), (200, "private, max-age=60".to_owned()));
        let agreed = || (CacheControl::public(MINUTE).whoever_asks(), "the same").into_response();
        assert_eq!(kept(agreed(), true), (200, "public, max-age=60".to_owned()));
        let mut with_cookie = agreed();
        with_cookie.headers_mut().insert(SET_COOKIE, HeaderValue::from_static("a=b"));
        assert_eq!(kept(with_cookie, true), (200, "private, no-store".to_owned()), "a cookie is of one person");
    }

    #[test]
    fn a_version_is_known_by_any_of_its_tags() {
        let etag = Etag::version(7);
        let asks = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::try_from(value).expect("a header"));
            etag.is_known(&headers)
        };
        let own = etag.0.to_str().expect("text").to_owned();
        assert!(asks(&own) && asks(&format!("\"x\", {own}")) && asks("*") && asks(own.trim_start_matches("W/")));
        assert!(!asks("\"x\"") && !asks("") && !etag.is_known(&HeaderMap::new()));
        assert_eq!(Etag::version(7), etag);
        assert_ne!(Etag::of(&7).expect("json"), Etag::of(&8).expect("json"));
    }

    #[test]
    fn tags_for_networks_are_bounded_and_plain() {
        assert!(CdnTags::new(["a b".to_owned()]).is_err());
        assert!(CdnTags::new((0..201).map(|number| number.to_string())).is_err());
        let response = (CdnTags::new(["a".to_owned(), "b".to_owned()]).expect("tags"), "x").into_response();
        assert_eq!(
            (&response.headers()["cache-tag"], &response.headers()["surrogate-key"]),
            (&HeaderValue::from_static("a,b"), &HeaderValue::from_static("a b"))
        );
    }
}
