//! A module of an application without its type: first mounted, then live.

use super::api::{Api, ApiDesc, BoxFuture, ServedBy};
use super::call::CallCount;
use super::declare::{BuildView, Declare, MayHear};
use super::deps::{Dependency, Deps};
use super::{Init, Module};
use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::Config;
use crate::data::{Db, ModuleMigrations};
use crate::error::{Error, Result};
use crate::events::{Events, Projection, ProjectionHandler, Subscribed};
use crate::http::{Authenticate, ModuleRoutes};
use crate::jobs::registry::Handler;
use crate::jobs::schedule::Declared;
use crate::jobs::{Jobs, KindInfo, Queue};
use crate::lifecycle::Lifecycle;
use crate::realtime::{Authorize, Realtime, Topics, TopicsInfo};
use std::fmt;
use std::sync::Arc;

/// What an application knows about a module that is mounted.
#[derive(Clone, Debug)]
pub struct ModuleInfo {
    /// Its name.
    pub name: &'static str,
    /// What others may call; without methods when nobody may.
    pub api: &'static ApiDesc,
    /// What it calls.
    pub dependencies: Vec<Dependency>,
    /// Its tables.
    pub tables: Vec<&'static str>,
    /// How many migration files it has.
    pub migrations: usize,
    /// Whether it serves HTTP.
    pub serves_http: bool,
    /// The kinds of jobs that it does.
    pub jobs: Vec<KindInfo>,
    /// The queues that it limits.
    pub queues: Vec<Queue>,
    /// What it subscribes to.
    pub subscriptions: Vec<Subscribed>,
    /// What it builds from events.
    pub projections: Vec<Projection>,
    /// The topics that it serves.
    pub topics: Vec<TopicsInfo>,
    calls: Calls,
}

impl ModuleInfo {
    /// How often each method of its API was called through the handles that `mount` gave, and how that went.
    pub fn calls(&self) -> Vec<CallCount> {
        (self.calls.0)()
    }
}

/// Reads the counters of a handle whose type is not known here.
#[derive(Clone)]
struct Calls(Arc<dyn Fn() -> Vec<CallCount> + Send + Sync>);

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

/// What a module starts with.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) config: Arc<Config>,
    pub(crate) db: Db,
    pub(crate) jobs: Jobs,
    pub(crate) events: Events,
    pub(crate) realtime: Realtime,
    pub(crate) blobs: Blobs,
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    pub(crate) lifecycle: Lifecycle,
}

type Starter = Box<dyn FnOnce(Surroundings) -> BoxFuture<'static, Result<Live>> + Send>;

/// A module that can be started.
pub(crate) struct Mounted {
    pub(crate) info: ModuleInfo,
    pub(crate) migrations: ModuleMigrations,
    pub(crate) schedules: Vec<Declared>,
    pub(crate) check_config: fn(&Config) -> Result<()>,
    pub(crate) show_config: fn(&Config) -> Result<toml::Table>,
    pub(crate) init: Starter,
}

impl Mounted {
    /// The module and the handle on it, which answers once the module has started.
    ///
    /// What is wrong with its section is found by `check_config`; until then it counts as not given.
    pub(crate) fn new<M: Module>(deps: M::Deps, config: &Config) -> (Self, M::Api) {
        let handle = M::Api::unbound();
        let declared = Declare::<M>::of_module();
        let counted = handle.clone();
        let info = ModuleInfo {
            name: M::NAME,
            api: &M::Api::DESC,
            dependencies: deps.dependencies(),
            tables: declared.tables.clone(),
            migrations: declared.migrations.len(),
            serves_http: declared.routes.is_some() || declared.plain_routes.is_some(),
            jobs: declared.jobs.iter().map(|job| job.info).collect(),
            queues: declared.queues.iter().map(|queue| queue(config)).collect(),
            subscriptions: declared.subscriptions.clone(),
            projections: declared.projections.iter().map(|(projection, _)| projection.clone()).collect(),
            topics: declared.topics.iter().map(|(topics, _)| TopicsInfo { topics: *topics, module: M::NAME }).collect(),
            calls: Calls(Arc::new(move || counted.calls())),
        };
        let migrations = ModuleMigrations { module: M::NAME, files: declared.migrations };
        let schedules = declared.schedules_of(&config_of::<M>(config).unwrap_or_default());
        let bound = handle.clone();
        let init: Starter = Box::new(move |around| Box::pin(init::<M>(deps, declared, bound, around)));
        let (check_config, show_config) = (check_config::<M>, show_config::<M>);
        (Self { info, migrations, schedules, check_config, show_config, init }, handle)
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.fmt(f)
    }
}

/// The module's own section. One that is not given is the default, which also serves a `Config` of `()`.
pub(super) fn config_of<M: Module>(config: &Config) -> Result<M::Config> {
    let given = config.modules.get(M::NAME).is_some_and(|section| !section.config.is_empty());
    if given && size_of::<M::Config>() == 0 {
        let problem = format!("[modules.{0}.config]: module `{0}` has nothing to configure", M::NAME);
        return Err(Error::invalid(problem).hint("remove the section"));
    }
    if given { config.module(M::NAME) } else { Ok(M::Config::default()) }
}

fn check_config<M: Module>(config: &Config) -> Result<()> {
    let own = config_of::<M>(config)?;
    M::check(&own, config).map_err(|error| error.context(format!("[modules.{}.config]", M::NAME)))
}

/// The section as its type writes it: whole, and with its secrets redacted.
fn show_config<M: Module>(config: &Config) -> Result<toml::Table> {
    if size_of::<M::Config>() == 0 {
        return Ok(toml::Table::new());
    }
    let shown = toml::Value::try_from(config_of::<M>(config)?);
    let failed = |error| Error::internal(format!("[modules.{}.config] cannot be shown", M::NAME)).source(error);
    Ok(shown.map_err(failed)?.as_table().cloned().unwrap_or_default())
}

async fn init<M: Module>(deps: M::Deps, declared: Declare<M>, handle: M::Api, around: Surroundings) -> Result<Live> {
    let config = config_of::<M>(&around.config)?;
    let Surroundings { db, jobs, events, realtime, blobs, cache, clock, lifecycle, .. } = around;
    let public_url = around.config.http.address();
    let (db, cache) = (db.for_module(M::NAME), cache.for_module(M::NAME));
    let init = Init { deps, config, db, jobs, events, realtime, blobs, cache, clock, public_url, lifecycle };
    let module = Arc::new(M::init(init).await?);
    handle.slot().bind(<M::Api as ServedBy<M>>::erase(module.clone()));
    Ok(Live::new(module, declared))
}

/// A module that has started.
pub(crate) struct Live {
    pub(crate) name: &'static str,
    /// Until the stack takes them.
    pub(crate) routes: Option<ModuleRoutes>,
    pub(crate) authenticate: Option<Authenticate>,
    /// Until the registry of jobs takes them.
    pub(crate) handlers: Vec<(&'static str, Handler)>,
    /// Until the registry of events takes them.
    pub(crate) builders: Vec<(&'static str, ProjectionHandler)>,
    /// Until the registry of topics takes them.
    pub(crate) hearing: Vec<(&'static str, Authorize)>,
    pub(crate) hooks: Arc<dyn Hooks>,
}

impl Live {
    fn new<M: Module>(module: Arc<M>, declared: Declare<M>) -> Self {
        let documented = module.clone();
        let routes =
            ModuleRoutes::new(M::NAME, || declared.routes.map(|routes| routes(documented)).unwrap_or_default());
        let routes = match declared.plain_routes {
            Some(plain) => routes.plain(plain(module.clone())),
            None => routes,
        };
        let authenticate = declared.authenticate.map(|who| {
            let module = module.clone();
            Arc::new(move |token| who(module.clone(), token)) as Authenticate
        });
        let handlers = declared.jobs.into_iter().map(|job| (job.info.kind, (job.bind)(module.clone()))).collect();
        let builder = |(projection, build): (Projection, BuildView<M>)| (projection.name, build(module.clone()));
        let builders = declared.projections.into_iter().map(builder).collect();
        let hearing = |(topics, may): (Topics, MayHear<M>)| (topics.name, may(module.clone()));
        let hearing = declared.topics.into_iter().map(hearing).collect();
        let hooks = Arc::new(Hosted(module));
        Self { name: M::NAME, routes: Some(routes), authenticate, handlers, builders, hearing, hooks }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("name", &self.name).field("routes", &self.routes).finish_non_exhaustive()
    }
}

/// The optional functions of a module, without its type.
pub(crate) trait Hooks: Send + Sync {
    fn start(&self) -> BoxFuture<'_, Result<()>>;
    fn drain(&self) -> BoxFuture<'_, ()>;
    fn stop(&self) -> BoxFuture<'_, ()>;
    fn health(&self) -> BoxFuture<'_, Result<()>>;
}

struct Hosted<M>(Arc<M>);

impl<M: Module> Hooks for Hosted<M> {
    fn start(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.0.start())
    }
    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.drain())
    }
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.stop())
    }
    fn health(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.0.health())
    }
}
