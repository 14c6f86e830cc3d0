//! Judges what was recorded: what is slow, who is to blame, what it is bound by, and what to do next.
//!
//! Pure functions from a [`Snapshot`] to [`Finding`]s; nothing here reads a clock, a file or a network.

mod burn;
mod culprit;
mod detectors;
pub mod index;
mod merge;
mod process;
#[cfg(test)]
mod scene;
mod shares;
mod suffers;
#[cfg(test)]
mod truth;
mod verdict;
mod view;
mod words;

pub use burn::{Burn, Counted, Windows, burn};

use crate::telemetry::{OperationKind, Snapshot};
use serde::{Deserialize, Serialize};

/// What a snapshot comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// All of it in one sentence: the worst that is so, or that nothing is wrong.
    pub sentence: String,
    /// The verdict on the process: of what is worst, or [`Word::Healthy`], or [`Word::TooFew`].
    pub process: Finding,
    /// One for each Operation that suffers, root causes first, then by impact.
    pub verdicts: Vec<Finding>,
    /// What the detectors found that no verdict says already.
    pub findings: Vec<Finding>,
}

/// Fewest Operations from which anything is concluded.
pub const FEWEST: u64 = 30;

/// Says what is slow, who is to blame, what it is bound by and what to do.
///
/// ```
/// use sarsen::advisor::{Word, judge};
/// let judgement = judge(&sarsen::telemetry::Snapshot::default());
/// assert_eq!(judgement.process.word, Word::TooFew);
/// ```
pub fn judge(snapshot: &Snapshot) -> Judgement {
    let verdicts = verdict::of_all(snapshot);
    let findings = detectors::all(snapshot);
    let (verdicts, findings) = merge::under_roots(snapshot, verdicts, findings);
    let process = process::of(snapshot, &verdicts, &findings);
    Judgement { sentence: process.sentence.clone(), process, verdicts, findings }
}

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

impl Word {
    /// The word as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Cpu => "CPU",
            Word::Blocking => "BLOCKING",
            Word::Runtime => "RUNTIME",
            Word::Host => "HOST",
            Word::Db => "DB",
            Word::DbPool => "DB_POOL",
            Word::Lock => "LOCK",
            Word::External => "EXTERNAL",
            Word::Cache => "CACHE",
            Word::Queue => "QUEUE",
            Word::File => "FILE",
            Word::Disk => "DISK",
            Word::Memory => "MEMORY",
            Word::Client => "CLIENT",
            Word::Unknown => "UNKNOWN",
            Word::Healthy => "HEALTHY",
            Word::TooFew => "TOO_FEW",
        }
    }
}

impl Finding {
    /// A finding of `rule` about `operation`, with nothing shown yet.
    fn new(rule: &str, word: Word, level: Level, operation: Option<&(OperationKind, String)>) -> Self {
        Self {
            rule: rule.to_owned(),
            word,
            level,
            operation: operation.cloned(),
            culprit: String::new(),
            sentence: String::new(),
            advice: String::new(),
            evidence: Vec::new(),
            samples: Vec::new(),
            count: 0,
            unknown: 0.0,
            impact: 0.0,
        }
    }

    fn of(mut self, culprit: impl Into<String>) -> Self {
        self.culprit = culprit.into();
        self
    }

    fn says(mut self, sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        self.sentence = sentence.into();
        self.advice = advice.into();
        self
    }

    fn shows(mut self, name: &str, value: impl Into<String>) -> Self {
        self.evidence.push((name.to_owned(), value.into()));
        self
    }

    fn from(mut self, count: u64, samples: &[String]) -> Self {
        self.count = count;
        self.samples = samples.iter().take(5).cloned().collect();
        self
    }

    fn costs(mut self, impact: f64) -> Self {
        self.impact = impact;
        self
    }
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
