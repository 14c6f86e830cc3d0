//! The critical path of an Operation: the waits without which it would have ended sooner.
//!
//! It is found once, at the end, and only where waits overlapped: back from the end, always to the wait that ended last. All
//! happens in idle time (see [`waits`](super::waits)), so the parts of the path and the undeclared time are the idle time exactly.

use super::waits::{NONE, Span, Waits};

/// One part of the path: the place of its wait, and idle nanoseconds.
pub(super) type Part = (usize, u64);

/// The path, from its end to its beginning.
pub(super) fn path(waits: &Waits) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = waits.idle;
    while at > 0 {
        // What was cancelled held nobody up; it only fills the time in which there was nothing else.
        let kept = last_before(&waits.spans, at, false);
        let until = kept.map_or(0, |(_, end, _)| end);
        if until < at
            && let Some((place, end, from)) = last_before(&waits.spans, at, true).filter(|(_, end, _)| *end > until)
        {
            let from = from.max(until);
            parts.push((place, end - from));
            at = from;
            continue;
        }
        let Some((place, end, from)) = kept else { break };
        parts.push((place, end - from));
        at = from;
    }
    parts
}

/// The wait that ended last before `at`: its place, the end of its part, and the beginning of that.
///
/// Of several at the same end, one that really ended there comes before one that went on, and then the one that began last, which
/// is the innermost.
fn last_before(spans: &[Span], at: u64, cancelled: bool) -> Option<(usize, u64, u64)> {
    let fits = |span: &&Span| span.cancelled == cancelled && span.from < at && span.to > span.from;
    let keys = spans.iter().enumerate().filter(|(_, span)| fits(span)).map(|(place, span)| {
        let end = span.to.min(at);
        (end, span.to == at, span.from, place)
    });
    let (end, _, from, place) = keys.max()?;
    Some((place, end, from.max(end_inside(spans, place, end))))
}

/// Where the last wait inside `place` ended before `end`: until then the time was that one's.
fn end_inside(spans: &[Span], place: usize, end: u64) -> u64 {
    let is_inside = |span: &&Span| {
        let around = span.around as usize;
        span.around != NONE && around == place && span.to > span.from
    };
    let ends = spans.iter().filter(is_inside).map(|span| span.to).filter(|to| *to < end);
    ends.max().unwrap_or(0)
}
