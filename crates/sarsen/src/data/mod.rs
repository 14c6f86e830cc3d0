//! One handle for data, SQL first: [`Db`] and [`Tx`] run the same text on every database and observe every statement.
//!
//! ```
//! # async fn example(db: sarsen::Db, channel: uuid::Uuid) -> sarsen::Result<()> {
//! #[derive(sarsen::FromRow)]
//! struct Message { id: uuid::Uuid, text: String }
//!
//! let messages: Vec<Message> =
//!     db.query("SELECT id, text FROM messages WHERE channel_id = ? LIMIT 20").bind(channel).all().await?;
//! let tx = db.begin().await?;
//! tx.query("UPDATE messages SET text = ? WHERE id = ?").bind("gone").bind(messages[0].id).execute().await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```

mod batch;
mod dialect;
mod explain;
mod log;
mod migrate;
mod observe;
mod on;
mod owners;
mod page;
mod parameters;
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod row;
mod run;
mod search;
mod sqlite;
mod statement;
mod transaction;
mod value;
mod wake;

pub use batch::{Answers, Batch, MAX_BATCH, Slot};
pub use log::{Entry, LOG_CHANNEL, Lag, Log, MAX_APPEND, MAX_TAIL, NewEntry, Tail};
pub use migrate::{MigrationFiles, MigrationReport, MigrationState, ModuleMigrations};
pub use on::On;
pub use owners::Owners;
pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Order, Page, PageRequest};
pub use plan::{Given, IndexFacts, Plan, TableFacts, Workbench, plannable};
pub use query::{Query, Queryable};
pub use row::{FromRow, Row};
pub use search::{MAX_DOCUMENTS, Search};
pub use transaction::Tx;
pub use value::{FromValue, IntoValue, Json, Value, ValueRef};
pub use wake::Listener;

use crate::clock::Clock;
use crate::clock::Ticks;
use crate::config::DatabaseSection;
use crate::error::{Error, Kind, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use dialect::Dialect;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use query::{Answer, Call, Step, Target};
use row::{OwnedRow, Rows};
use sha2::Sha256;
use statement::Text;
pub(crate) use statement::{Token, tokens};
use std::borrow::Cow;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use wake::Wakes;

/// Most rows of values that [`Query::execute_many`] takes.
pub const MAX_MANY: usize = 10_000;

/// Rows of one batch of a stream, and batches that may wait for the reader of the stream.
const STREAM_BATCH: usize = 128;
const STREAM_AHEAD: usize = 2;

/// What a database has to do for us: one file for each.
trait Driver: Send + Sync + std::fmt::Debug {
    fn dialect(&self) -> Dialect;

    /// Runs a statement that is known to be quick on this thread, where the database is in the process; nothing when it is not.
    fn try_inline(&self, _: &Call, _: &mut dyn Rows) -> Option<Result<u64>> {
        None
    }

    /// Runs a statement in a transaction of its own; gives back the rows and how many there were or were changed.
    fn run(&self, call: Call, rows: Box<dyn Rows>) -> BoxFuture<'_, Result<Answer>>;

    /// Runs several statements as one transaction.
    fn batch(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<Vec<Answer>>>;

    /// Runs several statements one after the other, each in a transaction of its own: each sees what was committed
    /// before it began.
    fn each(&self, steps: Vec<Step>) -> BoxFuture<'_, Result<Vec<Answer>>>;

    /// Runs a statement whose rows come in batches; closing the receiver ends it.
    fn stream(&self, call: Call) -> mpsc::Receiver<Result<Vec<OwnedRow>>>;

    /// Starts a transaction that may write.
    fn begin(&self, site: &'static Location<'static>) -> BoxFuture<'_, Result<Box<dyn Transaction>>>;

    /// A copy of tables on which indexes are tried.
    fn workbench(&self, tables: Vec<String>, rows: u64) -> BoxFuture<'_, Result<Box<dyn plan::Bench>>>;

    /// Tells other processes that `channel` was woken, soon and without waiting.
    fn tell(&self, channel: &'static str);

    /// Wakes the listeners of this process when another process did something, until it is dropped.
    fn listen(&self, wakes: Arc<Wakes>) -> BoxFuture<'static, ()>;

    fn close(&self) -> BoxFuture<'_, ()>;

    /// Gives the space of what was deleted back to the disk, where the database does not do so by itself.
    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// An open transaction of a driver. Dropped, it is rolled back.
trait Transaction: Send + std::fmt::Debug {
    fn run(&mut self, call: Call, rows: Box<dyn Rows>) -> BoxFuture<'_, Result<Answer>>;
    /// Runs several statements that give no rows.
    fn script<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>>;
    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// The application's database. Clones are the same database; [`Db::for_module`] gives a module its own handle.
#[derive(Clone, Debug)]
pub struct Db {
    shared: Arc<Shared>,
    module: Option<&'static str>,
    primary: bool,
}

#[derive(Debug)]
struct Shared {
    driver: Box<dyn Driver>,
    section: DatabaseSection,
    clock: Clock,
    key: OnceLock<[u8; 32]>,
    owners: OnceLock<Owners>,
    wakes: Arc<Wakes>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wakes.close();
    }
}

async fn connect(section: &DatabaseSection) -> Result<Box<dyn Driver>> {
    match section.url.scheme() {
        "sqlite" => Ok(Box::new(sqlite::Sqlite::open(section).await?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Box::new(postgres::Postgres::connect(section).await?)),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(Error::new(Kind::Unsupported, "this build has no driver for PostgreSQL")
            .hint("enable feature \"postgres\" of the crate sarsen")),
        other => Err(Error::invalid(format!("database.url: no driver knows `{other}:`"))
            .hint("use sqlite:PATH or postgres://user:password@host/name")),
    }
}

impl Db {
    /// Connects to what `section.url` names; waits for a server that is still starting, at most `acquire_timeout`.
    pub async fn connect(section: &DatabaseSection, clock: &Clock) -> Result<Db> {
        let shared = Shared {
            driver: connect(section).await?,
            section: section.clone(),
            clock: clock.clone(),
            key: OnceLock::new(),
            owners: OnceLock::new(),
            wakes: Arc::default(),
        };
        Ok(Db { shared: Arc::new(shared), module: None, primary: false })
    }

    /// A query of this text, with `?` for each value.
    pub fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        Query::new(Target::Db(self), sql.into())
    }

    /// Starts a transaction. It writes; dropped without `commit` it is rolled back.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Tx>> + Send + '_ {
        let site = Location::caller();
        async move { Ok(Tx::new(self.clone(), self.shared.driver.begin(site).await?)) }
    }

    /// Several statements as one transaction in one round trip; see [`Batch`].
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// The commit log: what happened, in the order in which it was committed.
    pub fn log(&self) -> Log {
        Log::new(self)
    }

    /// Wakes all who listen to `channel`: in this process at once, in others soon after.
    ///
    /// A wake says "look again", and carries nothing. It may be lost when a process or a connection breaks, so who
    /// listens also looks every now and then by itself. Inside a transaction use [`Tx::wake`].
    pub fn wake(&self, channel: &'static str) {
        self.shared.wakes.wake(channel);
        self.driver().tell(channel);
    }

    /// Listens to the wakes of `channel`, from now on. The first listener starts to watch for other processes, so it is
    /// made on the runtime; dropping the last one ends that.
    pub fn listen(&self, channel: &'static str) -> Listener {
        self.shared.wakes.listen(channel, |wakes| self.driver().listen(wakes))
    }

    /// The same database, reading from the primary even where replicas could serve.
    #[must_use]
    pub fn primary(&self) -> Db {
        Db { primary: true, ..self.clone() }
    }

    /// Whether reads are forced to the primary.
    pub fn is_primary(&self) -> bool {
        self.primary
    }

    /// The handle of a module, which may touch its own tables only.
    #[must_use]
    pub fn for_module(&self, module: &'static str) -> Db {
        Db { module: Some(module), ..self.clone() }
    }

    /// The clock of the application.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Asks the database for an answer.
    pub async fn ping(&self) -> Result<()> {
        self.query("SELECT 1 LIMIT 1").scalar::<i64>().await.map(drop)
    }

    /// Closes the connections that are idle, and stops to listen for the wakes of other processes.
    pub async fn close(&self) {
        self.shared.wakes.close();
        self.shared.driver.close().await;
    }

    /// Gives the space of what was deleted back to the disk, where the database does not do so by itself; nobody writes
    /// meanwhile.
    pub(crate) async fn compact(&self) -> Result<()> {
        self.driver().compact().await
    }

    /// Whether an error says that the file of an embedded database is damaged, or is none.
    pub(crate) fn is_damage(error: &Error) -> bool {
        dialect::is_damage(error)
    }

    /// Sets the key that signs cursors; without it each process has its own. The first call holds.
    pub fn set_cursor_key(&self, key: [u8; 32]) {
        let _ = self.shared.key.set(key);
    }

    /// Says which module owns which table; from then on a query on another module's table is an error.
    pub fn set_owners(&self, owners: Owners) {
        let _ = self.shared.owners.set(owners);
    }

    /// Facts for `doctor`, by name.
    pub async fn facts(&self) -> Result<Vec<(&'static str, String)>> {
        let dialect = self.dialect();
        let mut facts = vec![("driver", dialect.name().to_owned())];
        for (name, sql) in dialect.facts() {
            facts.push((name, self.query(*sql).scalar().await?));
        }
        Ok(facts)
    }

    /// Signs `text`, so that it can go through a client and come back unchanged. It is readable, not secret.
    pub fn seal(&self, text: &str) -> String {
        let mut bytes = self.signature(text).to_vec();
        bytes.extend_from_slice(text.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The text that [`Db::seal`] signed; an error of kind `Invalid` for anything else.
    pub fn open_sealed(&self, sealed: &str) -> Result<String> {
        let wrong = || Error::invalid("the value was not made here");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| wrong())?;
        let (signature, text) = bytes.split_at_checked(16).ok_or_else(wrong)?;
        let text = std::str::from_utf8(text).map_err(|_| wrong())?;
        let same: bool = subtle::ConstantTimeEq::ct_eq(signature, &self.signature(text)[..]).into();
        same.then(|| text.to_owned()).ok_or_else(wrong)
    }

    fn signature(&self, text: &str) -> [u8; 16] {
        let key = self.shared.key.get_or_init(random_key);
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length is a key"));
        mac.update(b"sealed");
        mac.update(text.as_bytes());
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|index| full[index])
    }

    fn driver(&self) -> &dyn Driver {
        self.shared.driver.as_ref()
    }

    fn dialect(&self) -> Dialect {
        self.shared.driver.dialect()
    }

    fn section(&self) -> &DatabaseSection {
        &self.shared.section
    }

    /// The facts about a text, once it is clear that this handle may run it.
    #[inline]
    fn text(&self, sql: &str, of_framework: bool) -> Result<Arc<Text>> {
        let text = statement::facts(sql, self.dialect());
        if let (Some(owners), Some(module), false) = (self.shared.owners.get(), self.module, of_framework) {
            owners.check(module, &text)?;
        }
        Ok(text)
    }
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    if getrandom::fill(&mut key).is_err() {
        fastrand::fill(&mut key);
    }
    key
}

/// An error of waiting too long for a connection.
fn no_connection(waited: Ticks, what: &str) -> Error {
    let waited = Ticks::now() - waited;
    Error::new(Kind::Unavailable, format!("no connection to the database was free within {waited:.1?}{what}"))
        .hint("shorten transactions, or raise database.connections")
}
