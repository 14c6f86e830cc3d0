//! A query that runs: at once where the database is in the process and the statement is quick, else as the driver does it.

use super::query::{Answer, Call, Query, Target};
use super::row::Rows;
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The rows of a query and how many there were or were changed, once it is awaited.
///
/// Written by hand, because the handler that awaits it holds all of it: as nested `async` functions it was several times as large.
pub(super) struct Run<'c, R> {
    state: State<'c>,
    rows: Option<R>,
}

enum State<'c> {
    /// Nothing has happened yet.
    Asked(Query<'c>, &'static Location<'static>),
    Ready(Target<'c>, Call),
    /// The driver has the rows.
    Waiting(BoxFuture<'c, Result<Answer>>),
    Done,
}

impl<'c, R: Rows> Run<'c, R> {
    pub(super) fn new(query: Query<'c>, site: &'static Location<'static>, rows: R) -> Self {
        Self { state: State::Asked(query, site), rows: Some(rows) }
    }

    pub(super) fn of_call(target: Target<'c>, call: Call, rows: R) -> Self {
        Self { state: State::Ready(target, call), rows: Some(rows) }
    }

    #[inline]
    fn start(&mut self, target: Target<'c>, call: Call) -> Poll<Result<(R, u64)>> {
        let Some(mut rows) = self.rows.take() else { return Poll::Pending };
        self.state = State::Waiting(match target {
            Target::Db(db) => {
                if let Some(ran) = db.driver().try_inline(&call, &mut rows) {
                    self.state = State::Done;
                    return Poll::Ready(ran.map(|changed| (rows, changed)));
                }
                db.driver().run(call, Box::new(rows))
            }
            Target::Tx(tx) => Box::pin(tx.run(call, Box::new(rows))),
        });
        Poll::Pending
    }
}

/// Nothing here is looked at in its place.
impl<R> Unpin for Run<'_, R> {}

impl<R: Rows> Future for Run<'_, R> {
    type Output = Result<(R, u64)>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let started = match std::mem::replace(&mut this.state, State::Done) {
            State::Asked(query, site) => query.into_call(site).map(|(target, call)| this.start(target, call)),
            State::Ready(target, call) => Ok(this.start(target, call)),
            waiting => {
                this.state = waiting;
                Ok(Poll::Pending)
            }
        };
        if let Poll::Ready(ran) = started? {
            return Poll::Ready(ran);
        }
        let State::Waiting(driver) = &mut this.state else { return Poll::Pending };
        let answered = ready!(driver.as_mut().poll(context));
        this.state = State::Done;
        let (rows, changed) = answered?;
        Poll::Ready(taken(rows).map(|rows| (rows, changed)))
    }
}

/// What a driver gave back, as what it was given.
pub(super) fn taken<R: Rows>(rows: Box<dyn Rows>) -> Result<R> {
    let rows = rows.into_any().downcast::<R>();
    rows.map(|rows| *rows).map_err(|_| Error::internal("the driver gave back other rows than it was given"))
}
