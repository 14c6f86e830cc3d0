//! Connections that are taken and never given back.

use crate::advisor::culprit::pool::top;
use crate::advisor::view::impact;
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::{HolderSpan, Snapshot, WaitKind};
use std::time::Duration;

/// A span that is shorter may be one long transaction.
const LEAST: Duration = Duration::from_secs(5);

/// Finds pools all of whose places were held through the whole span, while others wait.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let limited =
        snapshot.holders.iter().filter(|holder| matches!(holder.kind, WaitKind::DatabasePool | WaitKind::Lock));
    limited.filter(|_| snapshot.span >= LEAST).filter_map(|holder| of(snapshot, holder)).collect()
}

fn of(snapshot: &Snapshot, holder: &HolderSpan) -> Option<Finding> {
    let given_back: u64 = holder.held.iter().map(|held| held.times).sum();
    let is_stuck = holder.capacity > 0 && holder.in_use >= holder.capacity && holder.waiting > 0 && given_back == 0;
    if !is_stuck {
        return None;
    }
    let who = top(holder).map(|(name, _)| name.clone());
    let by = who.as_ref().map_or_else(|| "somebody".to_owned(), words::operation);
    let word = if holder.kind == WaitKind::Lock { Word::Lock } else { Word::DbPool };
    let sentence = format!(
        "all {} of `{}` are held by {by}, {} wait, and none was given back in {} s",
        holder.capacity,
        holder.label,
        holder.waiting,
        snapshot.span.as_secs()
    );
    let finding = Finding::new("connection_leak", word, Level::Fail, None)
        .of(format!("{by}, which holds `{}`", holder.label))
        .says(
            sentence,
            format!("end every transaction of {by}, also where it fails, and never wait in one without a limit"),
        )
        .shows("waiting", holder.waiting.to_string())
        .costs(impact(snapshot, holder.waited as f64).max(holder.waiting as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, holder};

    #[test]
    fn places_that_never_come_back_are_found() {
        let held = |in_use: u64, waiting: u64, times: u64| {
            let mut holder = holder(WaitKind::DatabasePool, "pool", 4, 1000.0, &[("GET /a", 40_000.0, times)]);
            (holder.in_use, holder.waiting) = (in_use, waiting);
            holder
        };
        for (name, holder, expected) in [
            ("stuck", held(4, 3, 0), true),
            ("busy", held(4, 3, 50), false),
            ("nobody waits", held(4, 0, 0), false),
            ("one is free", held(3, 0, 0), false),
        ] {
            let mut snapshot = scene::of(Vec::new());
            snapshot.holders = vec![holder];
            let found = find(&snapshot);
            assert_eq!(!found.is_empty(), expected, "{name}");
            assert!(found.iter().all(|finding| finding.culprit.contains("GET /a") && finding.level == Level::Fail));
        }
    }
}
