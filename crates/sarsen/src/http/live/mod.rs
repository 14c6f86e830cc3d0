//! How clients hear of topics: a WebSocket at `/live`, or a stream of events at `/live/events`. `docs/realtime.md` is for them.

mod events;
mod websocket;

use super::auth::MaybeActor;
use super::origin;
use super::problem::Refusal;
use crate::error::{Error, Result};
use crate::lifecycle;
use crate::realtime::Realtime;
use crate::telemetry::Stamped;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{Router, get};
use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Says of an answer that it goes on until somebody ends it, so its Operation closes with its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

/// Where the routes are.
pub(super) const PATTERNS: [&str; 2] = ["/live", "/live/events"];

/// The routes, if there is anything to hear.
pub(super) fn routes(realtime: Option<Realtime>) -> Router {
    match realtime {
        Some(realtime) => {
            Router::new().route(PATTERNS[0], get(socket)).route(PATTERNS[1], get(stream)).with_state(realtime)
        }
        None => Router::new(),
    }
}

async fn socket(
    State(realtime): State<Realtime>,
    MaybeActor(actor): MaybeActor,
    mut request: Request,
) -> Result<Response> {
    check_origin(request.headers(), &realtime)?;
    let accepted = websocket::accept(&mut request)?;
    let connection = realtime.connect(actor.map(|actor| actor.id)).await?;
    // In a box, because a future that is passed on by value takes its room at each step.
    lifecycle::spawn(Box::pin(Stamped::new(websocket::serve(accepted.upgrade, connection))));
    Ok(accepted.response)
}

async fn stream(State(realtime): State<Realtime>, MaybeActor(actor): MaybeActor, request: Request) -> Result<Response> {
    check_origin(request.headers(), &realtime)?;
    let wanted = events::Wanted::of(&request)?;
    let connection = realtime.connect(actor.map(|actor| actor.id)).await?;
    for topic in &wanted.topics {
        connection.subscribe(topic, wanted.since.as_ref(), false).await?;
    }
    let from = connection.position().await?;
    let mut response = events::answer(connection, from);
    response.extensions_mut().insert(Endless);
    Ok(response)
}

/// A browser asks anybody on behalf of any page, with the cookies of the one who looks at it: only our own pages may, and
/// those that are named.
fn check_origin(headers: &HeaderMap, realtime: &Realtime) -> Result<()> {
    let Some(given) = headers.get(ORIGIN) else { return Ok(()) };
    let named = &realtime.section().origins;
    if origin::is_host(given, headers.get(HOST)) || named.iter().any(|origin| origin.as_bytes() == given.as_bytes()) {
        return Ok(());
    }
    Err(Error::forbidden("this connection was made by a page of another origin")
        .hint("name the origin in realtime.origins, if its pages may"))
}

fn malformed(message: &'static str) -> Error {
    Refusal::Malformed.error(message)
}
