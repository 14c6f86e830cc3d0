//! What is kept beyond the life of a process: an embedded database of its own, bounded in time and in bytes.
//!
//! Several processes may share it. What it holds of the application's database, it does not touch: a damaged or a full
//! store costs its history, and nothing else.

use super::error::{ErrorKey, Seen};
use super::frame::{Frame, NameKey};
use super::packed::{self, Facts, Key, number_of};
use super::recall;
use super::row::NameRow;
use super::sample::Kept;
use crate::clock::{Clock, Timestamp};
use crate::config::{DatabaseSection, Size, Url};
use crate::data::{Db, ModuleMigrations, Value};
use crate::error::{Error, Result};
use crate::telemetry::{OperationMeans, Reason};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(super) const MIGRATIONS: ModuleMigrations =
    ModuleMigrations { module: "sarsen", files: crate::migrations!["migrations/0001_store.sql"] };

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
/// How long minutes are kept; then there are only hours.
pub(super) const KEEP_MINUTES: Duration = Duration::from_secs(86_400);
/// How long it stays known what Operations cost under a build.
const KEEP_BUILDS: Duration = Duration::from_secs(90 * 86_400);
/// So often, in microseconds, it is written down that a key is in use.
const TOUCH: i64 = 120_000_000;
/// What the write-ahead log takes beside the file, at most.
const LOG: u64 = 5 << 20;
/// The least that a store may be told to hold.
pub(super) const LEAST: Size = Size(8 << 20);

/// Where the store is, and what it may hold.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(super) path: PathBuf,
    pub(super) keep: Duration,
    pub(super) max_size: Size,
    /// The roles of this process; it continues what one with the same roles wrote.
    pub(super) roles: String,
}

/// The store, for its one writer in this process.
#[derive(Debug)]
pub(super) struct Store {
    db: Db,
    place: Place,
    build: String,
    process: i64,
    /// The keys that are in it, and when that was written, in steps of `TOUCH`.
    known: HashMap<i64, i64>,
    writes: u64,
}

/// What an earlier life left.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub(super) hours: Vec<Frame>,
    pub(super) minutes: Vec<Frame>,
    pub(super) errors: Vec<(ErrorKey, Seen)>,
    pub(super) before: Vec<OperationMeans>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Minutes and hours, with their length; the last minute may still grow.
    pub(super) frames: Vec<(Duration, Frame)>,
    pub(super) samples: Vec<Kept>,
    pub(super) errors: Vec<(Arc<ErrorKey>, Seen)>,
    /// What Operations cost since the last time.
    pub(super) costs: Vec<(Arc<NameKey>, NameRow)>,
}

impl Store {
    /// Opens it, and reads what it holds. A damaged one is set aside, with a word, and a new one takes its place.
    pub(super) async fn open(place: &Place, build: &str, clock: &Clock) -> Result<(Store, Restored)> {
        match Self::open_once(place, build, clock).await {
            Err(error) if Db::is_damage(&error) => {
                let aside = set_aside(&place.path, clock.now())?;
                tracing::warn!(
                    store = %place.path.display(),
                    "the store of what was recorded is damaged; it was set aside as {}, and a new one begun: {}",
                    aside.display(),
                    error.report()
                );
                Self::open_once(place, build, clock).await
            }
            opened => opened,
        }
    }

    async fn open_once(place: &Place, build: &str, clock: &Clock) -> Result<(Store, Restored)> {
        let db = connect(&place.path, clock).await?;
        let (known, process) = (HashMap::new(), i64::from(std::process::id()));
        let mut store = Store { db, place: place.clone(), build: build.to_owned(), process, known, writes: 0 };
        let restored = store.restore().await;
        if restored.is_err() {
            store.db.close().await;
        }
        Ok((store, restored?))
    }

    async fn restore(&mut self) -> Result<Restored> {
        self.db.migrate(&[MIGRATIONS]).await?;
        let now = self.db.clock().now();
        let known = recall::keys(&self.db).await?;
        let roles = Some(self.place.roles.as_str());
        let hours = recall::frames(&self.db, &known, HOUR, now - self.place.keep, roles).await?;
        let minutes = recall::frames(&self.db, &known, MINUTE, now - 2 * HOUR, roles).await?;
        let errors = recall::errors(&self.db, &known).await?;
        let before = recall::before(&self.db, &known, &self.build).await?;
        self.bound().await?;
        Ok(Restored { hours, minutes, errors, before })
    }

    /// The database, for who reads.
    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// Writes what is new, all or nothing, and keeps the store within its bounds.
    pub(super) async fn write(&mut self, news: News) -> Result<()> {
        let now = self.db.clock().now();
        let mut keys: BTreeMap<i64, Key> = news.frames.iter().flat_map(|(_, frame)| packed::keys(frame)).collect();
        keys.extend(news.errors.iter().map(|(key, _)| (number_of(key), Key::Error(key.clone()))));
        keys.extend(news.costs.iter().map(|(key, _)| (number_of(key), Key::Name(key.clone()))));
        let touched = now.as_micros().div_euclid(TOUCH);
        keys.retain(|number, _| self.known.get(number) != Some(&touched));
        let mut batch = self.db.batch();
        if !keys.is_empty() {
            let sql = "INSERT INTO sarsen_insight_keys (id, sort, facts, used_at) VALUES (?, ?, ?, ?) \
                       ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at";
            let rows = keys.iter().map(|(number, key)| key_row(*number, key, now)).collect::<Result<_>>()?;
            batch.execute_many(self.db.query(sql), rows);
        }
        let frames: Vec<_> =
            news.frames.iter().map(|(length, frame)| self.frame_row(*length, frame)).collect::<Result<_>>()?;
        if !frames.is_empty() {
            let sql = "INSERT INTO sarsen_insight_frames (began_at, seconds, roles, process, build, packed) \
                       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (began_at, seconds, roles, process) \
                       DO UPDATE SET packed = excluded.packed, build = excluded.build";
            batch.execute_many(self.db.query(sql), frames);
        }
        let samples = self.sample_rows(&news.samples);
        if !samples.is_empty() {
            let sql = "INSERT INTO sarsen_insight_samples (id, began_at, operation, reason, wall, packed) \
                       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
            batch.execute_many(self.db.query(sql), samples);
        }
        if !news.errors.is_empty() {
            let sql = "INSERT INTO sarsen_insight_errors (id, first_at, last_at, sample) VALUES (?, ?, ?, ?) \
                       ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, sample = excluded.sample";
            batch.execute_many(self.db.query(sql), news.errors.iter().map(error_row).collect());
        }
        if !news.costs.is_empty() {
            let sql = "INSERT INTO sarsen_insight_builds (build, operation, seen_at, counted, cpu, queries, allocated, wall) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (build, operation) DO UPDATE SET \
                       seen_at = excluded.seen_at, counted = sarsen_insight_builds.counted + excluded.counted, \
                       cpu = sarsen_insight_builds.cpu + excluded.cpu, \
                       queries = sarsen_insight_builds.queries + excluded.queries, \
                       allocated = sarsen_insight_builds.allocated + excluded.allocated, \
                       wall = sarsen_insight_builds.wall + excluded.wall";
            let rows = news.costs.iter().map(|(key, row)| self.cost_row(key, row, now)).collect();
            batch.execute_many(self.db.query(sql), rows);
        }
        batch.run().await?;
        self.known.extend(keys.into_keys().map(|number| (number, touched)));
        if self.writes.is_multiple_of(60) {
            self.expire(now).await?;
        }
        self.writes += 1;
        self.bound().await
    }

    fn frame_row(&self, length: Duration, frame: &Frame) -> Result<Vec<Value>> {
        let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let began = frame.from.as_micros().div_euclid(micros) * micros;
        Ok(vec![
            Value::Int(began),
            Value::Int(i64::try_from(length.as_secs()).unwrap_or(i64::MAX)),
            Value::Text(self.place.roles.clone().into()),
            Value::Int(self.process),
            Value::Text(self.build.clone().into()),
            Value::Bytes(packed::pack(frame)?),
        ])
    }

    /// Those that fit: a flood of samples is kept in memory only.
    fn sample_rows(&self, samples: &[Kept]) -> Vec<Vec<Value>> {
        let mut room = usize::try_from(self.place.max_size.0 / 16).unwrap_or(usize::MAX);
        let fits = samples.iter().filter(|kept| {
            let fits = kept.packed.len() <= room;
            room -= if fits { kept.packed.len() } else { 0 };
            fits
        });
        fits.map(|kept| {
            let head = &kept.head;
            vec![
                Value::Text(head.id.clone().into()),
                Value::Int(head.at.as_micros()),
                Value::Int(number_of(&head.operation)),
                Value::Int(reason_number(head.reason)),
                Value::Int(signed(head.wall)),
                Value::Bytes(kept.packed.to_vec()),
            ]
        })
        .collect()
    }

    fn cost_row(&self, key: &Arc<NameKey>, row: &NameRow, now: Timestamp) -> Vec<Value> {
        let (cpu, queries, allocated, wall) = row.costs();
        let numbers = [row.count(), cpu, queries, allocated, wall].map(signed);
        let mut values =
            vec![Value::Text(self.build.clone().into()), Value::Int(number_of(key)), Value::Int(now.as_micros())];
        values.extend(numbers.map(Value::Int));
        values
    }

    /// Forgets what is too old.
    async fn expire(&mut self, now: Timestamp) -> Result<()> {
        let old = (now - self.place.keep).as_micros();
        let mut batch = self.db.batch();
        let sql = "DELETE FROM sarsen_insight_frames WHERE began_at < ? OR (began_at < ? AND seconds = 60)";
        batch.execute(self.db.query(sql).bind(old).bind((now - KEEP_MINUTES).as_micros()));
        batch.execute(self.db.query("DELETE FROM sarsen_insight_samples WHERE began_at < ?").bind(old));
        batch.execute(self.db.query("DELETE FROM sarsen_insight_errors WHERE last_at < ?").bind(old));
        let builds = (now - KEEP_BUILDS).as_micros();
        batch.execute(self.db.query("DELETE FROM sarsen_insight_builds WHERE seen_at < ?").bind(builds));
        // The names of Operations stay for what was before.
        let sql = "DELETE FROM sarsen_insight_keys WHERE used_at < ? AND (sort <> 0 OR used_at < ?)";
        let unused = (now - self.place.keep - 2 * HOUR).as_micros();
        batch.execute(self.db.query(sql).bind(unused).bind(builds));
        batch.run().await?;
        Ok(())
    }

    /// Deletes the oldest of all until what is left has room; what is deleted is written over later.
    async fn bound(&mut self) -> Result<()> {
        let log = with_end(&self.place.path, "-wal");
        if file_size(&log) > LOG / 4 {
            // Nothing is open that would end: it puts what is in the log into the file.
            self.db.close().await;
        }
        let room = self.place.max_size.0 - (self.place.max_size.0 / 2).min(LOG);
        let most = room / 100 * 75;
        if file_size(&self.place.path) + file_size(&log) <= most {
            return Ok(());
        }
        for _ in 0..100 {
            if self.content().await? <= signed(most) || !self.delete_the_oldest().await? {
                break;
            }
        }
        // The limit was higher once.
        if file_size(&self.place.path) > room {
            self.db.compact().await?;
        }
        Ok(())
    }

    /// About how many bytes are in use.
    async fn content(&self) -> Result<i64> {
        let sql = "SELECT (SELECT COALESCE(SUM(LENGTH(packed) + 200), 0) FROM sarsen_insight_frames) + \
                   (SELECT COALESCE(SUM(LENGTH(packed) + 300), 0) FROM sarsen_insight_samples) + \
                   (SELECT COALESCE(SUM(LENGTH(facts) + 150), 0) FROM sarsen_insight_keys) + \
                   (SELECT COUNT(*) * 200 FROM sarsen_insight_errors) + (SELECT COUNT(*) * 250 FROM sarsen_insight_builds)";
        // Rows of blobs leave part of their last page free.
        Ok(self.db.query(sql).scalar::<i64>().await? / 4 * 5)
    }

    /// An eighth of the frames, samples, errors and builds, and the keys that nothing speaks of any more. False when there
    /// was nothing to delete.
    async fn delete_the_oldest(&mut self) -> Result<bool> {
        let mut batch = self.db.batch();
        let mut slots = Vec::new();
        for (table, time) in [
            ("sarsen_insight_frames", "began_at"),
            ("sarsen_insight_samples", "began_at"),
            ("sarsen_insight_errors", "last_at"),
            ("sarsen_insight_builds", "seen_at"),
        ] {
            let sql = format!(
                "DELETE FROM {table} WHERE {time} < (SELECT {time} FROM {table} ORDER BY {time} LIMIT 1 \
                 OFFSET (SELECT COUNT(*) / 8 FROM {table}))"
            );
            slots.push(batch.execute(self.db.query(sql)));
        }
        // Those of the last minutes are in use; of the others an eighth goes where no frame is old enough to go.
        let sql = "DELETE FROM sarsen_insight_keys WHERE used_at < ? AND (used_at + ? < \
                   (SELECT MIN(began_at) FROM sarsen_insight_frames) OR used_at < (SELECT used_at FROM sarsen_insight_keys \
                   ORDER BY used_at LIMIT 1 OFFSET (SELECT COUNT(*) / 8 FROM sarsen_insight_keys))) \
                   AND NOT (sort = 0 AND id IN (SELECT operation FROM sarsen_insight_builds)) \
                   AND NOT (sort = 2 AND id IN (SELECT id FROM sarsen_insight_errors))";
        let unused = self.db.clock().now().as_micros() - TOUCH - 60_000_000;
        slots.push(batch.execute(self.db.query(sql).bind(unused).bind(TOUCH)));
        let mut answers = batch.run().await?;
        let deleted = slots.into_iter().map(|slot| answers.take(slot)).sum::<Result<u64>>()?;
        // Keys may be among what is gone.
        self.known.clear();
        Ok(deleted > 0)
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.db.close().await;
    }
}

/// A small database of its own.
pub(super) async fn connect(path: &Path, clock: &Clock) -> Result<Db> {
    let section = DatabaseSection {
        url: Url::embedded(&path.display().to_string()),
        connections: 2,
        mmap: Size(0),
        page_cache: Size(2 << 20),
        statement_cache: 64,
        aside: true,
        ..DatabaseSection::default()
    };
    Db::connect(&section, clock).await
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// Moves the file and what belongs to it out of the way.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf> {
    let time: String = now.to_string().chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    let aside = with_end(path, &format!(".broken-{time}"));
    std::fs::rename(path, &aside).map_err(|error| {
        Error::unavailable(format!("the damaged store {} cannot be set aside: {error}", path.display()))
            .hint("remove it, or name another place with telemetry.store")
    })?;
    for end in ["-wal", "-shm"] {
        let _ = std::fs::rename(with_end(path, end), with_end(&aside, end));
    }
    Ok(aside)
}

fn file_size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn key_row(number: i64, key: &Key, now: Timestamp) -> Result<Vec<Value>> {
    let facts = serde_json::to_string(&Facts::of(key));
    let facts = facts.map_err(|error| Error::internal("a key cannot be written").source(error))?;
    let sort: i64 = match key {
        Key::Name(_) => 0,
        Key::Cause(_) => 1,
        Key::Error(_) => 2,
    };
    Ok(vec![Value::Int(number), Value::Int(sort), Value::Text(facts.into()), Value::Int(now.as_micros())])
}

fn error_row((key, seen): &(Arc<ErrorKey>, Seen)) -> Vec<Value> {
    vec![
        Value::Int(number_of(key)),
        Value::Int(seen.first.as_micros()),
        Value::Int(seen.last.as_micros()),
        Value::Text(seen.sample.clone().unwrap_or_default().into()),
    ]
}

pub(super) fn reason_number(reason: Reason) -> i64 {
    match reason {
        Reason::Slow => 0,
        Reason::Random => 1,
        Reason::Failed => 2,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
