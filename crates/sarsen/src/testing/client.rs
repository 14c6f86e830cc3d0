//! A user in a test: requests through the whole stack, and the cookies that come back.

use super::queries::assert_within_budget;
use crate::http::Stack;
use crate::telemetry::Operation;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One user with cookies of its own; clones are the same user.
#[derive(Clone, Debug)]
pub struct Client {
    stack: Stack,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Client {
    pub(super) fn new(stack: Stack) -> Self {
        Self { stack, cookies: Arc::default() }
    }

    /// A `GET` request.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A `POST` request.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// A `PUT` request.
    pub fn put(&self, path: &str) -> Request {
        self.request(Method::PUT, path)
    }

    /// A `PATCH` request.
    pub fn patch(&self, path: &str) -> Request {
        self.request(Method::PATCH, path)
    }

    /// A `DELETE` request.
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// A request as a browser on the application's own pages would send it.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        let budgeted = true;
        Request { client: self.clone(), method, path: path.to_owned(), headers, body: Bytes::new(), budgeted }
    }

    /// The value of a cookie that this client keeps.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).cloned()
    }

    /// Keeps another value for a cookie.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar().insert(name.to_owned(), value.to_owned());
    }

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self) -> Option<HeaderValue> {
        let pairs: Vec<String> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        HeaderValue::try_from(pairs.join("; ")).ok().filter(|value| !value.is_empty())
    }

    fn keep(&self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE).iter().filter_map(|header| header.to_str().ok()) {
            let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let ended = attributes.split(';').any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            if ended || value.is_empty() {
                self.jar().remove(name.trim());
            } else {
                self.jar().insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

/// A request that is being put together; `.await` sends it.
#[derive(Debug)]
#[must_use = "a request is sent by `.await`"]
pub struct Request {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    budgeted: bool,
}

impl Request {
    /// Lets the request go beyond the budget of its route, which otherwise fails the test.
    pub fn beyond_budget(mut self) -> Self {
        self.budgeted = false;
        self
    }

    /// Sends `value` as JSON.
    #[expect(clippy::expect_used, reason = "a test with a body that is no JSON is wrong")]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let body = serde_json::to_vec(value).expect("the body can be written as JSON");
        self.header(CONTENT_TYPE.as_str(), "application/json").body(body)
    }

    /// Sends these bytes.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a header, in place of the one with this name.
    #[expect(clippy::expect_used, reason = "a test with a header that is none is wrong")]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("the name of a header");
        self.headers.insert(name, HeaderValue::try_from(value).expect("the value of a header"));
        self
    }

    /// Leaves out a header that a browser would send.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Signs in with a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    #[expect(clippy::expect_used, reason = "a test with a path that is none is wrong")]
    async fn send(mut self) -> Response {
        if let Some(cookies) = self.client.sent() {
            self.headers.entry(COOKIE).or_insert(cookies);
        }
        let asked = format!("{} {}", self.method, self.path);
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(&self.path)
            .body(Body::from(self.body))
            .expect("the path of a request begins with `/`");
        *request.headers_mut() = self.headers;
        let (parts, body) = self.client.stack.call(request).await.into_parts();
        self.client.keep(&parts.headers);
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        // It has closed, so all that it took is known.
        if let Some(operation) = parts.extensions.get::<Operation>().filter(|_| self.budgeted) {
            assert_within_budget(operation);
        }
        Response { asked, status: parts.status, headers: parts.headers, body }
    }
}

impl IntoFuture for Request {
    type Output = Response;
    type IntoFuture = BoxFuture<'static, Response>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// The whole answer.
pub struct Response {
    asked: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Response {
    /// Its status: `assert_eq!(response.status(), 200)`.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Fails the test with the whole answer when the status is another.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert!(self.status == status, "expected the status {status}, but {self:?}");
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as JSON of this type; fails the test with the whole answer when it is none.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected")]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the body is not the JSON that was expected ({error}): {self:?}"),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was answered {}:\n{}", self.asked, self.status, self.text())
    }
}
