//! Statistics: how lively a channel was in the last days, kept up to date by the events of messages.
//!
//! The numbers are a projection: they can be made again from the log of events, and then are what they were, as far back
//! as the log goes.

mod activity;
mod http;

use crate::accounts::api::{Accounts, User};
use crate::channels::api::Channels;
use activity::{Activity, Written};
use sarsen::{Clock, Declare, Init, NoApi, Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use uuid::Uuid;

/// The days that are counted; today is the last of them.
const DAYS: u32 = 30;

/// Most people who are named.
const MAX_WRITERS: usize = 5;

const DAY: Duration = Duration::from_secs(86_400);

/// The module.
#[derive(Debug)]
pub struct Module {
    activity: Activity,
    clock: Clock,
    accounts: Accounts,
    channels: Channels,
}

/// What statistics use.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// Who people are.
    pub accounts: Accounts,
    /// Who may read a channel.
    pub channels: Channels,
}

impl sarsen::Module for Module {
    const NAME: &'static str = "statistics";
    type Api = NoApi;
    type Deps = Deps;
    type Config = ();

    fn declare(d: &mut Declare<Self>) {
        d.projection(activity::projection(), activity::apply).routes(http::routes);
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let Deps { accounts, channels } = i.deps;
        Ok(Module { activity: Activity::new(i.db), clock: i.clock, accounts, channels })
    }
}

/// How lively a channel was in the last 30 days, by UTC.
#[derive(Debug, Serialize, JsonSchema)]
struct Statistics {
    members: u64,
    /// Messages and replies in all of these days, deleted ones too.
    messages: i64,
    /// The last message in these days.
    last_message_at: Option<Timestamp>,
    /// One for each day, oldest first; today is the last.
    days: Vec<DayCount>,
    /// Who wrote most, up to five people.
    writers: Vec<Writer>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DayCount {
    /// `2026-01-31`.
    day: String,
    messages: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Writer {
    user: User,
    messages: i64,
}

impl Module {
    /// The numbers of a channel that `user` may read: four queries for any channel.
    async fn of_channel(&self, user: Uuid, channel: Uuid) -> Result<Statistics> {
        self.channels.visible(user, channel).await?;
        let members = self.channels.member_count(channel).await?;
        let days = self.days();
        let written = self.activity.since(channel, &days[0]).await?;
        let writers = self.writers(&written).await?;
        Ok(Statistics {
            members,
            messages: written.iter().map(|written| written.messages).sum(),
            last_message_at: written.iter().map(|written| written.last_at).max(),
            days: by_day(days, &written),
            writers,
        })
    }

    /// The last 30 days, oldest first.
    fn days(&self) -> Vec<String> {
        let today = self.clock.now();
        (0..DAYS).rev().map(|ago| activity::day(today - ago * DAY)).collect()
    }

    async fn writers(&self, written: &[Written]) -> Result<Vec<Writer>> {
        let mut counts: HashMap<Uuid, i64> = HashMap::new();
        for Written { author_id, messages, .. } in written {
            *counts.entry(*author_id).or_default() += messages;
        }
        let mut counts: Vec<(Uuid, i64)> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|(author, messages)| (std::cmp::Reverse(*messages), *author));
        counts.truncate(MAX_WRITERS);
        if counts.is_empty() {
            return Ok(Vec::new());
        }
        let users = self.accounts.users(counts.iter().map(|(author, _)| *author).collect()).await?;
        let writer = |(author, messages): &(Uuid, i64)| {
            let user = users.iter().find(|user| user.id == *author)?.clone();
            Some(Writer { user, messages: *messages })
        };
        Ok(counts.iter().filter_map(writer).collect())
    }
}

fn by_day(days: Vec<String>, written: &[Written]) -> Vec<DayCount> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for Written { day, messages, .. } in written {
        *counts.entry(day).or_default() += messages;
    }
    let count = |day: String| DayCount { messages: counts.get(day.as_str()).copied().unwrap_or(0), day };
    days.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_without_messages_count_too() {
        let at = Timestamp::from_micros(0);
        let written =
            |day: &str, messages| Written { day: day.to_owned(), author_id: Uuid::nil(), messages, last_at: at };
        let days = ["2026-01-01", "2026-01-02", "2026-01-03"].map(str::to_owned).to_vec();
        let counted = by_day(days, &[written("2026-01-03", 2), written("2026-01-01", 1), written("2026-01-03", 3)]);
        assert_eq!(counted.iter().map(|day| day.messages).collect::<Vec<_>>(), [1, 0, 5]);
    }
}
