//! What one Operation costs more than under the build before.

use crate::advisor::view::impact;
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{OperationMeans, OperationSpan, Snapshot};

/// Fewest Operations under each build.
const FEWEST: u64 = 50;
/// From this on it costs more; what is counted says it sooner than what is measured.
const COUNTED: f64 = 1.2;
const MEASURED: f64 = 1.5;

/// One thing that can grow.
struct Cost {
    name: &'static str,
    word: Word,
    before: f64,
    now: f64,
    /// Growth of the ratio, and the least growth that matters.
    factor: f64,
    least: f64,
    /// It is counted, and does not depend on the load.
    counted: bool,
    show: fn(f64) -> String,
}

/// Finds Operations that use more queries, bytes, CPU or time than before.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let of = |before: &OperationMeans| {
        let operation = crate::advisor::view::find(snapshot, &before.operation)?;
        (before.build != snapshot.build && before.count >= FEWEST && operation.all.count >= FEWEST)
            .then(|| compare(snapshot, operation, before))?
    };
    snapshot.before.iter().filter_map(of).collect()
}

fn compare(snapshot: &Snapshot, operation: &OperationSpan, before: &OperationMeans) -> Option<Finding> {
    let all = &operation.all;
    let cost = |name, word, before, now, least, show| Cost {
        name,
        word,
        before,
        now,
        factor: COUNTED,
        least,
        counted: true,
        show,
    };
    let costs = [
        cost("queries", Word::Db, before.queries, all.each(all.queries), 0.5, words::number),
        cost(
            "bytes from the heap",
            Word::Memory,
            before.allocated,
            all.each(all.allocated),
            32.0 * 1024.0,
            words::bytes,
        ),
        Cost {
            factor: MEASURED,
            counted: false,
            ..cost("CPU", Word::Cpu, before.cpu, all.each(all.account.on_cpu), 1e6, words::time)
        },
        Cost {
            factor: MEASURED,
            counted: false,
            ..cost("time", Word::Unknown, before.wall, all.mean(), 10e6, words::time)
        },
    ];
    let grown =
        costs.iter().find(|cost| cost.now >= cost.before * cost.factor && cost.now - cost.before >= cost.least)?;
    // Bytes are zero where nobody counts them.
    if grown.name.starts_with("bytes") && before.allocated == 0.0 {
        return None;
    }
    let subject = words::operation(&operation.id());
    let sentence = format!(
        "{subject} uses {} {} each, and {} under the build before ({})",
        (grown.show)(grown.now),
        grown.name,
        (grown.show)(grown.before),
        before.build
    );
    let finding = Finding::new(
        "regression",
        grown.word,
        if grown.counted { Level::Warn } else { Level::Note },
        Some(&operation.id()),
    )
    .of(format!("build {}", snapshot.build))
    .says(sentence, "look at what changed in it since that build")
    .shows("before", (grown.show)(grown.before))
    .shows("now", (grown.show)(grown.now))
    .from(all.count, &operation.samples)
    .costs(impact(snapshot, (all.mean() - before.wall).max(0.0) * all.count as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, Part, get};

    #[test]
    fn what_costs_more_than_under_the_last_build_is_found() {
        let like = OperationMeans {
            build: "1".to_owned(),
            count: 500,
            cpu: 2e6,
            queries: 4.0,
            allocated: 100_000.0,
            wall: 5e6,
            ..OperationMeans::default()
        };
        for (name, before, expected) in [
            ("more queries", OperationMeans { queries: 3.0, ..like.clone() }, Some((Level::Warn, Word::Db))),
            ("more bytes", OperationMeans { allocated: 50_000.0, ..like.clone() }, Some((Level::Warn, Word::Memory))),
            ("more CPU", OperationMeans { cpu: 0.5e6, ..like.clone() }, Some((Level::Note, Word::Cpu))),
            ("as before", like.clone(), None),
            ("bytes were not counted", OperationMeans { allocated: 0.0, ..like.clone() }, None),
            ("seldom seen before", OperationMeans { queries: 1.0, count: 9, ..like.clone() }, None),
            ("the same build", OperationMeans { queries: 1.0, build: "2".to_owned(), ..like }, None),
        ] {
            let mut operation = get("/a", 100, &[(Part::Cpu, 2.0), (Part::Database, 3.0)]);
            (operation.all.queries, operation.all.allocated) = (400, 100 * 100_000);
            let mut snapshot = scene::of(vec![operation]);
            snapshot.build = "2".to_owned();
            let id = snapshot.operations[0].id();
            snapshot.before = vec![OperationMeans { operation: id, ..before }];
            assert_eq!(find(&snapshot).first().map(|finding| (finding.level, finding.word)), expected, "{name}");
        }
    }
}
