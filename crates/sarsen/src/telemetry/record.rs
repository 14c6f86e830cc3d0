//! What an Operation did, once it has closed.

use super::account::Account;
use super::leaf::{Leaf, QueryRecord, WaitRecord};
use super::name::Name;
use super::operation::Outcome;
use crate::error::Kind;
use std::time::Duration;
use uuid::Uuid;

/// What an Operation did. While it is at work, its account and its leaves are elsewhere: they are here once it has closed, and
/// between its scopes.
#[derive(Clone, Debug)]
pub struct Record {
    /// The route pattern, job kind or command, and whose it is.
    pub name: Name,
    /// Who asked for it.
    pub actor: Option<Uuid>,
    /// Where its time went.
    pub account: Account,
    /// CPU time by the kernel, of those `cpu_wall` nanoseconds inside polls that were sampled.
    pub cpu: u64,
    /// See `cpu`.
    pub cpu_wall: u64,
    /// Its waits, sync sections and queries in the order in which they began, at most 500.
    pub leaves: Vec<Leaf>,
    /// All of them, also those that are counted only.
    pub leaf_count: u64,
    /// Runs of queries in all.
    pub query_count: u64,
    /// Bytes taken from the heap; zero where the program does not count them.
    pub allocated: u64,
    /// Bytes taken and not given back until the end.
    pub kept: i64,
    /// How long it lay in a queue before it began.
    pub queued: Duration,
    /// How often it was tried before.
    pub retries: u64,
    /// Bytes of the answer, where that is known.
    pub bytes_out: u64,
    /// What went wrong, for the log; never for the client.
    pub error: Option<String>,
    /// What kind of error that is.
    pub error_kind: Option<Kind>,
    /// How it ended.
    pub outcome: Outcome,
    /// From opening to closing.
    pub duration: Duration,
}

impl Record {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            actor: None,
            account: Account::default(),
            cpu: 0,
            cpu_wall: 0,
            leaves: Vec::new(),
            leaf_count: 0,
            query_count: 0,
            allocated: 0,
            kept: 0,
            queued: Duration::ZERO,
            retries: 0,
            bytes_out: 0,
            error: None,
            error_kind: None,
            outcome: Outcome::Open,
            duration: Duration::ZERO,
        }
    }

    /// As if it were new, with the memory it has. What is set when it closes is left as it is until then.
    pub(super) fn begin_anew(&mut self, name: Name) {
        self.leaves.clear();
        (self.name, self.actor, self.outcome) = (name, None, Outcome::Open);
        (self.error, self.error_kind) = (None, None);
        (self.queued, self.retries) = (Duration::ZERO, 0);
        (self.leaf_count, self.query_count, self.allocated, self.kept) = (0, 0, 0, 0);
        (self.cpu, self.cpu_wall) = (0, 0);
    }

    /// The module that does the work; empty when it is the framework.
    pub fn module(&self) -> &'static str {
        self.name.module()
    }

    /// The runs of queries, in the order in which they began.
    pub fn queries(&self) -> impl Iterator<Item = &QueryRecord> {
        self.leaves.iter().filter_map(|leaf| leaf.query.as_ref())
    }

    /// The waits by kind and label, in the order in which the first of each began.
    pub fn waits(&self) -> Vec<WaitRecord> {
        let mut waits: Vec<WaitRecord> = Vec::new();
        for leaf in &self.leaves {
            let took = Duration::from_nanos(leaf.wall());
            match waits.iter_mut().find(|wait| wait.kind == leaf.kind && wait.label == leaf.label) {
                Some(wait) => (wait.count, wait.total) = (wait.count + 1, wait.total + took),
                None => waits.push(WaitRecord { kind: leaf.kind, label: leaf.label.clone(), count: 1, total: took }),
            }
        }
        waits
    }

    /// Whether it failed: a status from 500, or a failure.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::Status(500..))
    }
}
