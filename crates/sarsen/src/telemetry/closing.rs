//! What the recorder is told when an Operation closes.

use super::account::Account;
use super::name::Name;
use super::operation::{OperationKind, Outcome, QueryRecord, Record, Statement};
use super::{WaitKind, WaitRecord};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// One Operation at its end, without its leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing<'a> {
    pub(crate) name: Name,
    pub(crate) account: &'a Account,
    pub(crate) outcome: Outcome,
    /// Runs of queries.
    pub(crate) queries: u64,
    /// CPU time by the kernel and the time inside polls that it was taken of; zero when it was not sampled.
    pub(crate) cpu: u64,
    pub(crate) cpu_wall: u64,
    /// Bytes from the heap, and those not given back.
    pub(crate) allocated: u64,
    pub(crate) kept: i64,
    /// How long a job lay in its queue, and which attempt this was after the first one.
    pub(crate) queued: u64,
    pub(crate) retries: u64,
    /// Bytes of the response.
    pub(crate) bytes_out: u64,
}

impl<'a> Closing<'a> {
    /// An Operation that used nothing but time.
    pub(crate) fn new(name: Name, account: &'a Account, outcome: Outcome) -> Self {
        Self {
            name,
            account,
            outcome,
            queries: 0,
            cpu: 0,
            cpu_wall: 0,
            allocated: 0,
            kept: 0,
            queued: 0,
            retries: 0,
            bytes_out: 0,
        }
    }

    /// Statuses from 500, and what says that it failed.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::Status(500..))
    }
}

/// One wait, sync section or query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) kind: WaitKind,
    /// Which one; for a query what runs it.
    pub(crate) label: &'a str,
    /// Nanoseconds from the start of the Operation.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Fair share, and what is on the critical path.
    pub(crate) share: u64,
    pub(crate) critical: u64,
    /// Inside a poll.
    pub(crate) sync: bool,
    /// A connection or a transaction of the database was held.
    pub(crate) holding: bool,
    pub(crate) query: Option<LeafQuery<'a>>,
}

/// What a leaf that is a query has beside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafQuery<'a> {
    pub(crate) statement: &'a Arc<Statement>,
    pub(crate) site: &'static Location<'static>,
    pub(crate) rows: u64,
    pub(crate) failed: bool,
    /// A hash of the parameters, where it is known.
    pub(crate) parameters: Option<u64>,
}

impl Record {
    /// The account as far as sums of waits tell: idle time that no wait covers is `other`.
    pub(super) fn account(&self, kind: OperationKind) -> Account {
        let wall = nanoseconds(self.duration);
        let mut account = Account { wall, polls: 1, ..Account::default() };
        let mut left = wall;
        for wait in &self.waits {
            let took = nanoseconds(wait.total).min(left);
            let inline = matches!(wait.label, "inline" | "write" | "commit");
            let place = if inline { &mut account.sync } else { &mut account.wait };
            place[wait.kind as usize] += took;
            left -= took;
        }
        account.critical = account.wait;
        // Without the account of polls: a request that waits for nothing is at work.
        let place = if kind == OperationKind::Request { &mut account.on_cpu } else { &mut account.other };
        *place = left;
        account
    }

    /// Its queries one after another, then what else it waited for.
    pub(super) fn leaves(&self) -> impl Iterator<Item = Leaf<'_>> {
        let mut at = 0;
        let queries = self.queries.iter().map(move |query| {
            let leaf = leaf_of_query(query, at);
            at = leaf.to;
            leaf
        });
        let others = self.waits.iter().filter(|wait| !is_query(wait));
        queries.chain(others.flat_map(leaves_of_wait))
    }
}

fn leaf_of_query(query: &QueryRecord, from: u64) -> Leaf<'_> {
    let took = nanoseconds(query.execution);
    Leaf {
        kind: WaitKind::Database,
        label: "",
        from,
        to: from + took,
        share: took,
        critical: took,
        sync: !query.offloaded,
        holding: false,
        query: Some(LeafQuery {
            statement: &query.statement,
            site: query.site,
            rows: query.rows,
            failed: query.failed,
            parameters: None,
        }),
    }
}

/// Time of the database that the queries account for already.
fn is_query(wait: &WaitRecord) -> bool {
    wait.kind == WaitKind::Database && wait.label != "commit"
}

fn leaves_of_wait(wait: &WaitRecord) -> impl Iterator<Item = Leaf<'_>> {
    let each = nanoseconds(wait.total) / u64::from(wait.count.max(1));
    let leaf = Leaf {
        kind: wait.kind,
        label: wait.label,
        from: 0,
        to: each,
        share: each,
        critical: each,
        sync: wait.label == "commit",
        holding: false,
        query: None,
    };
    std::iter::repeat_n(leaf, wait.count as usize)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
