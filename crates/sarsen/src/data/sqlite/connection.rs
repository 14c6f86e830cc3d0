//! One SQLite connection: opened with our settings, running one statement at a time, with a deadline it keeps.

use crate::clock::{self, Ticks};
use crate::config::{DatabaseSection, Durability};
use crate::data::query::{Bind, Call};
use crate::data::row::{Layout, Row, RowSource, Rows};
use crate::data::statement::{Class, Token, tokens};
use crate::data::value::{Value, ValueRef};
use crate::error::{Error, Kind, Result};
use rusqlite::types::{ToSql, ToSqlOutput, Value as Owned, ValueRef as Borrowed};
use rusqlite::{ErrorCode, OpenFlags, ffi};
use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Virtual-machine steps between two looks at the deadline: some tens of microseconds.
const STEPS: i32 = 2000;

/// When the statement at hand must end.
#[derive(Debug, Default)]
struct Limit {
    /// In nanoseconds since `BASE`; 0 is never.
    at: AtomicU64,
    /// Set when nobody waits for the statement any more; of offloaded statements only.
    gone: Mutex<Option<Gone>>,
}

/// Whether the one who waited for an offloaded statement has gone.
pub(super) type Gone = Arc<AtomicBool>;

impl Limit {
    fn is_over(&self) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        let late = at != 0 && Ticks::now().as_nanos() >= at;
        late || self.gone().as_ref().is_some_and(|gone| gone.load(Ordering::Relaxed))
    }

    fn gone(&self) -> MutexGuard<'_, Option<Gone>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    inner: rusqlite::Connection,
    limit: Arc<Limit>,
}

impl Connection {
    pub(super) fn open(path: &Path, section: &DatabaseSection, reader: bool) -> Result<Self> {
        let mode = if reader {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        };
        let opened = rusqlite::Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let failed = |error: rusqlite::Error| {
            Error::unavailable(format!("the database file {} cannot be opened", path.display()))
                .source(error)
                .hint("check database.url, and that this user may write to the folder")
        };
        let inner = opened.map_err(failed)?;
        inner.busy_timeout(Duration::ZERO).map_err(failed)?;
        set_up(&inner, section, reader).map_err(failed)?;
        inner.set_prepared_statement_cache_capacity(section.statement_cache);
        let limit = Arc::new(Limit::default());
        let watched = limit.clone();
        inner.progress_handler(STEPS, Some(move || watched.is_over())).map_err(failed)?;
        Ok(Self { inner, limit })
    }

    pub(super) fn script(&self, sql: &str) -> Result<()> {
        self.inner.execute_batch(sql).map_err(|error| explain(&error, sql))
    }

    pub(super) fn is_open(&self) -> bool {
        !self.inner.is_autocommit()
    }

    /// Runs one statement; gives the number of rows returned or changed.
    pub(super) fn execute(&self, call: &Call, rows: &mut dyn Rows) -> Result<u64> {
        if let Some(many) = &call.many {
            return self.execute_many(call, many);
        }
        let sql = expanded(call);
        let fail = |error: rusqlite::Error| explain(&error, &call.text.statement.normalised);
        let mut statement = self.inner.prepare_cached(&sql).map_err(fail)?;
        for (index, value) in values(call).enumerate() {
            statement.raw_bind_parameter(index + 1, Bound(value)).map_err(fail)?;
        }
        let _limited = Limited::start(&self.limit, call.deadline);
        let before = if call.text.class == Class::Write { self.inner.total_changes() } else { 0 };
        let layout = Layout::of(&call.text, rows);
        let mut count = 0;
        let mut cursor = statement.raw_query();
        while let Some(row) = cursor.next().map_err(fail)? {
            let source = Source(row);
            let row = Row::new(&source, &layout);
            rows.row(&row)?;
            row.learned();
            count += 1;
        }
        layout.keep(&call.text, rows);
        Ok(match call.text.class {
            Class::Read => count,
            // What changes no row (DDL) leaves the count of the statement before it.
            Class::Write if self.inner.total_changes() == before => 0,
            Class::Write => self.inner.changes(),
        })
    }

    /// Runs one statement once for each of `many`; gives the number of rows changed.
    fn execute_many(&self, call: &Call, many: &[Vec<Value>]) -> Result<u64> {
        let fail = |error: rusqlite::Error| explain(&error, &call.text.statement.normalised);
        let mut statement = self.inner.prepare_cached(&call.text.translated).map_err(fail)?;
        let _limited = Limited::start(&self.limit, call.deadline);
        let mut changed = 0;
        for values in many {
            for (index, value) in values.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, Bound(value)).map_err(fail)?;
            }
            let before = self.inner.total_changes();
            let mut cursor = statement.raw_query();
            while cursor.next().map_err(fail)?.is_some() {}
            if self.inner.total_changes() != before {
                changed += self.inner.changes();
            }
        }
        Ok(changed)
    }

    /// Changes when another process committed something; not for what this connection commits.
    pub(super) fn foreign_commits(&self) -> Option<i64> {
        self.inner.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
    }

    /// Runs a statement on a thread for blocking work, until the [`Waiting`] that gave `gone` is dropped.
    pub(super) fn timed(&self, call: &Call, rows: &mut dyn Rows, gone: &Gone) -> (Result<u64>, Duration) {
        let started = Ticks::now();
        if gone.load(Ordering::Relaxed) {
            return (Err(Error::new(Kind::Timeout, "nobody waits for the statement any more")), Duration::ZERO);
        }
        *self.limit.gone() = Some(gone.clone());
        let _watched = Watched(&self.limit);
        let ran = self.execute(call, rows);
        (ran, Ticks::now() - started)
    }
}

/// Another process may be making the file, or mending it after a crash: that is waited for. Not by SQLite's own wait,
/// which the change to WAL does not always keep.
fn set_up(inner: &rusqlite::Connection, section: &DatabaseSection, reader: bool) -> rusqlite::Result<()> {
    let (settings, latest) = (settings(section, reader), Ticks::now() + section.acquire_timeout.0);
    loop {
        match inner.execute_batch(&settings) {
            Err(error) if is_busy(&error) && Ticks::now() < latest => {
                clock::pause_thread(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn settings(section: &DatabaseSection, reader: bool) -> String {
    let synchronous = match section.durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    let kilobytes = section.page_cache.0 / 1024;
    let journal = if reader {
        "PRAGMA query_only = ON;"
    } else {
        "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864;"
    };
    format!(
        "{journal} PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA mmap_size = {}; PRAGMA cache_size = -{kilobytes}; PRAGMA temp_store = MEMORY;",
        section.mmap.0
    )
}

struct Limited<'a>(&'a Limit);

impl<'a> Limited<'a> {
    fn start(limit: &'a Limit, deadline: Ticks) -> Self {
        limit.at.store(deadline.as_nanos().max(1), Ordering::Relaxed);
        Self(limit)
    }
}

impl Drop for Limited<'_> {
    fn drop(&mut self) {
        self.0.at.store(0, Ordering::Relaxed);
    }
}

/// A statement that somebody waits for. The connection forgets them also when reading a row panics.
struct Watched<'a>(&'a Limit);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        *self.0.gone() = None;
    }
}

/// Waits for an offloaded statement; dropped, it stops the statement, also one that has not begun.
#[derive(Default)]
pub(super) struct Waiting(Gone);

impl Waiting {
    pub(super) fn gone(&self) -> Gone {
        self.0.clone()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn values(call: &Call) -> impl Iterator<Item = &Value> {
    call.binds.iter().flat_map(|bind| match bind {
        Bind::One(value) => std::slice::from_ref(value).iter().chain(std::iter::repeat_n(&Value::Null, 0)),
        Bind::List(values) => {
            let last = values.last().unwrap_or(&Value::Null);
            values.iter().chain(std::iter::repeat_n(last, padded(values.len()) - values.len()))
        }
    })
}

/// Lists are padded with their last value to a power of two, so that few distinct texts are prepared.
fn padded(length: usize) -> usize {
    if length == 0 { 0 } else { length.next_power_of_two() }
}

/// The text with as many placeholders as the lists have values.
fn expanded(call: &Call) -> Cow<'_, str> {
    let sql = &call.text.translated;
    if call.binds.iter().all(|bind| matches!(bind, Bind::One(_))) {
        return Cow::Borrowed(sql);
    }
    let (mut out, mut copied) = (String::with_capacity(sql.len() + 64), 0);
    let places = tokens(sql).filter(|(token, _)| *token == Token::Placeholder);
    for (bind, (_, range)) in call.binds.iter().zip(places) {
        let Bind::List(values) = bind else { continue };
        out.push_str(&sql[copied..range.start]);
        out.push_str(&vec!["?"; padded(values.len())].join(","));
        copied = range.end;
    }
    out.push_str(&sql[copied..]);
    Cow::Owned(out)
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(Borrowed::Null),
            Value::Bool(value) => ToSqlOutput::Borrowed(Borrowed::Integer((*value).into())),
            Value::Int(value) => ToSqlOutput::Borrowed(Borrowed::Integer(*value)),
            Value::Float(value) => ToSqlOutput::Borrowed(Borrowed::Real(*value)),
            Value::Text(value) => ToSqlOutput::Borrowed(Borrowed::Text(value.as_bytes())),
            Value::Json(value) => ToSqlOutput::Borrowed(Borrowed::Text(value.as_bytes())),
            Value::Bytes(value) => ToSqlOutput::Borrowed(Borrowed::Blob(value)),
            Value::Uuid(value) => ToSqlOutput::Borrowed(Borrowed::Blob(value.as_bytes())),
            Value::Timestamp(value) => ToSqlOutput::Owned(Owned::Text(value.to_string())),
        })
    }
}

struct Source<'a, 's>(&'a rusqlite::Row<'s>);

impl RowSource for Source<'_, '_> {
    fn columns(&self) -> usize {
        self.0.as_ref().column_count()
    }
    fn column_name(&self, index: usize) -> &str {
        self.0.as_ref().column_name(index).unwrap_or_default()
    }
    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        let value = self.0.get_ref(index).map_err(|error| explain(&error, "a column"))?;
        Ok(match value {
            Borrowed::Null => ValueRef::Null,
            Borrowed::Integer(value) => ValueRef::Int(value),
            Borrowed::Real(value) => ValueRef::Float(value),
            Borrowed::Blob(value) => ValueRef::Bytes(value),
            Borrowed::Text(value) => ValueRef::Text(
                std::str::from_utf8(value)
                    .map_err(|error| Error::internal("a column holds text that is not UTF-8").source(error))?,
            ),
        })
    }
}

fn explain(error: &rusqlite::Error, what: &str) -> Error {
    let code = error.sqlite_error();
    let (kind, says) = match code.map(|code| (code.code, code.extended_code)) {
        Some((_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)) => {
            (Kind::Conflict, "it exists already")
        }
        Some((_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY)) => {
            (Kind::Conflict, "what it refers to does not exist, or is still referred to")
        }
        Some((ErrorCode::ConstraintViolation, _)) => (Kind::Invalid, "a constraint of the table refuses it"),
        Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => (Kind::Unavailable, "another process writes"),
        Some((ErrorCode::OperationInterrupted, _)) => (Kind::Timeout, "the statement ran until its deadline"),
        Some((ErrorCode::TooBig, _)) => (Kind::Invalid, "a value is too large"),
        Some((ErrorCode::DiskFull, _)) => (Kind::Unavailable, "the disk is full"),
        Some((ErrorCode::SystemIoFailure | ErrorCode::CannotOpen, _)) => {
            (Kind::Unavailable, "the database file cannot be read or written")
        }
        Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => {
            (Kind::Internal, "the database file is damaged")
        }
        _ => (Kind::Internal, "the database refused the statement"),
    };
    Error::new(kind, says).source(format!("{error} in: {what}"))
}
