//! What several rules ask of a snapshot.

use crate::telemetry::{
    Account, CauseSpan, HolderSpan, OperationKind, OperationSpan, ProcessFacts, Snapshot, Stall, Sums,
};

/// Kind and name of Operations.
pub(super) type Name = (OperationKind, String);

/// The machine counts as busy when it is used to this part.
const BUSY: f64 = 0.85;

impl OperationSpan {
    pub(super) fn id(&self) -> Name {
        (self.kind, self.name.clone())
    }

    pub(super) fn is(&self, name: &Name) -> bool {
        self.kind == name.0 && self.name == name.1
    }
}

impl Sums {
    /// The mean of something that is added up.
    pub(super) fn each(&self, sum: u64) -> f64 {
        ratio(sum, self.count)
    }

    /// The mean wall time in nanoseconds.
    pub(super) fn mean(&self) -> f64 {
        self.each(self.account.wall)
    }

    /// Part of the time that nobody declared.
    pub(super) fn unknown(&self) -> f64 {
        ratio(self.account.other, self.account.wall)
    }
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Seconds a second: how many sit in it at any moment.
pub(super) fn impact(snapshot: &Snapshot, nanoseconds: f64) -> f64 {
    let seconds = snapshot.span.as_secs_f64();
    if seconds > 0.0 { nanoseconds / 1e9 / seconds } else { 0.0 }
}

pub(super) fn find<'a>(snapshot: &'a Snapshot, name: &Name) -> Option<&'a OperationSpan> {
    snapshot.operations.iter().find(|operation| operation.is(name))
}

pub(super) fn causes<'a>(snapshot: &'a Snapshot, name: &Name) -> impl Iterator<Item = &'a CauseSpan> {
    snapshot.causes.iter().filter(move |cause| cause.operation == *name)
}

pub(super) fn stalls<'a>(snapshot: &'a Snapshot, name: &Name) -> impl Iterator<Item = &'a Stall> {
    snapshot.stalls.iter().filter(move |stall| stall.operation == *name)
}

/// Time inside polls: what it keeps a thread of the runtime for.
pub(super) fn polled(account: &Account) -> u64 {
    account.on_cpu + account.sync.iter().sum::<u64>()
}

pub(super) fn held(holder: &HolderSpan) -> u64 {
    holder.held.iter().map(|held| held.time).sum()
}

/// How many Operations were seen.
pub(super) fn count(snapshot: &Snapshot) -> u64 {
    snapshot.operations.iter().map(|operation| operation.all.count).sum()
}

/// Whether the machine has too little, and it is others who use it up.
pub(super) fn host_is_busy(process: &ProcessFacts) -> bool {
    let others = (process.machine_cpu * process.cores - process.cpu).max(0.0);
    let used_up = process.machine_cpu > BUSY || process.pressure_cpu > 40.0;
    process.steal > 0.05 || used_up && process.machine_cpu > 0.0 && others > process.cpu.max(0.3 * process.cores)
}

/// Whether the kernel waits in there for a disk.
pub(super) fn is_disk(waits_in: &str) -> bool {
    [
        "fsync",
        "sync_file",
        "jbd2",
        "wait_on_page",
        "folio_wait",
        "io_schedule",
        "blk",
        "bio",
        "rq_qos",
        "writeback",
        "xfs_log",
    ]
    .iter()
    .any(|word| waits_in.contains(word))
}

/// Whether a poll that was held up waited for something, and did not compute.
pub(super) fn is_blocked(stall: &Stall) -> bool {
    stall.on_core < 0.6 && !matches!(stall.waits_in.as_str(), "" | "0")
}
