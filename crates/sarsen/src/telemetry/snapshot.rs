//! What was recorded in a span of time, as plain data: the judge reads it, the pages show it, exports carry it.
//!
//! Times are nanoseconds, added up over the span, unless a field says otherwise. Everything here is bounded by the recorder.

use super::account::Account;
use super::budget::Budget;
use super::{OperationKind, WaitKind};
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one process did in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The end of the span.
    pub at: Timestamp,
    /// Its length.
    pub span: Duration,
    /// Which build of the application this is: its version, and a hash of the program.
    pub build: String,
    /// By name of Operation, those that took the most time first.
    pub operations: Vec<OperationSpan>,
    /// What Operations waited for: queries, hosts, pools, locks.
    pub causes: Vec<CauseSpan>,
    /// What only a few can hold at a time, and who held it.
    pub holders: Vec<HolderSpan>,
    /// The queues of jobs, where this process works on them.
    pub queues: Vec<QueueState>,
    /// The machine and the process.
    pub process: ProcessFacts,
    /// Polls that held up a thread of the runtime, newest first.
    pub stalls: Vec<Stall>,
    /// What failed, by kind and place.
    pub errors: Vec<ErrorGroup>,
    /// The same Operations under the build before this one.
    pub before: Vec<OperationMeans>,
}

/// One name of Operations in a span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationSpan {
    /// What kind it is.
    pub kind: OperationKind,
    /// The route with its method (`GET /v1/channels/{id}`), the kind of job, the command.
    pub name: String,
    /// Whose it is; empty for the framework.
    pub module: String,
    /// All of them.
    pub all: Sums,
    /// Those that were slower than `slow_after`.
    pub tail: Sums,
    /// The smaller of the budget and the p95 of the last window; zero when there is neither.
    pub slow_after: u64,
    /// Quantiles of the wall time of one.
    pub p50: u64,
    /// See `p50`.
    pub p95: u64,
    /// See `p50`.
    pub p99: u64,
    /// The longest.
    pub max: u64,
    /// What it promised, if anything.
    pub budget: Option<Budget>,
    /// How often each promise was broken.
    pub over: Over,
    /// Whether the method of the route promises to change nothing; `None` when it is no request.
    pub reads_only: Option<bool>,
    /// Samples that were kept whole: their ids, slowest first.
    pub samples: Vec<String>,
}

/// How often a budget was not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// Slower than `p99`, or a job's `run`.
    pub time: u64,
    /// More queries than `queries`.
    pub queries: u64,
    /// More bytes than `allocated`.
    pub allocated: u64,
    /// Jobs that lay in the queue longer than `wait`.
    pub wait: u64,
    /// Jobs that needed more attempts than `retries` allows.
    pub retries: u64,
}

/// Accounts of many Operations, added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// How many.
    pub count: u64,
    /// Those that failed: statuses from 500, failed jobs.
    pub failed: u64,
    /// Those whose client hung up, or whose caller let them fall.
    pub cancelled: u64,
    /// Where their time went. `account.wall` is the sum of its parts.
    pub account: Account,
    /// CPU time by the kernel, of those `cpu_wall` nanoseconds inside polls that were sampled.
    pub cpu: u64,
    /// See `cpu`.
    pub cpu_wall: u64,
    /// Runs of queries.
    pub queries: u64,
    /// Bytes taken from the heap; zero where the program does not count them.
    pub allocated: u64,
    /// Bytes taken and not given back until the end.
    pub kept: i64,
    /// Time that jobs lay in their queue.
    pub queued: u64,
    /// Bytes of the responses.
    pub bytes_out: u64,
}

/// What Operations of one name waited for, or ran: one query at one line, one host, one pool, one lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CauseSpan {
    /// The kind and name of the Operations.
    pub operation: (OperationKind, String),
    /// What kind of wait.
    pub kind: WaitKind,
    /// Which one: the host, the pool, the lock; for a query its fingerprint in hexadecimal digits.
    pub label: String,
    /// The normalised text of a query; empty for others.
    pub text: String,
    /// The line that asked for it, `src/messages/store.rs:41`; empty where it is not known.
    pub site: String,
    /// Whether it is a query.
    pub query: bool,
    /// How often.
    pub calls: u64,
    /// In how many Operations.
    pub operations: u64,
    /// The greatest number in one Operation.
    pub most: u64,
    /// Operations in which it came five times or more, one after another.
    pub repeated: u64,
    /// Calls whose text and parameters were those of an earlier one in the same Operation.
    pub identical: u64,
    /// Different parameters, about (a HyperLogLog of 64 registers).
    pub distinct: f64,
    /// Fair share of the time: waits that overlap share it.
    pub share: u64,
    /// On the critical path.
    pub critical: u64,
    /// From the beginning to the end of each, whatever else was at work.
    pub wall: u64,
    /// Of `share`, inside polls: embedded databases and files.
    pub sync: u64,
    /// Of `share`, in Operations slower than `slow_after`.
    pub tail_share: u64,
    /// Rows that came back, or were changed.
    pub rows: u64,
    /// Rows the database looked at, where it says so.
    pub examined: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that happened while a connection or a transaction of the database was held.
    pub while_holding: u64,
    /// Their time.
    pub while_holding_wall: u64,
    /// Time between this one and the one before it in the same Operation that overlapped nothing (what could have run beside it).
    pub after_another: u64,
    /// Whether it changes anything; reads of a table can be cached, writes cannot.
    pub writes: bool,
    /// The tables of a query.
    pub tables: Vec<String>,
}

/// Something that only so many can hold at a time: the pool of a database, its one writer, a lock, the runtime's threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HolderSpan {
    /// What kind of wait it is for others.
    pub kind: WaitKind,
    /// Which one: `postgres`, `sqlite writer`, the name of the lock.
    pub label: String,
    /// How many can hold it at a time.
    pub capacity: u64,
    /// How many hold it now.
    pub in_use: u64,
    /// How many wait now.
    pub waiting: u64,
    /// Time others waited for it.
    pub waited: u64,
    /// Time it was held, with the Operation, most first.
    pub held: Vec<Held>,
}

/// How long Operations of one name held something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Kind and name.
    pub operation: (OperationKind, String),
    /// How long, all together.
    pub time: u64,
    /// How often.
    pub times: u64,
}

/// A queue of jobs at the end of the span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Jobs that could run now.
    pub available: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that wait for their time.
    pub scheduled: u64,
    /// Dead letters.
    pub dead: u64,
    /// Places for running jobs in this process.
    pub concurrency: u64,
    /// Since when the oldest available one waits.
    pub oldest: Duration,
    /// Jobs that came in, a second.
    pub arrival: f64,
    /// Jobs that were settled, a second.
    pub settled: f64,
    /// Whether an operator paused it.
    pub paused: bool,
}

/// The machine and the process in the span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Cores that this process may use.
    pub cores: f64,
    /// Threads of the runtime.
    pub workers: u64,
    /// CPU of the process: 1.0 is one core.
    pub cpu: f64,
    /// CPU of the whole machine, 0 to 1; zero where it is not known.
    pub machine_cpu: f64,
    /// Part of the time in which the host gave the machine's cores to others.
    pub steal: f64,
    /// Resident bytes.
    pub resident: u64,
    /// Most bytes it may have: of its control group, or of the machine.
    pub memory_limit: u64,
    /// Major page faults a second.
    pub major_faults: f64,
    /// Percent of the last 10 s in which something waited (`/proc/pressure`, "some"); zero where the kernel does not say.
    pub pressure_cpu: f64,
    /// See `pressure_cpu`.
    pub pressure_io: f64,
    /// See `pressure_cpu`.
    pub pressure_memory: f64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Most of them.
    pub descriptor_limit: u64,
    /// Bytes written to disks a second.
    pub written: f64,
    /// What a new request waits unseen before a thread looks at it: the canary's median.
    pub canary_p50: u64,
    /// See `canary_p50`.
    pub canary_p99: u64,
    /// Bytes free where the database is.
    pub disk_free: u64,
    /// Operations that were closed and not recorded, because a queue was full.
    pub dropped: u64,
}

/// A poll that held up a thread of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// When it was seen.
    pub at: Timestamp,
    /// The Operation that was polled.
    pub operation: (OperationKind, String),
    /// How long it had taken when it ended, or when it was seen.
    pub took: u64,
    /// How much of it was work: near 1 it computed, or wanted to beside other programs; near 0 it waited. Known only where it
    /// was `watched`.
    pub on_core: f64,
    /// Whether the watchdog saw it while it went on; else only its length is known.
    pub watched: bool,
    /// What the kernel says it waits in; empty where that is not known.
    pub waits_in: String,
    /// The line of the application, `src/reports/count.rs:77`; empty where the stack was not read.
    pub site: String,
    /// How many like this one.
    pub times: u64,
}

/// Errors of one kind at one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// The Operations.
    pub operation: (OperationKind, String),
    /// The kind: `timeout`, `internal`.
    pub kind: String,
    /// What it says, without its numbers and ids.
    pub message: String,
    /// How often.
    pub count: u64,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// A sample that was kept whole.
    pub sample: Option<String>,
}

/// What one of an Operation cost under another build, in the mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationMeans {
    /// Kind and name.
    pub operation: (OperationKind, String),
    /// The build.
    pub build: String,
    /// How many were seen.
    pub count: u64,
    /// CPU nanoseconds.
    pub cpu: f64,
    /// Runs of queries.
    pub queries: f64,
    /// Bytes from the heap.
    pub allocated: f64,
    /// Wall nanoseconds.
    pub wall: f64,
}

/// One Operation that was kept whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its id.
    pub id: String,
    /// Kind and name.
    pub operation: (OperationKind, String),
    /// Whose it is.
    pub module: String,
    /// When it began.
    pub at: Timestamp,
    /// Why it was kept.
    pub reason: Reason,
    /// Its trace, 32 hexadecimal digits.
    pub trace: String,
    /// Its span in the trace, 16 hexadecimal digits.
    pub span: String,
    /// The span that caused it; empty when nobody did.
    pub parent: String,
    /// `200`, `done`, `failed`, `cancelled`.
    pub outcome: String,
    /// What went wrong.
    pub error: Option<String>,
    /// Where its time went.
    pub account: Account,
    /// Bytes from the heap.
    pub allocated: u64,
    /// Its waits, sync sections and queries in the order in which they began, at most 500.
    pub leaves: Vec<LeafSample>,
}

/// Why a sample was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was slow.
    Slow,
    /// By chance.
    #[default]
    Random,
    /// It failed.
    Failed,
}

/// One wait, sync section or query of a sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeafSample {
    /// What kind.
    pub kind: WaitKind,
    /// Which one; for a query its fingerprint.
    pub label: String,
    /// The normalised text of a query.
    pub text: String,
    /// The line that asked for it.
    pub site: String,
    /// Nanoseconds from the start of the Operation.
    pub from: u64,
    /// See `from`.
    pub to: u64,
    /// Fair share of it.
    pub share: u64,
    /// On the critical path.
    pub critical: u64,
    /// Inside a poll.
    pub sync: bool,
    /// Whether it was dropped before its end.
    pub cancelled: bool,
    /// Rows.
    pub rows: u64,
    /// A hash of the parameters: equal ones are equal. Values are never kept.
    pub parameters: u64,
}
