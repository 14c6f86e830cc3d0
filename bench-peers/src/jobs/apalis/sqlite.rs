//! apalis-sqlite.

use super::{BATCH, POLL, QUEUE, Running, name, noop, task};
use crate::Outcome;
use crate::jobs::engine::{Engine, Settings, Synchronous};
use crate::jobs::{Effects, Variant};
use apalis::prelude::{BackendExt, Strategy, TaskSink, WorkerBuilder, WorkerBuilderExt, WorkerContext};
use apalis_sqlite::queries::push_tasks;
use apalis_sqlite::{Config, SqlitePool, SqliteStorage};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::sync::Arc;

#[derive(Clone)]
pub(in crate::jobs) struct Sqlite {
    pool: SqlitePool,
    variant: Variant,
    storage: SqliteStorage<usize>,
}

impl Sqlite {
    pub(in crate::jobs) async fn open(settings: &Settings) -> Outcome<Self> {
        let options: SqliteConnectOptions = settings.url.parse()?;
        let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        // Its `setup` turns `synchronous` off on the connection that it happens to get, so that one is thrown away.
        let once = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        SqliteStorage::setup(&once).await?;
        once.close().await;
        let options = options.synchronous(match settings.synchronous {
            Synchronous::Normal => SqliteSynchronous::Normal,
            Synchronous::Full => SqliteSynchronous::Full,
        });
        let plain = Config::default().queue(QUEUE);
        let config = match settings.variant {
            Variant::Plain => plain,
            Variant::Tuned => plain.batch_size(BATCH).lock_tasks(false),
        };
        let pool = SqlitePoolOptions::new().connect_with(options).await?;
        let storage = SqliteStorage::new(&pool).with_config(config);
        Ok(Self { pool, variant: settings.variant, storage })
    }

    fn strategy(&self) -> Strategy {
        match self.variant {
            Variant::Plain => Strategy::new(),
            Variant::Tuned => Strategy::new().interval(POLL),
        }
    }
}

impl Engine for Sqlite {
    type Worker = Running;

    async fn enqueue(&self, number: usize) -> Outcome<()> {
        match self.variant {
            Variant::Plain => Ok(self.storage.clone().push(number).await?),
            Variant::Tuned => {
                let mut connection = self.pool.acquire().await?;
                Ok(push_tasks(&mut *connection, QUEUE, &[task(number)?]).await?)
            }
        }
    }

    async fn enqueue_many(&self, numbers: Vec<usize>) -> Outcome<()> {
        Ok(self.storage.clone().push_bulk(numbers).await?)
    }

    async fn unfinished(&self) -> Outcome<usize> {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM Jobs WHERE status <> 'Done'");
        Ok(usize::try_from(count.fetch_one(&self.pool).await?)?)
    }

    async fn work(&self, concurrency: usize, effects: Arc<Effects>) -> Outcome<Running> {
        let backend = self.storage.clone().poll_with_strategy(self.strategy());
        let context = WorkerContext::new(&name());
        let worker = WorkerBuilder::new(&context).backend(backend).data(effects).concurrency(concurrency).build(noop);
        Ok(Running::start(context, worker.run()))
    }
}
