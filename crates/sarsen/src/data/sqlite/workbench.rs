//! Tables copied to a file of their own, with a part of their rows: indexes are made there, and queries run there.

use super::offload;
use crate::clock;
use crate::data::plan::{Bench, Given, IndexFacts, Plan, TableFacts};
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, StatementStatus};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a query is run; the quickest run counts.
const RUNS: u32 = 3;
/// Rows of a page.
const PAGE: i64 = 50;

/// The copy; its file goes with it.
#[derive(Debug)]
struct Copy {
    connection: Option<Connection>,
    tables: Vec<TableFacts>,
    _file: File,
}

#[derive(Debug)]
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

/// Copies `tables` of the database `live`, at most `rows` rows of each.
pub(super) async fn copy(live: PathBuf, tables: Vec<String>, rows: u64) -> Result<impl Bench> {
    let file = File(std::env::temp_dir().join(format!("sarsen-{:016x}.db", fastrand::u64(..))));
    let path = file.0.clone();
    let copied = offload(move || fill(&path, &live, &tables, rows)).await?;
    let (connection, tables) = copied.map_err(|error| failed(&error))?;
    Ok(Copy { connection: Some(connection), tables, _file: file })
}

fn failed(error: &rusqlite::Error) -> Error {
    Error::internal(format!("the copy of the tables does not work: {error}"))
}

fn fill(path: &Path, live: &Path, tables: &[String], rows: u64) -> rusqlite::Result<(Connection, Vec<TableFacts>)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA foreign_keys = OFF")?;
    connection.execute("ATTACH DATABASE ? AS live", [uri(live)])?;
    let mut copied = Vec::new();
    for table in tables {
        if copy_table(&connection, table, rows)? {
            copied.push(table.clone());
        }
    }
    connection.execute_batch("DETACH DATABASE live; ANALYZE")?;
    let facts = copied.iter().map(|table| facts(&connection, table)).collect::<rusqlite::Result<_>>()?;
    Ok((connection, facts))
}

/// The file as an address that is only read.
fn uri(path: &Path) -> String {
    let path = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?mode=ro")
}

/// Whether it is a table that can be copied: a virtual one keeps its rows elsewhere.
fn copy_table(connection: &Connection, table: &str, rows: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT sql FROM live.sqlite_master WHERE lower(tbl_name) = lower(?) AND sql IS NOT NULL \
               AND type IN ('table', 'index') ORDER BY type DESC, rowid";
    let mut statement = connection.prepare(sql)?;
    let made: Vec<String> = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let Some((create, indexes)) = made.split_first().filter(|(create, _)| is_plain(create)) else { return Ok(false) };
    connection.execute_batch(create)?;
    let columns = columns(connection, "live", table)?.join(", ");
    let name = quoted(table);
    let all = count(connection, &format!("live.{name}"))?;
    let some =
        if all > rows { format!("WHERE random() % {} = 0 LIMIT {rows}", all.div_ceil(rows)) } else { String::new() };
    connection
        .execute_batch(&format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM live.{name} {some}"))?;
    indexes.iter().try_for_each(|index| connection.execute_batch(index))?;
    Ok(true)
}

fn count(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0).map(i64::unsigned_abs))
}

fn is_plain(create: &str) -> bool {
    let words = create.trim_start().to_lowercase();
    words.starts_with("create table") && !words.starts_with("create table live.")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The columns that hold something of their own.
fn columns(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid")?;
    statement.query_map([table, schema], |row| row.get(0))?.collect()
}

fn facts(connection: &Connection, table: &str) -> rusqlite::Result<TableFacts> {
    let rows = count(connection, &format!("main.{}", quoted(table)))?;
    let mut statement = connection.prepare("SELECT name, \"unique\", partial FROM pragma_index_list(?)")?;
    let listed: Vec<(String, bool, bool)> = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut indexes = Vec::new();
    for (name, unique, partial) in listed {
        let mut statement = connection.prepare("SELECT COALESCE(name, '') FROM pragma_index_info(?) ORDER BY seqno")?;
        let columns = statement.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        indexes.push(IndexFacts { name, columns, unique, partial });
    }
    Ok(TableFacts { name: table.to_lowercase(), columns: columns(connection, "main", table)?, rows, indexes })
}

impl Copy {
    /// Does something on the copy, away from the threads of the runtime.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = self.connection.take().ok_or_else(|| Error::internal("the copy was dropped at work"))?;
        let (connection, done) = offload(move || {
            let done = work(&connection);
            (connection, done)
        })
        .await?;
        self.connection = Some(connection);
        done.map_err(|error| failed(&error))
    }
}

impl Bench for Copy {
    fn tables(&self) -> &[TableFacts] {
        &self.tables
    }

    fn plan<'a>(&'a mut self, sql: &'a str, given: &'a [Given]) -> BoxFuture<'a, Result<Plan>> {
        let (sql, given) = (crate::data::dialect::without_row_locks(sql), given.to_vec());
        let rows = self.tables.iter().map(|table| (table.name.clone(), table.rows)).collect();
        Box::pin(self.work(move |connection| plan(connection, &sql, &given, &rows)))
    }

    fn add<'a>(&'a mut self, name: &'a str, index: &'a str) -> BoxFuture<'a, Result<()>> {
        let sql = format!("{index}; ANALYZE {}", quoted(name));
        Box::pin(self.work(move |connection| connection.execute_batch(&sql)))
    }

    fn remove<'a>(&'a mut self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        let sql = format!("DROP INDEX {}", quoted(name));
        Box::pin(self.work(move |connection| connection.execute_batch(&sql)))
    }
}

/// The plan as it is written, and the steps that it took: the query is run, and undone.
fn plan(connection: &Connection, sql: &str, given: &[Given], rows: &HashMap<String, u64>) -> rusqlite::Result<Plan> {
    let values = values(connection, given)?;
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let (mut lines, mut rows_of_plan) = (Vec::<String>::new(), statement.raw_query());
    // Nothing is bound: the plan is the same for any values.
    while let Some(row) = rows_of_plan.next()? {
        lines.push(row.get(3)?);
    }
    let statistics = statistics(connection)?;
    let looked_at = lines.iter().map(|line| looked_at(line, &statistics, rows)).sum();
    let (mut cost, mut took) = (0, Duration::MAX);
    for _ in 0..RUNS {
        connection.execute_batch("SAVEPOINT tried")?;
        let begun = clock::monotonic();
        let steps = steps(connection, sql, &values);
        took = took.min(clock::monotonic() - begun);
        connection.execute_batch("ROLLBACK TO tried; RELEASE tried")?;
        cost = steps?;
    }
    Ok(Plan { lines, rows: looked_at, cost: f64::from(cost), took: Some(took) })
}

fn steps(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<i32> {
    let mut statement = connection.prepare(sql)?;
    let count = statement.parameter_count();
    for (index, value) in values.iter().take(count).enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(statement.get_status(StatementStatus::VmStep))
}

/// By index: how many rows there are, and how many of them have the same first column, the same first two …
fn statistics(connection: &Connection) -> rusqlite::Result<HashMap<String, Vec<f64>>> {
    let mut statement = connection.prepare("SELECT COALESCE(idx, tbl), stat FROM sqlite_stat1")?;
    let found = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let numbers = |stat: &str| stat.split(' ').map_while(|number| number.parse().ok()).collect();
    found.map(|found| found.map(|(name, stat)| (name, numbers(&stat)))).collect()
}

/// Rows that a line of a plan expects to look at: `SEARCH m USING INDEX i (a=? AND b>?)`.
fn looked_at(line: &str, statistics: &HashMap<String, Vec<f64>>, rows: &HashMap<String, u64>) -> f64 {
    let words: Vec<&str> = line.split(' ').collect();
    let whole = || match words.get(1).and_then(|table| rows.get(&table.to_lowercase())) {
        Some(rows) => *rows as f64,
        None => rows.values().max().map_or(0.0, |rows| *rows as f64),
    };
    match words.first() {
        Some(&"SCAN") if words.get(1) != Some(&"CONSTANT") => whole(),
        Some(&"SEARCH") => {
            let index = words.iter().position(|word| *word == "INDEX").and_then(|place| words.get(place + 1));
            let equal = line.matches("=?").count() - line.matches(">=?").count() - line.matches("<=?").count();
            let known = index.and_then(|index| statistics.get(*index));
            match known {
                Some(known) if equal > 0 => known.get(equal).or(known.last()).copied().unwrap_or(1.0),
                Some(known) => known.first().map_or(1.0, |rows| rows / 4.0),
                None => 1.0,
            }
        }
        _ => 0.0,
    }
}

/// What is bound: for the columns of a table the values of one row, that which the first of them has most often.
fn values(connection: &Connection, given: &[Given]) -> rusqlite::Result<Vec<Value>> {
    let mut rows: HashMap<&str, (&str, Value)> = HashMap::new();
    let mut values = Vec::with_capacity(given.len());
    for one in given {
        values.push(match one {
            Given::Unknown => Value::Null,
            Given::Page => Value::Integer(PAGE),
            Given::Least(table, column) => extreme(connection, "MIN", table, column)?,
            Given::Greatest(table, column) => extreme(connection, "MAX", table, column)?,
            Given::Equal(table, column) => match rows.get(table.as_str()) {
                Some((first, value)) => beside(connection, table, first, value, column)?,
                None => {
                    let value = frequent(connection, table, column)?;
                    rows.insert(table, (column, value.clone()));
                    value
                }
            },
        });
    }
    Ok(values)
}

fn extreme(connection: &Connection, which: &str, table: &str, column: &str) -> rusqlite::Result<Value> {
    connection.query_row(&format!("SELECT {which}({}) FROM {}", quoted(column), quoted(table)), [], |row| row.get(0))
}

fn frequent(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<Value> {
    let (table, column) = (quoted(table), quoted(column));
    let sql = format!(
        "SELECT {column} FROM {table} WHERE {column} IS NOT NULL GROUP BY {column} ORDER BY COUNT(*) DESC LIMIT 1"
    );
    first(connection.query_row(&sql, [], |row| row.get(0)))
}

fn beside(
    connection: &Connection,
    table: &str,
    first_column: &str,
    value: &Value,
    column: &str,
) -> rusqlite::Result<Value> {
    let sql = format!("SELECT {} FROM {} WHERE {} IS ? LIMIT 1", quoted(column), quoted(table), quoted(first_column));
    first(connection.query_row(&sql, [value], |row| row.get(0)))
}

fn first(found: rusqlite::Result<Value>) -> rusqlite::Result<Value> {
    match found {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(Value::Null),
        found => found,
    }
}
