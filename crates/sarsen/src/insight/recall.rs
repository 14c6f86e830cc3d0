//! What the store gives back: to the next process, to who looks for what is older, and to who looks while none answers.

use super::error::{ErrorKey, Errors, Seen};
use super::frame::{Frame, Gathered};
use super::packed::{self, Facts, Key, number_of};
use super::sample::SampleFilter;
use super::store::{HOUR, KEEP_MINUTES, MIGRATIONS, MINUTE, connect, reason_number};
use crate::clock::{Clock, Timestamp};
use crate::data::Db;
use crate::error::{Error, Kind, Result};
use crate::telemetry::OperationMeans;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

/// Most rows that one look reads.
const MOST: i64 = 50_000;

pub(super) async fn keys(db: &Db) -> Result<HashMap<i64, Key>> {
    let sql = "SELECT id, facts FROM sarsen_insight_keys ORDER BY used_at DESC LIMIT ?";
    let rows: Vec<(i64, String)> = db.query(sql).bind(MOST).all().await?;
    let read = |(id, facts): (i64, String)| Some((id, serde_json::from_str::<Facts>(&facts).ok()?.key()));
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Frames since a moment, one for each time, oldest first; of all roles where none are named.
pub(super) async fn frames(
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
pub(super) async fn before(db: &Db, known: &HashMap<i64, Key>, build: &str) -> Result<Vec<OperationMeans>> {
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

pub(super) async fn errors(db: &Db, known: &HashMap<i64, Key>) -> Result<Vec<(ErrorKey, Seen)>> {
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
