//! Fires the schedules: every process with the role `scheduler` looks what is due, and one of them gets it.

use super::schedule::{NEVER, Plan, Scheduled};
use super::store::{ScheduleRow, Store};
use super::{Jobs, On};
use crate::clock::{self, Timestamp};
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use crate::telemetry::{Operation, OperationKind, Outcome, Recorder, Trace, panic_words};
use futures_util::FutureExt;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Looks what is due, and fires it.
#[derive(Debug)]
pub(crate) struct Scheduler {
    jobs: Jobs,
    recorder: Recorder,
    /// Schedules that were said to be due later than they should be.
    ahead: Mutex<HashSet<&'static str>>,
}

impl Scheduler {
    pub(crate) fn new(jobs: &Jobs, recorder: &Recorder) -> Self {
        Self { jobs: jobs.clone(), recorder: recorder.clone(), ahead: Mutex::default() }
    }

    /// Writes the schedules of this build down. One whose expression or zone has changed is due as the new one says.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let now = self.store().now();
        for scheduled in self.jobs.registry().schedules() {
            self.store().put_schedule(&scheduled.row(now)).await?;
        }
        Ok(())
    }

    /// Fires until the application stops, as often as something is due; looks at least every `jobs.poll`.
    pub(crate) async fn run(self, lifecycle: Lifecycle) {
        let poll = self.jobs.0.section.poll.0;
        let (mut prepared, mut failures) = (false, 0);
        while !lifecycle.is_stopping() {
            let looked = async {
                if !prepared {
                    self.prepare().await?;
                    prepared = true;
                }
                self.tick().await
            };
            let wait = match looked.await {
                Ok(next) => {
                    failures = 0;
                    next.map_or(poll, |next| next.min(poll))
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(failures, "the schedules: {}", error.report());
                    poll * 2_u32.pow(failures.min(5))
                }
            };
            tokio::select! {
                () = clock::pause(wait.max(Duration::from_millis(1))) => {}
                () = lifecycle.stopping() => {}
            }
        }
    }

    /// Fires what is due at the clock's time, and says how long it is to the next.
    ///
    /// A schedule that cannot be fired holds up no other; the first error is given at the end.
    pub(crate) async fn tick(&self) -> Result<Option<Duration>> {
        let schedules = self.jobs.registry().schedules();
        if schedules.is_empty() {
            return Ok(None);
        }
        let rows = self.store().schedules().await?;
        let rows: HashMap<&str, &ScheduleRow> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
        let (now, mut next, mut failed) = (self.store().now(), NEVER, None);
        for scheduled in schedules {
            match self.look(scheduled, rows.get(scheduled.name()).copied(), now).await {
                Ok(due) => next = next.min(due),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok((next < NEVER).then(|| next.since(self.store().now()))),
        }
    }

    fn store(&self) -> &Store {
        self.jobs.store()
    }

    /// Fires one schedule if it is due, and says when it is due next.
    async fn look(&self, scheduled: &Scheduled, row: Option<&ScheduleRow>, now: Timestamp) -> Result<Timestamp> {
        let own = scheduled.row(now);
        let Some(row) = row else {
            self.store().put_schedule(&own).await?;
            return Ok(scheduled.after(now));
        };
        if row.paused == 1 || (&row.cron, &row.zone) != (&own.cron, &own.zone) {
            return Ok(NEVER);
        }
        if row.next_at == 0 {
            self.store().reckon_schedule(scheduled.name(), scheduled.after(now)).await?;
            return Ok(scheduled.after(now));
        }
        let due = Timestamp::from_micros(row.next_at);
        if due > now {
            self.note_ahead(scheduled, due, now);
            return Ok(due);
        }
        let plan = scheduled.plan(due, now);
        self.fire(scheduled, row, &plan).await?;
        Ok(plan.next)
    }

    /// Says once that the clock was set back: the times that come again were fired already.
    fn note_ahead(&self, scheduled: &Scheduled, due: Timestamp, now: Timestamp) {
        let is_ahead = scheduled.is_ahead(due, now);
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_ahead {
            ahead.remove(scheduled.name());
        } else if ahead.insert(scheduled.name()) {
            let schedule = scheduled.name();
            tracing::warn!(schedule, %due, "the clock was set back: this schedule fires again at its next time, and fires nothing twice");
        }
    }

    /// One firing as an Operation of its own, unless another process was quicker.
    async fn fire(&self, scheduled: &Scheduled, row: &ScheduleRow, plan: &Plan) -> Result<()> {
        let name = scheduled.name();
        let known = self.recorder.name(OperationKind::Schedule, scheduled.module(), name);
        let operation = Operation::open_in(known, Trace::new(), &self.recorder);
        let taken = match operation.scope(AssertUnwindSafe(self.take(scheduled, row, plan)).catch_unwind()).await {
            Ok(taken) => taken,
            Err(panic) => Err(Error::internal(format!("panic: {}", panic_words(&*panic)))),
        };
        match taken {
            Ok(false) => {}
            Ok(true) if plan.fire.is_empty() => {
                tracing::info!(schedule = name, next = %plan.next, "what was missed of this schedule is left out");
            }
            Ok(true) => operation.close(Outcome::Done),
            Err(error) => {
                let error = error.context(format!("schedule `{name}` cannot fire"));
                operation.set_error(&error);
                operation.close(Outcome::Failed);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The firing and its jobs in one transaction.
    async fn take(&self, scheduled: &Scheduled, row: &ScheduleRow, plan: &Plan) -> Result<bool> {
        On::Db(&self.store().db)
            .within(async |tx| {
                if !Store::take_firing(tx, row, plan).await? {
                    return Ok(false);
                }
                let make = |at: &Timestamp| scheduled.make(&self.jobs, On::Tx(tx), *at);
                let new = plan.fire.iter().map(make).collect::<Result<Vec<_>>>()?;
                if !new.is_empty() {
                    Store::insert(On::Tx(tx), new).await?;
                }
                Ok(true)
            })
            .await
    }
}
