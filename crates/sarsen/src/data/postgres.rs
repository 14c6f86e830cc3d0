//! The server driver: PostgreSQL through tokio-postgres, with a pool, cached statements and TLS by rustls.
//!
//! A statement that is dropped or late is cancelled on the server, and its connection is thrown away; a read whose
//! connection broke before the answer is tried once more on another.

use super::dialect::Dialect;
use super::observe::{self, Ran};
use super::query::{Bind, Call};
use super::row::{Layout, OwnedRow, Row, RowSource, Rows};
use super::statement::Class;
use super::value::{Value, ValueRef};
use super::{Driver, STREAM_AHEAD, STREAM_BATCH, Transaction, no_connection};
use crate::clock::{self, Timestamp};
use crate::config::DatabaseSection;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{self, WaitKind};
use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, pin_mut};
use postgres_types::{FromSql, IsNull, Kind as TypeKind, ToSql, Type, to_sql_checked};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Microseconds between 1970 and 2000, from where the server counts.
const EPOCH_2000: i64 = 946_684_800_000_000;

#[derive(Debug, Clone)]
pub(super) struct Postgres(Arc<Shared>);

struct Shared {
    pool: Pool,
    tls: MakeRustlsConnect,
    section: DatabaseSection,
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
        let manager = Manager::from_config(config, tls.clone(), recycling);
        let pool = Pool::builder(manager).max_size(section.connections.max(1)).build();
        let pool = pool.map_err(|error| Error::internal("the pool cannot be built").source(error))?;
        let driver = Self(Arc::new(Shared { pool, tls, section: section.clone() }));
        driver.0.first_connection().await?;
        Ok(driver)
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
        let deadline = clock::monotonic() + self.section.acquire_timeout.0;
        loop {
            match self.get().await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() != Kind::Unavailable || clock::monotonic() > deadline => {
                    return Err(error
                        .context(format!("the database {}", self.section.url))
                        .hint("start the server, or check database.url (host, port, user, password)"));
                }
                Err(_) => clock::pause(Duration::from_millis(100)).await,
            }
        }
    }

    async fn get(&self) -> Result<Object> {
        let started = clock::monotonic();
        let (latest, get) = (observe::deadline(started, self.section.acquire_timeout.0), pin!(self.pool.get()));
        let get = pin!(clock::until(latest, get));
        match telemetry::wait(WaitKind::DatabasePool, "connection", get).await {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(deadpool_postgres::PoolError::Backend(error))) => Err(explain(&error, "connect")),
            Ok(Err(error)) => Err(Error::unavailable("no connection to the database").source(error)),
            Err(_) => Err(no_connection(started, "")),
        }
    }

    fn busy(self: &Arc<Self>, object: Object) -> Busy {
        Busy { shared: self.clone(), object: Some(object), idle: true, given: 0 }
    }
}

/// A connection with a statement at work. Dropped then, the statement is cancelled and the connection closed.
struct Busy {
    shared: Arc<Shared>,
    object: Option<Object>,
    idle: bool,
    /// Rows of the statement that ran last: with one given, it cannot be run again.
    given: u64,
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
            let latest = clock::monotonic() + self.shared.section.acquire_timeout.0;
            drop(crate::lifecycle::spawn(async move { clock::until(latest, cancel.cancel_query(tls)).await }));
        }
    }
}

/// Runs one statement on `busy`; gives the number of rows returned or changed.
async fn execute(busy: &mut Busy, call: &Call, rows: &mut dyn Rows) -> Result<u64> {
    if clock::monotonic() >= call.deadline {
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
    let statement = prepared(busy, call).await.map_err(fail)?;
    let stream = match object.query_raw(&statement, call.binds.iter().map(Param)).await {
        Err(error) if is_stale(&error) => {
            // The schema changed, or a pooler between us and the server gave the session to somebody else.
            object.statement_cache.remove(sql, &[]);
            let again = async {
                let statement = object.prepare(sql).await?;
                object.query_raw(&statement, call.binds.iter().map(Param)).await
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
async fn prepared(busy: &Busy, call: &Call) -> std::result::Result<Statement, tokio_postgres::Error> {
    let object = busy.object();
    if object.statement_cache.size() >= busy.shared.section.statement_cache.max(1) {
        object.statement_cache.clear();
    }
    object.prepare_cached(&call.text.translated).await
}

/// The prepared statement is not the server's any more.
fn is_stale(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::INVALID_SQL_STATEMENT_NAME)
}

async fn observed(busy: &mut Busy, call: &Call, rows: &mut dyn Rows, pool_wait: Duration) -> Result<u64> {
    let started = clock::monotonic();
    let ran = telemetry::wait(WaitKind::Database, "server", pin!(execute(busy, call, rows))).await;
    observe::record(call, Ran::new(pool_wait, clock::monotonic() - started, &ran));
    ran
}

impl Driver for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&self, call: Call, mut rows: Box<dyn Rows>) -> BoxFuture<'_, Result<(Box<dyn Rows>, u64)>> {
        Box::pin(async move {
            let waited = clock::monotonic();
            let mut busy = self.0.busy(self.0.get().await?);
            let pool_wait = clock::monotonic() - waited;
            let mut ran = observed(&mut busy, &call, rows.as_mut(), pool_wait).await;
            let broken = busy.object().is_closed() && call.text.class == Class::Read && busy.given == 0;
            if let Err(error) = &ran
                && broken
                && error.kind() == Kind::Unavailable
            {
                let again = async {
                    busy = self.0.busy(self.0.get().await?);
                    observed(&mut busy, &call, rows.as_mut(), pool_wait).await
                };
                ran = Box::pin(again).await;
            }
            // The server may still be sending what nobody reads: not to be given to somebody else.
            busy.idle &= ran.is_ok() || busy.given == 0;
            Ok((rows, ran?))
        })
    }

    fn stream(&self, call: Call) -> mpsc::Receiver<Result<Vec<OwnedRow>>> {
        let (sender, receiver) = mpsc::channel(STREAM_AHEAD);
        let shared = self.0.clone();
        let work = async move {
            let started: Instant = clock::monotonic();
            let streamed = stream_rows(&shared, &call, &sender).await;
            observe::record(&call, Ran::new(Duration::ZERO, clock::monotonic() - started, &streamed));
            if let Err(error) = streamed {
                let _ = sender.send(Err(error)).await;
            }
        };
        drop(telemetry::spawn("stream", work));
        receiver
    }

    fn begin(&self, _: &'static Location<'static>) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(async move {
            let mut busy = self.0.busy(self.0.get().await?);
            script(&mut busy, "BEGIN").await?;
            Ok(Box::new(PostgresTransaction { busy, finished: false }) as Box<dyn Transaction>)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.0.pool.close() })
    }
}

async fn stream_rows(shared: &Arc<Shared>, call: &Call, sender: &mpsc::Sender<Result<Vec<OwnedRow>>>) -> Result<u64> {
    let mut busy = shared.busy(shared.get().await?);
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
    let statement = prepared(busy, call).await.map_err(fail)?;
    let stream = busy.object().query_raw(&statement, call.binds.iter().map(Param)).await.map_err(fail)?;
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
    fn run(&mut self, call: Call, mut rows: Box<dyn Rows>) -> BoxFuture<'_, Result<(Box<dyn Rows>, u64)>> {
        Box::pin(async move {
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

/// A bound value, written in the type that the server asks for.
#[derive(Debug)]
struct Param<'a>(&'a Bind);

type Written = std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Written {
        match (self.0, ty.kind()) {
            (Bind::One(Value::Null), _) => Ok(IsNull::Yes),
            (Bind::List(values), TypeKind::Array(_)) => values.iter().map(Element).collect::<Vec<_>>().to_sql(ty, out),
            (Bind::One(value), TypeKind::Array(_)) => vec![Element(value)].to_sql(ty, out),
            (Bind::One(value), _) => write(value, ty, out),
            (Bind::List(_), _) => Err(format!("a list is bound where {ty} is expected: write it as IN (?)").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[derive(Debug)]
struct Element<'a>(&'a Value);

impl ToSql for Element<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Written {
        write(self.0, ty, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn write(value: &Value, ty: &Type, out: &mut BytesMut) -> Written {
    match (value, ty) {
        (Value::Null, _) => return Ok(IsNull::Yes),
        (Value::Int(value), &Type::INT2) => return i16::try_from(*value)?.to_sql(ty, out),
        (Value::Int(value), &Type::INT4) => return i32::try_from(*value)?.to_sql(ty, out),
        (Value::Int(value), &Type::FLOAT8) => return (*value as f64).to_sql(ty, out),
        (Value::Float(value), &Type::FLOAT4) => return (*value as f32).to_sql(ty, out),
        (Value::Timestamp(value), &Type::TIMESTAMPTZ | &Type::TIMESTAMP) => {
            return (value.as_micros() - EPOCH_2000).to_sql(&Type::INT8, out);
        }
        (Value::Json(value), &Type::JSONB) => out.extend_from_slice(&[&[1], value.as_bytes()].concat()),
        (Value::Json(value), &Type::JSON | &Type::TEXT) => out.extend_from_slice(value.as_bytes()),
        _ => return write_plain(value, ty, out),
    }
    Ok(IsNull::No)
}

fn write_plain(value: &Value, ty: &Type, out: &mut BytesMut) -> Written {
    match value {
        Value::Bool(value) => plain(value, ty, out),
        Value::Int(value) => plain(value, ty, out),
        Value::Float(value) => plain(value, ty, out),
        Value::Text(value) => plain(&value.as_ref(), ty, out),
        Value::Bytes(value) => plain(value, ty, out),
        Value::Uuid(value) => plain(value, ty, out),
        Value::Null | Value::Timestamp(_) | Value::Json(_) => misfit(value, ty),
    }
}

fn plain<T: ToSql>(value: &T, ty: &Type, out: &mut BytesMut) -> Written {
    if T::accepts(ty) { value.to_sql(ty, out) } else { misfit(value, ty) }
}

fn misfit(value: &dyn std::fmt::Debug, ty: &Type) -> Written {
    Err(format!("{value:?} is bound where {ty} is expected").into())
}

struct Source<'a>(&'a tokio_postgres::Row);

impl RowSource for Source<'_> {
    fn columns(&self) -> usize {
        self.0.len()
    }
    fn column_name(&self, index: usize) -> &str {
        self.0.columns()[index].name()
    }
    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        let read = self.0.try_get::<_, Option<Read<'_>>>(index);
        let read = read.map_err(|error| {
            let ty = self.0.columns()[index].type_();
            Error::internal(format!("column `{}` has type {ty}, which is not portable", self.column_name(index)))
                .source(error)
                .hint("cast it: CAST(… AS BIGINT), AS DOUBLE PRECISION or AS TEXT")
        })?;
        Ok(read.map_or(ValueRef::Null, |read| read.0))
    }
}

struct Read<'a>(ValueRef<'a>);

impl<'a> FromSql<'a> for Read<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::BOOL => ValueRef::Bool(bool::from_sql(ty, raw)?),
            Type::INT2 => ValueRef::Int(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => ValueRef::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => ValueRef::Int(i64::from_sql(ty, raw)?),
            Type::OID => ValueRef::Int(u32::from_sql(ty, raw)?.into()),
            Type::FLOAT4 => ValueRef::Float(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => ValueRef::Float(f64::from_sql(ty, raw)?),
            Type::UUID => ValueRef::Uuid(uuid::Uuid::from_sql(ty, raw)?),
            Type::BYTEA => ValueRef::Bytes(raw),
            Type::TIMESTAMPTZ | Type::TIMESTAMP => {
                ValueRef::Timestamp(Timestamp::from_micros(i64::from_sql(&Type::INT8, raw)?.saturating_add(EPOCH_2000)))
            }
            Type::JSON => ValueRef::Text(std::str::from_utf8(raw)?),
            Type::JSONB => ValueRef::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?),
            _ => ValueRef::Text(<&str>::from_sql(ty, raw)?),
        }))
    }

    fn accepts(ty: &Type) -> bool {
        let known = [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::OID,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::UUID,
            Type::BYTEA,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMP,
            Type::JSON,
            Type::JSONB,
        ];
        known.contains(ty) || <&str as FromSql>::accepts(ty)
    }
}

fn explain(error: &tokio_postgres::Error, what: &str) -> Error {
    let Some(code) = error.code() else {
        let kind = if error.is_closed()
            || std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
        {
            Kind::Unavailable
        } else {
            Kind::Internal
        };
        let says =
            if kind == Kind::Unavailable { "the database does not answer" } else { "the statement cannot be sent" };
        return Error::new(kind, says).source(format!("{} in: {what}", chain(error)));
    };
    let (kind, says) = match code {
        code if *code == SqlState::UNIQUE_VIOLATION => (Kind::Conflict, "it exists already"),
        code if *code == SqlState::FOREIGN_KEY_VIOLATION => {
            (Kind::Conflict, "what it refers to does not exist, or is still referred to")
        }
        code if *code == SqlState::QUERY_CANCELED => (Kind::Timeout, "the statement ran until its deadline"),
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
            (Kind::Unavailable, "another transaction was in the way")
        }
        code => match &code.code()[..2] {
            "23" => (Kind::Invalid, "a constraint of the table refuses it"),
            "22" => (Kind::Invalid, "a value does not fit"),
            "54" => (Kind::Invalid, "a value is too large"),
            "08" | "53" | "57" | "58" => (Kind::Unavailable, "the database does not answer"),
            _ => (Kind::Internal, "the database refused the statement"),
        },
    };
    Error::new(kind, says).source(format!("{} in: {what}", chain(error)))
}

/// The driver's errors say only where they happened; their causes say what.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
