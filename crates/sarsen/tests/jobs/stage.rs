//! The module whose jobs are tested, and processes that work on them.

use crate::seen::Seen;
use sarsen::app::{Running, Working};
use sarsen::config::{Environment, Secret, Span, Url};
use sarsen::jobs::{Enqueued, Job, Jobs, Options, Policy, Queue, Ran, Run, State, Unique};
use sarsen::testing::TestApp;
use sarsen::{App, Clock, Config, Db, Declare, Error, Init, Module, NoApi, Result, Timestamp, error};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Encrypts arguments in every test that does not say otherwise.
pub(crate) const KEY: &str = "a key of the tests, 32 characters";

/// What a job of a test does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Does {
    #[default]
    Nothing,
    /// Fails in the first `times` attempts, with an error of this kind, to be tried again after `wait` seconds.
    Fail {
        kind: String,
        times: u32,
        wait: u64,
    },
    Panic,
    /// Never ends.
    Never,
    /// Ends when the test opens the gate.
    Wait,
    /// Ends when it is told to stop, at the first attempt.
    Heed,
    /// Keeps a thread busy until the test opens the gate.
    Spin,
    /// Enqueues its like.
    Again,
    /// Says that it is at the first of so many, then again, and, when the gate opens, that it has done all.
    Progress(u64),
    /// Writes a row and completes in one transaction; waits for the gate before it, and fails after it the first time.
    Effect {
        wait: bool,
        fail: bool,
    },
    /// Kills its process.
    Abort,
    /// Takes memory until there is none.
    Fill,
}

impl Does {
    /// Fails `times` times, in a way that trying again may mend.
    pub(crate) fn fail(times: u32) -> Self {
        Does::fault("unavailable", times)
    }

    /// Fails `times` times with an error of this kind.
    pub(crate) fn fault(kind: &str, times: u32) -> Self {
        Does::Fail { kind: kind.to_owned(), times, wait: 0 }
    }
}

/// A kind of job.
pub(crate) trait Kind: Send + Sync + 'static {
    const KIND: &'static str;
    fn policy() -> Policy {
        Policy::new()
    }
}

/// A job of a kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Task<K> {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) does: Does,
    #[serde(skip)]
    kind: PhantomData<K>,
}

impl<K: Kind> Task<K> {
    pub(crate) fn new(name: impl Into<String>, does: Does) -> Self {
        Self { name: name.into(), key: None, does, kind: PhantomData }
    }

    pub(crate) fn of_key(name: impl Into<String>, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::new(name, Does::Nothing) }
    }

    pub(crate) fn doing(self, does: Does) -> Self {
        Self { does, ..self }
    }
}

impl<K: Kind> Job for Task<K> {
    const KIND: &'static str = K::KIND;
    fn policy() -> Policy {
        K::policy()
    }
    fn key(&self) -> Option<String> {
        self.key.clone()
    }
}

/// A job whose arguments once were one word.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Versioned {
    pub(crate) words: Vec<String>,
}

impl Job for Versioned {
    const KIND: &'static str = "test.versioned";
    const VERSION: u32 = 2;
    fn upgrade(_: u32, mut arguments: serde_json::Value) -> Result<serde_json::Value> {
        match arguments["word"].take() {
            serde_json::Value::Null => Err(Error::invalid("it has no word")),
            word => Ok(serde_json::json!({ "words": [word] })),
        }
    }
}

macro_rules! kinds {
    ($($name:ident = $kind:literal: $policy:expr;)*) => {
        $(
            #[derive(Clone, Debug)]
            pub(crate) struct $name;
            impl Kind for $name {
                const KIND: &'static str = $kind;
                fn policy() -> Policy {
                    $policy
                }
            }
        )*
        fn declare_kinds(declare: &mut Declare<Stage>) {
            $(declare.job(Stage::work::<$name>);)*
        }
    };
}

kinds! {
    Plain = "test.plain": Policy::new();
    // Waits 10 s, 20 s, 40 s at most.
    Slow = "test.slow": Policy::new().attempts(4).backoff(Duration::from_secs(10), Duration::from_secs(40));
    Eager = "test.eager": Policy::new().attempts(3).backoff(Duration::ZERO, Duration::ZERO);
    Short = "test.short": Policy::new().attempts(2).timeout(Duration::from_millis(50)).backoff(MINUTE, MINUTE);
    Dated = "test.dated": Policy::new().deadline(MINUTE).backoff(2 * MINUTE, 2 * MINUTE);
    Alive = "test.alive": Policy::new().unique(Unique::WhileAlive);
    Waiting = "test.waiting": Policy::new().unique(Unique::WhileWaiting);
    Within = "test.within": Policy::new().unique(Unique::Within(MINUTE));
    Secretive = "test.secretive": Policy::new().encrypted();
    Heavy = "test.heavy": Policy::new().blocking();
    Forgotten = "test.forgotten": Policy::new().forget();
    Two = "test.two": Policy::new().queue("two");
    OneEach = "test.one_each": Policy::new().queue("one_each");
    Rated = "test.rated": Policy::new().queue("rated");
    RatedEach = "test.rated_each": Policy::new().queue("rated_each");
    Fair = "test.fair": Policy::new().queue("fair");
    Ordered = "test.ordered": Policy::new().queue("ordered").backoff(MINUTE, MINUTE);
    Fragile = "test.fragile": Policy::new().queue("fragile").crashes(1);
}

/// The module whose jobs are tested.
#[derive(Debug)]
pub(crate) struct Stage {
    seen: Seen,
    db: Db,
    jobs: Jobs,
}

impl Module for Stage {
    const NAME: &'static str = "stage";
    type Api = NoApi;
    type Deps = Seen;
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        const FILES: sarsen::data::MigrationFiles =
            &[("migrations/0001_effects.sql", "CREATE TABLE effects (name TEXT NOT NULL);")];
        declare.tables(["effects"]).migrations(FILES);
        declare_kinds(declare);
        declare.job(Stage::versioned);
        declare.queue(Queue::new("two").limit(2)).queue(Queue::new("one_each").limit_per_key(1));
        declare.queue(Queue::new("rated").rate(3, MINUTE)).queue(Queue::new("rated_each").rate_per_key(2, MINUTE));
        declare.queue(Queue::new("fair").fair().concurrency(4)).queue(Queue::new("ordered").ordered());
        declare.queue(Queue::new("narrow").concurrency(1));
    }

    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Self { seen: init.deps, db: init.db, jobs: init.jobs })
    }
}

impl Stage {
    async fn work<K: Kind>(self: Arc<Self>, task: Task<K>, run: Run) -> Result<()> {
        let _at_work = self.seen.begin(&task.name, run.key(), run.attempt());
        match task.does.clone() {
            Does::Nothing => Ok(()),
            Does::Fail { kind, times, wait } if run.attempt() <= times => {
                Err(Error::new(kind_named(&kind), "as it was told").retry_after(Duration::from_secs(wait)))
            }
            Does::Fail { .. } => Ok(()),
            Does::Never => std::future::pending().await,
            Does::Wait => self.seen.opened().await,
            Does::Heed if run.attempt() > 1 => Ok(()),
            Does::Heed => {
                run.cancelled().await;
                Err(Error::unavailable("it was told to stop"))
            }
            Does::Spin => self.seen.spin(),
            Does::Again => {
                let again: Task<K> = Task::new(task.name, Does::Nothing);
                let like = self.jobs.enqueue_with(&self.db, again, Options::new().unique_by("like")).await?;
                self.seen.begin(if like.duplicate { "refused" } else { "taken" }, "", 1);
                Ok(())
            }
            Does::Progress(total) => {
                run.progress(1, total, "the first").await?;
                run.progress(2, total, "too soon to be written").await?;
                self.seen.opened().await?;
                run.progress(total, total, "all").await
            }
            Does::Effect { wait, fail } => self.effect(&task.name, &run, wait, fail).await,
            other => destroy(&other),
        }
    }

    async fn versioned(self: Arc<Self>, job: Versioned, run: Run) -> Result<()> {
        job.words.iter().for_each(|word| drop(self.seen.begin(word, run.key(), run.attempt())));
        Ok(())
    }

    async fn effect(&self, name: &str, run: &Run, wait: bool, fail: bool) -> Result<()> {
        if wait {
            self.seen.opened().await?;
        }
        let tx = self.db.begin().await?;
        tx.query("INSERT INTO effects (name) VALUES (?)").bind(name).execute().await?;
        if let Err(error) = run.complete_in(&tx).await {
            self.seen.begin("lost", "", 1);
            return Err(error);
        }
        if fail && run.attempt() == 1 {
            return Err(Error::unavailable("before the commit"));
        }
        tx.commit().await
    }
}

/// What ends a process, or a run that no `?` can see.
fn destroy(does: &Does) -> Result<()> {
    match does {
        Does::Abort => std::process::abort(),
        Does::Fill => loop {
            std::mem::forget(std::hint::black_box(Vec::<u8>::with_capacity(64 << 20)));
        },
        _ => panic!("as it was told"),
    }
}

const KINDS: [error::Kind; 10] = [
    error::Kind::NotFound,
    error::Kind::Invalid,
    error::Kind::Unauthenticated,
    error::Kind::Forbidden,
    error::Kind::Conflict,
    error::Kind::TooMany,
    error::Kind::Timeout,
    error::Kind::Unavailable,
    error::Kind::Unsupported,
    error::Kind::Internal,
];

fn kind_named(name: &str) -> error::Kind {
    KINDS.into_iter().find(|kind| kind.as_str() == name).unwrap()
}

/// An application in a test, whose jobs run when the test says so, and what its jobs did.
pub(crate) struct Theatre {
    pub(crate) app: TestApp,
    pub(crate) seen: Seen,
}

/// What is known of a job.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) error: String,
    pub(crate) run_at: Timestamp,
}

/// Short times, so that no test waits; what no test is about is long enough for a busy machine.
fn configured(mut config: Config) -> Config {
    config.jobs.poll = Span(Duration::from_millis(50));
    config.jobs.beat = Span(Duration::from_millis(50));
    config.jobs.dead_after = Span::seconds(30);
    // Short jobs are taken in bundles, however few they are.
    config.jobs.bundle = 2;
    config.jobs.encryption_keys = vec![Secret::new(KEY)];
    config
}

fn staged(config: Config, seen: &Seen) -> App {
    let mut app = App::new("jobs", "1", config);
    app.mount::<Stage>(seen.clone());
    app
}

/// Starts to work on a database, whatever stands there.
pub(crate) async fn work_on(url: String) -> (Running, Working) {
    let mut config = configured(Config::default());
    config.app.environment = Environment::Test;
    config.database.url = Url::new(url);
    let running = staged(config, &Seen::default()).start().await.unwrap();
    let working = running.work().await.unwrap();
    (running, working)
}

impl Theatre {
    pub(crate) async fn open() -> Theatre {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Theatre {
        let seen = Seen::default();
        let app = TestApp::start(|config| {
            let mut config = configured(config);
            change(&mut config);
            staged(config, &seen)
        });
        Theatre { app: app.await, seen }
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        self.app.running().jobs()
    }

    pub(crate) fn db(&self) -> &Db {
        self.app.db()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.app.clock()
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock().advance(time);
    }

    pub(crate) async fn run(&self) -> Ran {
        self.app.run_jobs().await
    }

    pub(crate) async fn put<K: Kind>(&self, name: &str, does: Does) -> Uuid {
        self.put_with::<K>(name, does, Options::new()).await.id
    }

    pub(crate) async fn put_with<K: Kind>(&self, name: &str, does: Does, options: Options) -> Enqueued {
        self.jobs().enqueue_with(self.db(), Task::<K>::new(name, does), options).await.unwrap()
    }

    /// What is known of a job.
    pub(crate) async fn known(&self, id: Uuid) -> Known {
        let job = self.jobs().progress_of(id).await.unwrap().unwrap();
        Known { state: job.state, attempt: job.attempt, error: job.error.unwrap_or_default(), run_at: job.run_at }
    }

    pub(crate) async fn state(&self, id: Uuid) -> State {
        self.known(id).await.state
    }

    /// How many rows there are.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.db().query(sql).scalar().await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        self.db().query(sql).execute().await.unwrap();
    }

    /// Another process that works, as far as the database can tell: with its own connections, on the same clock.
    pub(crate) async fn worker(&self) -> Process {
        self.worker_with(|_| {}).await
    }

    pub(crate) async fn worker_with(&self, change: impl FnOnce(&mut Config)) -> Process {
        let mut config = Config { database: self.app.running().config().database.clone(), ..Config::default() };
        config.app.environment = Environment::Test;
        let mut config = configured(config);
        change(&mut config);
        let seen = Seen::beside(&self.seen);
        let running = staged(config, &seen).with_clock(self.clock().clone()).start().await.unwrap();
        let working = running.work().await.unwrap();
        Process { running, working, seen }
    }

    /// Waits until the tables say so; at most half a minute.
    pub(crate) async fn until(&self, sql: &'static str, wanted: i64) {
        let late = sarsen::clock::monotonic() + Duration::from_secs(30);
        let mut found = self.count(sql).await;
        while found != wanted {
            assert!(sarsen::clock::monotonic() < late, "{found} instead of {wanted}: {sql}");
            sarsen::clock::pause(Duration::from_millis(10)).await;
            found = self.count(sql).await;
        }
    }

    /// Waits until no job is live.
    pub(crate) async fn until_done(&self) {
        self.until("SELECT COUNT(*) FROM sarsen_jobs", 0).await;
    }
}

/// A process that works.
pub(crate) struct Process {
    pub(crate) running: Running,
    pub(crate) working: Working,
    /// What the jobs did here.
    pub(crate) seen: Seen,
}

impl Process {
    pub(crate) async fn stop(self) {
        self.stop_within(Duration::from_secs(20)).await;
    }

    pub(crate) async fn stop_within(self, limit: Duration) {
        self.working.stop(limit).await;
        self.running.stop().await;
    }
}
