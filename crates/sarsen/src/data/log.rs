//! The commit log: one append-only list of what happened, read in the order of its positions without missing any.
//!
//! Where many transactions write at once, a position is drawn before its transaction commits. A reader that asks for
//! `pos > last` therefore skips those that commit late: about half of the entries of 12 writers on a server. [`Log::tail`]
//! reads only up to a mark below which nothing can appear any more; how it is found is in [`Dialect::log`]. It does not
//! wait for transactions that append nothing, however long they take.
//!
//! [`Dialect::log`]: super::dialect::Dialect::log

use super::batch::{Answers, Batch, Slot};
use super::dialect::Append;
use super::query::Query;
use super::row::{FromRow, Row};
use super::{Db, Tx};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::lifecycle;
use std::borrow::Cow;
use std::time::Duration;
use uuid::Uuid;

/// The channel that is woken when entries are committed.
pub const LOG_CHANNEL: &str = "log";
/// Most entries of one [`Log::append_many`].
pub const MAX_APPEND: usize = 1000;
/// Most entries that one [`Log::tail`] gives.
pub const MAX_TAIL: u32 = 10_000;
/// Entries that [`Log::lags`] counts for one consumer.
const MAX_COUNTED: i64 = 10_000;
/// Locks hold this many bits of a position.
const LOCK_BITS: u32 = 31;

/// An entry to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The id of what happened, by which a consumer knows it again.
    pub id: Uuid,
    /// What happened: `messages.posted`.
    pub name: String,
    /// The version of the form of `data`.
    pub version: i64,
    /// What it happened to; entries of one key stay in order. Empty when that means nothing.
    pub key: String,
    /// The facts, as JSON; it is not looked into.
    pub data: String,
    /// What is around them (trace, cause, actor), as JSON.
    pub meta: String,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position: rising, with gaps where transactions were rolled back.
    pub pos: i64,
    /// The id of what happened.
    pub id: Uuid,
    /// When it was appended, by the clock of the application.
    pub at: Timestamp,
    /// What happened.
    pub name: String,
    /// The version of the form of `data`.
    pub version: i64,
    /// What it happened to.
    pub key: String,
    /// The facts, as JSON.
    pub data: String,
    /// What is around them, as JSON.
    pub meta: String,
}

impl FromRow for Entry {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            pos: row.get_at(0, "pos")?,
            id: row.get_at(1, "id")?,
            at: Timestamp::from_micros(row.get_at(2, "at")?),
            name: row.get_at(3, "name")?,
            version: row.get_at(4, "version")?,
            key: row.get_at(5, "key")?,
            data: row.get_at(6, "data")?,
            meta: row.get_at(7, "meta")?,
        })
    }
}

/// What [`Log::tail`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The entries, by rising position.
    pub entries: Vec<Entry>,
    /// Everything up to here was read, also what has another name: ask for what comes after it the next time.
    pub mark: i64,
    /// Something after the mark is not committed yet. When it is rolled back nobody is woken, so look again soon.
    pub held: bool,
    /// The last position that was given to anybody when the reading began.
    pub last: i64,
}

/// How far a consumer is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The consumer.
    pub consumer: String,
    /// Its checkpoint.
    pub pos: i64,
    /// Entries after it, counted up to 10,000; also those that it will pass over.
    pub behind: i64,
    /// The age of the first of them.
    pub oldest: Option<Duration>,
}

/// The log of a database. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    db: Db,
}

impl Log {
    pub(super) fn new(db: &Db) -> Self {
        Self { db: db.primary() }
    }

    fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        self.db.query(sql).of_framework()
    }

    /// Appends an entry, gives its position, and wakes who listens to [`LOG_CHANNEL`] when `tx` is committed.
    pub async fn append(&self, tx: &Tx, entry: NewEntry) -> Result<i64> {
        let positions = self.append_many(tx, vec![entry]).await?;
        positions.first().copied().ok_or_else(|| Error::internal("the entry was given no position"))
    }

    /// Appends entries, in their order, and gives their positions. Limit: [`MAX_APPEND`] entries.
    ///
    /// On a server it is one round trip.
    pub async fn append_many(&self, tx: &Tx, entries: Vec<NewEntry>) -> Result<Vec<i64>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        if entries.len() > MAX_APPEND {
            let count = entries.len();
            return Err(Error::invalid(format!("{count} entries are more than {MAX_APPEND}")).hint("append in parts"));
        }
        let at = tx.clock().now().as_micros();
        let positions = match tx.db().dialect().log().append {
            Append::Each(sql) => append_each(tx, sql, at, entries).await?,
            Append::Lists { then, .. } if tx.holds_log() => append_lists(tx, then, at, entries).await?,
            Append::Lists { first, .. } => {
                let positions = append_lists(tx, first, at, entries).await?;
                tx.took_log();
                positions
            }
        };
        lifecycle::fault("log.appended");
        tx.wake(LOG_CHANNEL);
        Ok(positions)
    }

    /// The entries after position `after` with one of `names` (all when there are none), oldest first, at most `limit`.
    ///
    /// None is missed, whenever its transaction commits: continue after [`Tail::mark`], also when nothing was given.
    /// Limit: [`MAX_TAIL`] entries.
    pub async fn tail(&self, after: i64, names: &[&str], limit: u32) -> Result<Tail> {
        let limit = limit.clamp(1, MAX_TAIL);
        let columns = "SELECT pos, id, at, name, version, key, data, meta FROM sarsen_log WHERE pos > ?";
        let query = match names {
            [] => self.query(format!("{columns} ORDER BY pos LIMIT ?")).bind(after),
            names => self
                .query(format!("{columns} AND name IN (?) ORDER BY pos LIMIT ?"))
                .bind(after)
                .bind_list(names.to_vec()),
        };
        let mut batch = self.db.batch();
        let asked = self.ask(&mut batch);
        let entries = batch.all::<Entry>(query.bind(limit));
        let mut answers = batch.run_each().await?;
        let (Mark { mark, last }, mut entries) = (asked.mark(&mut answers)?, answers.take(entries)?);
        let all_read = entries.len() < limit as usize || entries.last().is_some_and(|last| last.pos > mark);
        entries.retain(|entry| entry.pos <= mark);
        let read = if all_read { mark } else { entries.last().map_or(mark, |last| last.pos) };
        Ok(Tail { entries, mark: read.max(after), held: last > mark, last })
    }

    /// The position up to which everything is committed or will never be.
    pub async fn mark(&self) -> Result<i64> {
        let mut batch = self.db.batch();
        let asked = self.ask(&mut batch);
        Ok(asked.mark(&mut batch.run_each().await?)?.mark)
    }

    /// Asks for the mark: what is asked after it sees all there is up to it.
    fn ask(&self, batch: &mut Batch<'_>) -> Asked {
        let phrases = self.db.dialect().log();
        let last = batch.all(self.query(phrases.last));
        Asked { last, locks: phrases.locks.map(|sql| batch.all(self.query(sql))) }
    }

    /// How far `consumer` has read; 0 when it is new.
    pub async fn checkpoint(&self, consumer: &str) -> Result<i64> {
        let row = self.query("SELECT pos FROM sarsen_checkpoints WHERE consumer = ? LIMIT 1").bind(consumer);
        Ok(row.optional::<(i64,)>().await?.map_or(0, |row| row.0))
    }

    /// How far `consumer` has read, once nobody is about to move its checkpoint: it stands until `tx` ends.
    pub(crate) async fn lock_checkpoint(&self, tx: &Tx, consumer: &str) -> Result<i64> {
        let sql = "INSERT INTO sarsen_checkpoints (consumer, pos) VALUES (?, 0) \
             ON CONFLICT (consumer) DO UPDATE SET pos = sarsen_checkpoints.pos RETURNING pos";
        tx.query(sql).of_framework().bind(consumer).scalar().await
    }

    /// Moves the checkpoint of `consumer` on, in the transaction that does what its entries ask for.
    ///
    /// False when it is not at `from` any more: somebody else did that work, so roll back.
    pub async fn advance(&self, tx: &Tx, consumer: &str, from: i64, to: i64) -> Result<bool> {
        if to < from {
            return Err(Error::invalid(format!("the checkpoint of `{consumer}` cannot go back from {from} to {to}"))
                .hint("use set_checkpoint"));
        }
        if from == 0 {
            let sql = "INSERT INTO sarsen_checkpoints (consumer, pos) VALUES (?, ?) \
                 ON CONFLICT (consumer) DO UPDATE SET pos = excluded.pos WHERE sarsen_checkpoints.pos = 0";
            return Ok(tx.query(sql).of_framework().bind(consumer).bind(to).execute().await? == 1);
        }
        let sql = "UPDATE sarsen_checkpoints SET pos = ? WHERE consumer = ? AND pos = ?";
        Ok(tx.query(sql).of_framework().bind(to).bind(consumer).bind(from).execute().await? == 1)
    }

    /// Puts the checkpoint of `consumer` anywhere: back to read again, or on to pass over.
    pub async fn set_checkpoint(&self, tx: &Tx, consumer: &str, to: i64) -> Result<()> {
        let sql = "INSERT INTO sarsen_checkpoints (consumer, pos) VALUES (?, ?) \
             ON CONFLICT (consumer) DO UPDATE SET pos = excluded.pos";
        tx.query(sql).of_framework().bind(consumer).bind(to).execute().await.map(drop)
    }

    /// Forgets `consumer`: what it has not read can be purged.
    pub async fn forget(&self, tx: &Tx, consumer: &str) -> Result<()> {
        let sql = "DELETE FROM sarsen_checkpoints WHERE consumer = ?";
        tx.query(sql).of_framework().bind(consumer).execute().await.map(drop)
    }

    /// How far each consumer is behind, by name.
    pub async fn lags(&self) -> Result<Vec<Lag>> {
        let sql = "SELECT c.consumer, c.pos, \
             (SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT 1 FROM sarsen_log l WHERE l.pos > c.pos LIMIT ?) AS unread), \
             (SELECT l.at FROM sarsen_log l WHERE l.pos > c.pos ORDER BY l.pos LIMIT 1) \
             FROM sarsen_checkpoints c ORDER BY c.consumer";
        let now = self.db.clock().now();
        let rows = self.query(sql).bind(MAX_COUNTED).all::<(String, i64, i64, Option<i64>)>().await?;
        let lag = |(consumer, pos, behind, at): (String, i64, i64, Option<i64>)| Lag {
            consumer,
            pos,
            behind,
            oldest: at.map(|at| now.since(Timestamp::from_micros(at))),
        };
        Ok(rows.into_iter().map(lag).collect())
    }

    /// Removes entries from before `before`, of the `limit` oldest, and says how many; never one that a consumer with a
    /// checkpoint has not read.
    pub async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mark = self.mark().await?;
        let sql = "DELETE FROM sarsen_log WHERE pos IN (SELECT pos FROM (SELECT pos, at FROM sarsen_log \
             WHERE pos <= COALESCE((SELECT MIN(pos) FROM sarsen_checkpoints), CAST(? AS BIGINT)) ORDER BY pos LIMIT ?) \
             AS oldest WHERE at < ?)";
        self.query(sql).bind(mark).bind(limit).bind(before.as_micros()).execute().await
    }
}

async fn append_each(tx: &Tx, sql: &'static str, at: i64, entries: Vec<NewEntry>) -> Result<Vec<i64>> {
    let mut positions = Vec::with_capacity(entries.len());
    for entry in entries {
        let query = tx.query(sql).of_framework().bind(entry.id).bind(at).bind(entry.name).bind(entry.version);
        positions.push(query.bind(entry.key).bind(entry.data).bind(entry.meta).scalar().await?);
    }
    Ok(positions)
}

async fn append_lists(tx: &Tx, sql: &'static str, at: i64, entries: Vec<NewEntry>) -> Result<Vec<i64>> {
    let list = |part: fn(&NewEntry) -> &String| entries.iter().map(part).collect::<Vec<_>>();
    let query = tx
        .query(sql)
        .of_framework()
        .bind_list(entries.iter().map(|entry| entry.id))
        .bind_list(vec![at; entries.len()])
        .bind_list(list(|entry| &entry.name))
        .bind_list(entries.iter().map(|entry| entry.version))
        .bind_list(list(|entry| &entry.key))
        .bind_list(list(|entry| &entry.data))
        .bind_list(list(|entry| &entry.meta));
    let mut positions: Vec<i64> = query.all::<(i64,)>().await?.into_iter().map(|row| row.0).collect();
    // They were drawn in the order of the entries.
    positions.sort_unstable();
    Ok(positions)
}

/// What was asked to find the mark.
struct Asked {
    last: Slot<Vec<(i64,)>>,
    locks: Option<Slot<Vec<(i64,)>>>,
}

impl Asked {
    fn mark(self, answers: &mut Answers) -> Result<Mark> {
        let last = answers.take(self.last)?.first().map_or(0, |row| row.0);
        let locks = self.locks.map_or(Ok(Vec::new()), |locks| answers.take(locks))?;
        Ok(Mark { mark: mark_of(last, &locks), last })
    }
}

/// How far it is safe to read, and the last position that was drawn.
struct Mark {
    mark: i64,
    last: i64,
}

/// The least of the last position and of the positions whose low bits are locked.
///
/// A lock is at most 2^30 away from the last position, before it or behind it: who locks reads the position at that moment.
fn mark_of(last: i64, locks: &[(i64,)]) -> i64 {
    let (span, half) = (1_i64 << LOCK_BITS, 1_i64 << (LOCK_BITS - 1));
    let whole = |low: i64| last + (low - last + half).rem_euclid(span) - half;
    locks.iter().map(|(low,)| whole(*low)).fold(last, i64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_from_the_low_bits_of_locks() {
        let low = |position: i64| (position & ((1 << LOCK_BITS) - 1),);
        assert_eq!(mark_of(10, &[]), 10);
        assert_eq!(mark_of(10, &[(7,), (9,)]), 7);
        assert_eq!(mark_of(10, &[(12,)]), 10, "who locked later draws behind");
        let wrap = 1 << LOCK_BITS;
        for last in [wrap - 1, wrap, wrap + 3, 5 * wrap - 1, 5 * wrap, 5 * wrap + 100] {
            assert_eq!(mark_of(last, &[low(last - 50), low(last - 2)]), last - 50, "{last}");
            assert_eq!(mark_of(last, &[low(last + 50)]), last, "{last}");
        }
    }
}
