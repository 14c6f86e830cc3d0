//! What is known of one job from outside: its state, its progress, and how it ended.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for a worker.
    Available,
    /// It is due later.
    Scheduled,
    /// It failed, and is tried again later.
    Retryable,
    /// A worker is at it.
    Running,
    /// It waits for another job, or for a batch.
    Waiting,
    /// It went well.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It failed for good: a dead letter.
    Discarded,
}

/// The numbers of the states of live jobs; see the migration. Partial indexes repeat them.
pub(crate) const AVAILABLE: i64 = 0;
pub(crate) const SCHEDULED: i64 = 1;
pub(crate) const WAITING: i64 = 4;
/// How far the outcomes of the history are from the states of live jobs.
pub(crate) const ENDED: i64 = 5;

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [State; 8] = [
        State::Available,
        State::Scheduled,
        State::Retryable,
        State::Running,
        State::Waiting,
        State::Completed,
        State::Cancelled,
        State::Discarded,
    ];

    /// The number in the table of live jobs, or 5 more than that in the history.
    pub(crate) fn number(self) -> i64 {
        Self::ALL.iter().zip(0..).find_map(|(state, number)| (*state == self).then_some(number)).unwrap_or_default()
    }

    pub(crate) fn of(number: i64) -> Result<State> {
        let state = usize::try_from(number).ok().and_then(|number| Self::ALL.get(number).copied());
        state.ok_or_else(|| Error::internal(format!("a job has the state {number}, which this build does not know")))
    }

    /// The name in the CLI and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Available => "available",
            State::Scheduled => "scheduled",
            State::Retryable => "retryable",
            State::Running => "running",
            State::Waiting => "waiting",
            State::Completed => "completed",
            State::Cancelled => "cancelled",
            State::Discarded => "discarded",
        }
    }

    /// Whether nothing will happen to it any more.
    pub fn has_ended(self) -> bool {
        self.number() >= ENDED
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("`{text}` is no state of a job")).hint(format!("known: {known}"))
        })
    }
}

/// How far a job has come, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much.
    pub total: u64,
    /// What it is at.
    pub note: String,
}

/// A job, live or ended, without its arguments.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobState {
    /// Which one.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Its key; empty when it has none.
    pub key: String,
    /// Where it stands.
    pub state: State,
    /// 1 runs first, 9 last.
    pub priority: u32,
    /// How often it was tried.
    pub attempt: u32,
    /// How often it is tried at most.
    pub max_attempts: u32,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
    /// When it is or was due.
    pub run_at: Timestamp,
    /// When the last run began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How far it has come.
    pub progress: Option<Progress>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// A job that was enqueued, or the one that was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Which one.
    pub id: Uuid,
    /// Its [`Unique`](super::Unique) refused it: the id is that of the first one.
    pub duplicate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_keep_their_numbers_and_names() {
        for (number, state) in (0..).zip(State::ALL) {
            assert_eq!((state.number(), State::of(number).expect("known")), (number, state));
            assert_eq!(state.as_str().parse::<State>().expect("known"), state);
        }
        assert!(State::of(8).is_err() && "done".parse::<State>().is_err());
    }
}
