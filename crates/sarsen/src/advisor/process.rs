//! The verdict on the process: of what is worst, or that nothing is wrong.

use super::merge::weight;
use super::view::{self, ratio};
use super::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{OperationKind, Snapshot};

/// The finding that stands for the process.
pub(super) fn of(snapshot: &Snapshot, verdicts: &[Finding], findings: &[Finding]) -> Finding {
    let worst = verdicts
        .iter()
        .filter(|verdict| !is_behind(verdict))
        .chain(findings)
        .filter(|finding| finding.level >= Level::Warn);
    let mut process =
        match worst.max_by(|one, other| weight(one).cmp(&weight(other)).then(one.impact.total_cmp(&other.impact))) {
            Some(worst) => worst.clone(),
            None => nothing(snapshot),
        };
    if process.count == 0 {
        process.count = view::count(snapshot);
        process.unknown = unknown(snapshot);
    }
    process
}

fn is_behind(verdict: &Finding) -> bool {
    verdict.evidence.iter().any(|(name, _)| name == "because of")
}

fn unknown(snapshot: &Snapshot) -> f64 {
    let sum = |part: fn(&crate::telemetry::Account) -> u64| {
        snapshot.operations.iter().map(|operation| part(&operation.all.account)).sum::<u64>()
    };
    ratio(sum(|account| account.other), sum(|account| account.wall))
}

fn nothing(snapshot: &Snapshot) -> Finding {
    let (count, seconds) = (view::count(snapshot), snapshot.span.as_secs_f64());
    let sentence = if count < FEWEST {
        format!("Too few to say: {count} operations in {seconds:.0} s, and {FEWEST} are needed.")
    } else {
        let busiest = snapshot
            .operations
            .iter()
            .filter(|operation| operation.kind == OperationKind::Request)
            .max_by_key(|operation| operation.all.count);
        let slowest = busiest.map_or(String::new(), |operation| {
            format!("; {} p99 {}", operation.name, words::time(operation.p99 as f64))
        });
        format!("Nothing is wrong: {} operations a second{slowest}.", words::number(count as f64 / seconds.max(1.0)))
    };
    let (word, advice) = if count < FEWEST {
        (Word::TooFew, "let it work for a while, and ask again")
    } else {
        (Word::Healthy, "nothing is to be done")
    };
    let mut finding = Finding::new("verdict", word, Level::Note, None).says(sentence, advice).from(count, &[]);
    finding.unknown = unknown(snapshot);
    finding
}
