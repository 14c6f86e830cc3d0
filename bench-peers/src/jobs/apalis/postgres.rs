//! apalis-postgres.

use super::{BATCH, POLL, QUEUE, Running, name, noop, task};
use crate::Outcome;
use crate::jobs::engine::{CLIENTS, Engine, Settings};
use crate::jobs::{Effects, Variant};
use apalis::prelude::{BackendExt, Strategy, TaskSink, WorkerBuilder, WorkerBuilderExt, WorkerContext};
use apalis_postgres::queries::push_tasks;
use apalis_postgres::{Config, PgPool, PostgresStorage, Pubsub};
use sqlx::postgres::PgPoolOptions;
use std::sync::Arc;

#[derive(Clone)]
pub(in crate::jobs) struct Postgres {
    pool: PgPool,
    variant: Variant,
    storage: PostgresStorage<usize>,
}

impl Postgres {
    pub(in crate::jobs) async fn open(settings: &Settings) -> Outcome<Self> {
        let pool = PgPoolOptions::new().max_connections(CLIENTS.try_into()?).connect(&settings.url).await?;
        PostgresStorage::setup(&pool).await?;
        let plain = Config::default().queue(QUEUE);
        let config = match settings.variant {
            Variant::Plain => plain,
            Variant::Tuned => plain.batch_size(BATCH).lock_tasks(false),
        };
        let storage = PostgresStorage::new(&pool).with_config(config);
        Ok(Self { pool, variant: settings.variant, storage })
    }

    fn strategy(&self) -> Strategy {
        match self.variant {
            Variant::Plain => Strategy::new(),
            Variant::Tuned => Strategy::new().stream(Pubsub::new(self.pool.clone(), QUEUE.to_owned())).interval(POLL),
        }
    }
}

impl Engine for Postgres {
    type Worker = Running;

    async fn enqueue(&self, number: usize) -> Outcome<()> {
        match self.variant {
            Variant::Plain => Ok(self.storage.clone().push(number).await?),
            Variant::Tuned => {
                let mut connection = self.pool.acquire().await?;
                Ok(push_tasks(&mut *connection, QUEUE, vec![task(number)?]).await?)
            }
        }
    }

    async fn enqueue_many(&self, numbers: Vec<usize>) -> Outcome<()> {
        Ok(self.storage.clone().push_bulk(numbers).await?)
    }

    async fn unfinished(&self) -> Outcome<usize> {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'");
        Ok(usize::try_from(count.fetch_one(&self.pool).await?)?)
    }

    async fn work(&self, concurrency: usize, effects: Arc<Effects>) -> Outcome<Running> {
        let backend = self.storage.clone().poll_with_strategy(self.strategy());
        let context = WorkerContext::new(&name());
        let worker = WorkerBuilder::new(&context).backend(backend).data(effects).concurrency(concurrency).build(noop);
        Ok(Running::start(context, worker.run()))
    }
}
