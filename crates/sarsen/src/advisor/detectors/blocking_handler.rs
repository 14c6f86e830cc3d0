//! Polls that hold up a thread of the runtime, with the line that does it.

use crate::advisor::view::{self, impact, is_blocked, is_disk};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{OperationKind, Snapshot, Stall};

/// A poll that is shorter is not worth a word.
const LEAST: u64 = 10_000_000;
/// Threads that are kept so, from which on it is a warning, and fewest such polls.
const BUSY: f64 = 0.05;
const OFTEN: u64 = 5;

/// Finds the lines at which threads were held up for 10 ms and more.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let mut places: Vec<(&Stall, u64, u64)> = Vec::new();
    for stall in snapshot.stalls.iter().filter(|stall| stall.took >= LEAST) {
        let times = stall.times.max(1);
        let same = |(other, ..): &&mut (&Stall, u64, u64)| {
            other.operation == stall.operation && other.site == stall.site && is_blocked(other) == is_blocked(stall)
        };
        match places.iter_mut().find(same) {
            Some((_, count, time)) => (*count, *time) = (*count + times, *time + stall.took * times),
            None => places.push((stall, times, stall.took * times)),
        }
    }
    places.into_iter().filter_map(|(stall, times, time)| of(snapshot, stall, times, time)).collect()
}

fn of(snapshot: &Snapshot, stall: &Stall, times: u64, time: u64) -> Option<Finding> {
    if stall.operation.0 == OperationKind::Command {
        return None;
    }
    let blocked = is_blocked(stall);
    // A poll that is neither on a core nor waiting was pushed aside by the machine.
    if !blocked && stall.on_core < 0.6 {
        return None;
    }
    let impact = impact(snapshot, time as f64);
    let often = times >= OFTEN && impact >= BUSY;
    let level = if often && blocked { Level::Warn } else { Level::Note };
    let (word, does) = match (blocked, is_disk(&stall.waits_in)) {
        (true, true) => (Word::Disk, "waits for the disk in"),
        (true, false) => (Word::Blocking, "blocks in"),
        (false, _) => (Word::Cpu, "computes in"),
    };
    let advice = match blocked {
        true => "put the call into `telemetry::blocking(…)`, or use its async form",
        false => "do less in that loop, keep its result, or move it to a job or to `telemetry::blocking(…)`",
    };
    let subject = words::operation(&stall.operation);
    let place = if stall.site.is_empty() { subject.clone() } else { format!("{subject} at {}", stall.site) };
    let sentence = format!(
        "{place} {does} a poll of {}, {times} times, and holds up a thread of the runtime",
        words::time(time as f64 / times as f64)
    );
    let operation = view::find(snapshot, &stall.operation);
    let finding = Finding::new("blocking_handler", word, level, Some(&stall.operation))
        .of(place)
        .says(sentence, advice)
        .shows("on a core", words::percent(stall.on_core))
        .shows("the kernel waits in", stall.waits_in.clone())
        .shows("times", times.to_string())
        .from(times, operation.map_or(&[], |operation| &operation.samples))
        .costs(impact);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, stall};

    #[test]
    fn a_blocking_line_is_found_and_a_poll_that_was_pushed_aside_is_not() {
        for (name, stall, expected) in [
            ("sleeps", stall("GET /a", 20.0, 0.0, "hrtimer_nanosleep", 100), Some((Level::Warn, Word::Blocking))),
            ("once", stall("GET /a", 20.0, 0.0, "hrtimer_nanosleep", 1), Some((Level::Note, Word::Blocking))),
            ("syncs", stall("GET /a", 20.0, 0.0, "jbd2_log_wait_commit", 100), Some((Level::Warn, Word::Disk))),
            ("computes", stall("GET /a", 20.0, 0.98, "", 100), Some((Level::Note, Word::Cpu))),
            ("pushed aside", stall("GET /a", 20.0, 0.1, "", 100), None),
            ("short", stall("GET /a", 6.0, 0.0, "hrtimer_nanosleep", 100), None),
        ] {
            let mut snapshot = scene::of(Vec::new());
            snapshot.stalls = vec![stall];
            assert_eq!(find(&snapshot).first().map(|finding| (finding.level, finding.word)), expected, "{name}");
        }
        let mut snapshot = scene::of(Vec::new());
        snapshot.stalls = vec![stall("GET /a", 20.0, 0.0, "hrtimer_nanosleep", 100)];
        assert!(find(&snapshot)[0].culprit.ends_with("src/a/http.rs:77"));
    }
}
