//! Transactions on the one writer, and the group of writes that shares a commit.

use super::connection::{Connection, Waiting};
use super::{AllDone, Done, Pending, Shared, Steps, Writer, book, lost, offload, run_here};
use crate::clock::Ticks;
use crate::config::Durability;
use crate::data::Transaction;
use crate::data::observe::{self, Ran};
use crate::data::query::Call;
use crate::data::row::Rows;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{self, Named, Operation, WaitKind};
use futures_util::future::BoxFuture;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

/// An open transaction; it holds the writer.
#[derive(Debug)]
pub(super) struct SqliteTransaction {
    shared: Arc<Shared>,
    open: Option<Open>,
}

/// The writer with an open transaction; rolled back when it is dropped.
#[derive(Debug)]
struct Open(Arc<Shared>, Writer);

impl Drop for Open {
    fn drop(&mut self) {
        if self.1.is_open() {
            let _ = self.1.script("ROLLBACK");
        }
        self.0.set_holder(None);
    }
}

impl SqliteTransaction {
    pub(super) fn new(shared: Arc<Shared>, writer: Writer) -> Self {
        let open = Some(Open(shared.clone(), writer));
        Self { shared, open }
    }

    fn take(&mut self) -> Result<Open> {
        self.open
            .take()
            .ok_or_else(|| Error::internal("a statement of this transaction was dropped, so it is rolled back"))
    }

    async fn run_one(&mut self, call: Call, mut rows: Box<dyn Rows>) -> Done {
        let open = self.take()?;
        if self.shared.is_quick(&call) {
            let ran = run_here(&open.1, &call, rows.as_mut(), call.asked, Duration::ZERO);
            self.open = Some(open);
            return Ok((rows, ran?));
        }
        let waiting = Waiting::default();
        let gone = waiting.gone();
        let work = move || {
            let ran = open.1.timed(&call, rows.as_mut(), &gone);
            (open, ran, rows, call)
        };
        let (open, (ran, took), rows, call) = offload(work).await?;
        drop(waiting);
        book(&call, &ran, took, Duration::ZERO);
        self.open = Some(open);
        Ok((rows, ran?))
    }

    async fn finish(mut self: Box<Self>, sql: &'static str) -> Result<()> {
        let open = self.take()?;
        if sql == "ROLLBACK" && !open.1.is_open() {
            // A write that was stopped midway has rolled back already.
            return Ok(());
        }
        if self.shared.section.durability == Durability::Full && sql == "COMMIT" {
            return offload(move || open.1.script(sql)).await?;
        }
        telemetry::sync(WaitKind::Database, "commit", || open.1.script(sql))
    }
}

impl Transaction for SqliteTransaction {
    fn run(&mut self, call: Call, rows: Box<dyn Rows>) -> BoxFuture<'_, Done> {
        Box::pin(self.run_one(call, rows))
    }

    fn script<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let open = self.take()?;
            let sql = sql.to_owned();
            let (open, ran) = if sql.len() < 200 {
                let ran = telemetry::sync(WaitKind::Database, "inline", || open.1.script(&sql));
                (open, ran)
            } else {
                offload(move || {
                    let ran = open.1.script(&sql);
                    (open, ran)
                })
                .await?
            };
            self.open = Some(open);
            ran
        })
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.finish("COMMIT"))
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.finish("ROLLBACK"))
    }
}

/// Rolls back what is still open when a group ends: after a panic in reading a row, the next one begins clean.
struct Group<'a>(&'a Connection);

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if self.0.is_open() {
            let _ = self.0.script("ROLLBACK");
        }
    }
}

/// Runs the writes of a group, each in its own savepoint, commits once, and then answers all of them.
///
/// A write that is stopped midway, or that fills the disk, rolls back the whole transaction: those before it are told
/// that they did not happen, those after it get a transaction of their own.
pub(super) fn run_group(writer: &mut Writer, group: Vec<Pending>, pool_wait: Duration, offloaded: bool) {
    let (writer, held, mine) = (&*writer.connection, &mut writer.held, Named::at_hand());
    let _clean = Group(writer);
    let alone = group.len() == 1;
    let mut answers: Vec<(oneshot::Sender<AllDone>, AllDone)> = Vec::with_capacity(group.len());
    for Pending { mut steps, done, begun, operation } in group {
        if done.is_closed() || begun.swap(true, Ordering::AcqRel) {
            continue;
        }
        let mut work = || run_apart(writer, &mut steps, alone, Ran { pool_wait, offloaded, ..Ran::default() });
        held.hand_to(operation.as_ref().map_or(Named::NOBODY, Operation::named));
        let ran = match &operation {
            Some(operation) => operation.enter(&mut work),
            None => work(),
        };
        let rolled_back = !writer.is_open();
        if rolled_back {
            answers.iter_mut().filter(|(_, answer)| answer.is_ok()).for_each(|(_, answer)| *answer = Err(lost()));
        }
        let answered = |changed: SmallVec<[u64; 1]>| steps.into_iter().map(|(_, rows)| rows).zip(changed).collect();
        answers.push((done, ran.map(answered)));
        if rolled_back && writer.script("BEGIN IMMEDIATE").is_err() {
            // Who is left hears that the one who did the work ended.
            break;
        }
    }
    held.hand_to(mine);
    let worth = answers.iter().any(|(_, answer)| answer.is_ok());
    let committed = telemetry::sync(WaitKind::Database, "commit", || commit(writer, worth));
    for (done, answer) in answers {
        let answer = match &committed {
            Ok(()) => answer,
            Err(error) => answer.and(Err(Error::new(error.kind(), error.message().to_owned()).context("the commit"))),
        };
        let _ = done.send(answer);
    }
}

fn commit(writer: &Connection, worth: bool) -> Result<()> {
    if worth { writer.script("COMMIT") } else { Ok(()) }
}

/// A write that fails leaves nothing behind for the others of its group.
fn run_apart(writer: &Connection, steps: &mut Steps, alone: bool, mut how: Ran) -> Result<SmallVec<[u64; 1]>> {
    let mut each = || steps.iter_mut().map(|(call, rows)| run_step(writer, call, rows.as_mut(), &mut how)).collect();
    if alone {
        return each();
    }
    writer.script("SAVEPOINT one")?;
    let ran: Result<_> = each();
    if writer.is_open() {
        writer.script(if ran.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" })?;
    }
    ran
}

/// Runs one statement; the first of a batch is booked the wait for the writer.
fn run_step(writer: &Connection, call: &Call, rows: &mut dyn Rows, how: &mut Ran) -> Result<u64> {
    let (pool_wait, offloaded) = (std::mem::take(&mut how.pool_wait), how.offloaded);
    let work = || {
        if Ticks::now() >= call.deadline {
            return Err(Error::new(Kind::Timeout, "the deadline passed while the write waited"));
        }
        writer.execute(call, rows)
    };
    telemetry::sync_query(Ticks::now(), WaitKind::Database, "write", work, |ran, took, wanted| {
        observe::recorded(call, Ran { offloaded, ..Ran::new(pool_wait, took, ran) }, wanted)
    })
}
