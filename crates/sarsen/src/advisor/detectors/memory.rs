//! Memory that runs out, and who takes it.

use crate::advisor::view::{self, impact, ratio};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{OperationKind, OperationSpan, Snapshot};

/// Resident bytes as a part of what may be had.
const MUCH: f64 = 0.85;
const ALL: f64 = 0.95;
/// Percent of the time in which something waits for memory, and major faults a second.
const PRESSURE: f64 = 5.0;
const FAULTS: f64 = 100.0;
/// What the Operations of a span keep, from which on it is a leak or a cache without a limit.
const KEPT: i64 = 64 << 20;
/// What one Operation takes, and what all of one name take at a time as a part of the limit.
const EACH: f64 = 32.0 * 1024.0 * 1024.0;

/// Finds a process near its limit, memory that is never given back, and Operations that take very much.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    // A command is done once, and most are a part of the start: what it takes is not taken again.
    let again: Vec<_> =
        snapshot.operations.iter().filter(|operation| operation.kind != OperationKind::Command).collect();
    let takes = again.iter().filter_map(|operation| takes(snapshot, operation));
    let keeps = again.iter().filter_map(|operation| keeps(snapshot, operation));
    near_limit(snapshot).into_iter().chain(takes).chain(keeps).collect()
}

fn near_limit(snapshot: &Snapshot) -> Option<Finding> {
    let facts = &snapshot.process;
    let used = ratio(facts.resident, facts.memory_limit);
    let short = facts.pressure_memory > PRESSURE || facts.major_faults > FAULTS;
    let level = match () {
        () if used >= ALL => Level::Fail,
        () if used >= MUCH || short && used >= 0.5 => Level::Warn,
        () => return None,
    };
    let top = snapshot
        .operations
        .iter()
        .filter(|operation| operation.all.allocated > 0)
        .max_by_key(|operation| (operation.all.kept.max(0), operation.all.allocated));
    let who = top.map_or_else(|| "the process".to_owned(), |operation| words::operation(&operation.id()));
    let sentence = format!(
        "memory: {} of {} are used ({})",
        words::bytes(facts.resident as f64),
        words::bytes(facts.memory_limit as f64),
        words::percent(used)
    );
    let finding = Finding::new("memory", Word::Memory, level, None)
        .of(who.clone())
        .says(sentence, format!("let {who} keep less at a time, or give the process more memory"))
        .shows("something waited for memory", format!("{:.0} % of the time", facts.pressure_memory))
        .shows("major faults a second", format!("{:.0}", facts.major_faults))
        .from(view::count(snapshot), &[])
        .costs(used + facts.pressure_memory / 100.0);
    Some(finding)
}

fn takes(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let each = operation.all.each(operation.all.allocated);
    if each < EACH {
        return None;
    }
    let at_a_time = impact(snapshot, operation.all.account.wall as f64);
    let part = each * at_a_time.max(1.0) / (snapshot.process.memory_limit.max(1) as f64);
    let level =
        if each >= 2.0 * EACH || part >= 0.25 && snapshot.process.memory_limit > 0 { Level::Warn } else { Level::Note };
    let subject = words::operation(&operation.id());
    let finding = Finding::new("memory", Word::Memory, level, Some(&operation.id()))
        .of(subject.clone())
        .says(
            format!("{subject} takes {} from the heap each", words::bytes(each)),
            "stream or page what it reads, and limit what one request may bring",
        )
        .shows("from the heap, each", words::bytes(each))
        .shows("at a time", words::bytes(each * at_a_time.max(1.0)))
        .from(operation.all.count, &operation.samples)
        .costs(impact(snapshot, operation.all.account.on_cpu as f64));
    Some(finding)
}

fn keeps(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Finding> {
    let (kept, count) = (operation.all.kept, operation.all.count.max(1));
    if kept < KEPT || kept / i64::try_from(count).unwrap_or(i64::MAX) < 1024 {
        return None;
    }
    let subject = words::operation(&operation.id());
    let finding = Finding::new("memory", Word::Memory, Level::Warn, Some(&operation.id()))
        .of(subject.clone())
        .says(
            format!(
                "{subject} kept {} in {} s, {} each",
                words::bytes(kept as f64),
                snapshot.span.as_secs(),
                words::bytes(kept as f64 / count as f64)
            ),
            "see what it puts by, and give that a limit",
        )
        .shows("kept", words::bytes(kept as f64))
        .from(count, &operation.samples)
        .costs(kept as f64 / snapshot.process.memory_limit.max(1 << 30) as f64);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get};

    #[test]
    fn a_process_near_its_limit_is_found() {
        for (resident, faults, expected) in [
            (990, 0.0, Some(Level::Fail)),
            (900, 0.0, Some(Level::Warn)),
            (600, 500.0, Some(Level::Warn)),
            (600, 0.0, None),
            (100, 500.0, None),
        ] {
            let mut snapshot = scene::of(Vec::new());
            (snapshot.process.resident, snapshot.process.memory_limit, snapshot.process.major_faults) =
                (resident << 20, 1000 << 20, faults);
            assert_eq!(find(&snapshot).first().map(|finding| finding.level), expected, "{resident} {faults}");
        }
    }

    #[test]
    fn a_command_may_take_and_keep_what_it_needs() {
        let mut operation = get("/a", 100, &[(Part::Cpu, 20.0)]);
        (operation.all.allocated, operation.all.kept) = (100 << 30, 100 << 30);
        operation.kind = OperationKind::Command;
        assert_eq!(find(&scene::of(vec![operation])), []);
    }

    #[test]
    fn who_takes_and_who_keeps_much_is_found() {
        for (name, allocated, kept, expected) in [
            ("takes much", 100 << 20, 0, Some(Level::Warn)),
            ("takes some", 40 << 20, 0, Some(Level::Note)),
            ("takes little", 1 << 20, 0, None),
            ("keeps", 1 << 20, 1 << 20, Some(Level::Warn)),
            ("keeps little", 1 << 20, 1 << 10, None),
        ] {
            let mut operation = get("/a", 100, &[(Part::Cpu, 20.0)]);
            (operation.all.allocated, operation.all.kept) = (allocated * 100, kept * 100);
            assert_eq!(find(&scene::of(vec![operation])).first().map(|finding| finding.level), expected, "{name}");
        }
    }
}
