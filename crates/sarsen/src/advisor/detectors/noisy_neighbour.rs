//! A few Operations hold most of something, and all the others wait for it.

use crate::advisor::culprit::pool::top;
use crate::advisor::view::{self, Name, held, impact, ratio};
use crate::advisor::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{HolderSpan, Snapshot, WaitKind};

/// Of the time, and at most of the Operations.
const MOST: f64 = 0.5;
const FEW: f64 = 0.1;
/// What the others must lose, of their time.
const LOST: f64 = 0.1;
/// Threads of the runtime that it keeps busy, at least.
const BUSY: f64 = 0.2;

/// Work that belongs to no Operation.
const NOBODY: &str = "(no operation)";

/// Finds who holds at least half of a pool, a lock or the runtime with at most a tenth of the Operations.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let held = snapshot.holders.iter().filter_map(|holder| of_holder(snapshot, holder));
    held.chain(of_runtime(snapshot)).collect()
}

fn of_holder(snapshot: &Snapshot, holder: &HolderSpan) -> Option<Finding> {
    let (name, part) = top(holder)?;
    // The framework's own work, which nobody can move.
    if name.1 == NOBODY {
        return None;
    }
    let word = match holder.kind {
        WaitKind::DatabasePool => Word::DbPool,
        WaitKind::Lock => Word::Lock,
        _ => return None,
    };
    let impact = impact(snapshot, holder.waited as f64);
    let lost = lost(snapshot, name, |account| account.of(holder.kind));
    let what = format!("`{}`", holder.label);
    (held(holder) > 0).then(|| of(snapshot, name, part, lost, word, &what, impact)).flatten()
}

fn of_runtime(snapshot: &Snapshot) -> Option<Finding> {
    let polls = |operation: &crate::telemetry::OperationSpan| view::polled(&operation.all.account);
    let all: u64 = snapshot.operations.iter().map(polls).sum();
    let top = snapshot.operations.iter().max_by_key(|operation| polls(operation))?;
    let name = top.id();
    if impact(snapshot, polls(top) as f64) < BUSY {
        return None;
    }
    let lost = lost(snapshot, &name, |account| account.runnable);
    let waited: u64 = others(snapshot, &name).map(|operation| operation.all.account.runnable).sum();
    of(
        snapshot,
        &name,
        ratio(polls(top), all),
        lost,
        Word::Runtime,
        "the threads of the runtime",
        impact(snapshot, waited as f64),
    )
}

fn others<'a>(snapshot: &'a Snapshot, name: &'a Name) -> impl Iterator<Item = &'a crate::telemetry::OperationSpan> {
    snapshot.operations.iter().filter(move |operation| !operation.is(name))
}

/// The part of their time that the others wait for it.
fn lost(snapshot: &Snapshot, name: &Name, waited: impl Fn(&crate::telemetry::Account) -> u64) -> f64 {
    let waited: u64 = others(snapshot, name).map(|operation| waited(&operation.all.account)).sum();
    ratio(waited, others(snapshot, name).map(|operation| operation.all.account.wall).sum())
}

fn of(snapshot: &Snapshot, name: &Name, part: f64, lost: f64, word: Word, what: &str, impact: f64) -> Option<Finding> {
    let (own, all) = (view::find(snapshot, name).map_or(0, |operation| operation.all.count), view::count(snapshot));
    let few = ratio(own, all);
    if part < MOST || few > FEW || lost < LOST || all < FEWEST {
        return None;
    }
    let subject = words::operation(name);
    // Waits of a millisecond are nobody's trouble, however great a part they are.
    let level = if impact >= 0.1 { Level::Warn } else { Level::Note };
    let sentence = format!(
        "{subject} is {} of the operations and holds {what} for {} of the time; the others lose {} of theirs",
        words::percent(few),
        words::percent(part),
        words::percent(lost)
    );
    let finding = Finding::new("noisy_neighbour", word, level, Some(name))
        .of(format!("{subject}, which holds {what}"))
        .says(
            sentence,
            format!("give {subject} a place of its own: a job, a worker process, or a limit on how many run at a time"),
        )
        .shows(&subject, format!("{} of the held time", words::percent(part)))
        .from(all, &[])
        .costs(impact);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get, holder};

    #[test]
    fn a_few_that_hold_most_of_a_pool_are_found() {
        for (name, few, held, waits, expected) in [
            ("noisy", 50, 7500.0, 5.0, Some(Level::Warn)),
            ("many", 400, 7500.0, 5.0, None),
            ("holds little", 50, 500.0, 5.0, None),
            ("nobody waits", 50, 7500.0, 0.1, None),
        ] {
            let noisy = get("/report", few, &[(Part::Database, 40.0)]);
            let quiet = get("/a", 950, &[(Part::Database, 2.0), (Part::Pool, waits)]);
            let mut snapshot = scene::of(vec![noisy, quiet]);
            let waited = waits * 950.0;
            snapshot.holders = vec![holder(
                WaitKind::DatabasePool,
                "pool",
                4,
                waited,
                &[("GET /report", held, few), ("GET /a", 2500.0, 950)],
            )];
            snapshot.holders[0].held.sort_by_key(|held| std::cmp::Reverse(held.time));
            assert_eq!(find(&snapshot).first().map(|finding| finding.level), expected, "{name}");
        }
    }

    #[test]
    fn a_few_that_keep_the_threads_are_found() {
        for (name, polls, runnable, expected) in
            [("noisy", 100.0, 5.0, 1), ("brief", 1.0, 5.0, 0), ("nobody waits", 100.0, 0.01, 0)]
        {
            let snapshot = scene::of(vec![
                get("/report", 50, &[(Part::Cpu, polls)]),
                get("/a", 950, &[(Part::Cpu, 0.5), (Part::Runnable, runnable)]),
            ]);
            let found = find(&snapshot);
            assert_eq!(found.len(), expected, "{name}");
            assert!(
                found.iter().all(|finding| finding.word == Word::Runtime && finding.culprit.contains("GET /report"))
            );
        }
    }
}
