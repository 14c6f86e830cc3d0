//! The way of a request, in one function: what surrounds the routes, in order, and why in this order.

use super::assets::Assets;
use super::auth::{Auth, Authenticate, Identities};
use super::beside::Beside;
use super::blobs;
use super::body::{BodyLimits, Outgoing};
use super::budget::{self, Audience};
use super::guard::{Closing, Guarded};
use super::health::Health;
use super::live::{self, Endless};
use super::openapi::About;
use super::problem::{self, Refusal};
use super::routes::{Found, ModuleRoutes, RouteName, RouteTable};
use super::routing::Routes;
use super::session::Sessions;
use super::{docs, headers, openapi, origin};
use crate::blobs::Blobs;
use crate::clock::Ticks;
use crate::config::{Environment, HttpSection};
use crate::error::{Error, Result};
use crate::realtime::Realtime;
use crate::telemetry::{Operation, Outcome, Recorder, Running, Trace};
use aide::openapi::OpenApi;
use axum::BoxError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::Router;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, Method, Request};
use http_body::Body as _;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
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
    /// Real time, if any module serves topics.
    pub realtime: Option<Realtime>,
    /// The store of files, if there is one.
    pub blobs: Option<Blobs>,
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
            realtime: None,
            blobs: None,
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
    /// The same where files are taken.
    uploads: (BodyLimits, Duration),
    /// Who hears of budgets; nobody in production.
    audience: Option<Audience>,
    development: bool,
    https: bool,
}

impl Stack {
    /// Puts the parts together; two modules that serve the same route are an error.
    pub fn new(parts: StackParts) -> Result<Self> {
        let StackParts { section, environment, recorder, health, about, mut modules, .. } = parts;
        let document = openapi::join(&about, cookie_name(&parts.sessions), modules.iter())?;
        let told = |assets: Assets| match audience(environment) {
            Some(Audience::Developer) => assets.with_script("sarsen-budgets", budget::BANNER),
            _ => assets,
        };
        let uploads = limits_of_uploads(&section, parts.blobs.as_ref());
        let own = own_routes(&document, parts.assets.map(told))?;
        let own = own.plain_at(live::routes(parts.realtime), &live::PATTERNS);
        modules.push(own.plain_at(blobs::routes(parts.blobs), &[blobs::PATTERN]));
        let routes = RouteTable::new(&modules, &recorder)?;
        let named = modules.iter().fold(Router::new(), |all, module| all.merge(module.named()));
        let router = modules.into_iter().fold(Router::new(), |all, module| all.merge(module.router));
        Ok(Self(Arc::new(Inner {
            routes,
            router,
            named,
            health,
            recorder,
            identities: Identities {
                sessions: parts.sessions,
                tokens: parts.authenticate.into(),
                strict: environment != Environment::Production,
            },
            at_work: AtomicUsize::new(0),
            max_in_flight: section.max_in_flight,
            timeout: section.request_timeout.0,
            body: BodyLimits::new(&section),
            uploads,
            audience: audience(environment),
            development: environment == Environment::Development,
            https: section.public_url.starts_with("https://"),
        })))
    }

    /// Where closed Operations go.
    pub(super) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// Who hears of budgets.
    pub(super) fn audience(&self) -> Option<Audience> {
        self.0.audience
    }

    /// Answers one request.
    pub fn call<B>(&self, request: Request<B>) -> impl Future<Output = Response> + Send + use<B>
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
    pub(super) fn call_held<B, H>(&self, request: Request<B>, held: H) -> Answer<H>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
        H: Send + Unpin + 'static,
    {
        let (stack, head) = (&*self.0, request.method() == Method::HEAD);
        // 1. The name comes from the route table, so every Operation has one, whatever happens next.
        let Found { route, straight } = stack.routes.find(request.method(), request.uri().path());
        // 2. The Operation is outermost: it sees everything, and is cancelled when the client hangs up.
        let (limits, timeout) = if route.uploads { stack.uploads } else { (stack.body, stack.timeout) };
        let running = stack.open(&request, route, timeout);
        let deadline = running.operation().map_or_else(Ticks::now, Operation::started) + timeout;
        let closing = Closing::new(running);
        let mut place = Place { stack: self.clone(), taken: false };
        // 3. Health answers under any load.
        if Health::knows(request.uri().path()) {
            let stack = self.clone();
            let answer = Box::pin(async move { stack.0.health.answer(request).await });
            return Answer { work: Work::Health { answer }, place, closing, held: Some(held), head };
        }
        let auth = match stack.admit(&request, route, limits, &mut place) {
            Ok(auth) => auth,
            Err(error) => {
                return Answer { work: Work::Refused { error: Some(error) }, place, closing, held: Some(held), head };
            }
        };
        let mut request = request.map(|body| limits.limit(body, deadline));
        // 7. The handler. The table may know it; else the router finds it, and only what the table does not know at all goes
        // through the layer that names it.
        let (handler, beside) = match straight {
            Some((handler, path)) => (handler.call(request), Beside { auth, path }),
            None => {
                let beside = Beside { auth, path: None };
                if beside.auth.is_some() {
                    request.extensions_mut().insert(beside.clone());
                }
                (routed(if route.known { &stack.router } else { &stack.named }, request), beside)
            }
        };
        // 8. Its deadline and its panics: all that waits is in this one future.
        let guarded = Guarded::new(handler, deadline, beside);
        Answer { work: Work::Handler { guarded }, place, closing, held: Some(held), head }
    }
}

pin_project! {
    /// A request on its way to its answer. One value all the way, small enough to be moved.
    pub(super) struct Answer<H> {
        #[pin]
        work: Work,
        place: Place,
        closing: Closing,
        held: Option<H>,
        head: bool,
    }

    impl<H> PinnedDrop for Answer<H> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if !matches!(*this.work, Work::Done) {
                this.closing.enter(|| this.work.set(Work::Done));
            }
        }
    }
}

pin_project! {
    /// What is left to do for a request once it is clear what it is.
    #[project = AtWork]
    enum Work {
        Handler { #[pin] guarded: Guarded },
        Health { answer: BoxFuture<'static, Response> },
        Refused { error: Option<Error> },
        Done,
    }
}

impl Future for Work {
    type Output = Response;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let response = match self.as_mut().project() {
            AtWork::Handler { guarded } => ready!(guarded.poll(context)),
            AtWork::Health { answer } => ready!(answer.as_mut().poll(context)),
            AtWork::Refused { error } => match error.take() {
                Some(error) => error.into_response(),
                None => return Poll::Pending,
            },
            AtWork::Done => return Poll::Pending,
        };
        self.set(Work::Done);
        Poll::Ready(response)
    }
}

impl<H: Send + Unpin + 'static> Future for Answer<H> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        let mut response = ready!(this.closing.poll_request(context, |context| this.work.poll(context)));
        this.place.leave();
        let stack = &*this.place.stack.0;
        // 9. Framework answers without a body get a document, and every answer its headers.
        stack.finish(&mut response, *this.head, this.closing);
        // 10. The Operation closes now, or when the body has gone out.
        let status = response.status().as_u16();
        if response.extensions_mut().remove::<Endless>().is_some() {
            // What goes on for hours is no request that takes hours.
            this.closing.close(Outcome::Status(status), 0);
            let held = this.held.take();
            return Poll::Ready(response.map(|body| Body::new(Outgoing::new(body, this.closing.take(), status, held))));
        }
        // A file of a known length takes its time too.
        let lasting = response.extensions_mut().remove::<Lasting>().is_some();
        if let Some(length) = response.body().size_hint().exact().filter(|_| !lasting) {
            this.closing.close(Outcome::Status(status), length);
            *this.held = None;
            return Poll::Ready(response);
        }
        let (closing, held) = (this.closing.hand_on(), this.held.take());
        Poll::Ready(response.map(|body| Body::new(Outgoing::new(body, closing, status, held))))
    }
}

impl Inner {
    fn open<B>(&self, request: &Request<B>, route: &RouteName, timeout: Duration) -> Running {
        Running::open_request(timeout, route.name, trace_of(request.headers()), &self.recorder)
    }

    /// What is decided before the handler runs; nothing here waits.
    #[inline]
    fn admit<B>(
        &self,
        request: &Request<B>,
        route: &RouteName,
        limits: BodyLimits,
        place: &mut Place,
    ) -> Result<Option<Arc<Auth>>>
    where
        B: http_body::Body,
    {
        // 4. Shed before any work: a refusal must cost nearly nothing.
        if !place.take() {
            return Err(Refusal::Busy.error("too many requests are at work"));
        }
        // 5. Limits of the body before anybody can read it; then who may send it.
        limits.check(request.body())?;
        if !route.any_origin {
            origin::check(request.method(), request.uri(), request.headers())?;
        }
        // 6. Who is there is found out when the handler asks; a route that never asks pays nothing.
        Ok(route.auth.then(|| Auth::new(&self.identities)))
    }

    fn finish(&self, response: &mut Response, head: bool, closing: &mut Closing) {
        if response.status().is_client_error() {
            closing.lend(|| problem::fill(response));
        } else if self.development && response.status().is_server_error() {
            closing.lend(|| problem::reveal(response));
        }
        if let Some(audience) = self.audience {
            budget::tell(response, closing, audience);
        }
        if let Some(operation) = closing.operation() {
            headers::complete(response, head, self.https, operation.trace());
        }
    }
}

/// The handler that the router finds.
fn routed(router: &Router, request: Request<Body>) -> BoxFuture<'static, Response> {
    let answer = router.clone().call(request);
    Box::pin(async move {
        match answer.await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    })
}

/// Says of an answer that its body is read while it goes out, though its length is known: the Operation closes at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting;

/// How large and how long a body may be that brings files.
fn limits_of_uploads(section: &HttpSection, blobs: Option<&Blobs>) -> (BodyLimits, Duration) {
    match blobs.map(Blobs::section) {
        Some(of_blobs) => (
            BodyLimits::of_uploads(section, of_blobs.max_upload.0),
            of_blobs.upload_timeout.0.max(section.request_timeout.0),
        ),
        None => (BodyLimits::new(section), section.request_timeout.0),
    }
}

/// The trace that the caller names, or a new one.
#[inline]
pub(super) fn trace_of(headers: &HeaderMap) -> Trace {
    let parent = headers.get(TRACEPARENT).and_then(|header| header.to_str().ok());
    parent.and_then(Trace::from_traceparent).unwrap_or_default()
}

fn audience(environment: Environment) -> Option<Audience> {
    match environment {
        Environment::Development => Some(Audience::Developer),
        Environment::Test => Some(Audience::Test),
        Environment::Production => None,
    }
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

/// A place among the requests at work, once it is taken.
struct Place {
    stack: Stack,
    taken: bool,
}

impl Place {
    /// Whether there was one.
    fn take(&mut self) -> bool {
        let stack = &*self.stack.0;
        self.taken = true;
        stack.at_work.fetch_add(1, Ordering::Relaxed) < stack.max_in_flight
    }

    fn leave(&mut self) {
        if std::mem::replace(&mut self.taken, false) {
            self.stack.0.at_work.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
