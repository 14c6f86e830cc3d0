//! What is kept beyond the life of a process: an embedded database of its own, bounded in time and in bytes.
//!
//! Several processes may share it. What it holds of the application's database, it does not touch: a damaged or a full
//! store costs its history, and nothing else.

use super::error::{ErrorKey, Errors, Seen};
use super::frame::{Frame, Gathered, NameKey};
use super::packed::{self, Facts, Key, number_of};
use super::row::NameRow;
use super::sample::{Kept, SampleFilter};
use crate::clock::{Clock, Timestamp};
use crate::config::{DatabaseSection, Size, Url};
use crate::data::{Db, ModuleMigrations, Value};
use crate::error::{Error, Kind, Result};
use crate::telemetry::{OperationMeans, Reason};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const MIGRATIONS: ModuleMigrations =
    ModuleMigrations { module: "sarsen", files: crate::migrations!["migrations/0001_store.sql"] };

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// How long minutes are kept; then there are only hours.
const KEEP_MINUTES: Duration = Duration::from_secs(86_400);
/// How long it stays known what Operations cost under a build.
const KEEP_BUILDS: Duration = Duration::from_secs(90 * 86_400);
/// So often, in microseconds, it is written down that a key is in use.
const TOUCH: i64 = 120_000_000;
/// What the write-ahead log takes beside the file, at most.
const LOG: u64 = 5 << 20;
/// The least that a store may be told to hold.
pub(super) const LEAST: Size = Size(8 << 20);
/// Most rows that one look reads.
const MOST: i64 = 50_000;

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
        let known = keys(&self.db).await?;
        let roles = Some(self.place.roles.as_str());
        let hours = frames(&self.db, &known, HOUR, now - self.place.keep, roles).await?;
        let minutes = frames(&self.db, &known, MINUTE, now - 2 * HOUR, roles).await?;
        let errors = errors(&self.db, &known).await?;
        let before = before(&self.db, &known, &self.build).await?;
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
async fn connect(path: &Path, clock: &Clock) -> Result<Db> {
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

async fn keys(db: &Db) -> Result<HashMap<i64, Key>> {
    let sql = "SELECT id, facts FROM sarsen_insight_keys ORDER BY used_at DESC LIMIT ?";
    let rows: Vec<(i64, String)> = db.query(sql).bind(MOST).all().await?;
    let read = |(id, facts): (i64, String)| Some((id, serde_json::from_str::<Facts>(&facts).ok()?.key()));
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Frames since a moment, one for each time, oldest first; of all roles where none are named.
async fn frames(
    db: &Db,
    known: &HashMap<i64, Key>,
    length: Duration,
    since: Timestamp,
    roles: Option<&str>,
) -> Result<Vec<Frame>> {
    let sql = "SELECT began_at, packed FROM sarsen_insight_frames WHERE began_at >= ? AND seconds = ? \
               AND (? = '' OR roles = ?) ORDER BY began_at LIMIT ?";
    let (seconds, roles) = (i64::try_from(length.as_secs()).unwrap_or(i64::MAX), roles.unwrap_or_default());
    let query = db.query(sql).bind(since.as_micros()).bind(seconds).bind(roles).bind(roles).bind(MOST);
    let rows: Vec<(i64, Vec<u8>)> = query.all().await?;
    let mut by_time: BTreeMap<i64, Vec<Frame>> = BTreeMap::new();
    for (began, packed) in rows {
        // One that cannot be read is left out: another version may have written it.
        if let Ok(frame) = packed::unpack(&packed, known) {
            by_time.entry(began).or_default().push(frame);
        }
    }
    Ok(by_time.into_values().filter_map(at_once).collect())
}

/// What several processes did in the same span, as one.
fn at_once(mut frames: Vec<Frame>) -> Option<Frame> {
    if frames.len() < 2 {
        return frames.pop();
    }
    let longest = frames.iter().map(|frame| frame.span).max()?;
    let from = frames.iter().map(|frame| frame.from).min()?;
    let to = frames.iter().map(|frame| frame.to).max()?;
    let mut gathered = Gathered::default();
    frames.iter().for_each(|frame| gathered.add(frame));
    (gathered.from, gathered.to, gathered.span) = (from, to, longest);
    Some(gathered.frame())
}

/// The means of the build before this one.
async fn before(db: &Db, known: &HashMap<i64, Key>, build: &str) -> Result<Vec<OperationMeans>> {
    let sql = "SELECT build FROM sarsen_insight_builds WHERE build <> ? ORDER BY seen_at DESC LIMIT 1";
    let Some((last,)) = db.query(sql).bind(build).optional::<(String,)>().await? else { return Ok(Vec::new()) };
    let sql = "SELECT operation, counted, cpu, queries, allocated, wall FROM sarsen_insight_builds WHERE build = ? \
               ORDER BY wall DESC LIMIT 2000";
    let rows: Vec<(i64, i64, i64, i64, i64, i64)> = db.query(sql).bind(last.as_str()).all().await?;
    let means = rows.into_iter().filter_map(|(operation, counted, cpu, queries, allocated, wall)| {
        let Key::Name(key) = known.get(&operation)? else { return None };
        let mean = |sum: i64| sum as f64 / counted.max(1) as f64;
        Some(OperationMeans {
            operation: key.operation(),
            build: last.clone(),
            count: counted.unsigned_abs(),
            cpu: mean(cpu),
            queries: mean(queries),
            allocated: mean(allocated),
            wall: mean(wall),
        })
    });
    Ok(means.collect())
}

async fn errors(db: &Db, known: &HashMap<i64, Key>) -> Result<Vec<(ErrorKey, Seen)>> {
    let sql = "SELECT id, first_at, last_at, sample FROM sarsen_insight_errors ORDER BY last_at DESC LIMIT 1000";
    let rows: Vec<(i64, i64, i64, String)> = db.query(sql).all().await?;
    let found = rows.into_iter().filter_map(|(id, first, last, sample)| {
        let Key::Error(key) = known.get(&id)? else { return None };
        let (first, last) = (Timestamp::from_micros(first), Timestamp::from_micros(last));
        let sample = (!sample.is_empty()).then_some(sample);
        Some((ErrorKey::clone(key), Seen { first, last, sample, new: false }))
    });
    Ok(found.collect())
}

/// Samples of the store that fit, the slowest first.
pub(super) async fn samples(db: &Db, filter: &SampleFilter) -> Result<Vec<Vec<u8>>> {
    let operation = filter.operation.as_ref().map_or(0, number_of);
    let reason = filter.reason.map_or(-1, reason_number);
    let sql = "SELECT packed FROM sarsen_insight_samples WHERE (? = 0 OR operation = ?) AND (? = -1 OR reason = ?) \
               ORDER BY wall DESC LIMIT ?";
    let query = db.query(sql).bind(operation).bind(operation).bind(reason).bind(reason);
    let rows: Vec<(Vec<u8>,)> = query.bind(i64::try_from(filter.most()).unwrap_or(MOST)).all().await?;
    Ok(rows.into_iter().map(|(packed,)| packed).collect())
}

/// One sample of the store.
pub(super) async fn sample(db: &Db, id: &str) -> Result<Option<Vec<u8>>> {
    let found = db.query("SELECT packed FROM sarsen_insight_samples WHERE id = ?").bind(id).optional::<(Vec<u8>,)>();
    Ok(found.await?.map(|(packed,)| packed))
}

/// What all processes wrote down since a moment, minute by minute up to a day ago, hour by hour before; and the errors.
pub(super) async fn history(db: &Db, since: Timestamp) -> Result<(Vec<Frame>, Errors)> {
    let known = keys(db).await?;
    let minutes = since >= db.clock().now() - KEEP_MINUTES;
    let mut seen = Errors::default();
    errors(db, &known).await?.into_iter().for_each(|(key, when)| seen.restore(key, when));
    Ok((frames(db, &known, if minutes { MINUTE } else { HOUR }, since, None).await?, seen))
}

/// The store of another process, for looking at it; an error when there is none.
pub(super) async fn look(path: &Path, clock: &Clock) -> Result<Db> {
    if !path.exists() {
        return Err(Error::new(Kind::NotFound, format!("there is no store at {}", path.display()))
            .hint("start the application once, or see telemetry.store"));
    }
    let db = connect(path, clock).await?;
    db.migrate(&[MIGRATIONS]).await?;
    Ok(db)
}

/// The build that was last seen to work.
pub(super) async fn last_build(db: &Db) -> Result<String> {
    let sql = "SELECT build FROM sarsen_insight_frames ORDER BY began_at DESC LIMIT 1";
    Ok(db.query(sql).optional::<(String,)>().await?.map(|(build,)| build).unwrap_or_default())
}

/// What Operations cost before a build.
pub(super) async fn means_before(db: &Db, build: &str) -> Result<Vec<OperationMeans>> {
    before(db, &keys(db).await?, build).await
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

fn reason_number(reason: Reason) -> i64 {
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
mod tests {
    use super::*;
    use crate::insight::Insight;
    use crate::telemetry::{Operation, OperationKind, Outcome, Recorder, Snapshot};

    const START: i64 = 1_767_225_600_000_000;

    struct Setup {
        folder: tempfile::TempDir,
        clock: Clock,
    }

    impl Setup {
        fn new() -> Self {
            let clock = Clock::simulated(Timestamp::from_micros(START));
            Self { folder: tempfile::tempdir().expect("a folder"), clock }
        }

        fn place(&self, max_size: u64) -> Place {
            let (path, keep) = (self.folder.path().join("insight.db"), Duration::from_secs(7 * 86_400));
            Place { path, keep, max_size: Size(max_size), roles: "web+worker".into() }
        }

        /// A process that found what an earlier one left.
        async fn process(&self, place: &Place, build: &str) -> (Insight, Recorder, Store) {
            let recorder = Recorder::new(1);
            let insight = Insight::new(&recorder, &self.clock, build);
            let (store, restored) = Store::open(place, build, &self.clock).await.expect("opens");
            insight.restore(store.db().clone(), restored);
            (insight, recorder, store)
        }

        /// So many seconds in which `each` closes Operations, as the collector sees them.
        fn seconds(&self, insight: &Insight, seconds: u64, mut each: impl FnMut(u64)) {
            for second in 0..seconds {
                each(second);
                self.clock.advance(Duration::from_secs(1));
                insight.collect();
            }
        }

        /// Bytes of all files of the store.
        fn size(&self) -> u64 {
            let files = std::fs::read_dir(self.folder.path()).expect("a folder");
            files.map(|file| file.expect("a file").metadata().expect("a size").len()).sum()
        }
    }

    fn close(recorder: &Recorder, name: &str, error: Option<&str>) {
        let operation = Operation::open(OperationKind::Request, name, recorder);
        if let Some(error) = error {
            operation.set_error(&Error::internal(error.to_owned()));
        }
        operation.close(Outcome::Status(if error.is_some() { 500 } else { 200 }));
    }

    fn count(snapshot: &Snapshot, name: &str) -> u64 {
        snapshot.operations.iter().filter(|operation| operation.name == name).map(|operation| operation.all.count).sum()
    }

    #[tokio::test]
    async fn a_restart_keeps_the_history_the_samples_and_the_errors() {
        let setup = Setup::new();
        let place = setup.place(50 << 20);
        let (insight, recorder, mut store) = setup.process(&place, "1").await;
        setup.seconds(&insight, 150, |_| {
            close(&recorder, "GET /a", None);
            close(&recorder, "GET /b", Some("no user 7"));
        });
        store.write(insight.take_news(true)).await.expect("writes");
        let before = insight.snapshot(Duration::from_secs(600));
        let id = before.errors[0].sample.clone().expect("a sample");
        store.close().await;

        let (insight, recorder, mut store) = setup.process(&place, "2").await;
        setup.seconds(&insight, 1, |_| close(&recorder, "GET /a", None));
        let after = insight.snapshot(Duration::from_secs(600));
        assert_eq!((count(&after, "GET /a"), count(&after, "GET /b")), (151, 150));
        let group = &after.errors[0];
        assert_eq!((group.message.as_str(), group.count, group.first), ("no user #", 150, before.errors[0].first));
        assert_eq!(insight.sample(&id).await.expect("is kept").error.as_deref(), Some("no user #"));
        let filter = SampleFilter { reason: Some(Reason::Failed), ..SampleFilter::default() };
        assert!(insight.samples(&filter).await.len() >= 5);
        let means = after.before.iter().find(|means| means.operation.1 == "GET /a").expect("was there");
        assert_eq!((means.build.as_str(), means.count), ("1", 150));
        assert!(means.wall > 0.0);
        // The same build again: what was before it stays what was before it.
        store.write(insight.take_news(true)).await.expect("writes");
        store.close().await;
        let (insight, ..) = setup.process(&place, "2").await;
        insight.collect();
        assert_eq!(insight.snapshot(Duration::from_secs(1)).before[0].build, "1");
    }

    #[tokio::test]
    async fn what_was_not_written_is_all_that_is_lost() {
        let setup = Setup::new();
        let place = setup.place(50 << 20);
        let (insight, recorder, mut store) = setup.process(&place, "1").await;
        for _ in 0..7 {
            setup.seconds(&insight, 10, |_| close(&recorder, "GET /a", None));
            store.write(insight.take_news(true)).await.expect("writes");
        }
        setup.seconds(&insight, 9, |_| close(&recorder, "GET /a", None));
        // Neither is closed: the process is gone.
        std::mem::forget((insight, store));
        let (insight, ..) = setup.process(&place, "1").await;
        insight.collect();
        assert_eq!(count(&insight.snapshot(Duration::from_secs(600)), "GET /a"), 70);
    }

    #[tokio::test]
    async fn two_processes_write_to_one_store() {
        let setup = Setup::new();
        let place = setup.place(50 << 20);
        let (web, recorder, mut store) = setup.process(&place, "1").await;
        setup.seconds(&web, 61, |_| close(&recorder, "GET /a", None));
        store.write(web.take_news(true)).await.expect("writes");
        let worker_place = Place { roles: "worker".into(), ..place.clone() };
        let (worker, recorder, mut other) = setup.process(&worker_place, "1").await;
        worker.collect();
        assert_eq!(count(&worker.snapshot(Duration::from_secs(600)), "GET /a"), 0, "that was another's");
        setup.seconds(&worker, 5, |_| close(&recorder, "send", None));
        other.write(worker.take_news(true)).await.expect("writes");
        store.write(web.take_news(true)).await.expect("writes");
        let (seen, _) = history(store.db(), Timestamp::from_micros(START)).await.expect("reads");
        let mut gathered = Gathered::default();
        seen.iter().for_each(|frame| gathered.add(frame));
        let names: Vec<_> = gathered.names.iter().map(|(key, row)| (key.name.as_str(), row.count())).collect();
        assert!(names.contains(&("GET /a", 61)) && names.contains(&("send", 5)), "{names:?}");
    }

    #[tokio::test]
    async fn a_damaged_store_is_set_aside_and_a_new_one_begun() {
        for damage in [b"This is no database, whoever calls it one.".repeat(200), vec![0xff; 9_000]] {
            let setup = Setup::new();
            let place = setup.place(50 << 20);
            std::fs::write(&place.path, &damage).expect("writes");
            let (insight, recorder, mut store) = setup.process(&place, "1").await;
            setup.seconds(&insight, 2, |_| close(&recorder, "GET /a", None));
            store.write(insight.take_news(true)).await.expect("writes");
            store.close().await;
            let aside = setup.folder.path().join("insight.db.broken-20260101T000000");
            assert_eq!(std::fs::read(aside).expect("is there"), damage);
        }
    }

    #[tokio::test]
    async fn damage_in_the_middle_is_found_when_it_is_read() {
        let setup = Setup::new();
        let place = setup.place(50 << 20);
        let (insight, recorder, mut store) = setup.process(&place, "1").await;
        setup.seconds(&insight, 70, |second| close(&recorder, &format!("GET /{second}"), None));
        store.write(insight.take_news(true)).await.expect("writes");
        store.close().await;
        let mut bytes = std::fs::read(&place.path).expect("reads");
        bytes[4_096..].fill(0xa5);
        std::fs::write(&place.path, bytes).expect("writes");
        let (insight, ..) = setup.process(&place, "1").await;
        insight.collect();
        assert!(insight.snapshot(Duration::from_secs(600)).operations.is_empty());
    }

    #[tokio::test]
    async fn a_flood_of_names_queries_and_errors_stays_within_the_bound() {
        let (setup, most) = (Setup::new(), 2 * LEAST.0);
        let place = setup.place(most);
        let (insight, recorder, mut store) = setup.process(&place, "1").await;
        let mut largest = 0;
        for _ in 0..60 {
            setup.seconds(&insight, 10, |_| {
                for number in 0..200 {
                    let text: String = (0..20).map(|_| fastrand::alphabetic()).collect();
                    close(&recorder, &format!("GET /{text}"), (number % 4 == 0).then_some(&text));
                }
            });
            store.write(insight.take_news(true)).await.expect("writes");
            largest = largest.max(setup.size());
        }
        assert!(largest <= most, "{largest} of {most}");
        store.close().await;
        let (insight, ..) = setup.process(&place, "1").await;
        insight.collect();
        assert!(!insight.snapshot(Duration::from_secs(600)).operations.is_empty(), "the newest is kept");
        // A lower limit gives the space back.
        let lower = setup.place(LEAST.0);
        let (_, _, store) = setup.process(&lower, "1").await;
        store.close().await;
        assert!(setup.size() <= LEAST.0, "{}", setup.size());
    }

    #[tokio::test]
    async fn what_is_old_is_forgotten() {
        let setup = Setup::new();
        let place = setup.place(50 << 20);
        let (insight, recorder, mut store) = setup.process(&place, "1").await;
        setup.seconds(&insight, 61, |_| close(&recorder, "GET /a", Some("fault")));
        store.write(insight.take_news(true)).await.expect("writes");
        setup.clock.advance(Duration::from_secs(8 * 86_400));
        store.expire(setup.clock.now()).await.expect("expires");
        for table in ["frames", "samples", "errors"] {
            let sql = format!("SELECT COUNT(*) FROM sarsen_insight_{table}");
            assert_eq!(store.db().query(sql).scalar::<i64>().await.expect("counts"), 0, "{table}");
        }
    }
}
