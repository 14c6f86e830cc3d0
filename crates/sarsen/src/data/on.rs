//! Where something is written: in the caller's transaction, or in one of its own.

use super::query::Query;
use super::{Db, Tx};
use crate::error::Result;

/// What `enqueue` and the like take: `&Tx`, so that it happens with everything else in that transaction or not at all,
/// or `&Db`, so that it happens at once.
#[derive(Clone, Copy, Debug)]
pub enum On<'a> {
    /// At once.
    Db(&'a Db),
    /// When the transaction commits.
    Tx(&'a Tx),
}

impl<'a> From<&'a Db> for On<'a> {
    fn from(db: &'a Db) -> Self {
        On::Db(db)
    }
}

impl<'a> From<&'a Tx> for On<'a> {
    fn from(tx: &'a Tx) -> Self {
        On::Tx(tx)
    }
}

impl<'a> On<'a> {
    /// The clock of the application.
    pub(crate) fn clock(self) -> &'a crate::clock::Clock {
        match self {
            On::Db(db) => db.clock(),
            On::Tx(tx) => tx.clock(),
        }
    }

    /// A query on the framework's own tables, whoever's handle it is.
    pub(crate) fn own(self, sql: &'static str) -> Query<'a> {
        match self {
            On::Db(db) => db.query(sql).of_framework(),
            On::Tx(tx) => tx.query(sql).of_framework(),
        }
    }

    /// Wakes who listens to `channel`: after the commit.
    pub(crate) fn wake(self, channel: &'static str) {
        match self {
            On::Db(db) => db.wake(channel),
            On::Tx(tx) => tx.wake(channel),
        }
    }

    /// Does `work` in the transaction: the caller's, or one that is committed at the end.
    pub(crate) async fn within<T>(self, work: impl AsyncFnOnce(&Tx) -> Result<T>) -> Result<T> {
        match self {
            On::Tx(tx) => work(tx).await,
            On::Db(db) => {
                let tx = db.begin().await?;
                match work(&tx).await {
                    Ok(done) => tx.commit().await.map(|()| done),
                    Err(error) => {
                        // What it had locked is free once the error is known. The first error says more than a second.
                        let _ = tx.rollback().await;
                        Err(error)
                    }
                }
            }
        }
    }
}

impl Tx {
    /// Runs statements that define tables, in portable types.
    pub(crate) async fn define(&self, statements: &str) -> Result<()> {
        self.script(&self.db().dialect().column_types(statements)).await
    }

    /// A query on the framework's own tables, whoever's transaction it is.
    pub(crate) fn own(&self, sql: &'static str) -> Query<'_> {
        self.query(sql).of_framework()
    }
}
