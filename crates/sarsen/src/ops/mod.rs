//! Pages for those who run the application, at `/ops`: what is slow, why, and what waits; and what they show as JSON.
//!
//! They are open in development. In production nobody learns that they exist without the operators' token, which the
//! command `ops token` prints, or the word of [`App::authorize_ops`].

mod api;
mod blobs;
mod cache;
mod changes;
mod door;
mod facts;
mod indexes;
mod jobs;
mod measured;
mod modules;
mod pages;
mod pass;
mod realtime;
mod redact;

use crate::app::{App, Parts};
use crate::clock;
use crate::config::Environment;
use crate::error::{Error, Result};
use crate::http::{ModuleRoutes, Routes};
use crate::telemetry::Operation;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use door::{Door, Entry};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use std::time::Instant;
use tower::Service;

/// In whose name the pages are served; its Operations are in no verdict.
pub const MODULE: &str = "ops";

/// What every page asks of the application.
#[derive(Debug)]
struct Ops {
    parts: Parts,
    door: Door,
    started: Instant,
}

impl Ops {
    /// Whether plans of queries are shown.
    fn explains(&self) -> bool {
        self.parts.config.app.environment != Environment::Production
    }
}

/// Serves the pages, unless `ops.enabled` says no: every program of [`cli`](crate::cli) and every application under test
/// has them. One that is served by [`App::serve`] alone mounts them itself.
pub fn mount(app: &mut App) {
    if app.config().ops.enabled {
        app.also_serve(routes);
    }
}

/// Every address below `/ops`, each behind the door.
fn routes(parts: &Parts) -> Result<ModuleRoutes> {
    let ops = Arc::new(Ops { parts: parts.clone(), door: Door::new(parts), started: clock::monotonic() });
    let inside = Inside { ops: ops.clone(), router: api::routes().merge(pages::routes()).with_state(ops) };
    // Any method: what is closed does not say which it knows.
    let patterns = ["/ops", "/ops/{*path}"];
    let outside = Router::new().route(patterns[0], any(enter)).route(patterns[1], any(enter)).with_state(inside);
    let methods = [Method::GET, Method::POST];
    let known = methods.into_iter().flat_map(|method| patterns.map(|pattern| (method.clone(), pattern)));
    Ok(ModuleRoutes::new(MODULE, Routes::new).plain_at(outside, &patterns).known(known))
}

#[derive(Clone)]
struct Inside {
    ops: Arc<Ops>,
    router: Router,
}

async fn enter(State(mut inside): State<Inside>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let visitor = match inside.ops.door.knock(&parts).await {
        Ok(Entry::Open(visitor)) => visitor,
        Ok(Entry::Pass(response)) => return response,
        // The same as for an address that nobody serves, to the letter.
        Ok(Entry::Closed) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(error = error.report(), "it could not be found out who may see /ops");
            return StatusCode::NOT_FOUND.into_response();
        }
    };
    if let Some(person) = visitor.person {
        Operation::with_current(|operation| operation.set_actor(person));
    }
    // What the router outside has found in the path is not for the one inside.
    parts.extensions.clear();
    parts.extensions.insert(visitor);
    let mut response = match inside.router.call(Request::from_parts(parts, body)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    keep_private(response.headers_mut());
    response
}

/// Nothing of it is kept by anybody but the browser that asked.
fn keep_private(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
}

/// There is no such thing, or none any more.
fn missing(what: &str) -> Error {
    Error::not_found(format!("there is no such {what}, or it is kept no more"))
}
