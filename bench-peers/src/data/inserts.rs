//! Inserts a second of 50 callers at once, whose writes share commits, beside one caller after another.

use super::NAME;
use crate::Outcome;
use crate::report::Measurement;
use sarsen::config::{DatabaseSection, Durability, Url};
use sarsen::{Clock, Db, clock, lifecycle};
use std::time::Duration;

const CALLERS: usize = 50;
const TABLE: &str =
    "CREATE TABLE bench_inserts (number INTEGER PRIMARY KEY, caller BIGINT NOT NULL, text TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO bench_inserts (caller, text) VALUES (?, ?)";
const TEXT: &str = "It is about as long as what people write to each other, which is a line or so at a time.";

pub(super) async fn run(folder: &str, quick: bool) -> Outcome<()> {
    let time = if quick { Duration::from_millis(300) } else { Duration::from_secs(3) };
    for (durability, name) in [(Durability::Normal, "NORMAL"), (Durability::Full, "FULL")] {
        let file = format!("{folder}/inserts-{name}.db");
        let section =
            DatabaseSection { url: Url::new(format!("sqlite:{file}")), durability, ..DatabaseSection::default() };
        let db = Db::connect(&section, &Clock::default()).await?;
        db.query(TABLE).execute().await?;
        let bare = bare(&file, name, time)?;
        let alone = together(&db, 1, time).await?;
        let all = together(&db, CALLERS, time).await?;
        let case = format!("sqlite inserts, {CALLERS} callers, {name}");
        rate(&case, all, "one by one", alone)?;
        rate(&case, all, "rusqlite, one by one", bare)?;
        rate(&format!("sqlite inserts, one by one, {name}"), alone, "rusqlite, one by one", bare)?;
    }
    Ok(())
}

/// Inserts a second when so many callers insert without a pause.
async fn together(db: &Db, callers: usize, time: Duration) -> Outcome<f64> {
    let started = clock::monotonic();
    let tasks: Vec<_> =
        (0..callers as i64).map(|caller| lifecycle::spawn(insert(db.clone(), caller, started + time))).collect();
    let mut inserts = 0.0;
    for task in tasks {
        inserts += task.await??;
    }
    Ok(inserts / (clock::monotonic() - started).as_secs_f64())
}

async fn insert(db: Db, caller: i64, until: std::time::Instant) -> sarsen::Result<f64> {
    let mut inserts = 0.0;
    while clock::monotonic() < until {
        db.query(INSERT).bind(caller).bind(TEXT).execute().await?;
        inserts += 1.0;
    }
    Ok(inserts)
}

/// The same through the bare driver, each in its own commit.
fn bare(file: &str, synchronous: &str, time: Duration) -> Outcome<f64> {
    let connection = rusqlite::Connection::open(file)?;
    let settings =
        format!("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};");
    connection.execute_batch(&settings)?;
    let started = clock::monotonic();
    let mut inserts = 0.0;
    while clock::monotonic() < started + time {
        connection.prepare_cached(INSERT)?.execute(rusqlite::params![0, TEXT])?;
        inserts += 1.0;
    }
    Ok(inserts / (clock::monotonic() - started).as_secs_f64())
}

/// More is better here, so the ratio is ours through theirs.
fn rate(case: &str, value: f64, against: &str, against_value: f64) -> Outcome<()> {
    let ratio = value / against_value;
    Measurement { bench: NAME, case, value, unit: "inserts/s", against, against_value, ratio }.print()
}
