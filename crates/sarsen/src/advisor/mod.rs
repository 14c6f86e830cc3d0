//! Judges what was recorded: what is slow, who is to blame, what it is bound by, and what to do next.
//!
//! Pure functions from a [`Snapshot`](crate::telemetry::Snapshot) to [`Finding`]s; nothing here reads a clock, a file or a network.

use crate::telemetry::OperationKind;
use serde::{Deserialize, Serialize};

/// What something is bound by, or what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Word {
    /// It computes.
    Cpu,
    /// It blocks a thread of the runtime.
    Blocking,
    /// It waits for a thread of the runtime.
    Runtime,
    /// The machine has too little for all that runs on it.
    Host,
    /// The database works.
    Db,
    /// It waits for a connection, or for the one writer.
    DbPool,
    /// It waits for a lock.
    Lock,
    /// It waits for another service.
    External,
    /// It waits for the cache.
    Cache,
    /// It waits for a place in a queue; or jobs do.
    Queue,
    /// It waits for a file.
    File,
    /// The disk is slow, or busy.
    Disk,
    /// Memory runs out.
    Memory,
    /// The client sends or reads slowly.
    Client,
    /// Nobody said what it waits for.
    Unknown,
    /// Nothing is wrong.
    Healthy,
    /// Too few were seen to say anything.
    TooFew,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It costs something today.
    Warn,
    /// A budget is broken, or something does not work.
    Fail,
}

/// One thing that is so, why we say it, and what to do about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule found it: `verdict`, `n_plus_one`, `nothing_moves`.
    pub rule: String,
    /// What it is bound by.
    pub word: Word,
    /// How much it matters.
    pub level: Level,
    /// Whose Operations suffer; `None` when it is the process.
    pub operation: Option<(OperationKind, String)>,
    /// Who or what is to blame: a query, a host, a route, a line, a table.
    pub culprit: String,
    /// All of it in one sentence.
    pub sentence: String,
    /// What to do, in one sentence.
    pub advice: String,
    /// Names and numbers that show it.
    pub evidence: Vec<(String, String)>,
    /// Samples to look at.
    pub samples: Vec<String>,
    /// How many Operations it was concluded from.
    pub count: u64,
    /// Part of the time of which nobody knows where it went, 0 to 1.
    pub unknown: f64,
    /// Seconds of waiting or work a second: how many Operations sit in it at any moment (Little's law).
    pub impact: f64,
}
