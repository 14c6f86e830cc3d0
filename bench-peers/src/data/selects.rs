//! A point select, decoded into a struct: through `Db` with everything recorded, and through the bare driver.

use super::NAME;
use crate::overhead::bare::{from_postgres, from_sqlite, numbered, open};
use crate::rounds::{Contender, Plan, Times, alone, boxed, interleave};
use crate::sample::{self, MESSAGES, Message, ONE, Product, id_of};
use crate::{Options, Outcome, report, wrong};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::{Operation, OperationKind, Outcome as Ended, Recorder};
use sarsen::{Db, lifecycle};
use uuid::Uuid;

pub(super) fn run(file: &str, options: &Options) -> Outcome<()> {
    let url = format!("sqlite:{file}");
    sample::prepare(&url, Product::Sqlite)?;
    let bare = async { Ok(Sqlite { connection: open(file)?, ids: Ids::default() }) };
    let mut contenders = [boxed(alone(Ours::connect(&url))?), boxed(alone(bare)?)];
    let costs = interleave(Plan::new(4_000, 25, options.quick), &mut contenders)?;
    report::compare(NAME, "sqlite point select", &["sarsen", "rusqlite"], &costs)?;
    options.postgres.as_deref().map_or(Ok(()), |url| server(url, options.quick))
}

fn server(url: &str, quick: bool) -> Outcome<()> {
    sample::prepare(url, Product::Postgres)?;
    let mut times = Times::default();
    for _ in 0..sample::CONNECTIONS {
        let mut contenders = [boxed(alone(Ours::connect(url))?), boxed(alone(Postgres::connect(url))?)];
        times.add(Plan::new(200, 10, quick), &mut contenders)?;
    }
    report::compare(NAME, "postgres point select", &["sarsen", "tokio-postgres"], &times.costs())
}

/// Ids in an order that no cache foresees.
#[derive(Clone, Copy, Debug, Default)]
struct Ids(i64);

impl Ids {
    fn next(&mut self) -> Uuid {
        self.0 = (self.0 + 7_919) % MESSAGES;
        id_of(self.0)
    }
}

/// Each round is an Operation of its own, as a request would be.
struct Ours {
    db: Db,
    recorder: Recorder,
    ids: Ids,
}

impl Ours {
    async fn connect(url: &str) -> Outcome<Self> {
        let (db, recorder) = (sample::connect(url).await?, Recorder::new(16));
        sample::log(&recorder, Lifecycle::default());
        Ok(Self { db, recorder, ids: Ids::default() })
    }

    async fn read(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..count {
            let id = self.ids.next();
            let message: Message = self.db.query(ONE).bind(id).one().await?;
            check(&message, id)?;
        }
        Ok(())
    }
}

impl Contender for Ours {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        let operation = Operation::open(OperationKind::Command, "bench", &self.recorder);
        async move {
            operation.scope(self.read(count)).await?;
            operation.close(Ended::Done);
            Ok(())
        }
        .boxed_local()
    }

    fn rest(&mut self) {
        drop(self.recorder.drain());
    }
}

struct Sqlite {
    connection: rusqlite::Connection,
    ids: Ids,
}

impl Contender for Sqlite {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        async move {
            for _ in 0..count {
                let id = self.ids.next();
                check(&self.connection.prepare_cached(ONE)?.query_row([id], from_sqlite)?, id)?;
            }
            Ok(())
        }
        .boxed_local()
    }
}

/// One connection without a pool, its statement prepared once.
struct Postgres {
    client: tokio_postgres::Client,
    statement: tokio_postgres::Statement,
    ids: Ids,
}

impl Postgres {
    async fn connect(url: &str) -> Outcome<Self> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        drop(lifecycle::spawn(connection));
        let statement = client.prepare(&numbered(ONE)).await?;
        Ok(Self { client, statement, ids: Ids::default() })
    }
}

impl Contender for Postgres {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        async move {
            for _ in 0..count {
                let id = self.ids.next();
                check(&from_postgres(&self.client.query_one(&self.statement, &[&id]).await?)?, id)?;
            }
            Ok(())
        }
        .boxed_local()
    }
}

fn check(message: &Message, id: Uuid) -> Outcome<()> {
    if message.id == id { Ok(()) } else { Err(wrong(format!("asked for {id}, got {}", message.id))) }
}
