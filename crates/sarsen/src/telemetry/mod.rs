//! What was done and where the time went: one [`Operation`] per unit of work, and the four doors through which everything waits.
//!
//! Adapters never read a clock themselves. They go through [`wait`], [`sync`], [`blocking`] or [`spawn`], so the exact
//! accounting that a later version puts behind these doors sees every wait there is.

mod account;
mod budget;
mod cause;
mod counters;
mod critical;
mod distinct;
mod doors;
#[cfg(test)]
mod exact;
mod heap;
mod here;
mod histogram;
mod leaf;
mod ledger;
mod log;
mod merge;
mod name;
mod operation;
mod promise;
mod reading;
mod record;
mod recorder;
pub mod redact;
pub(crate) mod resource;
mod sampling;
mod scope;
mod shard;
mod snapshot;
mod squeeze;
mod stamped;
mod trace;
mod waits;
mod waker;

pub use account::{Account, KINDS};
pub use budget::{Budget, kb, ms};
pub(crate) use cause::Cause;
pub(crate) use counters::{CauseValues, OverValues, SumValues, part, sum};
pub(crate) use distinct::{REGISTERS, Registers, estimate as estimate_distinct, merge as merge_registers};
pub use doors::{Child, Wait, blocking, check_deadline, spawn, sync, wait, within_deadline};
pub(crate) use doors::{note_query, spawn_driving, sync_query};
pub use heap::Heap;
pub(crate) use here::Running;
pub(crate) use histogram::Histogram;
pub use leaf::{Label, Leaf, QueryRecord, Statement, WaitRecord};
pub use log::{init_logging, write_operations};
pub use name::{MAX_NAMES, Name, OTHERS};
pub use operation::{MAX_LEAVES, Operation, OperationKind, Outcome, Recorded};
pub use promise::{Broken, Budgets, Promise, Spent};
pub(crate) use reading::Collected;
pub use record::Record;
pub use recorder::Recorder;
pub use resource::{Facts, Holder, Holding, Lock, Locked, Named, Waiting, WaitingFor, line_of_code};
pub(crate) use resource::{hold_blocking_thread, job, on_blocking_thread};
pub use scope::Scope;
pub use snapshot::{
    CauseSpan, ErrorGroup, Held, HolderSpan, LeafSample, OperationMeans, OperationSpan, Over, ProcessFacts, QueueState,
    Reason, Sample, Snapshot, Stall, Sums,
};
pub(crate) use squeeze::squeeze;
pub(crate) use stamped::Stamped;
pub use trace::Trace;

use crate::clock::Ticks;
use serde::{Deserialize, Serialize};

/// What an Operation can wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum WaitKind {
    /// A free database connection.
    DatabasePool,
    /// The database at work.
    #[default]
    Database,
    /// The cache.
    Cache,
    /// Another service over HTTP.
    Http,
    /// A mail server.
    Mail,
    /// A lock.
    Lock,
    /// A place in a queue.
    Queue,
    /// Time itself.
    Sleep,
    /// The client, sending.
    BodyIn,
    /// The client, receiving.
    BodyOut,
    /// A file.
    File,
    /// A thread for blocking work, and the work.
    Blocking,
    /// A task of its own.
    Child,
    /// Something else that was named.
    Named,
    /// The store of blobs.
    Blob,
}

impl WaitKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [WaitKind; 15] = [
        WaitKind::DatabasePool,
        WaitKind::Database,
        WaitKind::Cache,
        WaitKind::Http,
        WaitKind::Mail,
        WaitKind::Lock,
        WaitKind::Queue,
        WaitKind::Sleep,
        WaitKind::BodyIn,
        WaitKind::BodyOut,
        WaitKind::File,
        WaitKind::Blocking,
        WaitKind::Child,
        WaitKind::Named,
        WaitKind::Blob,
    ];

    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            WaitKind::DatabasePool => "database_pool",
            WaitKind::Database => "database",
            WaitKind::Cache => "cache",
            WaitKind::Http => "http",
            WaitKind::Mail => "mail",
            WaitKind::Lock => "lock",
            WaitKind::Queue => "queue",
            WaitKind::Sleep => "sleep",
            WaitKind::BodyIn => "body_in",
            WaitKind::BodyOut => "body_out",
            WaitKind::File => "file",
            WaitKind::Blocking => "blocking",
            WaitKind::Child => "child",
            WaitKind::Named => "named",
            WaitKind::Blob => "blob",
        }
    }
}

/// The moment at which something woke; never zero.
#[inline]
fn stamp() -> u64 {
    Ticks::now().as_nanos().max(1)
}

/// What a panic said.
pub(crate) fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
