//! The routes of the modules, and the table that names a request before anything else happens to it.

use super::openapi::{self, Documented};
use super::path::{PathNames, PathParts};
use super::routing::{Finished, Routes};
use super::straight::Bound;
use crate::error::{Error, Result};
use crate::telemetry::{Budget, Name, Operation, OperationKind, Recorder};
use aide::openapi::OpenApi;
use axum::extract::{MatchedPath, Request};
use axum::routing::Router;
use http::Method;
use std::collections::BTreeMap;
use std::fmt;

/// What one module serves: its documented routes, and plain ones beside them.
///
/// Build the routes inside the closure: what the documentation gathers meanwhile belongs to the thread at hand.
#[must_use]
pub struct ModuleRoutes {
    pub(super) module: &'static str,
    pub(super) api: OpenApi,
    pub(super) router: Router,
    listed: Vec<Documented>,
    /// Handlers that the stack may call itself.
    straight: Vec<(String, Method, Bound)>,
    /// Patterns that the router serves, whether or not they are listed.
    served: Vec<String>,
    /// Whether the router may serve patterns that nobody has listed.
    opaque: bool,
}

impl ModuleRoutes {
    /// The documented routes of `module`.
    pub fn new(module: &'static str, routes: impl FnOnce() -> Routes) -> Self {
        openapi::prepare();
        let mut api = OpenApi::default();
        let Finished { router, straight, patterns, opaque } = routes().finish(&mut api);
        let listed = openapi::finish(&mut api, module);
        Self { module, api, router, listed, straight, served: patterns, opaque }
    }

    /// Adds a router that documents nothing; its requests are named after the pattern that axum matched.
    pub fn plain(mut self, router: Router) -> Self {
        self.opaque |= router.has_routes();
        self.router = self.router.merge(router);
        self
    }

    /// Like [`ModuleRoutes::plain`] for a router whose patterns are these.
    pub(crate) fn plain_at(mut self, router: Router, patterns: &[&str]) -> Self {
        self.served.extend(patterns.iter().map(|pattern| (*pattern).to_owned()));
        self.router = self.router.merge(router);
        self
    }

    /// The same routes behind a layer that names the request: for those that the table does not know. A layer costs a
    /// tenth of a small request, so what the table knows never goes through it.
    pub(super) fn named(&self) -> Router {
        let (module, router) = (self.module, self.router.clone());
        if !router.has_routes() {
            return router;
        }
        let name = move |request: Request| async move {
            name_by_match(&request, module);
            request
        };
        router.route_layer(axum::middleware::map_request(name))
    }

    /// Adds routes of a plain router that are known beforehand, which saves finding their name in a layer.
    pub(crate) fn listed(mut self, router: Router, routes: impl IntoIterator<Item = (Method, String)>) -> Self {
        self.router = self.router.merge(router);
        let plain = |(method, pattern)| Documented {
            method,
            pattern,
            auth: false,
            any_origin: false,
            uploads: false,
            budget: None,
        };
        self.listed.extend(routes.into_iter().map(plain));
        self
    }

    /// Names requests to plain routes beforehand, so that they are named from their beginning; who is there can be asked.
    pub(crate) fn known(mut self, routes: impl IntoIterator<Item = (Method, &'static str)>) -> Self {
        let plain = |(method, pattern): (Method, &str)| {
            let pattern = pattern.to_owned();
            Documented { method, pattern, auth: true, any_origin: false, uploads: false, budget: None }
        };
        self.listed.extend(routes.into_iter().map(plain));
        self
    }

    /// The handler of a route, where the stack may call it itself. The answer to HEAD loses its body in the router.
    fn straight(&self, route: &Documented) -> Option<Bound> {
        let of_route = |(pattern, method, _): &&(String, Method, Bound)| {
            *pattern == route.pattern && *method == route.method && *method != Method::HEAD
        };
        self.straight.iter().find(of_route).map(|(_, _, handler)| handler.clone())
    }

    /// Method and pattern of each route that is known by name.
    pub fn patterns(&self) -> impl Iterator<Item = (&Method, &str)> {
        self.listed.iter().map(|listed| (&listed.method, listed.pattern.as_str()))
    }

    /// Like [`ModuleRoutes::patterns`], with what each promises.
    pub fn promises(&self) -> impl Iterator<Item = (&Method, &str, Option<Budget>)> {
        self.listed.iter().map(|listed| (&listed.method, listed.pattern.as_str(), listed.budget))
    }
}

impl fmt::Debug for ModuleRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleRoutes").field("module", &self.module).field("routes", &self.listed.len()).finish()
    }
}

/// Names the Operation at hand by the pattern that axum matched.
pub(super) fn name_by_match(request: &Request, module: &'static str) {
    let Some(matched) = request.extensions().get::<MatchedPath>() else { return };
    let name = format!("{} {}", known(request.method()), matched.as_str());
    Operation::with_current(|operation| operation.set_name(&name, module));
}

/// What is known about a request by its method and path.
#[derive(Clone)]
pub(super) struct RouteName {
    pub(super) name: Name,
    /// Whether the handler asks who is there.
    pub(super) auth: bool,
    /// Whether pages of other origins may call it.
    pub(super) any_origin: bool,
    /// Whether it takes files.
    pub(super) uploads: bool,
    /// Whether it is in the table; what is not may still be a plain route.
    pub(super) known: bool,
    /// The handler, where the stack may call it itself.
    pub(super) straight: Option<Bound>,
}

/// Finds the name of a request; it never holds a raw path, so the number of names is bounded.
pub(super) struct RouteTable {
    paths: matchit::Router<Pattern>,
    unknown: Vec<(Method, RouteName)>,
    other: RouteName,
}

/// The routes of one pattern.
#[derive(Default)]
struct Pattern {
    names: PathNames,
    routes: Vec<(Method, RouteName)>,
}

/// What the table finds for a request: its route, and what its pattern names in the path, where the stack calls the handler.
pub(super) struct Found<'t> {
    pub(super) route: &'t RouteName,
    pub(super) straight: Option<(&'t Bound, Option<PathParts>)>,
}

impl RouteTable {
    /// The table over all modules; two that claim the same route are an error that names both.
    pub(super) fn new(modules: &[ModuleRoutes], recorder: &Recorder) -> Result<Self> {
        let mut patterns: BTreeMap<&str, Pattern> = BTreeMap::new();
        // A pattern that nobody has listed may be nearer to a path than one with a parameter that was.
        let opaque = modules.iter().any(|module| module.opaque);
        for (module, listed) in
            modules.iter().flat_map(|module| module.listed.iter().map(move |listed| (module, listed)))
        {
            let routes = &mut patterns.entry(&listed.pattern).or_default().routes;
            if let Some((method, taken)) = routes.iter().find(|(method, _)| *method == listed.method) {
                let text = format!(
                    "{method} {} is served by `{}` and by `{}`",
                    listed.pattern,
                    taken.name.module(),
                    module.module
                );
                return Err(Error::invalid(text).hint("give one of them another path"));
            }
            let text = format!("{} {}", listed.method, listed.pattern);
            let name = recorder.name(OperationKind::Request, module.module, &text);
            if let Some(budget) = listed.budget {
                name.set_budget(budget);
            }
            let (auth, any_origin, uploads) = (listed.auth, listed.any_origin, listed.uploads);
            let is_sure = !(opaque && listed.pattern.contains('{'));
            let straight = module.straight(listed).filter(|_| is_sure);
            let route = RouteName { name, auth, any_origin, uploads, known: true, straight };
            routes.push((listed.method.clone(), route));
        }
        for pattern in modules.iter().flat_map(|module| &module.served) {
            patterns.entry(pattern).or_default();
        }
        let mut paths = matchit::Router::new();
        for (text, mut pattern) in patterns {
            pattern.names = openapi::path_names(text).into_iter().map(Box::<str>::from).collect::<Vec<_>>().leak();
            let conflict = |error| Error::invalid(format!("the route {text} cannot be added: {error}"));
            paths.insert(text, pattern).map_err(conflict)?;
        }
        let unknown = KNOWN.iter().map(|method| (method.clone(), no_route(method.as_str(), recorder))).collect();
        Ok(Self { paths, unknown, other: no_route("OTHER", recorder) })
    }

    #[inline]
    pub(super) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        if let Ok(matched) = self.paths.at(path) {
            let Pattern { names, routes } = matched.value;
            if let Some(route) = of_method(routes, method) {
                let named = || matched.params.iter().map(|(_, part)| part);
                let parts = || (!names.is_empty()).then(|| PathParts::new(names, path.len(), named()));
                return Found { route, straight: route.straight.as_ref().map(|handler| (handler, parts())) };
            }
            // GET answers HEAD, as in axum.
            if method == Method::HEAD
                && let Some(route) = of_method(routes, &Method::GET)
            {
                return Found { route, straight: None };
            }
        }
        Found { route: of_method(&self.unknown, method).unwrap_or(&self.other), straight: None }
    }
}

#[inline]
fn of_method<'r>(routes: &'r [(Method, RouteName)], method: &Method) -> Option<&'r RouteName> {
    routes.iter().find(|(known, _)| known == method).map(|(_, route)| route)
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteTable")
    }
}

const KNOWN: [Method; 9] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];

fn known(method: &Method) -> &str {
    if KNOWN.contains(method) { method.as_str() } else { "OTHER" }
}

/// What no table knows may be a plain route, so it gets to know who is there.
fn no_route(method: &str, recorder: &Recorder) -> RouteName {
    let name = recorder.name(OperationKind::Request, "", &format!("{method} (no route)"));
    RouteName { name, auth: true, any_origin: false, uploads: false, known: false, straight: None }
}
