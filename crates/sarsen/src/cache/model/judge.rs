//! What a schedule may give out: the invariants, looked at whenever a caller is given something.

use super::{Place, SILENCE, STALE, Shared, World, value};
use crate::cache::entry::{Age, Entry};
use crate::cache::key::Key;
use crate::cache::node::Node;
use crate::error::Result;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn know(world: &mut World, place: Place, version: u64) {
    let known = world.known.get(&place).copied().unwrap_or_default();
    if world.at_least(place.1, version, known) {
        world.known.insert(place, version);
    }
}

/// What a caller may be given who began at `since` and knew of the version `least`.
pub(super) fn check(
    world: &Shared,
    node: &Node,
    key: &Key,
    (row, stale): (i64, bool),
    (since, least): (Duration, u64),
    given: Result<Arc<Entry>>,
) {
    let mut world = world.lock();
    let Ok(entry) = given else {
        world.errors += 1;
        let kept = node.store.get(key);
        if kept.is_some_and(|kept| stale && node.may_serve(&kept)) {
            world.violations.push(format!("(d) an error was given where an old value of row {row} would serve"));
        }
        return;
    };
    world.given += 1;
    let version = value(&entry);
    if world.place_of(row, version).is_none() {
        world.violations.push(format!("(b) row {row} was given as version {version}, which was never committed"));
    } else if !world.at_least(row, version, least) {
        world.violations.push(format!("row {row} was given as {version}, where {least} was known"));
    }
    let oldest = if stale { world.now.saturating_sub(STALE) } else { since.saturating_sub(SILENCE) };
    let oldest = world.committed_at(row, oldest);
    if !world.at_least(row, version, oldest) {
        let when = world.rows.get(&row).cloned().unwrap_or_default();
        let text = format!(
            "(e) row {row} was given as {version}, long after {oldest}: stale {stale}, asked at {since:?}, now {:?}, {when:?}, \
             since {} gap {} behind {} changed {} age {:?}",
            world.now,
            entry.since,
            node.versions.may_have_missed(entry.since),
            node.versions.is_behind(node.real.ticks()),
            node.versions.changed(&entry.tags, entry.since),
            entry.age(node.clock.ticks())
        );
        world.violations.push(text);
    }
    if entry.age(node.clock.ticks()) == Age::Gone && stale {
        world.violations.push(format!("(e) row {row} was given although it is too old for anything"));
    }
}
