//! Who holds what others wait for: the pool of connections, the one writer, a lock. The share of held time tells, not who
//! gave it back last.

use super::{Case, Culprit};
use crate::advisor::view::{self, Name, held, impact, ratio};
use crate::advisor::{Word, shares, words};
use crate::telemetry::{CauseSpan, Held, HolderSpan, Snapshot, WaitKind};

/// A query that takes longer holds its connection by itself.
const SLOW_QUERY: f64 = 100e6;
/// A transaction that takes longer should have a reason.
const LONG_HOLD: f64 = 20e6;

pub(super) fn pool(case: Case<'_>) -> Culprit {
    let Some(holder) = holder(case, WaitKind::DatabasePool) else {
        return Culprit::new("the connections of the database", "raise database.connections, or hold them shorter");
    };
    let Some(top) = holder.held.first() else {
        let advice = "look for a transaction that is never ended: nothing was given back";
        return Culprit::new(format!("`{}`, all of it held", holder.label), advice)
            .shows("waiting now", holder.waiting.to_string());
    };
    let reason = reason(case.snapshot, top);
    let advice = reason.advice(case.snapshot, holder, top);
    let mut culprit = Culprit::new(reason.what(holder, top), advice).done_by(Some(top.operation.clone()));
    culprit.rule = reason.rule();
    culprit.word = reason.word().filter(|_| case.operation.is(&top.operation));
    with_holders(culprit, holder)
        .shows("held for", format!("{} in the mean", words::time(ratio(top.time, top.times.max(1)))))
        .shows("places", format!("{}, {} in use now, {} waiting", holder.capacity, holder.in_use, holder.waiting))
}

pub(super) fn lock(case: Case<'_>) -> Culprit {
    let waited = case.greatest(|cause| cause.kind == WaitKind::Lock);
    let name = waited.map_or("a lock", |cause| cause.label.as_str());
    let advice = "hold it shorter: let go of it before anything is waited for, or split it".to_owned();
    let Some((holder, top)) = holder(case, WaitKind::Lock).and_then(|holder| Some((holder, holder.held.first()?)))
    else {
        let at =
            waited.filter(|cause| !cause.site.is_empty()).map_or(String::new(), |cause| format!(" at {}", cause.site));
        return Culprit::new(format!("`{name}`{at}"), advice);
    };
    let by = words::operation(&top.operation);
    let culprit =
        Culprit::new(format!("`{}`, held by {by} ({})", holder.label, words::percent(part(holder, top))), advice);
    with_holders(culprit, holder)
        .done_by(Some(top.operation.clone()))
        .shows("held for", format!("{} in the mean", words::time(ratio(top.time, top.times.max(1)))))
}

/// What this Operation waited for: by the name, else what was waited for most.
fn holder<'a>(case: Case<'a>, kind: WaitKind) -> Option<&'a HolderSpan> {
    let label = case.greatest(|cause| cause.kind == kind && !cause.query).map_or("", |cause| cause.label.as_str());
    let named = |holder: &&HolderSpan| !label.is_empty() && (holder.label == label || holder.label.contains(label));
    let of_kind = || case.snapshot.holders.iter().filter(move |holder| holder.kind == kind);
    of_kind().find(named).or_else(|| of_kind().max_by_key(|holder| (holder.waited, held(holder))))
}

fn part(holder: &HolderSpan, one: &Held) -> f64 {
    ratio(one.time, held(holder))
}

fn with_holders(mut culprit: Culprit, holder: &HolderSpan) -> Culprit {
    for one in holder.held.iter().take(3) {
        culprit = culprit.shows(
            &words::operation(&one.operation),
            format!("{} of the held time", words::percent(part(holder, one))),
        );
    }
    culprit
}

/// Why a connection is held so long.
#[derive(Clone, Copy, Debug)]
pub(in crate::advisor) enum Reason<'a> {
    /// Another service is called meanwhile.
    External(&'a CauseSpan),
    /// One query takes long.
    Query(&'a CauseSpan),
    /// The disk makes commits slow.
    Disk,
    /// Something else is done meanwhile.
    Idle,
    /// It is needed that long, by so many.
    Needed,
}

/// Why Operations hold it.
pub(in crate::advisor) fn reason<'a>(snapshot: &'a Snapshot, held: &Held) -> Reason<'a> {
    let causes = || view::causes(snapshot, &held.operation);
    let outside = causes()
        .filter(|cause| is_external(cause) && cause.while_holding > 0)
        .max_by_key(|cause| cause.while_holding_wall);
    if let Some(cause) = outside.filter(|cause| cause.while_holding_wall * 4 >= held.time || held.times == 0) {
        return Reason::External(cause);
    }
    let queries = causes().filter(|cause| cause.query);
    if let Some(cause) = queries.max_by_key(|cause| cause.share).filter(|cause| is_slow(cause)) {
        return Reason::Query(cause);
    }
    if causes().any(|cause| shares::is_slow_commit(cause) && cause.share * 2 >= held.time) {
        return Reason::Disk;
    }
    let database: u64 = causes().filter(|cause| cause.kind == WaitKind::Database).map(|cause| cause.share).sum();
    let long = ratio(held.time, held.times.max(1)) >= LONG_HOLD;
    if long && database * 2 < held.time { Reason::Idle } else { Reason::Needed }
}

pub(in crate::advisor) fn is_external(cause: &CauseSpan) -> bool {
    matches!(cause.kind, WaitKind::Http | WaitKind::Mail | WaitKind::Blob)
}

/// Slow by itself: it takes long, or looks at far more than it gives.
pub(in crate::advisor) fn is_slow(cause: &CauseSpan) -> bool {
    let took = ratio(cause.share, cause.calls);
    took >= SLOW_QUERY || took >= 5e6 && cause.examined >= 100 * cause.rows.max(cause.calls)
}

impl Reason<'_> {
    fn rule(self) -> &'static str {
        match self {
            Reason::External(_) => "external_while_holding",
            Reason::Idle => "long_transaction",
            Reason::Query(_) | Reason::Disk | Reason::Needed => "",
        }
    }

    /// What an Operation that waits for its own kind is bound by.
    fn word(self) -> Option<Word> {
        match self {
            Reason::Query(_) => Some(Word::Db),
            Reason::Disk => Some(Word::Disk),
            Reason::External(_) | Reason::Idle | Reason::Needed => None,
        }
    }

    fn what(self, holder: &HolderSpan, top: &Held) -> String {
        let by =
            format!("{} ({} of the held time)", words::operation(&top.operation), words::percent(part(holder, top)));
        match self {
            Reason::External(cause) => {
                format!("`{}` held by {by}, which calls {} meanwhile", holder.label, words::cause(cause))
            }
            Reason::Query(cause) => format!("`{}` held by {by} for {}", holder.label, words::cause(cause)),
            Reason::Disk => format!("the disk: commits of {by}, which hold `{}`", holder.label),
            Reason::Idle => format!("`{}` held by {by}, which does something else meanwhile", holder.label),
            Reason::Needed => format!("`{}` of {}, held by {by}", holder.label, holder.capacity),
        }
    }

    fn advice(self, snapshot: &Snapshot, holder: &HolderSpan, top: &Held) -> String {
        let by = words::operation(&top.operation);
        match self {
            Reason::External(cause) => {
                format!("call {} before the transaction begins, or in a job after it", cause.label)
            }
            Reason::Query(_) => "make that query quicker: nothing is given back until it is done".to_owned(),
            Reason::Disk => "write more in one transaction, or put the database on a faster disk".to_owned(),
            Reason::Idle => format!("let {by} end its transaction before it does anything else"),
            Reason::Needed if holder.capacity <= 1 => {
                format!("write less in one transaction of {by}, or use a database with many writers")
            }
            Reason::Needed => {
                format!("set database.connections to {}, or hold them shorter in {by}", size(snapshot, holder))
            }
        }
    }
}

/// Places that are enough: how many were held at a time and a third more, and those that waited.
pub(in crate::advisor) fn size(snapshot: &Snapshot, holder: &HolderSpan) -> u64 {
    let in_use = impact(snapshot, held(holder) as f64);
    let waiting = impact(snapshot, holder.waited as f64).min(2.0 * in_use);
    ((in_use * 1.3 + waiting).ceil() as u64).max(holder.capacity + 1)
}

/// Operations that held it for the greatest part of the time, with that part.
pub(in crate::advisor) fn top(holder: &HolderSpan) -> Option<(&Name, f64)> {
    holder.held.first().map(|one| (&one.operation, part(holder, one)))
}
