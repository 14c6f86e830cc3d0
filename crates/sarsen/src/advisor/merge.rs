//! One finding about one thing: what a detector found goes under the verdict that it explains, and who suffers from another
//! stands behind that one.

use super::verdict::Verdict;
use super::view::{self, Name};
use super::{Finding, Level, Word};
use crate::telemetry::Snapshot;
use std::cmp::Reverse;

/// The rules that explain a word, the best explanation first.
fn explains(word: Word) -> &'static [&'static str] {
    match word {
        Word::Db => &["n_plus_one", "over_fetch", "duplicate_query", "regression", "over_budget"],
        Word::DbPool => &["connection_leak", "external_while_holding", "long_transaction", "noisy_neighbour"],
        Word::Lock => &["external_while_holding", "noisy_neighbour"],
        Word::External => &["external_while_holding", "retry_storm", "parallelise", "queue_candidate"],
        Word::Blocking => &["blocking_handler"],
        Word::Cpu => &["blocking_handler", "regression"],
        Word::Runtime => &["noisy_neighbour"],
        Word::Queue => &["nothing_moves", "growing_backlog"],
        Word::Memory => &["memory", "regression", "over_budget"],
        Word::Disk => &["disk"],
        Word::Host => &["host"],
        _ => &[],
    }
}

/// Verdicts, root causes first, and the findings that are left.
pub(super) fn under_roots(
    snapshot: &Snapshot,
    mut verdicts: Vec<Verdict>,
    mut findings: Vec<Finding>,
) -> (Vec<Finding>, Vec<Finding>) {
    budgets_under_causes(&mut findings);
    for verdict in &mut verdicts {
        adopt(verdict, &mut findings);
    }
    promote(&mut verdicts, &mut findings);
    let hog = hog(snapshot);
    let behind_hog = |index: usize| hog.as_ref().and_then(|hog| held_up(&verdicts, index, hog));
    let roots: Vec<Option<usize>> =
        (0..verdicts.len()).map(|index| root(&verdicts, index).or_else(|| behind_hog(index))).collect();
    for (victim, root) in roots.iter().enumerate() {
        if let Some(root) = *root {
            blame(&mut verdicts, victim, root);
        }
    }
    let mut ranked: Vec<(bool, Verdict)> = roots.iter().map(Option::is_some).zip(verdicts).collect();
    ranked.sort_by(|(behind, one), (also, other)| {
        let (one, other) = (&one.finding, &other.finding);
        let key = |behind: bool, finding: &Finding| (behind, finding.level == Level::Note, Reverse(weight(finding)));
        key(*behind, one).cmp(&key(*also, other)).then(other.impact.total_cmp(&one.impact))
    });
    findings.sort_by(|one, other| other.level.cmp(&one.level).then(other.impact.total_cmp(&one.impact)));
    (ranked.into_iter().map(|(_, verdict)| verdict.finding).collect(), findings)
}

/// What stops the process altogether comes first, and what others do to it last; after that it is the impact that counts.
pub(super) fn weight(finding: &Finding) -> u8 {
    let stops =
        matches!(finding.rule.as_str(), "memory" | "descriptors" | "disk_full" | "nothing_moves" | "connection_leak");
    match finding.word {
        Word::Host => 0,
        _ if stops && finding.level == Level::Fail => 2,
        _ => 1,
    }
}

/// What a detector found of whom no verdict speaks is a verdict by itself, where it says what that is bound by.
fn promote(verdicts: &mut Vec<Verdict>, findings: &mut Vec<Finding>) {
    let is_known = |finding: &Finding| {
        let has_verdict = |name: &Name| verdicts.iter().any(|verdict| verdict.finding.operation.as_ref() == Some(name));
        finding.operation.as_ref().is_some_and(has_verdict)
    };
    let speaks = |finding: &Finding| {
        finding.level >= Level::Warn
            && finding.word != Word::Unknown
            && finding.rule != "regression"
            && !is_known(finding)
    };
    let (promoted, others): (Vec<Finding>, Vec<Finding>) = findings.drain(..).partition(speaks);
    *findings = others;
    verdicts.extend(promoted.into_iter().map(|finding| Verdict { finding, guilty: None, says: String::new() }));
}

/// A budget of queries that is broken by an N+1 is one finding: the N+1, as grave as the broken promise.
fn budgets_under_causes(findings: &mut Vec<Finding>) {
    let (broken, mut others): (Vec<Finding>, Vec<Finding>) =
        findings.drain(..).partition(|finding| finding.rule == "over_budget" && finding.word == Word::Db);
    for budget in broken {
        let causes = |finding: &&mut Finding| finding.rule == "n_plus_one" && finding.operation == budget.operation;
        match others.iter_mut().find(causes) {
            Some(cause) => {
                cause.level = cause.level.max(budget.level);
                cause.evidence.push((budget.rule, budget.sentence));
            }
            None => others.push(budget),
        }
    }
    *findings = others;
}

/// Takes the findings that explain a verdict; the best of them gives its rule, its culprit and its advice.
fn adopt(verdict: &mut Verdict, findings: &mut Vec<Finding>) {
    let own = |finding: &Finding| match &finding.operation {
        // Who it does it to has the verdict.
        Some(name) if finding.rule == "noisy_neighbour" => {
            verdict.guilty.as_ref() == Some(name) && finding.word == verdict.finding.word
        }
        Some(name) => verdict.finding.operation.as_ref() == Some(name),
        // The process has one disk, one memory, one host.
        None => {
            matches!(finding.word, Word::Disk | Word::Memory | Word::Host | Word::Queue)
                && finding.word == verdict.finding.word
        }
    };
    let rules = explains(verdict.finding.word);
    let matters = |finding: &Finding| {
        finding.operation.is_none()
            || finding.impact >= 0.3 * verdict.finding.impact
            || finding.rule == "blocking_handler"
    };
    let place = |finding: &Finding| {
        rules.iter().position(|rule| *rule == finding.rule).filter(|_| own(finding) && matters(finding))
    };
    let mut found: Vec<(usize, usize)> =
        findings.iter().enumerate().filter_map(|(index, finding)| Some((place(finding)?, index))).collect();
    found.sort_unstable();
    let mut taken: Vec<usize> =
        found.iter().map(|(_, index)| *index).filter(|index| findings[*index].operation.is_some()).collect();
    for (number, (_, index)) in found.iter().enumerate() {
        let finding = &findings[*index];
        match number {
            0 if verdict.finding.rule == "verdict" && finding.operation.is_some() => explain(verdict, finding),
            _ => verdict.finding.evidence.push((finding.rule.clone(), finding.sentence.clone())),
        }
    }
    taken.sort_unstable();
    for index in taken.into_iter().rev() {
        findings.remove(index);
    }
}

fn explain(verdict: &mut Verdict, by: &Finding) {
    let finding = &mut verdict.finding;
    finding.rule.clone_from(&by.rule);
    finding.culprit.clone_from(&by.culprit);
    finding.advice.clone_from(&by.advice);
    finding.evidence.retain(|(name, _)| !by.evidence.iter().any(|(other, _)| name == other));
    finding.evidence.extend(by.evidence.iter().cloned());
    if by.word == Word::DbPool && finding.word != by.word {
        // It slows others through what it holds.
        verdict.says = format!("{}, and others wait for its connection ({})", verdict.says, by.word);
        finding.word = by.word;
        finding.impact = finding.impact.max(by.impact);
    }
    verdict.speak();
}

/// Who keeps the threads of the runtime so busy that whatever others wait for is noticed late.
struct Hog {
    name: Name,
    /// Nanoseconds of its longest poll.
    poll: u64,
    /// Nanoseconds in which that was seen.
    span: f64,
}

/// The runtime is busy from this part of its time on, and one of it holds this part.
const BUSY: f64 = 0.8;
const MOST: f64 = 0.5;
/// Polls as short as this hold up nobody.
const SHORT: u64 = 2_000_000;
/// What others wait for is late by a few of its polls, and no more.
const LATE: u64 = 8;

fn hog(snapshot: &Snapshot) -> Option<Hog> {
    let runtime = snapshot.holders.iter().find(|holder| holder.label == "runtime")?;
    let span = snapshot.span.as_secs_f64() * 1e9;
    let had = span * runtime.capacity.max(1) as f64;
    let top = runtime.held.iter().max_by_key(|held| held.time)?;
    let poll = view::find(snapshot, &top.operation)?.all.account.longest_poll;
    let busy = view::held(runtime) as f64 >= BUSY * had && top.time as f64 >= MOST * had;
    (busy && poll >= SHORT).then(|| Hog { name: top.operation.clone(), poll, span })
}

/// A wait for something outside of the process that is as long as a few polls of the hog: its end is seen when a thread is free.
fn held_up(verdicts: &[Verdict], index: usize, hog: &Hog) -> Option<usize> {
    let victim = &verdicts[index].finding;
    let outside = matches!(victim.word, Word::Db | Word::DbPool | Word::External | Word::Unknown | Word::Cache);
    let each = victim.impact * hog.span / victim.count.max(1) as f64;
    let waits_shortly = each <= (LATE * hog.poll) as f64;
    if !outside || !waits_shortly || victim.operation.as_ref() == Some(&hog.name) {
        return None;
    }
    verdicts.iter().position(|other| {
        other.finding.operation.as_ref() == Some(&hog.name)
            && matches!(other.finding.word, Word::Cpu | Word::Runtime | Word::Blocking)
    })
}

/// The verdict that is behind this one.
fn root(verdicts: &[Verdict], index: usize) -> Option<usize> {
    let verdict = &verdicts[index];
    let guilty = verdict.guilty.as_ref().filter(|guilty| verdict.finding.operation.as_ref() != Some(*guilty))?;
    let found = verdicts.iter().position(|other| other.finding.operation.as_ref() == Some(guilty))?;
    is_behind(&verdicts[found].finding, &verdict.finding).then_some(found)
}

fn is_behind(root: &Finding, victim: &Finding) -> bool {
    match victim.word {
        Word::Runtime => matches!(root.word, Word::Cpu | Word::Blocking | Word::Memory | Word::Db | Word::Disk),
        // Who holds it for another reason than being many.
        Word::DbPool if root.word == Word::DbPool => {
            root.rule == "external_while_holding" || root.rule == "long_transaction"
        }
        Word::DbPool => {
            matches!(root.word, Word::Db | Word::Disk) && victim.rule == "verdict" && victim.culprit.contains(" for ")
        }
        _ => false,
    }
}

fn blame(verdicts: &mut [Verdict], victim: usize, root: usize) {
    let (subject, impact) = (verdicts[victim].finding.subject(), verdicts[victim].finding.impact);
    let guilty: Option<Name> = verdicts[root].finding.operation.clone();
    let because = verdicts[root].finding.subject();
    let root = &mut verdicts[root].finding;
    root.impact += impact;
    root.evidence.push(("also slows".to_owned(), subject));
    let word = root.word;
    let victim = &mut verdicts[victim].finding;
    if guilty.is_some() {
        victim.evidence.push(("because of".to_owned(), format!("{because} ({word})")));
    }
}
