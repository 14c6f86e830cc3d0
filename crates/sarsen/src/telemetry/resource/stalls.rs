//! Polls that held up a thread of the runtime: kept for a while, and added up by Operation and line for who asks.

use super::named::Named;
use crate::clock::{Clock, Timestamp};
use crate::telemetry::Stall;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Most stalls that are kept; the oldest go first.
const MOST_STALLS: usize = 1_024;
/// Most that are told apart in one reading.
const MOST_GROUPS: usize = 128;

static LOG: Mutex<Log> = Mutex::new(Log { next: 0, kept: VecDeque::new() });

#[derive(Debug)]
struct Log {
    /// The number of the next one.
    next: u64,
    kept: VecDeque<Seen>,
}

/// A poll that was seen, or that said itself how long it was.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    pub(super) name: Named,
    pub(super) took: u64,
    pub(super) on_core: f64,
    pub(super) watched: bool,
    pub(super) waits_in: String,
    pub(super) site: String,
    /// 0 when it was counted before, while it went on.
    pub(super) times: u64,
}

impl Seen {
    /// One of which only the length is known.
    pub(super) fn only(name: Named, took: u64) -> Self {
        let at = Clock::real().now();
        Self { at, name, took, on_core: 0.0, watched: false, waits_in: String::new(), site: String::new(), times: 1 }
    }
}

/// Keeps one.
pub(super) fn keep(stall: Seen) {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    if log.kept.len() >= MOST_STALLS {
        log.kept.pop_front();
    }
    log.kept.push_back(stall);
    log.next += 1;
}

/// Where a reader is in the log.
#[derive(Debug)]
pub(super) struct Reader(u64);

impl Reader {
    pub(super) fn at_the_end() -> Self {
        Self(LOG.lock().unwrap_or_else(PoisonError::into_inner).next)
    }

    /// What came since the last time, newest first; those longer and shorter than `long` are apart.
    pub(super) fn read(&mut self, long: u64) -> Vec<Stall> {
        let new: Vec<Seen> = {
            let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
            let count = usize::try_from(log.next - self.0).unwrap_or(MOST_STALLS).min(log.kept.len());
            self.0 = log.next;
            log.kept.range(log.kept.len() - count..).cloned().collect()
        };
        add_up(new, long)
    }
}

/// Stalls of the same Operation at the same line are one, as long as the longest of them.
fn add_up(stalls: Vec<Seen>, long: u64) -> Vec<Stall> {
    let mut groups: Vec<(Named, Stall)> = Vec::new();
    for seen in stalls {
        let same = |(name, stall): &&mut (Named, Stall)| {
            *name == seen.name && stall.site == seen.site && (stall.took >= long) == (seen.took >= long)
        };
        if let Some((_, stall)) = groups.iter_mut().find(same) {
            join(stall, &seen);
        } else if groups.len() < MOST_GROUPS {
            groups.push((seen.name, first(seen)));
        }
    }
    groups.reverse();
    groups.into_iter().map(|(_, stall)| stall).collect()
}

fn first(seen: Seen) -> Stall {
    Stall {
        at: seen.at,
        operation: seen.name.name(),
        took: seen.took,
        on_core: seen.on_core,
        watched: seen.watched,
        waits_in: seen.waits_in,
        site: seen.site,
        times: seen.times,
    }
}

/// What is said of the core and of the wait is that of the longest.
fn join(stall: &mut Stall, seen: &Seen) {
    stall.at = stall.at.max(seen.at);
    stall.times += seen.times;
    if seen.took > stall.took {
        (stall.took, stall.on_core, stall.watched) = (seen.took, seen.on_core, seen.watched);
        stall.waits_in.clone_from(&seen.waits_in);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: Named, site: &str, took: u64, at: i64) -> Seen {
        let at = Timestamp::from_micros(at);
        Seen { at, on_core: 0.5, site: site.to_owned(), ..Seen::only(name, took) }
    }

    #[test]
    fn the_same_line_is_one_and_the_newest_comes_first() {
        let stalls = vec![
            seen(Named::OTHERS, "src/a.rs:1", 30, 1),
            seen(Named::NOBODY, "src/b.rs:2", 20, 2),
            seen(Named::OTHERS, "src/a.rs:1", 50, 3),
            seen(Named::OTHERS, "src/a.rs:1", 5, 4),
        ];
        let added = add_up(stalls, 10);
        let shown: Vec<_> =
            added.iter().map(|stall| (stall.site.as_str(), stall.took, stall.times, stall.at.as_micros())).collect();
        assert_eq!(shown, [("src/a.rs:1", 5, 1, 4), ("src/b.rs:2", 20, 1, 2), ("src/a.rs:1", 50, 2, 3)]);
    }

    #[test]
    fn each_reader_sees_all_that_came_after_it() {
        let (mut one, mut two) = (Reader::at_the_end(), Reader::at_the_end());
        let site = "src/only_here.rs:3";
        let mine = |stalls: Vec<Stall>| stalls.iter().filter(|stall| stall.site == site).map(|stall| stall.times).sum();
        keep(seen(Named::OTHERS, site, 30, 1));
        keep(seen(Named::OTHERS, site, 40, 2));
        let read: u64 = mine(one.read(10));
        assert_eq!(read, 2);
        keep(seen(Named::OTHERS, site, 50, 3));
        let (first, second): (u64, u64) = (mine(one.read(10)), mine(two.read(10)));
        assert_eq!((first, second), (1, 3));
    }
}
