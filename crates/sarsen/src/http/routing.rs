//! Routes as a module declares them: handlers by path and method, documented by their types.
//!
//! [`Routes`] and [`MethodRoutes`] are aide's, and so axum's. Beside them they keep each handler as it was given, for as long as
//! nothing is around it: the stack knows the route of a request before anything else, so it calls such a handler itself
//! (`straight.rs`) instead of having an axum router look for it a second time.

use super::straight::{Bound, Straight};
use aide::axum::ApiRouter;
use aide::axum::routing::ApiMethodRouter;
use aide::openapi::OpenApi;
use aide::operation::{OperationHandler, OperationInput, OperationOutput};
use aide::transform::TransformOperation;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route, Router};
use http::Method;
use std::convert::Infallible;
use std::fmt;
use tower::{Layer, Service};

/// The handlers of one path, by method.
#[must_use]
pub struct MethodRoutes<S = ()> {
    api: ApiMethodRouter<S>,
    straight: Vec<(Method, Straight<S>)>,
}

/// The routes of a module: documented ones, and plain ones of axum beside them.
#[must_use]
pub struct Routes<S = ()> {
    api: ApiRouter<S>,
    straight: Vec<(String, Method, Straight<S>)>,
    /// All of their patterns, also those that the documentation does not list.
    patterns: Vec<String>,
    /// Whether there may be patterns that nobody has listed.
    opaque: bool,
}

/// What is made of [`Routes`].
pub(super) struct Finished {
    pub(super) router: Router,
    pub(super) straight: Vec<(String, Method, Bound)>,
    pub(super) patterns: Vec<String>,
    pub(super) opaque: bool,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new() -> Self {
        Self { api: ApiRouter::new(), straight: Vec::new(), patterns: Vec::new(), opaque: false }
    }

    /// Serves `path`, and documents it.
    pub fn api_route(mut self, path: &str, methods: MethodRoutes<S>) -> Self {
        self.straight.extend(methods.straight.into_iter().map(|(method, handler)| (path.to_owned(), method, handler)));
        self.patterns.push(path.to_owned());
        self.api = self.api.api_route(path, methods.api);
        self
    }

    /// Serves `path` without a word in the documentation.
    pub fn route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        self.patterns.push(path.to_owned());
        self.api = self.api.route(path, methods);
        self
    }

    /// Adds the routes of another one.
    pub fn merge(mut self, other: impl Into<Routes<S>>) -> Self {
        let other = other.into();
        self.straight.extend(other.straight);
        self.patterns.extend(other.patterns);
        self.opaque |= other.opaque;
        self.api = self.api.merge(other.api);
        self
    }

    /// Adds the routes of another one below `path`.
    pub fn nest(mut self, path: &str, other: impl Into<Routes<S>>) -> Self {
        let other = other.into();
        let below = |pattern: &String| match pattern.as_str() {
            "/" => path.to_owned(),
            pattern => format!("{}{pattern}", path.trim_end_matches('/')),
        };
        self.patterns.extend(other.patterns.iter().map(below));
        self.opaque |= other.opaque;
        self.api = self.api.nest(path, other.api);
        self
    }

    /// Puts a layer around all routes that are there already.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.straight.clear();
        self.api = self.api.layer(layer);
        self
    }

    /// Gives the handlers their state.
    pub fn with_state<S2>(self, state: S) -> Routes<S2> {
        let bound = |(path, method, handler): (String, Method, Straight<S>)| {
            (path, method, Straight::Bound(handler.bind(state.clone())))
        };
        let straight = self.straight.into_iter().map(bound).collect();
        Routes { api: self.api.with_state(state), straight, patterns: self.patterns, opaque: self.opaque }
    }
}

impl Routes {
    /// Adds the documentation to `api`, and gives what serves.
    pub(super) fn finish(self, api: &mut OpenApi) -> Finished {
        let bound = |(path, method, handler): (String, Method, Straight<()>)| (path, method, handler.bind(()));
        let straight = self.straight.into_iter().map(bound).collect();
        Finished { router: self.api.finish_api(api), straight, patterns: self.patterns, opaque: self.opaque }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// For what only aide can do.
impl<S: Clone + Send + Sync + 'static> From<ApiRouter<S>> for Routes<S> {
    fn from(api: ApiRouter<S>) -> Self {
        Self { api, straight: Vec::new(), patterns: Vec::new(), opaque: true }
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("straight", &self.straight.len()).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for MethodRoutes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodRoutes").field("straight", &self.straight.len()).finish_non_exhaustive()
    }
}

macro_rules! methods {
    ($($name:ident $with:ident $method:ident)*) => {
        $(
            #[doc = concat!("Serves `", stringify!($method), "` with the handler.")]
            pub fn $name<H, I, O, T, S>(handler: H) -> MethodRoutes<S>
            where
                H: Handler<T, S> + OperationHandler<I, O>,
                I: OperationInput,
                O: OperationOutput,
                S: Clone + Send + Sync + 'static,
                T: 'static,
            {
                MethodRoutes::new().$name(handler)
            }

            #[doc = concat!("Serves `", stringify!($method), "` with the handler, and says more of it in the documentation.")]
            pub fn $with<H, I, O, T, S, F>(handler: H, describe: F) -> MethodRoutes<S>
            where
                H: Handler<T, S> + OperationHandler<I, O>,
                I: OperationInput,
                O: OperationOutput,
                S: Clone + Send + Sync + 'static,
                T: 'static,
                F: FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
            {
                MethodRoutes::new().$with(handler, describe)
            }
        )*

        impl<S: Clone + Send + Sync + 'static> MethodRoutes<S> {
            $(
                #[doc = concat!("Serves `", stringify!($method), "` as well.")]
                pub fn $name<H, I, O, T>(self, handler: H) -> Self
                where
                    H: Handler<T, S> + OperationHandler<I, O>,
                    I: OperationInput,
                    O: OperationOutput,
                    T: 'static,
                {
                    self.$with(handler, |operation| operation)
                }

                #[doc = concat!("Serves `", stringify!($method), "` as well, and says more of it in the documentation.")]
                pub fn $with<H, I, O, T, F>(mut self, handler: H, describe: F) -> Self
                where
                    H: Handler<T, S> + OperationHandler<I, O>,
                    I: OperationInput,
                    O: OperationOutput,
                    T: 'static,
                    F: FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
                {
                    if let Some(straight) = Straight::of::<H, T, I>(&handler) {
                        self.straight.push((Method::$method, straight));
                    }
                    self.api = self.api.$with(handler, describe);
                    self
                }
            )*
        }
    };
}

methods! {
    get get_with GET
    post post_with POST
    put put_with PUT
    patch patch_with PATCH
    delete delete_with DELETE
    head head_with HEAD
    options options_with OPTIONS
    trace trace_with TRACE
}

impl<S: Clone + Send + Sync + 'static> MethodRoutes<S> {
    fn new() -> Self {
        Self { api: ApiMethodRouter::new(), straight: Vec::new() }
    }

    /// Puts a layer around the handlers that are there already.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.straight.clear();
        self.api = self.api.layer(layer);
        self
    }
}
