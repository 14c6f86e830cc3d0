//! `/livez` (the process is up) and `/readyz` (it can serve), which no load keeps from answering.

use crate::clock;
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use axum::body::Body;
use axum::response::Response;
use futures_util::future::{BoxFuture, join_all};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long one check may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// What readiness depends on: the application's life, and named checks.
#[derive(Clone)]
pub struct Health {
    lifecycle: Lifecycle,
    checks: Vec<(&'static str, Check)>,
}

impl Health {
    /// Readiness by the application's life alone.
    pub fn new(lifecycle: Lifecycle) -> Self {
        Self { lifecycle, checks: Vec::new() }
    }

    /// Adds a check, which may take a second.
    #[must_use]
    pub fn check<F>(mut self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    pub(super) const PATHS: [&str; 2] = ["/livez", "/readyz"];

    /// Whether `path` is one of the two addresses.
    #[inline]
    pub(super) fn knows(path: &str) -> bool {
        Self::PATHS.contains(&path)
    }

    /// The answer to a request for one of them.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response {
        let (method, live) = (request.method().clone(), request.uri().path() == Self::PATHS[0]);
        // Nobody reads the body, and the future may move between threads without it.
        drop(request);
        if method != Method::GET && method != Method::HEAD {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("GET,HEAD"));
            return response;
        }
        let states = if live { Vec::new() } else { self.states().await };
        let well = states.iter().all(|state| state.error.is_none());
        let report = Report { status: if well { "ok" } else { "unavailable" }, checks: states };
        let mut response = Response::new(Body::from(serde_json::to_vec(&report).unwrap_or_default()));
        *response.status_mut() = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn states(&self) -> Vec<State> {
        let life = if self.lifecycle.is_ready() { Ok(()) } else { Err(Error::unavailable("not ready")) };
        let mut states = vec![State::new("lifecycle", life)];
        let checks = self.checks.iter().map(|(name, check)| async move {
            let done = clock::until(clock::monotonic() + PATIENCE, check()).await;
            State::new(name, done.and_then(|result| result))
        });
        states.extend(join_all(checks).await);
        states
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<State>,
}

#[derive(Serialize)]
struct State {
    name: &'static str,
    /// The kind of error; its text may say more than strangers should read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl State {
    fn new(name: &'static str, result: Result<()>) -> Self {
        Self { name, error: result.err().map(|error| error.kind().as_str()) }
    }
}
