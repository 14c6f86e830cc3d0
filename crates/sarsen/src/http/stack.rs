//! The way of a request, in one function: what surrounds the routes, in order, and why in this order.

use super::assets::Assets;
use super::auth::{Auth, Authenticate, Identities};
use super::body::{BodyLimits, Outgoing};
use super::guard::{Closing, Guarded};
use super::health::Health;
use super::openapi::About;
use super::problem::{self, Refusal};
use super::routes::{ModuleRoutes, RouteName, RouteTable};
use super::session::Sessions;
use super::{docs, headers, openapi, origin};
use crate::config::{Environment, HttpSection};
use crate::error::{Error, Result};
use crate::telemetry::{Operation, OperationKind, Outcome, Recorder, Trace};
use aide::axum::ApiRouter as Routes;
use aide::openapi::OpenApi;
use axum::BoxError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::Router;
use bytes::Bytes;
use http::{HeaderName, Method, Request};
use http_body::Body as _;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::Service;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a [`Stack`] is made of.
pub struct StackParts {
    /// The limits.
    pub section: HttpSection,
    /// Development shows the causes of faults.
    pub environment: Environment,
    /// Where closed Operations go.
    pub recorder: Recorder,
    /// What readiness depends on.
    pub health: Health,
    /// What the document of the API says of the application.
    pub about: About,
    /// What the modules serve.
    pub modules: Vec<ModuleRoutes>,
    /// The sessions of browsers, if there are any.
    pub sessions: Option<Sessions>,
    /// Who knows bearer tokens; asked in order.
    pub authenticate: Vec<Authenticate>,
    /// The web client, if there is one.
    pub assets: Option<Assets>,
}

impl fmt::Debug for StackParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackParts").field("modules", &self.modules).finish_non_exhaustive()
    }
}

impl StackParts {
    /// An application that serves nothing yet.
    pub fn new(section: &HttpSection, recorder: &Recorder, health: Health) -> Self {
        Self {
            section: section.clone(),
            environment: Environment::Production,
            recorder: recorder.clone(),
            health,
            about: About::default(),
            modules: Vec::new(),
            sessions: None,
            authenticate: Vec::new(),
            assets: None,
        }
    }
}

/// The whole service of an application: [`Stack::call`] takes a request all the way. Clones are the same.
#[derive(Clone, Debug)]
pub struct Stack(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    routes: RouteTable,
    router: Router,
    named: Router,
    health: Health,
    recorder: Recorder,
    identities: Identities,
    at_work: AtomicUsize,
    max_in_flight: usize,
    timeout: Duration,
    body: BodyLimits,
    development: bool,
    https: bool,
}

impl Stack {
    /// Puts the parts together; two modules that serve the same route are an error.
    pub fn new(parts: StackParts) -> Result<Self> {
        let StackParts { section, environment, recorder, health, about, mut modules, .. } = parts;
        let document = openapi::join(&about, cookie_name(&parts.sessions), modules.iter())?;
        modules.push(own_routes(&document, parts.assets)?);
        let routes = RouteTable::new(&modules)?;
        let named = modules.iter().fold(Router::new(), |all, module| all.merge(module.named()));
        let router = modules.into_iter().fold(Router::new(), |all, module| all.merge(module.router));
        Ok(Self(Arc::new(Inner {
            routes,
            router,
            named,
            health,
            recorder,
            identities: Identities { sessions: parts.sessions, tokens: parts.authenticate.into() },
            at_work: AtomicUsize::new(0),
            max_in_flight: section.max_in_flight,
            timeout: section.request_timeout.0,
            body: BodyLimits::new(&section),
            development: environment == Environment::Development,
            https: section.public_url.starts_with("https://"),
        })))
    }

    /// Answers one request.
    pub fn call<B>(&self, request: Request<B>) -> impl Future<Output = Response> + Send + use<'_, B>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        self.call_held(request, ())
    }

    /// Like [`Stack::call`]; `held` is dropped when the answer is complete, its body included.
    ///
    /// What does not wait is done before there is a future: what a future holds is moved with it, and paid by every
    /// request.
    pub(super) fn call_held<B, H>(
        &self,
        request: Request<B>,
        held: H,
    ) -> impl Future<Output = Response> + Send + use<'_, B, H>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
        H: Send + Unpin + 'static,
    {
        let stack = &*self.0;
        // 1. The name comes from the route table, so every Operation has one, whatever happens next.
        let route = stack.routes.find(request.method(), request.uri().path());
        // 2. The Operation is outermost: it sees everything, and is cancelled when the client hangs up.
        let closing = Closing::new(stack.open(&request, route));
        let work = stack.begin(request, route, closing.operation());
        async move {
            let response = match work {
                Work::Handler(guarded) => guarded.await,
                Work::Health(answer) => answer.await,
                Work::Refused(error) => closing.operation().enter(|| error.into_response()),
            };
            // 9. Framework answers without a body get a document, and every answer its headers.
            let response = stack.finish(response, closing.operation());
            // 10. The Operation closes now, or when the body has gone out.
            close(response, closing, held)
        }
    }
}

/// What is left to do for a request once it is clear what it is.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are handlers, and a box for each would cost more than the room"
)]
enum Work<'a> {
    Handler(Guarded<Place<'a>>),
    Health(Pin<Box<dyn Future<Output = Response> + Send + 'a>>),
    Refused(Error),
}

impl Inner {
    fn open<B>(&self, request: &Request<B>, route: &RouteName) -> Operation {
        let parent = request.headers().get(TRACEPARENT).and_then(|header| header.to_str().ok());
        let trace = parent.and_then(Trace::from_traceparent).unwrap_or_default();
        Operation::open_in(OperationKind::Request, route.name.clone(), route.module, trace, &self.recorder)
    }

    fn begin<B>(&self, request: Request<B>, route: &RouteName, operation: &Operation) -> Work<'_>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        // 3. Health answers under any load.
        if Health::knows(request.uri().path()) {
            return Work::Health(Box::pin(operation.scope(self.health.answer(request))));
        }
        // 8. The handler, with its deadline and its panics: all that waits is in this one future.
        match self.admit(request, route, operation) {
            Ok(guarded) => Work::Handler(guarded),
            Err(error) => Work::Refused(error),
        }
    }

    /// What is decided before the handler runs; nothing here waits.
    fn admit<B>(&self, request: Request<B>, route: &RouteName, operation: &Operation) -> Result<Guarded<Place<'_>>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        // 4. Shed before any work: a refusal must cost nearly nothing.
        let place = self.enter().ok_or_else(|| Refusal::Busy.error("too many requests are at work"))?;
        let deadline = operation.started() + self.timeout;
        operation.set_deadline(deadline);
        // 5. Limits of the body before anybody can read it; then who may send it.
        let (mut parts, body) = request.into_parts();
        let body = self.body.admit(body, deadline)?;
        if !route.any_origin {
            origin::check(&parts.method, &parts.uri, &parts.headers)?;
        }
        // 6. Who is there is found out when the handler asks; a route that never asks pays nothing.
        let auth = route.auth.then(|| Auth::new(&self.identities));
        if let Some(auth) = &auth {
            parts.extensions.insert(auth.clone());
        }
        // 7. The routes. Only what the table does not know goes through the layer that names it.
        let router = if route.known { &self.router } else { &self.named };
        let handler = router.clone().call(Request::from_parts(parts, body));
        Ok(Guarded::new(handler, operation.clone(), deadline, auth, place))
    }

    fn enter(&self) -> Option<Place<'_>> {
        let place = Place(&self.at_work);
        (self.at_work.fetch_add(1, Ordering::Relaxed) < self.max_in_flight).then_some(place)
    }

    fn finish(&self, mut response: Response, operation: &Operation) -> Response {
        if response.status().is_client_error() {
            response = operation.enter(|| problem::fill(response));
        } else if self.development && response.status().is_server_error() {
            response = operation.enter(|| problem::reveal(response));
        }
        headers::secure(response.headers_mut(), self.https);
        headers::name(response.headers_mut(), operation.trace());
        response
    }
}

fn close<H: Send + Unpin + 'static>(response: Response, closing: Closing, held: H) -> Response {
    let status = response.status().as_u16();
    if response.body().size_hint().exact().is_some() {
        closing.close(Outcome::Status(status));
        return response;
    }
    response.map(|body| Body::new(Outgoing::new(body, closing, status, held)))
}

fn cookie_name(sessions: &Option<Sessions>) -> &'static str {
    sessions.as_ref().map_or("session", |sessions| sessions.jar().name())
}

/// The routes of the framework itself: the document of the API, the page that shows it, and the web client.
fn own_routes(document: &OpenApi, assets: Option<Assets>) -> Result<ModuleRoutes> {
    let (router, listed) = docs::routes(document)?;
    let health = Health::PATHS.map(|path| (Method::GET, path.to_owned()));
    let own = ModuleRoutes::new("", Routes::new).listed(router, listed).listed(Router::new(), health);
    Ok(match assets.map(Assets::routes) {
        Some((router, listed)) => own.listed(router, listed),
        None => own,
    })
}

/// A place among the requests at work.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
