//! The detectors: each is one pure function from a snapshot to findings, in a file of its own, and a line in the list.

mod blocking_handler;
mod cache_candidate;
mod connection_leak;
mod descriptors;
mod disk;
mod duplicate_query;
mod errors;
mod external_while_holding;
mod growing_backlog;
mod host;
mod long_transaction;
mod memory;
mod n_plus_one;
mod noisy_neighbour;
mod nothing_moves;
mod over_budget;
mod over_fetch;
mod parallelise;
mod queue_candidate;
mod regression;
mod retry_storm;

use super::Finding;
use crate::telemetry::Snapshot;

/// Looks for one thing.
type Detector = fn(&Snapshot) -> Vec<Finding>;

const DETECTORS: &[Detector] = &[
    n_plus_one::find,
    duplicate_query::find,
    over_fetch::find,
    over_budget::find,
    external_while_holding::find,
    long_transaction::find,
    connection_leak::find,
    noisy_neighbour::find,
    blocking_handler::find,
    parallelise::find,
    queue_candidate::find,
    cache_candidate::find,
    retry_storm::find,
    errors::find,
    nothing_moves::find,
    growing_backlog::find,
    regression::find,
    memory::find,
    disk::find,
    host::find,
    descriptors::find,
];

/// What all of them find.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Finding> {
    DETECTORS.iter().flat_map(|detector| detector(snapshot)).collect()
}
