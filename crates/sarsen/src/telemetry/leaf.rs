//! The parts of an Operation: its waits, its sync sections and its queries, each with where its time went.

use super::WaitKind;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Which one: a name of the code, or one that is known only when it runs, as an outbound host is.
#[derive(Clone)]
pub enum Label {
    /// Written in the code.
    Static(&'static str),
    /// Made once, and shared.
    Shared(Arc<str>),
}

impl Label {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            Label::Static(text) => text,
            Label::Shared(text) => text,
        }
    }
}

impl Default for Label {
    fn default() -> Self {
        Label::Static("")
    }
}

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Label {}

impl PartialEq<&str> for Label {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Label::Static(text)
    }
}

impl From<Arc<str>> for Label {
    fn from(text: Arc<str>) -> Self {
        Label::Shared(text)
    }
}

/// The facts about one SQL text, shared by all who run it.
#[derive(Debug)]
pub struct Statement {
    /// Hash of the normalised text.
    pub fingerprint: u64,
    /// The text with literals, lists and spaces squeezed.
    pub normalised: String,
    /// Runs so far, and their time in nanoseconds: the mean decides what leaves the async threads.
    pub runs: AtomicU64,
    /// Sum of execution time in nanoseconds.
    pub nanoseconds: AtomicU64,
    /// Whether it changes anything.
    pub writes: bool,
    /// The tables it names.
    pub tables: Vec<String>,
}

impl Statement {
    /// Mean execution time, once there was a run.
    pub fn mean(&self) -> Option<Duration> {
        let runs = self.runs.load(Ordering::Relaxed);
        (runs > 0).then(|| Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed) / runs))
    }

    /// Whether a run takes at most `limit` in the mean, once there was one.
    #[inline]
    pub(crate) fn keeps_to(&self, limit: Duration) -> Option<bool> {
        let runs = self.runs.load(Ordering::Relaxed);
        let most = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).saturating_mul(runs);
        (runs > 0).then(|| self.nanoseconds.load(Ordering::Relaxed) <= most)
    }

    /// Adds a run. Old runs weigh less: at 1024 both sums are halved, so the mean follows the data as it grows.
    #[inline]
    pub fn add_run(&self, took: Duration) {
        let runs = self.runs.load(Ordering::Relaxed);
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed) + u64::try_from(took.as_nanos()).unwrap_or(0);
        let halve = u32::from(runs >= 1024);
        self.runs.store((runs >> halve) + 1, Ordering::Relaxed);
        self.nanoseconds.store(nanoseconds >> halve, Ordering::Relaxed);
    }
}

/// One run of a query.
#[derive(Clone, Debug)]
pub struct QueryRecord {
    /// What was run.
    pub statement: Arc<Statement>,
    /// The line of the application that asked for it.
    pub site: &'static Location<'static>,
    /// Time until a connection was free.
    pub pool_wait: Duration,
    /// Time of the database.
    pub execution: Duration,
    /// Rows returned or changed.
    pub rows: u64,
    /// A hash of the parameters: equal ones are equal. Values are never kept. Zero where there are none.
    pub parameters: u64,
    /// Whether it failed.
    pub failed: bool,
    /// Whether it ran on a thread for blocking work.
    pub offloaded: bool,
}

/// One wait, sync section or query of an Operation. Times are nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Leaf {
    /// What kind.
    pub kind: WaitKind,
    /// Which one. For a query see there.
    pub label: Label,
    /// From the start of the Operation to its beginning.
    pub from: u64,
    /// From the start of the Operation to its end.
    pub to: u64,
    /// Fair share of its time: waits that overlap share it, and what is inside another has all of it.
    pub share: u64,
    /// What of it was on the critical path.
    pub critical: u64,
    /// Whether it ran inside a poll.
    pub sync: bool,
    /// Whether it was dropped before its end.
    pub cancelled: bool,
    /// Whether a connection or a transaction of the database was held when it began.
    pub holding: bool,
    /// The run of a query, where it is one.
    pub query: Option<QueryRecord>,
}

impl Leaf {
    /// From its beginning to its end, whatever else was at work.
    pub fn wall(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// The waits of one kind and label, added up.
#[derive(Clone, Debug)]
pub struct WaitRecord {
    /// What was waited for.
    pub kind: WaitKind,
    /// Which one.
    pub label: Label,
    /// How often.
    pub count: u32,
    /// How long, all together; waits at the same time count each.
    pub total: Duration,
}
