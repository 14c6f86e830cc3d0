//! How the database would run a query that was run before: its plan, without running it.

use super::Db;
use super::row::{FromRow, Row};
use super::statement;
use crate::error::{Error, Result};

/// What stands before a text to ask for its plan, and how the answer is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) before: &'static str,
    /// Each row says who it is, whose part it is, and what it does; else it is a line of text.
    pub(super) is_tree: bool,
}

/// One line of a plan.
struct Line(String);

impl FromRow for Line {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        row.at(0).map(Line)
    }
}

impl Db {
    /// The plan of the query with this fingerprint, a line for each step; `NotFound` when no such query was run here. No
    /// values are bound, so it is the plan for values of which nothing is known.
    pub(crate) async fn explain(&self, fingerprint: u64) -> Result<String> {
        let dialect = self.dialect();
        let text = statement::by_fingerprint(fingerprint, dialect)
            .ok_or_else(|| Error::not_found("this query was not run since the application started"))?;
        let plan = dialect.plan();
        let mut query = self.query(format!("{}{}", plan.before, text.sql)).of_framework();
        for _ in 0..text.placeholders {
            query = query.bind(None::<i64>);
        }
        if !plan.is_tree {
            let lines = query.all::<Line>().await?;
            return Ok(lines.into_iter().map(|line| line.0).collect::<Vec<_>>().join("\n"));
        }
        let rows: Vec<(i64, i64, i64, String)> = query.all().await?;
        let mut depths = std::collections::HashMap::from([(0, 0)]);
        let lines = rows.into_iter().map(|(id, parent, _, detail)| {
            let depth = depths.get(&parent).copied().unwrap_or_default();
            depths.insert(id, depth + 1);
            format!("{}{detail}", "  ".repeat(depth))
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}
