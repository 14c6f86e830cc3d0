//! What can be chosen for one job, beside its policy.

use crate::clock::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// What can be chosen for one job; what is not chosen is as its kind's [`Policy`](super::Policy) says.
///
/// ```
/// use sarsen::jobs::Options;
/// use std::time::Duration;
///
/// let later = Options::new().delay(Duration::from_secs(60)).priority(1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) run_at: Option<RunAt>,
    pub(crate) priority: Option<u8>,
    pub(crate) queue: Option<&'static str>,
    pub(crate) key: Option<String>,
    pub(crate) attempts: Option<u32>,
    pub(crate) after: Option<Uuid>,
    pub(crate) unique_by: Option<String>,
}

/// When it is due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RunAt {
    In(Duration),
    At(Timestamp),
}

impl Options {
    /// Nothing chosen.
    pub fn new() -> Self {
        Self::default()
    }

    /// It is due after this time.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { run_at: Some(RunAt::In(delay)), ..self }
    }

    /// It is due then.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { run_at: Some(RunAt::At(at)), ..self }
    }

    /// 1 runs first, 9 last.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        Self { priority: Some(priority), ..self }
    }

    /// Another queue than the policy's.
    #[must_use]
    pub fn queue(self, queue: &'static str) -> Self {
        Self { queue: Some(queue), ..self }
    }

    /// Another key than [`Job::key`](super::Job::key) gives.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// How often it is tried.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts: Some(attempts.max(1)), ..self }
    }

    /// It waits until this job went well; a chain is made of these.
    #[must_use]
    pub fn after(self, job: Uuid) -> Self {
        Self { after: Some(job), ..self }
    }

    /// What [`Unique`](super::Unique) compares instead of all arguments.
    #[must_use]
    pub fn unique_by(self, what: impl Into<String>) -> Self {
        Self { unique_by: Some(what.into()), ..self }
    }
}
