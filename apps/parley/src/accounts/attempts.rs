//! Slows down guessing: a name takes a few wrong passwords a minute.

use sarsen::error::Kind;
use sarsen::{Error, Result, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tries that a name has in a [`WINDOW`] before it must wait.
const MAX_TRIES: u32 = 5;

/// How long tries count; the longest that anybody waits.
const WINDOW: Duration = Duration::from_secs(60);

/// Most names remembered; when they are full, those whose time is over go, and else any.
const MAX_NAMES: usize = 10_000;

/// The tries of each name since it last signed in. Each process counts for itself.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, Tries>>);

#[derive(Debug)]
struct Tries {
    count: u32,
    since: Timestamp,
}

impl Attempts {
    /// Counts a try of `name` before it is made, so that many at once are counted too; refuses the sixth in a minute.
    pub(super) fn admit(&self, name: &str, now: Timestamp) -> Result<()> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            make_room(&mut names, now);
        }
        let tries = names.entry(name.to_owned()).or_insert(Tries { count: 0, since: now });
        if now.since(tries.since) >= WINDOW {
            *tries = Tries { count: 0, since: now };
        }
        if tries.count >= MAX_TRIES {
            let wait = WINDOW.saturating_sub(now.since(tries.since));
            let seconds = wait.as_millis().div_ceil(1_000);
            let error = Error::new(Kind::TooMany, format!("too many wrong passwords: try again in {seconds} seconds"));
            return Err(error.retry_after(wait));
        }
        tries.count += 1;
        Ok(())
    }

    /// Forgets the tries of `name`: it has signed in.
    pub(super) fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn make_room(names: &mut HashMap<String, Tries>, now: Timestamp) {
    names.retain(|_, tries| now.since(tries.since) < WINDOW);
    if names.len() >= MAX_NAMES
        && let Some(any) = names.keys().next().cloned()
    {
        names.remove(&any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_sixth_try_waits_for_the_minute_to_end() {
        let attempts = Attempts::default();
        for _ in 0..5 {
            attempts.admit("ada", at(0)).expect("admitted");
        }
        let error = attempts.admit("ada", at(50)).expect_err("the sixth");
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::TooMany, "too many wrong passwords: try again in 10 seconds")
        );
        assert_eq!(error.wait_time(), Some(Duration::from_secs(10)));
        attempts.admit("bob", at(50)).expect("another name");
        attempts.admit("ada", at(60)).expect("a minute later");
    }

    #[test]
    fn signing_in_forgets_and_memory_is_bounded() {
        let attempts = Attempts::default();
        for round in 0..20 {
            attempts.admit("ada", at(0)).expect("admitted");
            attempts.forget("ada");
            attempts.admit(&format!("name {round}"), at(0)).expect("admitted");
        }
        for name in 0..MAX_NAMES + 50 {
            attempts.admit(&name.to_string(), at(1)).expect("admitted");
        }
        assert_eq!(attempts.0.lock().expect("not poisoned").len(), MAX_NAMES);
    }
}
