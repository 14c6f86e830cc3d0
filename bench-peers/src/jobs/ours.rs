//! Sarsen's own jobs, in an application with a single module, configured as it comes.

use super::Effects;
use super::engine::{self, CLIENTS, Engine, Settings, Synchronous};
use crate::{Outcome, wrong};
use sarsen::app::{Running, Working};
use sarsen::clock;
use sarsen::config::{Config, Durability, Environment, Secret, Url};
use sarsen::jobs::{Job, Run};
use sarsen::lifecycle;
use sarsen::{App, Declare, Init, Module, NoApi};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(20);
/// How often closed Operations are taken away, which a serving application does with its log.
const TAKE: Duration = Duration::from_millis(100);

/// Where the jobs of this process tell their numbers: a process runs one bench.
static EFFECTS: OnceLock<Arc<Effects>> = OnceLock::new();

#[derive(Serialize, Deserialize)]
struct Noop {
    number: usize,
}

impl Job for Noop {
    const KIND: &'static str = "bench.noop";
}

struct Bench;

impl Module for Bench {
    const NAME: &'static str = "bench";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.job(Bench::noop);
    }

    async fn init(_: Init<Self>) -> sarsen::Result<Self> {
        Ok(Self)
    }
}

impl Bench {
    async fn noop(self: Arc<Self>, job: Noop, _: Run) -> sarsen::Result<()> {
        if let Some(effects) = EFFECTS.get() {
            effects.run(job.number);
        }
        Ok(())
    }
}

#[derive(Clone)]
pub(super) struct Ours(Arc<Running>);

impl Ours {
    pub(super) async fn open(settings: &Settings) -> Outcome<Self> {
        let mut config = Config::default();
        config.app.environment = Environment::Production;
        config.app.secret = Secret::new("not a secret but long enough for a bench");
        config.database.url = Url::new(settings.url.clone());
        config.database.connections = CLIENTS;
        config.database.durability = match settings.synchronous {
            Synchronous::Normal => Durability::Normal,
            Synchronous::Full => Durability::Full,
        };
        config.jobs.concurrency = settings.concurrency;
        let mut app = App::new("bench", "1.0.0", config);
        app.mount::<Bench>(());
        Ok(Self(Arc::new(app.start().await?)))
    }
}

impl Engine for Ours {
    type Worker = OurWorker;

    async fn enqueue(&self, number: usize) -> Outcome<()> {
        self.0.jobs().enqueue(self.0.db(), Noop { number }).await?;
        Ok(())
    }

    async fn enqueue_many(&self, numbers: Vec<usize>) -> Outcome<()> {
        let jobs = numbers.into_iter().map(|number| Noop { number }).collect();
        self.0.jobs().enqueue_many(self.0.db(), jobs).await?;
        Ok(())
    }

    /// A live job; those that are done are in the history.
    async fn unfinished(&self) -> Outcome<usize> {
        let sql = "SELECT count(*) FROM sarsen_jobs WHERE kind = 'bench.noop' LIMIT 1";
        Ok(usize::try_from(self.0.db().query(sql).scalar::<i64>().await?)?)
    }

    async fn work(&self, _: usize, effects: Arc<Effects>) -> Outcome<OurWorker> {
        EFFECTS.set(effects).map_err(|_| wrong("a process runs one bench"))?;
        let recorder = self.0.recorder().clone();
        let taker = lifecycle::spawn(async move {
            loop {
                clock::pause(TAKE).await;
                drop(recorder.drain());
            }
        });
        Ok(OurWorker { working: self.0.work().await?, taker })
    }
}

/// The running worker of the application.
pub(super) struct OurWorker {
    working: Working,
    taker: JoinHandle<()>,
}

impl engine::Worker for OurWorker {
    /// It never ends by itself.
    async fn ended(&mut self) -> Option<String> {
        None
    }

    async fn stop(self) -> Outcome<()> {
        self.working.stop(STOP).await;
        self.taker.abort();
        Ok(())
    }
}
