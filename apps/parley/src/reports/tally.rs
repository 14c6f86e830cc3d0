//! Counts what was posted in one channel, message by message, by who posted it.

use super::calendar::Days;
use crate::messages::api::Activity;
use sarsen::Result;
use std::collections::HashMap;
use uuid::Uuid;

/// Hours of a day.
pub(super) const HOURS: usize = 24;

/// What one member did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) messages: u64,
    pub(super) replies: u64,
    /// Messages that others, or they themselves, have replied to.
    pub(super) threads: u64,
    /// Reactions at their messages.
    pub(super) reactions: u64,
    /// Messages of each day.
    pub(super) days: Vec<u64>,
    /// Messages of each hour of all days together.
    pub(super) hours: [u64; HOURS],
}

impl Count {
    fn of_days(days: usize) -> Self {
        Self { messages: 0, replies: 0, threads: 0, reactions: 0, days: vec![0; days], hours: [0; HOURS] }
    }

    /// The hour with most messages; of several the first.
    pub(super) fn busiest_hour(&self) -> usize {
        let most = self.hours.iter().max().copied().unwrap_or_default();
        self.hours.iter().position(|count| *count == most).unwrap_or_default()
    }
}

/// The counts of one channel; it grows with its members, not with its messages.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    days: &'a Days,
    members: HashMap<Uuid, Count>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(days: &'a Days) -> Self {
        Self { days, members: HashMap::new() }
    }

    /// Counts a message; one of another day is left out.
    pub(super) fn add(&mut self, activity: &Activity) -> Result<()> {
        let Some((day, hour)) = self.days.place(activity.posted_at)? else { return Ok(()) };
        let count = self.members.entry(activity.author_id).or_insert_with(|| Count::of_days(self.days.count()));
        count.messages += 1;
        count.replies += u64::from(activity.thread_id.is_some());
        count.threads += u64::from(activity.reply_count > 0);
        count.reactions += activity.reactions.max(0).unsigned_abs();
        count.days[day] += 1;
        count.hours[hour] += 1;
        Ok(())
    }

    /// Who posted, whoever posted most first.
    pub(super) fn members(self) -> Vec<(Uuid, Count)> {
        let mut members: Vec<(Uuid, Count)> = self.members.into_iter().collect();
        members.sort_unstable_by_key(|(member, count)| (std::cmp::Reverse(count.messages), *member));
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::calendar::Zone;

    fn days() -> Days {
        let now = "2026-01-12T07:00:00Z".parse().expect("a time");
        Days::asked(&Zone::named("UTC").expect("is known"), None, None, now).expect("a week")
    }

    fn said(author: u128, at: &str, thread: Option<u128>, reply_count: i64, reactions: i64) -> Activity {
        let posted_at = at.parse().expect("a time");
        let (id, author_id) = (Uuid::nil(), Uuid::from_u128(author));
        Activity { id, author_id, posted_at, thread_id: thread.map(Uuid::from_u128), reply_count, reactions }
    }

    #[test]
    fn messages_are_counted_by_member_day_and_hour() {
        let days = days();
        let mut tally = Tally::new(&days);
        for activity in [
            said(1, "2026-01-05T00:00:00Z", None, 2, 3),
            said(2, "2026-01-05T09:30:00Z", Some(9), 0, 0),
            said(2, "2026-01-11T23:59:59Z", Some(9), 0, 1),
            said(2, "2026-01-11T23:00:00Z", None, 0, 0),
            said(2, "2026-01-12T00:00:00Z", None, 0, 0),
            said(1, "2026-01-04T23:59:59Z", None, 0, 0),
        ] {
            tally.add(&activity).expect("counts");
        }
        let members = tally.members();
        let ids: Vec<u128> = members.iter().map(|(member, _)| member.as_u128()).collect();
        assert_eq!(ids, [2, 1]);
        let second = &members[0].1;
        assert_eq!((second.messages, second.replies, second.threads, second.reactions), (3, 2, 0, 1));
        assert_eq!(second.days, [1, 0, 0, 0, 0, 0, 2]);
        assert_eq!((second.hours[9], second.hours[23], second.busiest_hour()), (1, 2, 23));
        let first = &members[1].1;
        assert_eq!((first.messages, first.threads, first.reactions, first.busiest_hour()), (1, 1, 3, 0));
    }
}
