//! Makes a report: reads what was posted page by page, counts it, and keeps the table.

use super::calendar::Days;
use super::store::{self, Stored};
use super::tally::{Count, Tally};
use super::{Module, csv};
use crate::accounts::api::MAX_USERS;
use crate::channels::api::ChannelRef;
use crate::messages::api::{ActivityRange, MAX_ACTIVITY};
use sarsen::error::Kind;
use sarsen::jobs::Run;
use sarsen::{Error, Result, Timestamp};
use std::collections::HashMap;
use uuid::Uuid;

/// Largest table.
const MAX_CSV: usize = 8 << 20;

/// Steps of progress in one channel: it goes by how much of the time in question was read.
const STEPS: u64 = 100;

/// What was counted so far.
#[derive(Debug)]
struct Made {
    csv: String,
    messages: u64,
}

impl Module {
    /// Makes a report and keeps it, exactly once; an error that time will not mend is noted for its owner.
    pub(super) async fn make(&self, id: Uuid, run: &Run) -> Result<()> {
        let Some(report) = self.store.report(id).await? else { return Ok(()) };
        let made = match self.count(&report, run).await {
            Ok(made) => made,
            Err(error) => {
                let last = run.attempt() >= run.max_attempts();
                if error.kind() == Kind::Invalid {
                    self.store.fail(id, error.message()).await?;
                } else if last {
                    self.store.fail(id, "it could not be made").await?;
                }
                return Err(error);
            }
        };
        let tx = self.store.db.begin().await?;
        if store::finish(&tx, id, made.csv, made.messages, self.clock.now()).await? {
            run.complete_in(&tx).await?;
        }
        tx.commit().await
    }

    /// Counts what its owner may read now.
    async fn count(&self, report: &Stored, run: &Run) -> Result<Made> {
        let days = report.days()?;
        let rooms = self.channels.readable_rooms(report.owner_id).await?;
        let total = STEPS * rooms.len() as u64;
        let mut made = Made { csv: csv::head(&days), messages: 0 };
        for (room, number) in rooms.iter().zip(0_u64..) {
            let progress = |steps: u64, seen: u64| {
                let done = number * STEPS + steps;
                let note = format!("#{}: {seen} messages", name(room));
                async move { run.progress(done, total, &note).await }
            };
            let members = self.count_room(room, &days, progress).await?;
            self.write(&mut made, room, members).await?;
            if run.is_cancelled() {
                return Err(Error::unavailable("the report was stopped"));
            }
        }
        run.progress(total, total, "done").await?;
        Ok(made)
    }

    /// The counts of one channel, in as much memory as its members take.
    async fn count_room<P, F>(&self, room: &ChannelRef, days: &Days, progress: P) -> Result<Vec<(Uuid, Count)>>
    where
        P: Fn(u64, u64) -> F,
        F: Future<Output = Result<()>>,
    {
        let (from, until) = days.moments()?;
        let (mut tally, mut after, mut seen) = (Tally::new(days), None, 0);
        progress(0, seen).await?;
        loop {
            let page = self.messages.activity(ActivityRange { channel: room.id, from, until, after }).await?;
            page.iter().try_for_each(|activity| tally.add(activity))?;
            seen += page.len() as u64;
            let Some(last) = page.last() else { break };
            progress(part(from, last.posted_at, until), seen).await?;
            after = Some((last.posted_at, last.id));
            if page.len() < MAX_ACTIVITY {
                break;
            }
        }
        Ok(tally.members())
    }

    async fn write(&self, made: &mut Made, room: &ChannelRef, members: Vec<(Uuid, Count)>) -> Result<()> {
        for some in members.chunks(MAX_USERS) {
            let ids = some.iter().map(|(member, _)| *member).collect();
            let users = self.accounts.users(ids).await?;
            let names: HashMap<Uuid, String> = users.into_iter().map(|user| (user.id, user.display_name)).collect();
            for (member, count) in some {
                let member = names.get(member).map_or("unknown", String::as_str);
                made.csv.push_str(&csv::row(name(room), member, count));
                made.messages += count.messages;
            }
            if made.csv.len() > MAX_CSV {
                return Err(Error::invalid("the report is larger than 8 MB: choose fewer days"));
            }
        }
        Ok(())
    }
}

/// Only named channels are counted.
fn name(room: &ChannelRef) -> &str {
    room.name.as_deref().unwrap_or_default()
}

/// Which part of the time from `from` to `until` is over at `at`, in [`STEPS`].
fn part(from: Timestamp, at: Timestamp, until: Timestamp) -> u64 {
    let (done, all) = (at.since(from).as_micros(), until.since(from).as_micros());
    u64::try_from(u128::from(STEPS) * done / all.max(1)).unwrap_or(STEPS).min(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_by_time() {
        let at = Timestamp::from_micros;
        let parts = [0, 1, 50, 99, 100, 150].map(|now| part(at(0), at(now), at(100)));
        assert_eq!(parts, [0, 1, 50, 99, 100, 100]);
        assert_eq!(part(at(5), at(5), at(5)), 0);
    }
}
