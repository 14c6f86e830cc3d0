//! `/metrics`: open in development and tests, in production only to those who have the operators' token.

use super::Export;
use super::process::ProcessCounts;
use super::prometheus::{self, Form, Told};
use crate::config::{Environment, Secret};
use crate::http::{ModuleRoutes, Routes};
use crate::lifecycle;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, any};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, Method, StatusCode};
use std::time::Duration;
use subtle::ConstantTimeEq;

const PATH: &str = "/metrics";

/// What is shown of pools and locks is as old as that at most.
const LATELY: Duration = Duration::from_secs(10);

impl Export {
    /// The route, unless it was turned off. `token` opens it in production.
    pub(crate) fn routes(&self, token: &Secret) -> Option<ModuleRoutes> {
        if !self.0.section.metrics {
            return None;
        }
        let (export, token) = (self.clone(), token.clone());
        let answer = move |method: Method, headers: HeaderMap| {
            let (export, token) = (export.clone(), token.clone());
            async move { export.answer(&method, &headers, &token).await }
        };
        // Any method: to a stranger it is as if there were nothing, whatever is asked.
        let router = Router::new().route(PATH, any(answer));
        Some(ModuleRoutes::new("", Routes::new).listed(router, [(Method::GET, PATH.to_owned())]))
    }

    async fn answer(&self, method: &Method, headers: &HeaderMap, token: &Secret) -> Response {
        if self.0.environment == Environment::Production && !is_operator(headers, token) {
            return StatusCode::NOT_FOUND.into_response();
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        let form = form(headers);
        let text = self.text(form).await;
        let headers = [(CONTENT_TYPE, form.content_type()), (CACHE_CONTROL, "no-store"), (VARY, "accept")];
        (headers, text).into_response()
    }

    async fn text(&self, form: Form) -> String {
        let inner = &*self.0;
        let (queues, rows, process) = (inner.queues().await, inner.rows(), ProcessCounts::read());
        let lately = inner.insight.snapshot(LATELY);
        let realtime = inner.realtime.is_used().then(|| inner.realtime.state());
        let blobs = inner.blobs.is_used().then(|| inner.blobs.state());
        let usage = if blobs.is_some() { inner.blobs.usage().await.ok() } else { None };
        let cache = inner.cache.is_used().then(|| inner.cache.state());
        let told = Told {
            holders: &lately.holders,
            now: inner.clock.now(),
            version: inner.service.version,
            rows: &rows,
            queues: &queues,
            realtime: realtime.as_ref(),
            blobs: blobs.map(|moved| (moved, usage.unwrap_or_default())),
            cache: cache.as_ref(),
            process: &process,
            dropped: inner.dropped(),
            tasks: lifecycle::running() as u64,
        };
        prometheus::text(form, &told)
    }
}

fn is_operator(headers: &HeaderMap, token: &Secret) -> bool {
    let given =
        headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let token = token.expose().as_bytes();
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && bool::from(given.trim().as_bytes().ct_eq(token))
    })
}

fn form(headers: &HeaderMap) -> Form {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepts.flat_map(|value| value.split(','));
    let open = kinds.any(|kind| kind.trim().starts_with("application/openmetrics-text"));
    if open { Form::OpenMetrics } else { Form::Text }
}
