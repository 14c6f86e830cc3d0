//! The verdict on one Operation that suffers: the word, who is to blame, and what shows it.

use super::culprit::{self, Case, Culprit};
use super::shares::{Basis, Shares, body};
use super::suffers::{self, Complaint};
use super::view::{Name, impact};
use super::{FEWEST, Finding, Level, Word, words};
use crate::telemetry::{OperationKind, OperationSpan, Snapshot, WaitKind};

/// What a client reads slowly, and no stream that waits for something to happen.
const BIG_ANSWER: f64 = 64.0 * 1024.0;

/// A verdict, and the Operations that are behind it.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) finding: Finding,
    pub(super) guilty: Option<Name>,
    /// `p99 380 ms of 80 ms; 71 % DB`.
    pub(super) says: String,
}

impl Verdict {
    /// Writes the sentence anew from its parts.
    pub(super) fn speak(&mut self) {
        let finding = &mut self.finding;
        let calls = finding.evidence.iter().find(|(name, value)| name == "calls each" && value != "1");
        let calls = calls.map_or(String::new(), |(_, value)| format!(", {value} calls each"));
        let subject = finding.subject();
        finding.sentence = format!("{subject}: {}: {}{calls} → {}", self.says, finding.culprit, finding.advice);
    }
}

/// One for each Operation that suffers.
pub(super) fn of_all(snapshot: &Snapshot) -> Vec<Verdict> {
    snapshot.operations.iter().filter_map(|operation| of_one(snapshot, operation)).collect()
}

fn of_one(snapshot: &Snapshot, operation: &OperationSpan) -> Option<Verdict> {
    let shares = Shares::of(snapshot, operation);
    let complaint = suffers::of(snapshot, operation, &shares)?;
    let (word, part) = if complaint.in_queue { (Word::Queue, 1.0) } else { shares.word() };
    if is_idle(operation, &complaint, word) {
        return None;
    }
    let culprit = culprit::of(Case { snapshot, operation, basis: shares.basis }, word);
    // What is behind the wait can be another thing than the wait.
    let word = culprit.word.unwrap_or(word);
    if operation.all.count < FEWEST {
        return Some(too_few(operation, &complaint, word, part, culprit));
    }
    let level = match word {
        // What is not the application's fault breaks no promise of its own.
        Word::Client | Word::Host => complaint.level.min(Level::Warn),
        _ => complaint.level,
    };
    let rule = if culprit.rule.is_empty() { "verdict" } else { culprit.rule };
    let mut finding = Finding::new(rule, word, level, Some(&operation.id()))
        .of(culprit.what)
        .says("", culprit.advice)
        .from(operation.all.count, &operation.samples)
        .costs(impact(snapshot, part * time(operation, shares.basis)));
    finding.unknown = operation.all.unknown();
    finding.evidence = evidence(operation, &complaint, &shares);
    finding.evidence.extend(culprit.evidence);
    let says = format!("{}; {} {word}", complaint.says, words::percent(part));
    let mut verdict = Verdict { finding, guilty: culprit.guilty, says };
    verdict.speak();
    Some(verdict)
}

/// A stream, or a request that waits for news, is slow on purpose.
fn is_idle(operation: &OperationSpan, complaint: &Complaint, word: Word) -> bool {
    if operation.kind != OperationKind::Request || complaint.level == Level::Fail {
        return false;
    }
    let all = &operation.all;
    let sends = all.account.of(WaitKind::BodyIn) >= all.account.of(WaitKind::BodyOut);
    match word {
        Word::Client => !sends && all.each(all.bytes_out) < BIG_ANSWER,
        Word::Queue => true,
        _ => false,
    }
}

fn too_few(operation: &OperationSpan, complaint: &Complaint, word: Word, part: f64, culprit: Culprit) -> Verdict {
    let count = operation.all.count;
    let says =
        format!("{}; too few to say ({count} of {FEWEST}), so far {} {word}", complaint.says, words::percent(part));
    let mut finding = Finding::new("verdict", Word::TooFew, Level::Note, Some(&operation.id()))
        .of(culprit.what)
        .says("", culprit.advice)
        .from(count, &operation.samples)
        .shows("so far", word.as_str());
    finding.unknown = operation.all.unknown();
    let mut verdict = Verdict { finding, guilty: culprit.guilty, says };
    verdict.speak();
    verdict
}

/// The time that was shared out, of all of them.
fn time(operation: &OperationSpan, basis: Basis) -> f64 {
    match basis {
        Basis::Mean => operation.all.account.wall as f64,
        Basis::Tail => {
            let usual = body(&operation.all, &operation.tail).mean() * operation.tail.count as f64;
            (operation.tail.account.wall as f64 - usual).max(0.0)
        }
    }
}

fn evidence(operation: &OperationSpan, complaint: &Complaint, shares: &Shares) -> Vec<(String, String)> {
    let line = |name: &str, value: String| (name.to_owned(), value);
    let parts = shares
        .words
        .iter()
        .filter(|(_, part)| *part >= 0.05)
        .map(|(word, part)| format!("{word} {}", words::percent(*part)));
    let of = match shares.basis {
        Basis::Tail => "where the slow ones lose it",
        Basis::Mean => "where the time goes",
    };
    let mut evidence = vec![
        line("why", complaint.says.clone()),
        line("seen", format!("{}, {} of them slow", operation.all.count, operation.tail.count)),
        line(of, parts.collect::<Vec<_>>().join(", ")),
    ];
    if let Some((word, part)) = shares.second().filter(|_| !complaint.in_queue) {
        evidence.push(line("nearly as much", format!("{word} {}", words::percent(part))));
    }
    evidence
}
