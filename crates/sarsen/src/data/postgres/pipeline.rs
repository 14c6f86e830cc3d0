//! Several statements sent without waiting for the answers in between: in a transaction of their own, or in an open one.

use super::error::{explain, is_stale};
use super::value::{Param, Source};
use super::{Busy, late, prepared};
use crate::clock::{self, Ticks};
use crate::data::observe::{self, Ran};
use crate::data::query::{Answer, Call, MAX_ROWS, Step};
use crate::data::row::{Layout, Row, Rows};
use crate::data::value::Value;
use crate::error::{Error, Result};
use crate::telemetry::{self, WaitKind};
use futures_util::future::{BoxFuture, MaybeDone, join_all, maybe_done, poll_fn};
use futures_util::{FutureExt, StreamExt, pin_mut};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_postgres::{Error as ServerError, Statement};

/// Whose transaction the statements run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// One of their own: BEGIN and COMMIT travel along.
    Transaction,
    /// The one that is open.
    Inside,
    /// None: each has its own.
    Each,
}

/// What a step has become on this connection.
enum Ready<'c> {
    /// It runs once, with these values.
    Once(Statement, Vec<Param<'c>>),
    /// It runs once for each of these.
    Each(Statement, &'c [Vec<Value>]),
}

/// What the server gave to a step.
#[derive(Debug, Default)]
struct Given {
    rows: Vec<tokio_postgres::Row>,
    changed: u64,
    ended: Option<Ticks>,
}

/// What the steps gave until one failed; the error says which one that was.
struct Ended {
    given: Vec<Given>,
    failed: Option<(usize, ServerError)>,
}

/// The answer to the only step.
pub(super) fn only(mut answers: Vec<Answer>) -> Result<Answer> {
    answers.pop().ok_or_else(|| Error::internal("the driver gave no answer"))
}

/// Runs the steps; the first error is given, and of a transaction of their own nothing has happened then.
pub(super) async fn run(busy: &mut Busy, steps: Vec<Step>, pool_wait: Duration, frame: Frame) -> Result<Vec<Answer>> {
    let (calls, rows): (Vec<Call>, Vec<Box<dyn Rows>>) = steps.into_iter().unzip();
    let Some(first) = calls.iter().min_by_key(|call| call.deadline) else { return Ok(Vec::new()) };
    let started = Ticks::now();
    if started >= first.deadline {
        return Err(late(first));
    }
    busy.begin()?;
    let work = clock::until(first.deadline, in_frame(busy, &calls, frame));
    let ended = telemetry::wait(WaitKind::Database, "server", work).await.map_err(|_| late(first));
    let ended = ended.inspect_err(|_| {
        let took = Ticks::now() - started;
        observe::record(first, Ran { failed: true, execution: took, pool_wait, ..Ran::default() });
    })?;
    busy.idle = !busy.object().is_closed();
    book(&calls, &ended, started, pool_wait);
    if let Some((step, error)) = ended.failed {
        let call = &calls[step.min(calls.len() - 1)];
        busy.shared.inserts.forget(&call.text.sql);
        let error = explain(&error, &call.text.statement.normalised);
        return Err(if step < calls.len() { error } else { error.context("the commit") });
    }
    rows.into_iter().zip(ended.given).map(pour).collect()
}

/// Books each step; it took from the answer before it to its own.
fn book(calls: &[Call], ended: &Ended, mut since: Ticks, mut pool_wait: Duration) {
    for (step, (call, given)) in calls.iter().zip(&ended.given).enumerate() {
        let failed = ended.failed.as_ref().is_some_and(|(failed, _)| *failed == step);
        let ended = given.ended.unwrap_or(since);
        let pool_wait = std::mem::take(&mut pool_wait);
        let ran = Ran { pool_wait, execution: ended - since, rows: given.changed, failed, offloaded: false };
        observe::record(call, ran);
        since = ended;
    }
}

fn pour((mut rows, given): (Box<dyn Rows>, Given)) -> Result<Answer> {
    let layout = Layout::default();
    for row in &given.rows {
        let source = Source(row);
        let row = Row::new(&source, &layout);
        rows.row(&row)?;
        row.learned();
    }
    Ok((rows, given.changed))
}

/// Once more, when the connection's statements are from before a change of the schema: nothing has happened then.
async fn in_frame(busy: &Busy, calls: &[Call], frame: Frame) -> Ended {
    let ended = at_once(busy, calls, frame).await;
    let stale = ended.failed.as_ref().is_some_and(|(_, error)| is_stale(error));
    if !stale || frame != Frame::Transaction {
        return ended;
    }
    busy.object().statement_cache.clear();
    calls.iter().for_each(|call| busy.shared.inserts.forget(&call.text.sql));
    at_once(busy, calls, frame).await
}

async fn at_once(busy: &Busy, calls: &[Call], frame: Frame) -> Ended {
    let mut steps = Vec::with_capacity(calls.len());
    let prepared = join_all(calls.iter().map(|call| ready(busy, call))).await;
    for (step, ready) in prepared.into_iter().enumerate() {
        match ready {
            Ok(ready) => steps.push(ready),
            Err(error) => return Ended { given: Vec::new(), failed: Some((step, error)) },
        }
    }
    send(busy, &steps, frame).await
}

async fn ready<'c>(busy: &Busy, call: &'c Call) -> Result<Ready<'c>, ServerError> {
    let statement = prepared(busy, &call.text.translated).await?;
    let Some(rows) = call.many.as_deref() else {
        return Ok(Ready::Once(statement, call.binds.iter().map(Param::from).collect()));
    };
    let most = busy.shared.section.statement_cache;
    let insert = if rows.len() > 1 { busy.shared.inserts.find(&call.text.sql, statement.params(), most) } else { None };
    match insert.filter(|insert| insert.takes(rows)) {
        Some(insert) => Ok(Ready::Once(prepared(busy, &insert.text).await?, insert.params(rows))),
        None => Ok(Ready::Each(statement, rows)),
    }
}

/// A statement on its way; its first poll sends it.
type Part<'f> = MaybeDone<BoxFuture<'f, Result<Given, ServerError>>>;

/// Sends everything before it waits for the first answer.
///
/// A value that cannot be written fails before anything of its statement is sent. What ends the transaction is chosen
/// after that is known: COMMIT would keep the statements that were sent.
async fn send(busy: &Busy, steps: &[Ready<'_>], frame: Frame) -> Ended {
    let mut parts = Vec::with_capacity(steps.len() + 2);
    if frame == Frame::Transaction {
        parts.push((0, script(busy, "BEGIN")));
    }
    for (step, ready) in steps.iter().enumerate() {
        match ready {
            Ready::Once(statement, params) => parts.push((step, one(busy, statement, params.clone()))),
            Ready::Each(statement, rows) => {
                let params = rows.iter().map(|row| row.iter().map(Param::One).collect());
                parts.extend(params.map(|params| (step, one(busy, statement, params))));
            }
        }
    }
    let mut sent = 0;
    let mut refused = false;
    while sent < parts.len() && !refused {
        refused = begin(&mut parts[sent].1).await;
        sent += 1;
    }
    parts.truncate(sent);
    if frame == Frame::Transaction {
        let mut end = script(busy, if refused { "ROLLBACK" } else { "COMMIT" });
        begin(&mut end).await;
        parts.push((steps.len(), end));
    }
    collect(parts, steps.len()).await
}

/// Polls a part once, which sends it; says whether it could not be sent.
async fn begin(part: &mut Part<'_>) -> bool {
    let poll = |context: &mut Context<'_>| {
        let _ = part.poll_unpin(context);
        Poll::Ready(matches!(part, MaybeDone::Done(Err(_))))
    };
    poll_fn(poll).await
}

/// The answers come in the order in which their statements were sent.
async fn collect(parts: Vec<(usize, Part<'_>)>, steps: usize) -> Ended {
    let mut ended = Ended { given: std::iter::repeat_with(Given::default).take(steps).collect(), failed: None };
    for (step, mut part) in parts {
        (&mut part).await;
        let answer = Pin::new(&mut part).take_output();
        if let Some(given) = ended.given.get_mut(step) {
            given.ended = Some(Ticks::now());
        }
        match (answer, ended.given.get_mut(step)) {
            (Some(Ok(more)), Some(given)) => {
                given.rows.extend(more.rows);
                given.changed += more.changed;
            }
            // After the first error the server refuses what follows.
            (Some(Err(error)), _) if ended.failed.is_none() => ended.failed = Some((step, error)),
            _ => {}
        }
    }
    if let Some((failed, _)) = &ended.failed {
        ended.given.truncate(failed + 1);
    }
    ended
}

fn script<'f>(busy: &'f Busy, sql: &'static str) -> Part<'f> {
    maybe_done(async move { busy.object().batch_execute(sql).await.map(|()| Given::default()) }.boxed())
}

fn one<'f>(busy: &'f Busy, statement: &'f Statement, params: Vec<Param<'f>>) -> Part<'f> {
    let answer = async move {
        let stream = busy.object().query_raw(statement, params).await?;
        pin_mut!(stream);
        let (mut rows, mut count) = (Vec::new(), 0);
        while let Some(row) = stream.next().await {
            let row = row?;
            count += 1;
            // One more than is allowed, so that who reads them sees that there are too many.
            if rows.len() <= MAX_ROWS {
                rows.push(row);
            }
        }
        Ok(Given { rows, changed: stream.rows_affected().unwrap_or(count), ended: None })
    };
    maybe_done(answer.boxed())
}
