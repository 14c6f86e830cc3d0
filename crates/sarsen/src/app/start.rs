//! Up in the order of mounting, down in reverse, and what is up meanwhile.

use super::also::Parts;
use super::work::{WEB, Working};
use super::{App, secret};
use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::clock::{self, Clock};
use crate::config::{Config, DatabaseSection, Environment, Secret, Url};
use crate::data::Db;
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::export::{Export, Identity};
use crate::http::{self, About, Health, ModuleRoutes, Sessions, Stack, StackParts};
use crate::insight::Insight;
use crate::jobs::Jobs;
use crate::lifecycle::{self, Lifecycle};
use crate::module::{Live, Surroundings};
use crate::realtime::Realtime;
use crate::telemetry::{self, Budget, Budgets, Operation, OperationKind, Outcome, Recorder, Trace};
use ::http::Method;
use futures_util::FutureExt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long one module may take to be made.
const INIT_LIMIT: Duration = Duration::from_secs(30);

/// One route of a running application.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// `/v1/channels/{id}`.
    pub pattern: String,
    /// The module that serves it.
    pub module: &'static str,
    /// What it promises.
    pub budget: Option<Budget>,
}

/// An application whose modules are up. It ends with [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    version: &'static str,
    config: Arc<Config>,
    db: Db,
    jobs: Jobs,
    events: Events,
    realtime: Realtime,
    blobs: Blobs,
    cache: Cache,
    clock: Clock,
    recorder: Recorder,
    insight: Insight,
    lifecycle: Lifecycle,
    stack: Stack,
    routes: Vec<Route>,
    budgets: Budgets,
    export: Export,
    modules: Vec<Live>,
}

impl App {
    /// Connects, migrates and starts every module, without listening: for tests and for commands.
    ///
    /// When a module does not come up, those that are up are stopped again.
    pub async fn start(self) -> Result<Running> {
        self.check()?;
        let secret = secret::of_app(&self.config.app)?;
        telemetry::redact::keep_secret(self.secrets(&secret)?);
        let db = self.connect().await?;
        db.set_cursor_key(secret::key(&secret, "cursor"));
        if self.config.app.environment != Environment::Production {
            db.set_owners(self.owners()?);
        }
        let started = self.start_on(&db, &secret).await;
        if started.is_err() {
            db.close().await;
        }
        started
    }

    async fn start_on(self, db: &Db, secret: &Secret) -> Result<Running> {
        let (recorder, lifecycle) = (recorder_of(&self.config), Lifecycle::default());
        command(&recorder, "migrate", "", db.migrate(&self.migrations())).await?;
        let (jobs, events) = self.handles_on(db);
        let insight = Insight::new(&recorder, &self.clock, self.version);
        let cache = Cache::new(db, &self.config.cache, &recorder, &lifecycle)?;
        let realtime = Realtime::new(db, &self.config.realtime, self.topics().0, &cache, &recorder, &lifecycle)?;
        let signs = (secret::key(secret, "blobs"), self.config.http.address());
        let blobs = Blobs::new(db, &self.config.blobs, signs, &recorder, &lifecycle)?;
        let seen = self.parts(db, secret, (&jobs, &events, &realtime, &cache, &blobs), &insight)?;
        command(&recorder, "prepare projections", "", events.prepare()).await?;
        let config = Arc::new(self.config);
        let (db, clock) = (db.clone(), self.clock);
        let identity = Identity { name: self.name, version: self.version };
        let export = Export::new(identity, &config, &clock, (&jobs, &realtime, &cache, &blobs), &insight)?;
        let around = around(&seen, &lifecycle);
        let mut modules = Vec::new();
        let built = async {
            for mounted in self.modules {
                let name = mounted.info.name;
                modules.push(within_limit(&recorder, name, (mounted.init)(around.clone())).await?);
            }
            bind(&mut modules, &jobs, &events, &realtime);
            start_all(&recorder, &modules).await?;
            let parts = StackParts {
                environment: config.app.environment,
                about: About { title: self.name.to_owned(), version: self.version.to_owned() },
                sessions: Some(Sessions::new(&db, secret, &config.http)),
                assets: self.assets,
                blobs: Some(blobs.clone()),
                realtime: realtime.is_used().then(|| realtime.clone()),
                ..StackParts::new(&config.http, &recorder, health(&lifecycle, &db, &modules))
            };
            let own = self.also.make.into_iter().map(|make| make(&seen));
            let own: Vec<_> = own.chain(export.routes(&seen.ops_token).map(Ok)).collect::<Result<_>>()?;
            stack(parts, &mut modules, own)
        };
        let (stack, routes) = match built.await {
            Ok(built) => built,
            Err(error) => {
                stop_all(&recorder, &modules, config.http.drain_timeout.0).await;
                return Err(error);
            }
        };
        lifecycle.set_ready();
        let budgets = budgets(&routes, &jobs, &recorder);
        Ok(Running {
            version: self.version,
            config,
            db,
            jobs,
            events,
            realtime,
            blobs,
            cache,
            clock,
            recorder,
            insight,
            lifecycle,
            stack,
            routes,
            budgets,
            export,
            modules,
        })
    }

    /// The application as it is seen by what is served beside the modules.
    fn parts(
        &self,
        db: &Db,
        secret: &Secret,
        (jobs, events, realtime, cache, blobs): (&Jobs, &Events, &Realtime, &Cache, &Blobs),
        insight: &Insight,
    ) -> Result<Parts> {
        let configured = &self.config.ops.token;
        let derived = || secret::operators_token(secret);
        Ok(Parts {
            name: self.name,
            version: self.version,
            config: Arc::new(self.config.clone()),
            shown_config: self.shown_config()?,
            db: db.clone(),
            jobs: jobs.clone(),
            events: events.clone(),
            realtime: realtime.clone(),
            blobs: blobs.clone(),
            cache: cache.clone(),
            insight: insight.clone(),
            clock: self.clock.clone(),
            modules: self.modules().cloned().collect(),
            ops_token: if configured.expose().is_empty() { derived() } else { configured.clone() },
            authorize: self.also.authorize.clone(),
        })
    }

    /// Listens, starts, and serves until the process is asked to stop.
    pub async fn serve(self) -> Result<()> {
        self.serve_with(async |_| Ok(()), |_, ()| {}).await
    }

    /// Like [`App::serve`]: `prepare` works on the modules before the first request is answered, and `serving` hears the
    /// address and what it gave once requests are answered. Without the role `web` nothing listens, and there is no address.
    pub async fn serve_with<T>(
        self,
        prepare: impl AsyncFnOnce(&Running) -> Result<T>,
        serving: impl FnOnce(Option<SocketAddr>, T),
    ) -> Result<()> {
        self.check()?;
        let web = self.config.process.roles.iter().any(|role| role == WEB);
        let listener = if web { Some(listen(&self.config.http.listen).await?) } else { None };
        let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let running = self.start().await?;
        let prepared = match running.command("prepare", prepare(&running)).await {
            Ok(prepared) => prepared,
            Err(error) => {
                running.stop().await;
                return Err(error);
            }
        };
        let working = running.work().await?;
        tracing::info!(address = address.map(tracing::field::display), roles = ?running.config.process.roles, "serving");
        serving(address, prepared);
        running.serve(listener, working).await
    }

    /// Every route with its module. The modules are made for it, on an empty embedded database that is thrown away.
    pub async fn routes(self) -> Result<Vec<Route>> {
        self.look(|running| running.routes().to_vec()).await
    }

    /// What its routes and jobs promise; the modules are made for it as for [`App::routes`].
    pub async fn budgets(self) -> Result<Budgets> {
        self.look(|running| running.budgets().clone()).await
    }

    async fn look<T>(mut self, look: impl FnOnce(&Running) -> T) -> Result<T> {
        let folder = std::env::temp_dir().join(format!("{}-routes-{}", self.name, std::process::id()));
        let embedded = DatabaseSection::default().url;
        self.config.database.url = Url::new(format!("{}:{}", embedded.scheme(), folder.join("app.db").display()));
        self.config.app.environment = Environment::Test;
        let seen = match self.start().await {
            Ok(running) => {
                let seen = look(&running);
                running.stop().await;
                Ok(seen)
            }
            Err(error) => Err(error),
        };
        let _ = std::fs::remove_dir_all(&folder);
        seen
    }
}

impl Running {
    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The database, in nobody's name.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The handle on jobs.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// The handle on events.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The handle on real time.
    pub fn realtime(&self) -> &Realtime {
        &self.realtime
    }

    /// The handle on blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// The handle on the cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Its version.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Says when it stops.
    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The clock of the application.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where closed Operations wait to be read.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What it did lately, and where the time went.
    pub fn insight(&self) -> &Insight {
        &self.insight
    }

    /// The way of a request, for calling it without a listener.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The routes of all modules.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whom it tells of itself.
    pub(super) fn export(&self) -> &Export {
        &self.export
    }

    /// What its routes and jobs promise.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Does `work` as an Operation of its own, named `name`: what a command of the CLI is.
    pub async fn command<T>(&self, name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        command(&self.recorder, name, "", work).await
    }

    /// Stops what is up: nothing new is taken, every module finishes, then every module lets go, each in reverse order.
    pub async fn stop(self) {
        self.lifecycle.stop();
        let limit = self.config.http.drain_timeout.0;
        for module in self.modules.iter().rev() {
            let work = async {
                module.hooks.drain().await;
                Ok(())
            };
            in_time(&self.recorder, "drain", module.name, limit, work).await;
        }
        stop_all(&self.recorder, &self.modules, limit).await;
        self.db.close().await;
    }

    async fn serve(self, listener: Option<TcpListener>, working: Working) -> Result<()> {
        let lifecycle = self.lifecycle.clone();
        let watching = self.watch()?;
        let asked = lifecycle.clone();
        lifecycle::spawn_background(async move {
            let signal = lifecycle::signal().await;
            tracing::info!(signal, "stopping");
            asked.stop();
        });
        let web = async {
            match listener {
                Some(listener) => http::serve(listener, self.stack.clone(), &self.config.http, &lifecycle).await,
                None => {
                    lifecycle.stopping().await;
                    Ok(())
                }
            }
        };
        let work = async {
            lifecycle.stopping().await;
            working.stop(self.config.jobs.drain_timeout.0).await;
        };
        let (served, ()) = tokio::join!(web, work);
        if lifecycle.drain(self.config.http.drain_timeout.0).await.is_err() {
            tracing::warn!(tasks = lifecycle::running(), "tasks were still at work and are left behind");
        }
        self.stop().await;
        watching.end().await;
        served
    }
}

fn recorder_of(config: &Config) -> Recorder {
    let queue = config.log.queue;
    if config.telemetry.enabled { Recorder::new(queue) } else { Recorder::without_counting(queue) }
}

async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!("http.listen = \"{address}\" cannot be listened on: {error}"))
            .hint("stop what listens there, or choose another port; port 0 takes a free one")
    })
}

/// What modules are made with.
fn around(seen: &Parts, lifecycle: &Lifecycle) -> Surroundings {
    Surroundings {
        config: seen.config.clone(),
        db: seen.db.clone(),
        jobs: seen.jobs.clone(),
        events: seen.events.clone(),
        realtime: seen.realtime.clone(),
        blobs: seen.blobs.clone(),
        cache: seen.cache.clone(),
        clock: seen.clock.clone(),
        lifecycle: lifecycle.clone(),
    }
}

/// Does `work` as an Operation of kind Command; a panic becomes an error.
async fn command<T>(
    recorder: &Recorder,
    name: &str,
    module: &'static str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let name = recorder.name(OperationKind::Command, module, name);
    let operation = Operation::open_in(name, Trace::new(), recorder);
    let result = match operation.scope(AssertUnwindSafe(work).catch_unwind()).await {
        Ok(result) => result,
        Err(panic) => Err(Error::internal(format!("panic: {}", telemetry::panic_words(&*panic)))),
    };
    match &result {
        Ok(_) => operation.close(Outcome::Done),
        Err(error) => {
            operation.set_error(error);
            operation.close(Outcome::Failed);
        }
    }
    result
}

/// Makes one module.
async fn within_limit<T>(
    recorder: &Recorder,
    module: &'static str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let deadline = clock::monotonic() + INIT_LIMIT;
    let bounded = async {
        Operation::with_current(|operation| operation.set_deadline(deadline));
        clock::until(deadline, work).await.unwrap_or_else(|_| {
            Err(Error::new(Kind::Timeout, format!("it took longer than {INIT_LIMIT:?}"))
                .hint("connect to other services with a limit, and move long work to `start` or to a task"))
        })
    };
    let made = command(recorder, &format!("init {module}"), module, bounded).await;
    made.map_err(|error| error.context(format!("module `{module}` did not start")))
}

/// Hands out what the modules brought for the engines: handlers of jobs, builders of projections, ears of topics.
fn bind(modules: &mut [Live], jobs: &Jobs, events: &Events, realtime: &Realtime) {
    let handlers = modules.iter_mut().flat_map(|module| std::mem::take(&mut module.handlers));
    jobs.registry().bind(handlers.collect());
    let builders = modules.iter_mut().flat_map(|module| std::mem::take(&mut module.builders));
    events.0.registry.bind(builders.collect());
    let hearing = modules.iter_mut().flat_map(|module| std::mem::take(&mut module.hearing));
    realtime.bind(hearing.collect());
}

async fn start_all(recorder: &Recorder, modules: &[Live]) -> Result<()> {
    for module in modules {
        let name = format!("start {}", module.name);
        let started = command(recorder, &name, module.name, module.hooks.start()).await;
        started.map_err(|error| error.context(format!("module `{}` did not start", module.name)))?;
    }
    Ok(())
}

async fn stop_all(recorder: &Recorder, modules: &[Live], limit: Duration) {
    for module in modules.iter().rev() {
        let work = async {
            module.hooks.stop().await;
            Ok(())
        };
        in_time(recorder, "stop", module.name, limit, work).await;
    }
}

/// On the way down a module that hangs or breaks does not keep the others from ending well.
async fn in_time(
    recorder: &Recorder,
    what: &str,
    module: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<()>>,
) {
    let name = format!("{what} {module}");
    let bounded = async { clock::until(clock::monotonic() + limit, work).await? };
    if let Err(error) = command(recorder, &name, module, bounded).await {
        tracing::warn!(module, "{name}: {}", error.report());
    }
}

fn health(lifecycle: &Lifecycle, db: &Db, modules: &[Live]) -> Health {
    let db = db.clone();
    let health = Health::new(lifecycle.clone()).check("database", move || {
        let db = db.clone();
        async move { db.ping().await }
    });
    modules.iter().fold(health, |health, module| {
        let hooks = module.hooks.clone();
        health.check(module.name, move || {
            let hooks = hooks.clone();
            async move { hooks.health().await }
        })
    })
}

/// The budgets of routes and jobs; those of jobs are told to the recorder here, as routes tell theirs when they are built.
fn budgets(routes: &[Route], jobs: &Jobs, recorder: &Recorder) -> Budgets {
    for (info, budget) in jobs.registry().kinds().filter_map(|info| Some((info, info.policy.budget?))) {
        recorder.name(OperationKind::Job, info.module, info.kind).set_budget(budget);
    }
    let of_route =
        |route: &Route| Some((OperationKind::Request, format!("{} {}", route.method, route.pattern), route.budget?));
    let of_jobs = jobs
        .registry()
        .kinds()
        .filter_map(|info| Some((OperationKind::Job, info.kind.to_owned(), info.policy.budget?)));
    Budgets::new(routes.iter().filter_map(of_route).chain(of_jobs))
}

/// Takes the routes out of the modules; what else the way of a request needs is in `parts` already.
fn stack(mut parts: StackParts, modules: &mut [Live], own: Vec<ModuleRoutes>) -> Result<(Stack, Vec<Route>)> {
    let mut listed = Vec::new();
    for module in modules {
        let Some(routes) = module.routes.take() else { continue };
        let route = |(method, pattern, budget): (&Method, &str, Option<Budget>)| Route {
            method: method.to_string(),
            pattern: pattern.to_owned(),
            module: module.name,
            budget,
        };
        listed.extend(routes.promises().map(route));
        parts.modules.push(routes);
        parts.authenticate.extend(module.authenticate.clone());
    }
    parts.modules.extend(own);
    Ok((Stack::new(parts)?, listed))
}
