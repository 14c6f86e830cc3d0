//! What a module owns and serves, said before anything runs.

use super::Module;
use super::api::BoxFuture;
use super::mounted::config_of;
use crate::config::Config;
use crate::data::MigrationFiles;
use crate::error::Result;
use crate::events::{self, Delivery, Event, Projection, ProjectionHandler, Recorded, Subscribed, Subscription, View};
use crate::http::Routes;
use crate::jobs::registry::{self, Handler};
use crate::jobs::schedule::Declared;
use crate::jobs::{Firing, Job, KindInfo, Queue, Run, Schedule};
use crate::realtime::{Asked, Authorize, Grant, Topics};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

type Authenticate<M> = Box<dyn Fn(Arc<M>, String) -> BoxFuture<'static, Result<Option<Uuid>>> + Send + Sync>;

/// A kind of job that a module does, and how it does it once it is up.
pub(super) struct DeclaredJob<M> {
    pub(super) info: KindInfo,
    pub(super) bind: Box<dyn FnOnce(Arc<M>) -> Handler + Send>,
}

/// A queue, once the configuration is known.
type QueueOf = Box<dyn Fn(&Config) -> Queue + Send>;

/// How a projection is built, once its module is up.
pub(super) type BuildView<M> = Box<dyn FnOnce(Arc<M>) -> ProjectionHandler + Send>;

/// Who may hear topics, once their module is up.
pub(super) type MayHear<M> = Box<dyn FnOnce(Arc<M>) -> Authorize + Send>;

/// The zone that the section of a module names.
type ZoneOf<M> = fn(&<M as Module>::Config) -> &str;

/// What a module declares of itself; see [`Module::declare`].
///
/// These are names and functions only: checking and drawing an application needs no database.
pub struct Declare<M: Module> {
    pub(super) tables: Vec<&'static str>,
    pub(super) migrations: MigrationFiles,
    pub(super) routes: Option<fn(Arc<M>) -> Routes>,
    pub(super) plain_routes: Option<fn(Arc<M>) -> axum::Router>,
    pub(super) authenticate: Option<Authenticate<M>>,
    pub(super) jobs: Vec<DeclaredJob<M>>,
    pub(super) queues: Vec<QueueOf>,
    pub(super) subscriptions: Vec<Subscribed>,
    pub(super) projections: Vec<(Projection, BuildView<M>)>,
    pub(super) schedules: Vec<(Declared, Option<ZoneOf<M>>)>,
    pub(super) topics: Vec<(Topics, MayHear<M>)>,
}

impl<M: Module> Declare<M> {
    pub(super) fn of_module() -> Self {
        let mut declared = Self {
            tables: Vec::new(),
            migrations: &[],
            routes: None,
            plain_routes: None,
            authenticate: None,
            jobs: Vec::new(),
            queues: Vec::new(),
            subscriptions: Vec::new(),
            projections: Vec::new(),
            schedules: Vec::new(),
            topics: Vec::new(),
        };
        M::declare(&mut declared);
        declared
    }

    /// The tables of this module. In development and tests, SQL of another module on one of them is an error.
    pub fn tables<const N: usize>(&mut self, tables: [&'static str; N]) -> &mut Self {
        self.tables.extend(tables);
        self
    }

    /// The files that make its tables: `sarsen::migrations!["migrations/0001_create.sql"]`.
    pub fn migrations(&mut self, files: MigrationFiles) -> &mut Self {
        self.migrations = files;
        self
    }

    /// The HTTP routes, documented from their types; their state is the module.
    pub fn routes(&mut self, routes: fn(Arc<M>) -> Routes) -> &mut Self {
        self.routes = Some(routes);
        self
    }

    /// Routes of an ordinary axum router, which stay out of the OpenAPI document.
    pub fn plain_routes(&mut self, routes: fn(Arc<M>) -> axum::Router) -> &mut Self {
        self.plain_routes = Some(routes);
        self
    }

    /// Does jobs of a kind: `declare.job(Module::send_welcome)`, where that is
    /// `async fn send_welcome(self: Arc<Self>, job: SendWelcome, run: Run) -> Result<()>`.
    ///
    /// The kind of an error decides what becomes of the job: `NotFound`, `Invalid`, `Unauthenticated`, `Forbidden` and
    /// `Unsupported` make it a dead letter at once, everything else (a panic, too) is tried again.
    pub fn job<J, F, Done>(&mut self, work: F) -> &mut Self
    where
        J: Job,
        F: Fn(Arc<M>, J, Run) -> Done + Clone + Send + Sync + 'static,
        Done: Future<Output = Result<()>> + Send + 'static,
    {
        let bind = move |module: Arc<M>| registry::handler::<J, _, _>(move |job, run| work(module.clone(), job, run));
        self.jobs.push(DeclaredJob { info: KindInfo::of::<J>(M::NAME), bind: Box::new(bind) });
        self
    }

    /// Limits a queue, for all processes together. One that is only named by jobs has no limits.
    pub fn queue(&mut self, queue: Queue) -> &mut Self {
        self.queues.push(Box::new(move |_| queue));
        self
    }

    /// Limits a queue as the section of this module says: `declare.queue_by(|config| Queue::new("mail").limit(config.at_once))`.
    pub fn queue_by(&mut self, limits: fn(&M::Config) -> Queue) -> &mut Self {
        // A section that cannot be read stops the start anyway.
        self.queues.push(Box::new(move |config| limits(&config_of::<M>(config).unwrap_or_default())));
        self
    }

    /// Hears of events of a type, under a name that holds for ever: `declare.subscribe("audit.posted", Module::on_posted)`,
    /// where that is `async fn on_posted(self: Arc<Self>, event: MessagePosted, delivery: Delivery) -> Result<()>`.
    ///
    /// Each delivery is a job: it is tried again, and can become a dead letter, on its own.
    pub fn subscribe<E, F, Done>(&mut self, name: &'static str, work: F) -> &mut Self
    where
        E: Event,
        F: Fn(Arc<M>, E, Delivery) -> Done + Clone + Send + Sync + 'static,
        Done: Future<Output = Result<()>> + Send + 'static,
    {
        self.subscribe_with::<E, F, Done>(Subscription::new(name), work)
    }

    /// Like [`Declare::subscribe`], with what is chosen for the subscriber: its order, its attempts.
    pub fn subscribe_with<E, F, Done>(&mut self, subscription: Subscription, work: F) -> &mut Self
    where
        E: Event,
        F: Fn(Arc<M>, E, Delivery) -> Done + Clone + Send + Sync + 'static,
        Done: Future<Output = Result<()>> + Send + 'static,
    {
        let (kind, subscriber) = (subscription.kind::<E>(M::NAME), subscription.name);
        let bind = move |module: Arc<M>| {
            events::handler::<E, _, _>(subscriber, move |event, delivery| work(module.clone(), event, delivery))
        };
        self.jobs.push(DeclaredJob { info: kind, bind: Box::new(bind) });
        if let Some(queue) = subscription.own_queue() {
            self.queue(queue);
        }
        self.subscriptions.push(Subscribed { event: E::NAME, subscriber, kind });
        self
    }

    /// Builds tables from events: `declare.projection(Projection::new(…)…, Module::apply)`, where that is
    /// `async fn apply(self: Arc<Self>, view: View, events: Vec<Recorded>) -> Result<()>`.
    ///
    /// The events come in the order of the log, some at a time; what is written goes into the view's transaction only.
    pub fn projection<F, Done>(&mut self, projection: Projection, work: F) -> &mut Self
    where
        F: Fn(Arc<M>, View, Vec<Recorded>) -> Done + Clone + Send + Sync + 'static,
        Done: Future<Output = Result<()>> + Send + 'static,
    {
        self.tables.extend(projection.tables.iter().map(|(name, _)| *name));
        let bind =
            move |module: Arc<M>| events::projection_handler(move |view, events| work(module.clone(), view, events));
        self.projections.push((projection.of_module(M::NAME), Box::new(bind)));
        self
    }

    /// Serves topics of a kind: `declare.topics(Topics::durable("channel"), Module::may_hear)`, where that is
    /// `async fn may_hear(self: Arc<Self>, asked: Asked) -> Result<Grant>`.
    ///
    /// It is asked when somebody subscribes, and again when the grant has expired. An error of kind `NotFound`, `Forbidden`
    /// or `Unauthenticated` is a no.
    pub fn topics<F, Answer>(&mut self, topics: Topics, may_hear: F) -> &mut Self
    where
        F: Fn(Arc<M>, Asked) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Grant>> + Send + 'static,
    {
        let bind =
            move |module: Arc<M>| -> Authorize { Arc::new(move |asked| Box::pin(may_hear(module.clone(), asked))) };
        self.topics.push((topics, Box::new(bind)));
        self
    }

    /// Enqueues a job again and again: `make` gives the job of one firing, which is done like any other.
    ///
    /// ```
    /// use sarsen::jobs::{Firing, Job, Missed, Schedule};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct WeeklyReport { until: sarsen::Timestamp }
    ///
    /// impl Job for WeeklyReport {
    ///     const KIND: &'static str = "messages.weekly_report";
    /// }
    ///
    /// fn declare<M: sarsen::Module>(declare: &mut sarsen::Declare<M>) {
    ///     let monday = Schedule::cron("messages.weekly_report", "0 8 * * MON").zone("Europe/Berlin").missed(Missed::Once);
    ///     declare.schedule(monday, |firing: Firing| WeeklyReport { until: firing.at });
    /// }
    /// ```
    pub fn schedule<J: Job>(
        &mut self,
        schedule: Schedule,
        make: impl Fn(Firing) -> J + Send + Sync + 'static,
    ) -> &mut Self {
        self.schedules.push((Declared::new(schedule, M::NAME, make), None));
        self
    }

    /// Like [`Declare::schedule`], by the clock on the wall of a zone that the module's section names:
    /// `declare.schedule_in(|config| &config.zone, monday, WeeklyReport::due)`.
    pub fn schedule_in<J: Job>(
        &mut self,
        zone: fn(&M::Config) -> &str,
        schedule: Schedule,
        make: impl Fn(Firing) -> J + Send + Sync + 'static,
    ) -> &mut Self {
        self.schedules.push((Declared::new(schedule, M::NAME, make), Some(zone)));
        self
    }

    /// The schedules, each in its zone, where the section of the module is `config`.
    pub(super) fn schedules_of(&self, config: &M::Config) -> Vec<Declared> {
        let placed = |(declared, zone): &(Declared, Option<ZoneOf<M>>)| match zone {
            Some(zone) => declared.clone().in_zone(zone(config).to_owned()),
            None => declared.clone(),
        };
        self.schedules.iter().map(placed).collect()
    }

    /// Says who a bearer token stands for, or that it is none of this module's; modules are asked in the order they start.
    pub fn authenticate<F, Answer>(&mut self, who: F) -> &mut Self
    where
        F: Fn(Arc<M>, String) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<Uuid>>> + Send + 'static,
    {
        self.authenticate = Some(Box::new(move |module, token| Box::pin(who(module, token))));
        self
    }
}

impl<M: Module> fmt::Debug for Declare<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declare").field("tables", &self.tables).finish_non_exhaustive()
    }
}
