//! The server driver: PostgreSQL through tokio-postgres, with a pool, cached statements and TLS by rustls.
//!
//! A statement that is dropped or late is cancelled on the server, and its connection is thrown away; a read whose
//! connection broke before the answer is tried once more on another.

mod error;
mod insert;
mod pipeline;
mod value;
mod wake;
mod workbench;

use super::dialect::Dialect;
use super::observe::{self, Ran};
use super::plan::Bench;
use super::query::{Answer, Call, Step};
use super::row::{Layout, OwnedRow, Row, Rows};
use super::statement::Class;
use super::wake::Wakes;
use super::{Driver, STREAM_AHEAD, STREAM_BATCH, Transaction, no_connection};
use crate::clock::{self, Ticks};
use crate::config::DatabaseSection;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{self, Holder, Holding, WaitKind};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use error::{explain, is_stale};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, pin_mut};
use insert::Inserts;
use pipeline::Frame;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::Statement;
use tokio_postgres_rustls::MakeRustlsConnect;
use value::{Param, Source};
use wake::Teller;

#[derive(Debug)]
pub(super) struct Postgres {
    shared: Arc<Shared>,
    teller: Teller,
}

struct Shared {
    pool: Pool,
    /// Who has its connections, and for how long.
    holder: Holder,
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    section: DatabaseSection,
    /// What many rows at once are inserted with.
    inserts: Inserts,
    /// Tells the wakes of this process from those of others.
    process: String,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.section.url)
    }
}

impl Postgres {
    pub(super) async fn connect(section: &DatabaseSection) -> Result<Self> {
        let wrong = |error: tokio_postgres::Error| {
            Error::invalid(format!("database.url {} is not a connection string", section.url))
                .source(error)
                .hint("write postgres://user:password@host:5432/name")
        };
        let mut config: tokio_postgres::Config = section.url.expose().parse().map_err(wrong)?;
        if config.get_application_name().is_none() {
            config.application_name("sarsen");
        }
        config.connect_timeout(section.acquire_timeout.0);
        let tls = MakeRustlsConnect::new(tls()?);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), tls.clone(), recycling);
        let pool = Pool::builder(manager).max_size(section.connections.max(1)).build();
        let pool = pool.map_err(|error| Error::internal("the pool cannot be built").source(error))?;
        let shared = Arc::new(Shared {
            pool,
            holder: Holder::new(WaitKind::DatabasePool, "postgres", section.connections.max(1) as u64),
            config,
            tls,
            section: section.clone(),
            inserts: Inserts::default(),
            process: format!("{:x}", fastrand::u64(..)),
        });
        shared.first_connection().await?;
        Ok(Self { teller: Teller::start(shared.clone()), shared })
    }
}

/// Verifies servers against the certificates of the operating system.
fn tls() -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::internal("TLS cannot be set up").source(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Shared {
    /// A server that is still starting is waited for.
    async fn first_connection(&self) -> Result<()> {
        let deadline = Ticks::now() + self.section.acquire_timeout.0;
        loop {
            match self.get().await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() != Kind::Unavailable || Ticks::now() > deadline => {
                    return Err(error
                        .context(format!("the database {}", self.section.url))
                        .hint("start the server, or check database.url (host, port, user, password)"));
                }
                Err(_) => clock::pause(Duration::from_millis(100)).await,
            }
        }
    }

    async fn get(&self) -> Result<Object> {
        let started = Ticks::now();
        let (latest, get) = (observe::deadline(started, self.section.acquire_timeout.0), pin!(self.pool.get()));
        let get = pin!(self.holder.waiting_for(clock::until(latest, get)));
        match telemetry::wait(WaitKind::DatabasePool, "postgres", get).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(deadpool_postgres::PoolError::Backend(error))) => Err(explain(&error, "connect")),
            Ok(Err(error)) => Err(Error::unavailable("no connection to the database").source(error)),
            Err(_) => Err(no_connection(started, "")),
        }
    }

    /// A connection, and how long it was waited for.
    async fn get_busy(self: &Arc<Self>) -> Result<(Busy, Duration)> {
        let waited = Ticks::now();
        let busy = self.busy(self.get().await?);
        Ok((busy, Ticks::now() - waited))
    }

    fn busy(self: &Arc<Self>, object: Object) -> Busy {
        Busy { shared: self.clone(), object: Some(object), idle: true, given: 0, held: self.holder.hold() }
    }
}

/// A connection with a statement at work. Dropped then, the statement is cancelled and the connection closed.
struct Busy {
    shared: Arc<Shared>,
    object: Option<Object>,
    idle: bool,
    /// Rows of the statement that ran last: with one given, it cannot be run again.
    given: u64,
    held: Holding,
}

impl std::fmt::Debug for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection")
    }
}

impl Busy {
    /// Marks that something runs, until it is marked idle again; an error when what ran last was dropped midway.
    fn begin(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.idle, false) {
            return Err(Error::internal("a statement of this transaction was dropped, so it is rolled back"));
        }
        Ok(())
    }

    fn object(&self) -> &Object {
        match &self.object {
            Some(object) => object,
            None => unreachable!("a connection is there until it is dropped"),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Some(object) = self.object.take().filter(|_| !self.idle) else { return };
        let (cancel, tls) = (object.cancel_token(), self.shared.tls.clone());
        drop(Object::take(object));
        if tokio::runtime::Handle::try_current().is_ok() {
            let latest = Ticks::now() + self.shared.section.acquire_timeout.0;
            drop(crate::lifecycle::spawn(async move { clock::until(latest, cancel.cancel_query(tls)).await }));
        }
    }
}

/// Runs one statement on `busy`; gives the number of rows returned or changed.
async fn execute(busy: &mut Busy, call: &Call, rows: &mut dyn Rows) -> Result<u64> {
    if Ticks::now() >= call.deadline {
        // Sent now it would be cancelled at once, at the price of the connection.
        return Err(late(call));
    }
    busy.begin()?;
    let mut given = 0;
    // Pinned where it is made: a future that is wrapped is moved into the next larger one, and this one is large.
    let ran = {
        let work = pin!(run_on(busy, call, rows, &mut given));
        clock::until(call.deadline, work).await
    };
    busy.given = given;
    let ran = ran.map_err(|_| late(call))?;
    busy.idle = !busy.object().is_closed();
    ran
}

fn late(call: &Call) -> Error {
    Error::new(Kind::Timeout, "the statement ran until its deadline").source(call.text.statement.normalised.clone())
}

async fn run_on(busy: &Busy, call: &Call, rows: &mut dyn Rows, count: &mut u64) -> Result<u64> {
    let fail = |error: tokio_postgres::Error| explain(&error, &call.text.statement.normalised);
    let (object, sql) = (busy.object(), call.text.translated.as_str());
    let statement = prepared(busy, sql).await.map_err(fail)?;
    let stream = match object.query_raw(&statement, call.binds.iter().map(Param::from)).await {
        Err(error) if is_stale(&error) => {
            // The schema changed, or a pooler between us and the server gave the session to somebody else.
            object.statement_cache.remove(sql, &[]);
            let again = async {
                let statement = object.prepare(sql).await?;
                object.query_raw(&statement, call.binds.iter().map(Param::from)).await
            };
            Box::pin(again).await.map_err(fail)?
        }
        other => other.map_err(fail)?,
    };
    pin_mut!(stream);
    let layout = Layout::default();
    while let Some(row) = stream.next().await {
        let source = Source(&row.map_err(fail)?);
        let row = Row::new(&source, &layout);
        *count += 1;
        rows.row(&row)?;
        row.learned();
    }
    Ok(if call.text.class == Class::Write { stream.rows_affected().unwrap_or(*count) } else { *count })
}

/// The statement, from those that the connection keeps; when they are too many, it starts over.
async fn prepared(busy: &Busy, sql: &str) -> std::result::Result<Statement, tokio_postgres::Error> {
    let object = busy.object();
    if object.statement_cache.size() >= busy.shared.section.statement_cache.max(1) {
        object.statement_cache.clear();
    }
    object.prepare_cached(sql).await
}

async fn observed(busy: &mut Busy, call: &Call, rows: &mut dyn Rows, pool_wait: Duration) -> Result<u64> {
    let started = Ticks::now();
    let ran = telemetry::wait(WaitKind::Database, "server", pin!(execute(busy, call, rows))).await;
    observe::record(call, Ran::new(pool_wait, Ticks::now() - started, &ran));
    ran
}

impl Driver for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&self, call: Call, mut rows: Box<dyn Rows>) -> BoxFuture<'_, Result<Answer>> {
        if call.many.is_some() {
            return Box::pin(async move { pipeline::only(self.batch(vec![(call, rows)]).await?) });
        }
        Box::pin(async move {
            let (mut busy, pool_wait) = self.shared.get_busy().await?;
            let mut ran = observed(&mut busy, &call, rows.as_mut(), pool_wait).await;
            let broken = busy.object().is_closed() && call.text.class == Class::Read && busy.given == 0;
            if let Err(error) = &ran
                && broken
                && error.kind() == Kind::Unavailable
            {
                let again = async {
                    busy = self.shared.get_busy().await?.0;
                    observed(&mut busy, &call, rows.as_mut(), pool_wait).await
                };
                ran = Box::pin(again).await;
            }
            // The server may still be sending what nobody reads: not to be given to somebody else.
            busy.idle &= ran.is_ok() || busy.given == 0;
            Ok((rows, ran?))
        })
    }

    fn batch(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<Vec<Answer>>> {
        Box::pin(async move {
            let (mut busy, pool_wait) = self.shared.get_busy().await?;
            pipeline::run(&mut busy, steps, pool_wait, Frame::Transaction).await
        })
    }

    fn each(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<Vec<Answer>>> {
        Box::pin(async move {
            let (mut busy, pool_wait) = self.shared.get_busy().await?;
            pipeline::run(&mut busy, steps, pool_wait, Frame::Each).await
        })
    }

    fn stream(&self, call: Call) -> mpsc::Receiver<Result<Vec<OwnedRow>>> {
        let (sender, receiver) = mpsc::channel(STREAM_AHEAD);
        let shared = self.shared.clone();
        let work = async move {
            let started: Ticks = Ticks::now();
            let streamed = stream_rows(&shared, &call, &sender).await;
            observe::record(&call, Ran::new(Duration::ZERO, Ticks::now() - started, &streamed));
            if let Err(error) = streamed {
                let _ = sender.send(Err(error)).await;
            }
        };
        drop(telemetry::spawn("stream", work));
        receiver
    }

    fn begin(&self, _: &'static Location<'static>) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(async move {
            let mut busy = self.shared.get_busy().await?.0;
            busy.held.tell_operation();
            script(&mut busy, "BEGIN").await?;
            Ok(Box::new(PostgresTransaction { busy, finished: false }) as Box<dyn Transaction>)
        })
    }

    fn workbench(&self, tables: Vec<String>, rows: u64) -> BoxFuture<'_, Result<Box<dyn Bench>>> {
        Box::pin(async move {
            let mut busy = self.shared.get_busy().await?.0;
            script(&mut busy, "BEGIN").await?;
            let transaction = PostgresTransaction { busy, finished: false };
            Ok(Box::new(workbench::copy(transaction, tables, rows).await?) as Box<dyn Bench>)
        })
    }

    fn tell(&self, channel: &'static str) {
        self.teller.tell(channel);
    }

    fn listen(&self, wakes: Arc<Wakes>) -> BoxFuture<'static, ()> {
        Box::pin(wake::listen(self.shared.clone(), wakes))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.teller.close();
            self.shared.pool.close();
        })
    }
}

async fn stream_rows(shared: &Arc<Shared>, call: &Call, sender: &mpsc::Sender<Result<Vec<OwnedRow>>>) -> Result<u64> {
    let mut busy = shared.get_busy().await?.0;
    busy.held.tell_operation();
    busy.begin()?;
    let sent = tokio::select! {
        sent = clock::until(call.deadline, send_rows(&busy, call, sender)) => sent.map_err(|_| late(call))??,
        () = sender.closed() => return Ok(0),
    };
    busy.idle = true;
    Ok(sent)
}

async fn send_rows(busy: &Busy, call: &Call, sender: &mpsc::Sender<Result<Vec<OwnedRow>>>) -> Result<u64> {
    let fail = |error: tokio_postgres::Error| explain(&error, &call.text.statement.normalised);
    let statement = prepared(busy, &call.text.translated).await.map_err(fail)?;
    let stream = busy.object().query_raw(&statement, call.binds.iter().map(Param::from)).await.map_err(fail)?;
    let batches = stream.ready_chunks(STREAM_BATCH);
    pin_mut!(batches);
    let mut count = 0;
    while let Some(batch) = batches.next().await {
        let layout = Layout::default();
        let owned = batch.into_iter().map(|row| Row::new(&Source(&row.map_err(fail)?), &layout).to_owned());
        let owned = owned.collect::<Result<Vec<_>>>()?;
        count += owned.len() as u64;
        let sent = sender.send(Ok(owned)).await;
        sent.map_err(|_| Error::new(Kind::Timeout, "nobody reads the stream"))?;
    }
    Ok(count)
}

async fn script(busy: &mut Busy, sql: &str) -> Result<()> {
    busy.begin()?;
    let done = telemetry::wait(WaitKind::Database, "server", busy.object().batch_execute(sql)).await;
    busy.idle = !busy.object().is_closed();
    done.map_err(|error| explain(&error, sql))
}

/// An open transaction; it holds its connection, and dropped it closes it, which rolls back.
#[derive(Debug)]
struct PostgresTransaction {
    busy: Busy,
    finished: bool,
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        let usable = self.busy.idle && !self.busy.object().is_closed();
        self.busy.idle = self.finished;
        if !self.finished && usable && tokio::runtime::Handle::try_current().is_ok() {
            self.roll_back_later();
        }
    }
}

impl PostgresTransaction {
    /// A transaction that nothing runs in is rolled back, and its connection goes back to the pool.
    fn roll_back_later(&mut self) {
        let Some(object) = self.busy.object.take() else { return };
        let mut busy = self.busy.shared.busy(object);
        drop(crate::lifecycle::spawn(async move {
            let _ = script(&mut busy, "ROLLBACK").await;
        }));
    }

    async fn finish(mut self: Box<Self>, sql: &'static str) -> Result<()> {
        let done = script(&mut self.busy, sql).await;
        self.finished = done.is_ok();
        done
    }
}

impl Transaction for PostgresTransaction {
    fn run(&mut self, call: Call, mut rows: Box<dyn Rows>) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(async move {
            if call.many.is_some() {
                let steps = vec![(call, rows)];
                return pipeline::only(pipeline::run(&mut self.busy, steps, Duration::ZERO, Frame::Inside).await?);
            }
            let changed = observed(&mut self.busy, &call, rows.as_mut(), Duration::ZERO).await?;
            Ok((rows, changed))
        })
    }

    fn script<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(script(&mut self.busy, sql))
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.finish("COMMIT"))
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.finish("ROLLBACK"))
    }
}
