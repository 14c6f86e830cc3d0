//! What a job is: a struct with a kind, and a policy beside it.

use crate::error::{Error, Result};
use crate::telemetry::Budget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Work to be done later, by any process with the role `worker`, whatever happens to this one.
///
/// The fields are its arguments, kept as JSON. A module says who does it with
/// [`Declare::job`](crate::Declare::job).
///
/// ```
/// use sarsen::jobs::{Job, Policy};
/// use std::time::Duration;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct SendWelcome { user: uuid::Uuid }
///
/// impl Job for SendWelcome {
///     const KIND: &'static str = "accounts.send_welcome";
///     fn policy() -> Policy {
///         Policy::new().queue("mail").attempts(12).timeout(Duration::from_secs(30))
///     }
/// }
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in the database, for ever: `MODULE.verb`.
    const KIND: &'static str;

    /// The form of the arguments. Raise it when a field changes its meaning, and say in `upgrade` how old ones are read.
    const VERSION: u32 = 1;

    /// How it runs, and what happens when it fails.
    fn policy() -> Policy {
        Policy::new()
    }

    /// What limits per key, fairness and order go by: a tenant, a channel, an address. At most 200 bytes.
    fn key(&self) -> Option<String> {
        None
    }

    /// Brings arguments of an older `version` to the present form; without it old arguments must still decode.
    fn upgrade(version: u32, arguments: serde_json::Value) -> Result<serde_json::Value> {
        let _ = version;
        Ok(arguments)
    }
}

/// How a kind of job runs, and what happens when it fails. Every value has a default.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub(crate) queue: &'static str,
    pub(crate) priority: u8,
    pub(crate) attempts: u32,
    pub(crate) crashes: u32,
    pub(crate) backoff: Backoff,
    pub(crate) timeout: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) blocking: bool,
    pub(crate) encrypted: bool,
    pub(crate) unique: Option<Unique>,
    pub(crate) keep: bool,
    pub(crate) budget: Option<Budget>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// Queue `default`, priority 5, 10 attempts with backoff from 1 s to 1 h, at most 5 minutes a run.
    pub const fn new() -> Self {
        Self {
            queue: "default",
            priority: 5,
            attempts: 10,
            crashes: 3,
            backoff: Backoff { base: Duration::from_secs(1), most: Duration::from_secs(3600) },
            timeout: Duration::from_secs(300),
            deadline: None,
            blocking: false,
            encrypted: false,
            unique: None,
            keep: true,
            budget: None,
        }
    }

    /// The queue that it waits in; limits and pauses are of a queue.
    #[must_use]
    pub const fn queue(self, queue: &'static str) -> Self {
        Self { queue, ..self }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The same, once everything is said.
    pub(crate) fn settled(self) -> Self {
        let queue = if self.blocking && self.queue == "default" { "blocking" } else { self.queue };
        Self { queue, ..self }
    }

    /// 1 runs first, 9 last, within its queue; 5 is the default.
    #[must_use]
    pub const fn priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }

    /// How often it is tried before it becomes a dead letter; at least 1.
    #[must_use]
    pub const fn attempts(self, attempts: u32) -> Self {
        Self { attempts: if attempts == 0 { 1 } else { attempts }, ..self }
    }

    /// How many processes may die while it runs before it becomes a dead letter.
    #[must_use]
    pub const fn crashes(self, crashes: u32) -> Self {
        Self { crashes: if crashes == 0 { 1 } else { crashes }, ..self }
    }

    /// How long to wait between attempts: a random time up to `base` doubled each time, never above `most`.
    #[must_use]
    pub const fn backoff(self, base: Duration, most: Duration) -> Self {
        Self { backoff: Backoff { base, most }, ..self }
    }

    /// How long one run may take; then it is stopped, which counts as a failed attempt.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long after it was due it is still worth doing; then it becomes a dead letter, unless it is at work.
    #[must_use]
    pub const fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// It computes, or calls what blocks: it runs on a thread of its own and holds up nobody. Unless it is given a queue,
    /// its queue is `blocking`; at most `jobs.blocking` of a queue run at once in a process.
    #[must_use]
    pub const fn blocking(self) -> Self {
        Self { blocking: true, ..self }
    }

    /// Its arguments are kept encrypted, by `jobs.encryption_keys`.
    #[must_use]
    pub const fn encrypted(self) -> Self {
        Self { encrypted: true, ..self }
    }

    /// A second one of the same arguments is not taken while the first is there.
    #[must_use]
    pub const fn unique(self, unique: Unique) -> Self {
        Self { unique: Some(unique), ..self }
    }

    /// What it promises: `Budget::new().wait(ms(500)).run(ms(200)).retries(1).queries(4)`.
    #[must_use]
    pub const fn budget(self, budget: Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Nothing is kept of those that went well.
    #[must_use]
    pub const fn forget(self) -> Self {
        Self { keep: false, ..self }
    }
}

/// Exponential backoff with full jitter, as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): the wait
/// is even between zero and the doubled base, so that what failed together does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub(crate) base: Duration,
    pub(crate) most: Duration,
}

impl Backoff {
    /// The wait after failed attempt number `attempt` (from 1); `chance` is even in 0..1.
    pub(crate) fn after(self, attempt: u32, chance: f64) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(attempt.clamp(1, 32) - 1));
        doubled.min(self.most).mul_f64(chance.clamp(0.0, 1.0))
    }
}

/// When a second job of the same arguments is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// While the first waits; once it runs, another may be enqueued.
    WhileWaiting,
    /// Until the first has ended, well or not.
    WhileAlive,
    /// Within this time after the first was enqueued, whether it has ended or not.
    Within(Duration),
}

/// Fails unless `name` is up to `most` plain characters.
pub(crate) fn check_name(what: &str, name: &str, most: usize) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    if name.is_empty() || name.len() > most || !name.chars().all(plain) {
        return Err(Error::invalid(format!("`{name}` is not a name for a {what}"))
            .hint(format!("use up to {most} letters, digits and _ - . : /")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_most_and_is_even_below() {
        let backoff = Backoff { base: Duration::from_secs(1), most: Duration::from_secs(60) };
        let full: Vec<u64> = (1..=9).map(|attempt| backoff.after(attempt, 1.0).as_secs()).collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.after(4, 0.25), Duration::from_secs(2));
        assert_eq!(backoff.after(u32::MAX, 0.0), Duration::ZERO);
    }

    #[test]
    fn names_are_plain() {
        assert!(check_name("queue", "mail", 64).is_ok());
        for wrong in ["", "two words", "ä", &"x".repeat(65)] {
            assert!(check_name("queue", wrong, 64).is_err(), "{wrong}");
        }
    }
}
