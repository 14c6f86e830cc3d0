//! Which module owns which table: a query on another's is an error in development and tests.

use super::statement::Text;
use crate::error::{Error, Result};
use std::collections::HashMap;

/// The owner of each table.
#[derive(Clone, Debug, Default)]
pub struct Owners(HashMap<String, &'static str>);

impl Owners {
    /// No table has an owner yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `table` to `module`; an error when it has another owner.
    pub fn own(&mut self, module: &'static str, table: &str) -> Result<()> {
        match self.owner(&table.to_lowercase()) {
            Some(owner) if owner != module => {
                Err(Error::invalid(format!("table `{table}` is claimed by both `{owner}` and `{module}`"))
                    .hint("let one module own it, and the other ask through its API"))
            }
            _ => {
                self.0.insert(table.to_lowercase(), module);
                Ok(())
            }
        }
    }

    /// The module that owns `table`.
    pub fn owner(&self, table: &str) -> Option<&'static str> {
        self.0.get(table).copied()
    }

    pub(super) fn check(&self, module: &str, text: &Text) -> Result<()> {
        let theirs =
            text.tables.iter().find_map(|table| Some((table, self.owner(table).filter(|owner| *owner != module)?)));
        let Some((table, owner)) = theirs else { return Ok(()) };
        Err(Error::internal(format!(
            "module `{module}` ran SQL on table `{table}`, which belongs to module `{owner}`.\n  query: {}",
            text.statement.normalised
        ))
        .hint(format!(
            "ask `{owner}` through its API (a handle in `{module}::Deps`), listen to its events and keep a copy, or move the table"
        )))
    }
}
