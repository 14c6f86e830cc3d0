//! Tables copied to temporary ones in a transaction that is rolled back, which stand before the live ones; or, where
//! `hypopg` is installed, the live tables with indexes that exist for the planner only.

use super::{PostgresTransaction, explain};
use crate::data::dialect::Dialect;
use crate::data::plan::{Bench, Given, IndexFacts, Plan, TableFacts};
use crate::error::{Error, Result};
use crate::telemetry::{self, WaitKind};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// How often a query is run; the quickest run counts.
const RUNS: u32 = 2;
/// A page of rows, in a text.
const PAGE: &str = "50";

#[derive(Debug)]
struct Copy {
    transaction: PostgresTransaction,
    tables: Vec<TableFacts>,
    /// Indexes exist for the planner only.
    hypothetical: bool,
    statements: u64,
}

/// Copies `tables` into `transaction`, at most `rows` rows of each.
pub(super) async fn copy(transaction: PostgresTransaction, tables: Vec<String>, rows: u64) -> Result<impl Bench> {
    let mut copy = Copy { transaction, tables: Vec::new(), hypothetical: false, statements: 0 };
    copy.run("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL statement_timeout = '60s'").await?;
    copy.hypothetical = !copy.ask("SELECT 1 FROM pg_extension WHERE extname = 'hypopg'").await?.is_empty();
    for table in tables {
        if let Some(facts) = copy.table(&table, rows).await? {
            copy.tables.push(facts);
        }
    }
    Ok(copy)
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Copy {
    async fn run(&self, sql: &str) -> Result<()> {
        self.ask(sql).await.map(drop)
    }

    /// Rows of texts.
    async fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let asked = self.transaction.busy.object().simple_query(sql);
        let answered = telemetry::wait(WaitKind::Database, "workbench", asked).await;
        let messages = answered.map_err(|error| explain(&error, sql))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Like [`Copy::run`], and what fails leaves nothing behind.
    async fn apart<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.run("SAVEPOINT tried").await?;
        let done = work.await;
        self.run(if done.is_ok() { "RELEASE tried" } else { "ROLLBACK TO tried; RELEASE tried" }).await?;
        done
    }

    async fn table(&self, table: &str, rows: u64) -> Result<Option<TableFacts>> {
        let name = text(table);
        let sql = format!(
            "SELECT c.reltuples FROM pg_class c WHERE c.oid = to_regclass({name}) AND c.relkind IN ('r', 'p') \
             AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '')"
        );
        let Some(known) = self.ask(&sql).await?.into_iter().flatten().next() else { return Ok(None) };
        let mut count = known.parse::<f64>().unwrap_or(0.0).max(0.0);
        if !self.hypothetical {
            count = self.sample(table, rows, count).await?;
        }
        let columns = format!(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({name}) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        );
        let columns = self.ask(&columns).await?.into_iter().flatten().collect();
        let indexes = format!(
            "SELECT c.relname, i.indisunique, i.indpred IS NOT NULL, array_to_string(ARRAY(SELECT \
             pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) k), chr(31)) \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass({name})"
        );
        let indexes = self.ask(&indexes).await?.into_iter().filter_map(|row| {
            let [name, unique, partial, columns] = <[String; 4]>::try_from(row).ok()?;
            let columns = columns.split('\u{1f}').map(|column| column.trim_matches('"').to_owned()).collect();
            Some(IndexFacts { name, columns, unique: unique == "t", partial: partial == "t" })
        });
        let indexes = indexes.collect();
        Ok(Some(TableFacts { name: table.to_lowercase(), columns, rows: count as u64, indexes }))
    }

    /// A temporary table of the same name stands before the live one; gives how many rows it has.
    async fn sample(&self, table: &str, rows: u64, count: f64) -> Result<f64> {
        let name = quoted(table);
        // Those that were never counted are read whole up to the limit.
        let some = match 100.0 * rows as f64 / count.max(1.0) {
            percent if percent < 80.0 => format!("TABLESAMPLE SYSTEM ({:.4})", percent * 1.2),
            _ => String::new(),
        };
        let schema = format!(
            "SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass({})",
            text(table)
        );
        let schema = self.ask(&schema).await?.into_iter().flatten().next().unwrap_or_else(|| "public".to_owned());
        self.run(&format!(
            "CREATE TEMPORARY TABLE {name} (LIKE {schema}.{name} INCLUDING INDEXES INCLUDING STATISTICS) ON COMMIT DROP; \
             INSERT INTO pg_temp.{name} SELECT * FROM {schema}.{name} {some} LIMIT {rows}; ANALYZE pg_temp.{name}"
        ))
        .await?;
        let copied = self.ask(&format!("SELECT COUNT(*) FROM pg_temp.{name}")).await?;
        Ok(copied.into_iter().flatten().next().and_then(|count| count.parse().ok()).unwrap_or(0.0))
    }

    async fn explained(&self, sql: &str, given: &[Given], number: u64) -> Result<Plan> {
        let translated = Dialect::Postgres.translate(&with_pages(sql, given));
        let name = format!("sarsen_tried_{number}");
        self.run(&format!("PREPARE {name} AS {translated}")).await?;
        let explained = self.executed(&name, &translated, given).await;
        // It outlives the transaction, but for where that has failed already.
        if explained.is_ok() {
            self.run(&format!("DEALLOCATE {name}")).await?;
        }
        explained
    }

    /// The plan for any values, and what it takes with some that the copy has.
    async fn executed(&self, name: &str, translated: &str, given: &[Given]) -> Result<Plan> {
        let values = self.values(translated, given).await?;
        let none = listed(&vec!["NULL".to_owned(); values.len()]);
        let root = self.json(&format!("EXPLAIN (FORMAT JSON) EXECUTE {name}{none}")).await?;
        let lines = self.ask(&format!("EXPLAIN EXECUTE {name}{none}")).await?.into_iter().flatten().collect();
        let mut took = None;
        if !self.hypothetical {
            let sql = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {name}{}", listed(&values));
            for _ in 0..RUNS {
                let ran = self.json(&sql).await?["Execution Time"].as_f64();
                let ran = ran.map(|milliseconds| Duration::from_secs_f64(milliseconds / 1000.0));
                took = took.into_iter().chain(ran).min();
            }
        }
        let root = &root["Plan"];
        Ok(Plan { lines, rows: self.looked_at(root), cost: root["Total Cost"].as_f64().unwrap_or(0.0), took })
    }

    async fn json(&self, sql: &str) -> Result<Value> {
        let text = self.ask(sql).await?.into_iter().flatten().next().unwrap_or_default();
        let mut plans: Vec<Value> =
            serde_json::from_str(&text).map_err(|error| Error::internal("the plan is no JSON").source(error))?;
        Ok(plans.pop().unwrap_or_default())
    }

    /// What is given to each parameter: of one table the values of one row, that which the first of them has most often.
    async fn values(&self, translated: &str, given: &[Given]) -> Result<Vec<String>> {
        let mut rows: Vec<(&str, String)> = Vec::new();
        let mut values = Vec::new();
        for one in given.iter().filter(|one| **one != Given::Page) {
            // Not by MIN and MAX, which some types lack.
            let (table, column, order) = match one {
                Given::Least(table, column) => (table, column, "1"),
                Given::Greatest(table, column) => (table, column, "1 DESC"),
                Given::Equal(table, column) => (table, column, ""),
                Given::Unknown | Given::Page => {
                    values.push("NULL".to_owned());
                    continue;
                }
            };
            let (from, select) = (quoted(table), quoted(column));
            let sql = match (one, rows.iter().find(|(known, _)| known == table)) {
                (Given::Equal(..), Some((_, same))) => format!("SELECT {select} FROM {from} WHERE {same} LIMIT 1"),
                (Given::Equal(..), None) => format!(
                    "SELECT {select} FROM {from} WHERE {select} IS NOT NULL GROUP BY {select} ORDER BY COUNT(*) DESC LIMIT 1"
                ),
                _ => format!("SELECT {select} FROM {from} WHERE {select} IS NOT NULL ORDER BY {order} LIMIT 1"),
            };
            let found = self.ask(&sql).await?.into_iter().flatten().next();
            let Some(found) = found else {
                values.push("NULL".to_owned());
                continue;
            };
            if matches!(one, Given::Equal(..)) && !rows.iter().any(|(known, _)| known == table) {
                rows.push((table, format!("{} = {}", quoted(column), text(&found))));
            }
            let list = translated.contains(&format!("ANY(${})", values.len() + 1));
            values.push(if list { text(&format!("{{\"{found}\"}}")) } else { text(&found) });
        }
        Ok(values)
    }

    /// Rows that the scans of a plan expect to look at.
    fn looked_at(&self, node: &Value) -> f64 {
        let below = node["Plans"].as_array().into_iter().flatten().map(|node| self.looked_at(node)).sum::<f64>();
        let kind = node["Node Type"].as_str().unwrap_or_default();
        let table = node["Relation Name"].as_str().unwrap_or_default();
        let whole = || self.tables.iter().find(|facts| facts.name == table).map_or(0.0, |facts| facts.rows as f64);
        let own = match kind {
            "Seq Scan" => whole(),
            kind if kind.ends_with("Scan") && kind != "Bitmap Index Scan" && !table.is_empty() => {
                node["Plan Rows"].as_f64().unwrap_or(0.0)
            }
            _ => 0.0,
        };
        own + below
    }
}

/// `(1, 2)`, or nothing.
fn listed(values: &[String]) -> String {
    if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) }
}

/// The size of a page in place of its placeholder: the planner takes a tenth of all for a limit that it does not know.
fn with_pages(sql: &str, given: &[Given]) -> String {
    let mut places = given.iter();
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for (token, range) in crate::data::tokens(sql) {
        if token == crate::data::Token::Placeholder && places.next() == Some(&Given::Page) {
            out.push_str(&sql[copied..range.start]);
            out.push_str(PAGE);
            copied = range.end;
        }
    }
    out.push_str(&sql[copied..]);
    out
}

impl Bench for Copy {
    fn tables(&self) -> &[TableFacts] {
        &self.tables
    }

    fn plan<'a>(&'a mut self, sql: &'a str, given: &'a [Given]) -> BoxFuture<'a, Result<Plan>> {
        self.statements += 1;
        // Prepared statements outlive the transaction, and the connection is used again.
        let number = fastrand::u64(..).wrapping_add(self.statements);
        Box::pin(async move { self.apart(self.explained(sql, given, number)).await })
    }

    fn add<'a>(&'a mut self, _: &'a str, index: &'a str) -> BoxFuture<'a, Result<()>> {
        let sql = match self.hypothetical {
            true => format!("SELECT hypopg_create_index({})", text(index)),
            false => index.to_owned(),
        };
        Box::pin(async move { self.apart(self.run(&sql)).await })
    }

    fn remove<'a>(&'a mut self, name: &'a str) -> BoxFuture<'a, Result<()>> {
        let sql = match self.hypothetical {
            true => "SELECT hypopg_reset()".to_owned(),
            false => format!("DROP INDEX {}", quoted(name)),
        };
        Box::pin(async move { self.run(&sql).await })
    }
}
