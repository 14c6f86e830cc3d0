//! A projection: tables that are built from events alone, and can be built anew beside the live ones.

use super::event::{Event, Recorded};
use crate::data::{Query, Tx};
use crate::error::{Error, Result};
use crate::jobs::check_name;
use futures_util::future::BoxFuture;
use std::fmt::Write;
use std::sync::Arc;

/// What a projection is built from, and where it is kept.
///
/// ```
/// # use sarsen::events::{Event, Projection};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct MessagePosted {}
/// # impl Event for MessagePosted { const NAME: &'static str = "messages.posted"; }
/// let statistics = Projection::new("channels.statistics").of::<MessagePosted>().table(
///     "channel_stats",
///     "CREATE TABLE {table} (channel_id UUID PRIMARY KEY, messages BIGINT NOT NULL)",
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Projection {
    pub(crate) name: &'static str,
    pub(super) module: &'static str,
    pub(super) version: u32,
    pub(super) events: Vec<&'static str>,
    pub(crate) tables: Vec<(&'static str, &'static str)>,
}

impl Projection {
    /// A projection without events and tables.
    pub const fn new(name: &'static str) -> Self {
        Self { name, module: "", version: 1, events: Vec::new(), tables: Vec::new() }
    }

    /// The names of the events that it is built from.
    pub fn events(&self) -> &[&'static str] {
        &self.events
    }

    /// It is built from events of this type, too.
    #[must_use]
    pub fn of<E: Event>(mut self) -> Self {
        self.events.push(E::NAME);
        self
    }

    /// It keeps this table. The statements (portable types, separated by `;`) say `{table}` for its name, also within the
    /// names of its indexes: `CREATE INDEX {table}_by_day ON {table} (day)`.
    #[must_use]
    pub fn table(mut self, name: &'static str, statements: &'static str) -> Self {
        self.tables.push((name, statements));
        self
    }

    /// Raise it when the code that builds it changes: then it is built anew beside the live one at the next start. A
    /// changed table does that by itself.
    #[must_use]
    pub fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn of_module(self, module: &'static str) -> Self {
        Self { module, ..self }
    }

    /// What its tables would have to be built anew for.
    pub(super) fn form(&self) -> String {
        let mut form = format!("{} {:?}", self.version, self.events);
        for (name, statements) in &self.tables {
            let _ = write!(form, "\n{name}: {statements}");
        }
        form
    }

    pub(super) fn check(&self) -> Result<()> {
        check_name("projection", self.name, 100)?;
        let wrong = |what: &str| Err(Error::invalid(format!("projection `{}` {what}", self.name)));
        if self.events.is_empty() {
            return wrong("is built from nothing: name its events with `of`");
        }
        if self.tables.iter().any(|(_, statements)| !statements.contains("{table}")) || self.tables.is_empty() {
            return wrong("needs a table whose statements say {table} for its name");
        }
        Ok(())
    }

    /// The name of a table of a generation that is being built.
    pub(super) fn shadow(table: &str, generation: i64) -> String {
        format!("{table}_g{generation}")
    }
}

/// Where a projection writes: the transaction, and its tables, live ones or those that are being built.
#[derive(Clone, Debug)]
pub struct View {
    pub(super) tx: Arc<Tx>,
    pub(super) tables: Arc<Vec<(&'static str, String)>>,
}

impl View {
    /// A query with `{channel_stats}` for the table of that name, and `?` for each value.
    pub fn query(&self, sql: &str) -> Query<'_> {
        let mut text = sql.to_owned();
        for (name, table) in self.tables.iter() {
            text = text.replace(&format!("{{{name}}}"), table);
        }
        self.tx.query(text)
    }

    /// The transaction in which the events are applied and the checkpoint moves.
    pub fn tx(&self) -> &Tx {
        &self.tx
    }
}

/// Applies events to a view.
pub(crate) type ProjectionHandler = Arc<dyn Fn(View, Vec<Recorded>) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The handler that calls `work`.
pub(crate) fn projection_handler<F, Done>(work: F) -> ProjectionHandler
where
    F: Fn(View, Vec<Recorded>) -> Done + Send + Sync + 'static,
    Done: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |view, events| Box::pin(work(view, events)))
}
