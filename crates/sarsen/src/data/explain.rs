//! How the database would run a query that was run before: its plan, without running it.

use super::Db;
use super::row::{FromRow, Row};
use super::statement;
use crate::error::{Error, Result};
use std::collections::HashMap;

/// How a plan is asked for.
#[derive(Debug)]
pub(super) enum Plan {
    /// By this text, with as many empty values as it has placeholders; the answer is a tree.
    AtOnce(String),
    /// By these texts in one transaction; the answer to the one in the middle is lines of text.
    Prepared { before: [String; 2], ask: String, after: String },
}

/// One line of a plan.
struct Line(String);

impl FromRow for Line {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        row.at(0).map(Line)
    }
}

impl Db {
    /// The plan of the query with this fingerprint, a line for each step; `NotFound` when no such query was run here. It is
    /// the plan for values of which nothing is known.
    pub(crate) async fn explain(&self, fingerprint: u64) -> Result<String> {
        let text = statement::by_fingerprint(fingerprint, self.dialect())
            .ok_or_else(|| Error::not_found("this query was not run since the application started"))?;
        match self.dialect().plan(&text.translated, text.placeholders) {
            Plan::AtOnce(ask) => self.tree(ask, text.placeholders).await,
            Plan::Prepared { before, ask, after } => self.lines(before, ask, after).await,
        }
    }

    async fn tree(&self, ask: String, placeholders: usize) -> Result<String> {
        let query = (0..placeholders).fold(self.query(ask).of_framework(), |query, _| query.bind(None::<i64>));
        let rows: Vec<(i64, i64, i64, String)> = query.all().await?;
        let mut depths = HashMap::from([(0, 0)]);
        let lines = rows.into_iter().map(|(id, parent, _, detail)| {
            let depth = depths.get(&parent).copied().unwrap_or_default();
            depths.insert(id, depth + 1);
            format!("{}{detail}", "  ".repeat(depth))
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    async fn lines(&self, before: [String; 2], ask: String, after: String) -> Result<String> {
        let tx = self.begin().await?;
        for sql in before {
            tx.query(sql).of_framework().execute().await?;
        }
        let lines = tx.query(ask).of_framework().all::<Line>().await?;
        tx.query(after).of_framework().execute().await?;
        tx.rollback().await?;
        Ok(lines.into_iter().map(|line| line.0).collect::<Vec<_>>().join("\n"))
    }
}
