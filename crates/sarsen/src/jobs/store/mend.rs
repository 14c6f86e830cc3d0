//! What an operator changes: stops, retries, edits and gives up jobs, and lets queues stand still.

use super::bundle;
use super::settle::{self, Failure};
use super::{Store, flag};
use crate::data::{On, Tx};
use crate::error::{Error, Result};
use crate::jobs::admin::{Discarded, Filter};
use crate::jobs::state::State;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Dead letters that one transaction brings back.
const BATCH: i64 = 500;
/// Under this attempt stands in the errors that somebody gave a job up; runs count from 1.
const BY_HAND: u32 = 0;

/// A job that is locked until the commit.
#[derive(crate::FromRow)]
struct Locked {
    state: i64,
    kind: String,
    queue: String,
    flags: i64,
}

impl Locked {
    fn state(&self) -> Result<State> {
        State::of(self.state)
    }
}

fn conflict(id: Uuid, state: State, hint: &'static str) -> Error {
    Error::conflict(format!("job {id} is {state}")).hint(hint)
}

/// The job while it lives, which nobody else changes until the commit; unfolded when a bundle has it.
async fn live(tx: &Tx, id: Uuid) -> Result<Option<Locked>> {
    let sql = "SELECT state, kind, queue, flags FROM sarsen_jobs WHERE id = ? FOR UPDATE";
    let Some(mut job) = tx.own(sql).bind(id).optional::<Locked>().await? else { return Ok(None) };
    if job.state()? == State::Available && bundle::unfold_one(tx, id).await? {
        job.state = State::Running.number();
    }
    Ok(Some(job))
}

/// The job, live or ended, which nobody else changes until the commit.
async fn locked(tx: &Tx, id: Uuid) -> Result<Locked> {
    if let Some(job) = live(tx, id).await? {
        return Ok(job);
    }
    let ended = "SELECT outcome + 5 AS state, kind, queue, flags FROM sarsen_job_history WHERE id = ? FOR UPDATE";
    let job = tx.own(ended).bind(id).optional().await?;
    job.ok_or_else(|| Error::not_found(format!("there is no job {id}")).hint("`jobs list` shows those that are kept"))
}

impl Store {
    /// Stops a job: one that waits is cancelled, one that runs is told so. False when it has ended, or is not known.
    pub(crate) async fn cancel(&self, id: Uuid) -> Result<bool> {
        On::Db(&self.db)
            .within(async |tx| {
                let Some(job) = live(tx, id).await? else { return Ok(false) };
                if job.state()? == State::Running {
                    // Its worker reads this with its next beat.
                    let sql = "UPDATE sarsen_jobs SET flags = flags | 16 WHERE id = ?";
                    tx.own(sql).bind(id).execute().await?;
                } else {
                    settle::end(tx, &[id], State::Cancelled).await?;
                }
                Ok(true)
            })
            .await
    }

    /// Brings a dead letter back, or lets a job that waits for a time run now.
    pub(crate) async fn retry(&self, id: Uuid) -> Result<()> {
        On::Db(&self.db)
            .within(async |tx| {
                let job = locked(tx, id).await?;
                match job.state()? {
                    State::Discarded => return revive(tx, &[id]).await,
                    State::Scheduled | State::Retryable => {}
                    state => {
                        let hint = "only dead letters, and jobs that wait for a time, can be retried";
                        return Err(conflict(id, state, hint));
                    }
                }
                let sql = "UPDATE sarsen_jobs SET state = 0, run_at = ? WHERE id = ?";
                tx.own(sql).bind(tx.clock().now().as_micros()).bind(id).execute().await?;
                settle::wake(tx, &job.queue);
                Ok(())
            })
            .await
    }

    /// Brings back the dead letters that fit and were there when this began; says how many.
    pub(crate) async fn retry_dead(&self, filter: &Filter) -> Result<u64> {
        let (mut from, until) = (0, self.now().as_micros());
        let mut retried = 0;
        loop {
            let some = On::Db(&self.db).within(async |tx| retry_some(tx, filter, from, until).await).await?;
            retried += some.len() as u64;
            match some.last() {
                Some((_, finished_at)) if some.len() >= usize::try_from(BATCH).unwrap_or(0) => from = *finished_at,
                _ => return Ok(retried),
            }
        }
    }

    /// Replaces the arguments by what `seal` makes for the job's kind, encrypted where it says so.
    pub(crate) async fn edit(
        &self,
        id: Uuid,
        seal: impl FnOnce(&str, bool) -> Result<(Option<u32>, Vec<u8>)> + Send,
    ) -> Result<()> {
        On::Db(&self.db)
            .within(async |tx| {
                let job = locked(tx, id).await?;
                let state = job.state()?;
                if matches!(state, State::Running | State::Completed | State::Cancelled) {
                    return Err(conflict(id, state, "only what is dead or has yet to run can be edited"));
                }
                let (version, args) = seal(&job.kind, job.flags & flag::ENCRYPTED != 0)?;
                let sql = if state == State::Discarded {
                    "UPDATE sarsen_job_history SET args = ?, version = COALESCE(CAST(? AS BIGINT), version) WHERE id = ?"
                } else {
                    "UPDATE sarsen_jobs SET args = ?, version = COALESCE(CAST(? AS BIGINT), version) WHERE id = ?"
                };
                tx.own(sql).bind(args).bind(version).bind(id).execute().await.map(drop)
            })
            .await
    }

    /// Makes a live job a dead letter, and deletes a dead letter.
    pub(crate) async fn discard(&self, id: Uuid) -> Result<Discarded> {
        On::Db(&self.db)
            .within(async |tx| {
                let job = locked(tx, id).await?;
                match job.state()? {
                    State::Discarded => return delete(tx, id).await.map(|()| Discarded::Deleted),
                    State::Running => {
                        return Err(conflict(id, State::Running, "cancel it: what runs is told to stop"));
                    }
                    state if state.has_ended() => return Err(conflict(id, state, "there is nothing to give up")),
                    _ => {}
                }
                let failure = Failure { kind: "discarded", message: "somebody gave it up".to_owned() };
                settle::note(tx, id, BY_HAND, &failure).await?;
                settle::end(tx, &[id], State::Discarded).await?;
                Ok(Discarded::DeadLetter)
            })
            .await
    }

    /// Lets a queue stand still, or go on.
    pub(crate) async fn pause(&self, queue: &str, paused: bool) -> Result<()> {
        let known = self.known_queues().await?;
        if !known.contains(queue) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::not_found(format!("there is no queue `{queue}`")).hint(format!("known: {known}")));
        }
        let sql = "INSERT INTO sarsen_job_queues (name, paused) VALUES (?, ?) \
                   ON CONFLICT (name) DO UPDATE SET paused = excluded.paused";
        self.db.query(sql).bind(queue).bind(i64::from(paused)).execute().await?;
        if let Some(channel) = crate::jobs::registry::channel(queue) {
            self.db.wake(channel);
        }
        Ok(())
    }
}

async fn retry_some(tx: &Tx, filter: &Filter, from: i64, until: i64) -> Result<Vec<(Uuid, i64)>> {
    let sql = "SELECT id, finished_at FROM sarsen_job_history WHERE outcome = 2 AND finished_at >= ? AND finished_at <= ? \
               AND (? = '' OR queue = ?) AND (? = '' OR kind = ?) AND (? = '' OR job_key = ?) \
               ORDER BY finished_at LIMIT ? FOR UPDATE SKIP LOCKED";
    let query = tx.own(sql).bind(from).bind(until);
    let texts = [&filter.queue, &filter.kind, &filter.key];
    let query = texts.into_iter().fold(query, |query, text| query.bind(text.as_str()).bind(text.as_str()));
    let some: Vec<(Uuid, i64)> = query.bind(BATCH).all().await?;
    let ids: Vec<Uuid> = some.iter().map(|(id, _)| *id).collect();
    revive(tx, &ids).await?;
    Ok(some)
}

/// Makes dead letters live again, at their first attempt.
async fn revive(tx: &Tx, ids: &[Uuid]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let now = tx.clock().now().as_micros();
    // Its lease is beyond all that were given before: who held one of those cannot settle this.
    let insert = "INSERT INTO sarsen_jobs (id, queue, kind, version, state, priority, run_at, seq, job_key, attempt, \
                  max_attempts, crashes, lease, enqueued_at, flags, batch, trace, args) SELECT id, queue, kind, version, 0, \
                  priority, CAST(? AS BIGINT), seq, job_key, 0, max_attempts, 0, CAST(? AS BIGINT), enqueued_at, \
                  flags & CAST(? AS BIGINT), batch, trace, args FROM sarsen_job_history WHERE id IN (?) AND outcome = 2";
    let kept = !(flag::CANCELLED | flag::UNIQUE | flag::UNIQUE_WAITING | flag::BEGUN);
    tx.own(insert).bind(now).bind(now).bind(kept).bind_list(ids.iter().copied()).execute().await?;
    // The errors of the attempts until now make room for those of the attempts to come.
    let errors = "UPDATE sarsen_job_errors SET attempt = attempt - ? WHERE job IN (?) AND attempt >= 0";
    tx.own(errors).bind(now).bind_list(ids.iter().copied()).execute().await?;
    let delete = "DELETE FROM sarsen_job_history WHERE id IN (?) RETURNING id, queue, flags, batch";
    let gone: Vec<(Uuid, String, i64, Option<Uuid>)> = tx.own(delete).bind_list(ids.iter().copied()).all().await?;
    count_up(tx, &gone).await?;
    gone.iter().for_each(|(_, queue, ..)| settle::wake(tx, queue));
    Ok(())
}

/// Counts jobs in again that their batches had counted out; a batch that has ended does not begin again.
async fn count_up(tx: &Tx, jobs: &[(Uuid, String, i64, Option<Uuid>)]) -> Result<()> {
    let mut batches: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for (id, _, flags, batch) in jobs {
        if let Some(batch) = batch.filter(|_| flags & flag::IN_BATCH != 0) {
            batches.entry(batch).or_default().push(*id);
        }
    }
    for (batch, jobs) in batches {
        let count = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        let sql =
            "UPDATE sarsen_job_batches SET pending = pending + ?, failed = failed - ? WHERE id = ? AND pending > 0";
        if tx.own(sql).bind(count).bind(count).bind(batch).execute().await? == 0 {
            let sql = "UPDATE sarsen_jobs SET flags = flags & ? WHERE id IN (?)";
            tx.own(sql).bind(!flag::IN_BATCH).bind_list(jobs).execute().await?;
        }
    }
    Ok(())
}

/// Deletes a dead letter; what waits for it is cancelled, for it will never go well.
async fn delete(tx: &Tx, id: Uuid) -> Result<()> {
    settle::cancel_waiting(tx, &[id]).await?;
    tx.own("DELETE FROM sarsen_job_errors WHERE job = ?").bind(id).execute().await?;
    tx.own("DELETE FROM sarsen_job_history WHERE id = ?").bind(id).execute().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_in_the_texts_are_those_of_the_states() {
        assert_eq!(State::Discarded.number() - crate::jobs::state::ENDED, 2);
        assert_eq!(flag::CANCELLED, 16);
    }
}
