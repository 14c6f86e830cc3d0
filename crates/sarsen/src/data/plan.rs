//! What a database would do for a query, and what it would do with another index: tried where nobody is disturbed.
//!
//! A [`Workbench`] is a copy of some tables, or of a part of their rows, that only its owner sees and that goes when it is
//! dropped. Live tables are read once and never locked against anybody.

use super::Db;
use super::statement::{Token, tokens};
use crate::error::Result;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a database would do for a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The plan as the database writes it, a line each.
    pub lines: Vec<String>,
    /// Rows that it expects to look at.
    pub rows: f64,
    /// What it costs, in a unit of the database's own: only a comparison of two says something.
    pub cost: f64,
    /// What it took on the copy; nothing where it was not run there.
    pub took: Option<Duration>,
}

/// A table on the workbench.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its rows on the workbench, about.
    pub rows: u64,
    /// Its indexes.
    pub indexes: Vec<IndexFacts>,
}

/// An index of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFacts {
    /// Its name.
    pub name: String,
    /// Its columns, the first one first; an expression is written out.
    pub columns: Vec<String>,
    /// Whether it keeps rows apart.
    pub unique: bool,
    /// Whether it has some of the rows only.
    pub partial: bool,
}

/// What stands for a placeholder while a query is tried: values of the application are never kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    #[default]
    Unknown,
    /// As many rows as a page has.
    Page,
    /// A value that the column often has.
    Equal(String, String),
    /// The least value of the column.
    Least(String, String),
    /// The greatest value of the column.
    Greatest(String, String),
}

/// A copy of tables on which indexes are tried.
#[derive(Debug)]
pub struct Workbench(Box<dyn Bench>);

/// What a driver does for a [`Workbench`].
pub(super) trait Bench: Send + std::fmt::Debug {
    fn tables(&self) -> &[TableFacts];
    fn plan<'a>(&'a mut self, sql: &'a str, given: &'a [Given]) -> BoxFuture<'a, Result<Plan>>;
    fn add<'a>(&'a mut self, name: &'a str, index: &'a str) -> BoxFuture<'a, Result<()>>;
    fn remove<'a>(&'a mut self, name: &'a str) -> BoxFuture<'a, Result<()>>;
}

impl Db {
    /// A workbench with `tables`, those that are none left out, and at most `rows` rows of each.
    pub async fn workbench(&self, tables: Vec<String>, rows: u64) -> Result<Workbench> {
        Ok(Workbench(self.driver().workbench(tables, rows).await?))
    }
}

impl Workbench {
    /// The tables that are there.
    pub fn tables(&self) -> &[TableFacts] {
        self.0.tables()
    }

    /// What would be done for `sql`, with what stands for each of its placeholders.
    pub async fn plan(&mut self, sql: &str, given: &[Given]) -> Result<Plan> {
        self.0.plan(sql, given).await
    }

    /// Makes the index `name` by the statement `index`.
    pub async fn add(&mut self, name: &str, index: &str) -> Result<()> {
        self.0.add(name, index).await
    }

    /// Takes away one that was made.
    pub async fn remove(&mut self, name: &str) -> Result<()> {
        self.0.remove(name).await
    }
}

/// Symbols that are one operator, which a normalised text has apart.
const OPERATORS: [&[u8; 2]; 9] = [b">=", b"<=", b"<>", b"!=", b"||", b"::", b"->", b"@@", b"@>"];

/// A normalised text as it can be planned: its operators whole, and in `(a, b) < (?)` as many placeholders as columns.
pub fn plannable(normalised: &str) -> String {
    let mut text = String::with_capacity(normalised.len());
    let (mut last, mut end) = (0, 0);
    for (token, range) in tokens(normalised) {
        let symbol = if let Token::Symbol(symbol) = token { symbol } else { 0 };
        if !OPERATORS.contains(&&[last, symbol]) {
            text.push_str(&normalised[end..range.start]);
        }
        text.push_str(&normalised[range.clone()]);
        (last, end) = (symbol, range.end);
    }
    for (place, many) in row_values(&text).into_iter().rev() {
        text.insert_str(place + 1, &", ?".repeat(many - 1));
    }
    text
}

/// The lone placeholders that stand for a row of values: where, and for how many.
fn row_values(text: &str) -> Vec<(usize, usize)> {
    let all: Vec<_> = tokens(text).collect();
    let mut found = Vec::new();
    for (place, (token, range)) in all.iter().enumerate() {
        let alone = place > 0
            && all[place - 1].0 == Token::Symbol(b'(')
            && all.get(place + 1).is_some_and(|(next, _)| *next == Token::Symbol(b')'));
        if *token != Token::Placeholder || !alone {
            continue;
        }
        let mut before = place - 1;
        while before > 0 && matches!(all[before - 1].0, Token::Symbol(b'<' | b'>' | b'=')) {
            before -= 1;
        }
        let compares = before < place - 1 && before > 0 && all[before - 1].0 == Token::Symbol(b')');
        let Some(open) =
            all[..before].iter().rposition(|(token, _)| *token == Token::Symbol(b'(')).filter(|_| compares)
        else {
            continue;
        };
        let commas = all[open..before].iter().filter(|(token, _)| *token == Token::Symbol(b',')).count();
        let plain = all[open + 1..before - 1]
            .iter()
            .all(|(token, _)| matches!(token, Token::Word(_) | Token::Quoted(_) | Token::Symbol(b',' | b'.')));
        if commas > 0 && plain {
            found.push((range.start, commas + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::statement::normalise;

    #[test]
    fn a_normalised_text_can_be_planned_again() {
        for (sql, expected) in [
            (
                "SELECT * FROM (SELECT a FROM t WHERE b >= ? AND c <> 7) AS page WHERE (posted_at, id) < (?, ?) LIMIT 20",
                "SELECT * FROM(SELECT a FROM t WHERE b >= ? AND c <> ?) AS page WHERE(posted_at, id) <(?, ?) LIMIT ?",
            ),
            ("SELECT a || 'x' FROM t WHERE m.a IN (?)", "SELECT a || ? FROM t WHERE m.a IN(?)"),
            (
                "SELECT f(a) FROM t WHERE (m.a, m.b, m.c) = (?, ?, ?)",
                "SELECT f(a) FROM t WHERE(m.a, m.b, m.c) =(?, ?, ?)",
            ),
        ] {
            assert_eq!(plannable(&normalise(sql)), expected);
        }
    }
}
