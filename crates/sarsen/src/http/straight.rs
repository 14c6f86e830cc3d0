//! Handlers that the stack calls itself, without a router in between.
//!
//! A router puts what it found beside the request, for whoever may ask (`MatchedPath`, its own `Path`), and looks for the handler
//! by the path: together a fifth of a small request. What a handler takes is in its type; where all of that is known to ask
//! for nothing of a router, it is called straight. All others go the usual way, so this is never seen but in the time.
//!
//! Many ask for nothing of the request either. They are given an empty one, and the request is dropped at once: so the buffer
//! of the connection that it lies in is free before the server looks for what comes next, and need not be made anew.

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use futures_util::future::BoxFuture;
use std::any::{Any, type_name};
use std::sync::Arc;

/// A handler with its state.
#[derive(Clone)]
pub(super) struct Bound {
    call: Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>,
    asks: Asks,
}

/// What a handler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    /// Its state, and what lies beside the request.
    Nothing,
    /// The request.
    Request,
    /// What a router leaves in the request; or nobody knows.
    Router,
}

impl Bound {
    #[inline]
    pub(super) fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        let request = match self.asks {
            Asks::Nothing => Request::default(),
            _ => request,
        };
        (self.call)(request)
    }
}

/// A handler that needs no router.
pub(super) enum Straight<S> {
    /// It still wants its state.
    Waiting(Box<dyn FnOnce(S) -> Bound + Send>),
    Bound(Bound),
}

impl<S: Clone + Send + Sync + 'static> Straight<S> {
    /// The handler, if what it takes (the tuple `I`) asks for nothing of a router.
    pub(super) fn of<H, T, I>(handler: &H) -> Option<Self>
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let asks = asks(type_name::<I>());
        if asks == Asks::Router {
            return None;
        }
        let handler = handler.clone();
        Some(Self::Waiting(Box::new(move |state: S| {
            let call = Arc::new(move |request| boxed(handler.clone().call(request, state.clone())));
            Bound { call, asks }
        })))
    }

    pub(super) fn bind(self, state: S) -> Bound {
        match self {
            Self::Waiting(bind) => bind(state),
            Self::Bound(bound) => bound,
        }
    }
}

/// The futures of ordinary handlers are in boxes already.
fn boxed<F: Future<Output = Response> + Send + 'static>(future: F) -> BoxFuture<'static, Response> {
    let mut future = Some(future);
    let as_it_is = (&mut future as &mut dyn Any).downcast_mut::<Option<BoxFuture<'static, Response>>>();
    match (as_it_is.and_then(Option::take), future) {
        (Some(boxed), _) => boxed,
        (None, Some(future)) => Box::pin(future),
        (None, None) => Box::pin(std::future::pending()),
    }
}

/// What is known to ask for no more than this, by the beginnings of the names of types. A name that the compiler spells in
/// another way one day is not found here, and its handler is called by the router.
const KNOWN: [(Asks, &str); 12] = [
    (Asks::Nothing, "axum::extract::state::State<"),
    (Asks::Nothing, "sarsen::http::extract::Path<"),
    (Asks::Request, "sarsen::http::auth::Actor"),
    (Asks::Request, "sarsen::http::auth::MaybeActor"),
    (Asks::Request, "sarsen::http::auth::Session"),
    (Asks::Request, "sarsen::http::extract::Json<"),
    (Asks::Request, "sarsen::http::extract::Query<"),
    (Asks::Request, "sarsen::http::signed::Headers<"),
    (Asks::Request, "sarsen::http::signed::Raw<"),
    (Asks::Request, "http::header::map::HeaderMap"),
    (Asks::Request, "http::method::Method"),
    (Asks::Request, "bytes::bytes::Bytes"),
];

/// What a tuple of types asks for.
fn asks(tuple: &str) -> Asks {
    let inside = tuple.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(tuple);
    let mut depth = 0_usize;
    let types = inside.split(|character| {
        match character {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    types.map(str::trim).filter(|name| !name.is_empty()).map(ask_of).max().unwrap_or(Asks::Nothing)
}

fn ask_of(name: &str) -> Asks {
    let is = |known: &str| if known.ends_with('<') { name.starts_with(known) } else { name == known };
    KNOWN.iter().find(|(_, known)| is(known)).map_or(Asks::Router, |(asks, _)| *asks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Actor, Json, Path, Query};
    use axum::extract::{MatchedPath, State};
    use http::HeaderMap;
    use std::collections::HashMap;

    #[test]
    fn what_a_handler_takes_says_what_it_asks_for() {
        struct Custom;
        assert_eq!(asks(type_name::<()>()), Asks::Nothing);
        assert_eq!(asks(type_name::<(Path<(u32, Vec<u8>)>,)>()), Asks::Nothing);
        assert_eq!(asks(type_name::<(State<Arc<Custom>>, Path<u8>)>()), Asks::Nothing);
        assert_eq!(asks(type_name::<(State<HashMap<u8, u8>>, Actor, Query<[u8; 4]>, HeaderMap)>()), Asks::Request);
        assert_eq!(asks(type_name::<(State<Arc<Custom>>, Json<Custom>)>()), Asks::Request);
        assert_eq!(asks(type_name::<(Custom,)>()), Asks::Router);
        assert_eq!(asks(type_name::<(State<u8>, MatchedPath)>()), Asks::Router);
        assert_eq!(asks(type_name::<(axum::extract::Path<u8>, Actor)>()), Asks::Router);
        assert_eq!(asks(type_name::<(State<u8>, Request)>()), Asks::Router);
        assert_eq!(asks(type_name::<(Option<Actor>,)>()), Asks::Router);
    }
}
