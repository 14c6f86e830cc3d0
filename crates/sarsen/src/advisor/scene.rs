//! Snapshots for tests: what was recorded, said in a few words.

use super::view::Name;
use crate::telemetry::{
    Account, CauseSpan, Held, HolderSpan, OperationKind, OperationSpan, ProcessFacts, Snapshot, Stall, Sums, WaitKind,
};
use std::time::Duration;

/// Where the time of one Operation goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Cpu,
    Runnable,
    Other,
    Database,
    Inline,
    Pool,
    Lock,
    Http,
    BodyIn,
    BodyOut,
    Sleep,
    Child,
    File,
    Blocking,
}

/// Ten seconds on two idle cores.
pub(super) fn of(operations: Vec<OperationSpan>) -> Snapshot {
    let process = ProcessFacts {
        cores: 2.0,
        workers: 2,
        cpu: 0.3,
        machine_cpu: 0.3,
        resident: 100 << 20,
        memory_limit: 8 << 30,
        descriptors: 60,
        descriptor_limit: 1024,
        disk_free: 50 << 30,
        canary_p50: 100_000,
        canary_p99: 1_000_000,
        ..ProcessFacts::default()
    };
    Snapshot { span: Duration::from_secs(10), operations, process, ..Snapshot::default() }
}

/// `count` requests, each with these parts in milliseconds.
pub(super) fn get(path: &str, count: u64, parts: &[(Part, f64)]) -> OperationSpan {
    operation(OperationKind::Request, &format!("GET {path}"), count, parts)
}

pub(super) fn job(kind: &str, count: u64, parts: &[(Part, f64)]) -> OperationSpan {
    operation(OperationKind::Job, kind, count, parts)
}

fn operation(kind: OperationKind, name: &str, count: u64, parts: &[(Part, f64)]) -> OperationSpan {
    let all = sums(count, parts);
    let each = all.account.wall / count.max(1);
    let reads_only = (kind == OperationKind::Request).then(|| name.starts_with("GET"));
    let samples = vec!["sample".to_owned()];
    let (name, module) = (name.to_owned(), "a".to_owned());
    OperationSpan {
        kind,
        name,
        module,
        all,
        p50: each,
        p95: each,
        p99: each,
        max: each,
        reads_only,
        samples,
        ..OperationSpan::default()
    }
}

/// Adds `count` slow ones, which are the tail.
pub(super) fn with_tail(mut operation: OperationSpan, count: u64, parts: &[(Part, f64)]) -> OperationSpan {
    operation.tail = sums(count, parts);
    operation.all.count += count;
    operation.all.account.add(&operation.tail.account);
    operation.p99 = operation.tail.account.wall / count.max(1);
    operation
}

fn sums(count: u64, parts: &[(Part, f64)]) -> Sums {
    let mut account = Account::default();
    for (part, milliseconds) in parts {
        let time = (milliseconds * 1e6) as u64 * count;
        account.wall += time;
        let wait = |account: &mut Account, kind: WaitKind| account.wait[kind as usize] += time;
        match part {
            Part::Cpu => account.on_cpu += time,
            Part::Runnable => account.runnable += time,
            Part::Other => account.other += time,
            Part::Inline => account.sync[WaitKind::Database as usize] += time,
            Part::Database => wait(&mut account, WaitKind::Database),
            Part::Pool => wait(&mut account, WaitKind::DatabasePool),
            Part::Lock => wait(&mut account, WaitKind::Lock),
            Part::Http => wait(&mut account, WaitKind::Http),
            Part::BodyIn => wait(&mut account, WaitKind::BodyIn),
            Part::BodyOut => wait(&mut account, WaitKind::BodyOut),
            Part::Sleep => wait(&mut account, WaitKind::Sleep),
            Part::Child => wait(&mut account, WaitKind::Child),
            Part::File => wait(&mut account, WaitKind::File),
            Part::Blocking => wait(&mut account, WaitKind::Blocking),
        }
    }
    account.polls = 2 * count;
    Sums { count, account, ..Sums::default() }
}

/// Requests by their name, others as `job KIND`.
pub(super) fn name(text: &str) -> Name {
    match text.strip_prefix("job ") {
        Some(job) => (OperationKind::Job, job.to_owned()),
        None => (OperationKind::Request, text.to_owned()),
    }
}

/// What was waited for, `calls` times, once in each Operation.
pub(super) fn wait(operation: &str, kind: WaitKind, label: &str, calls: u64, milliseconds: f64) -> CauseSpan {
    let time = (milliseconds * 1e6) as u64 * calls;
    CauseSpan {
        operation: name(operation),
        kind,
        label: label.to_owned(),
        calls,
        operations: calls,
        most: 1,
        distinct: calls as f64,
        share: time,
        critical: time,
        wall: time,
        ..CauseSpan::default()
    }
}

/// A query of `src/a/store.rs:41` that gives one row.
pub(super) fn query(operation: &str, text: &str, calls: u64, milliseconds: f64) -> CauseSpan {
    let words: Vec<&str> = text.split(' ').collect();
    let after = words.iter().position(|word| matches!(*word, "FROM" | "INTO" | "UPDATE"));
    let table = after.and_then(|place| words.get(place + 1)).map(|table| (*table).to_owned());
    CauseSpan {
        text: text.to_owned(),
        site: "src/a/store.rs:41".to_owned(),
        query: true,
        rows: calls,
        writes: !text.starts_with("SELECT"),
        tables: table.into_iter().collect(),
        ..wait(operation, WaitKind::Database, "af12", calls, milliseconds)
    }
}

/// Times in milliseconds.
pub(super) fn holder(kind: WaitKind, label: &str, capacity: u64, waited: f64, held: &[(&str, f64, u64)]) -> HolderSpan {
    let held = held.iter().map(|(operation, time, times)| Held {
        operation: name(operation),
        time: (time * 1e6) as u64,
        times: *times,
    });
    let label = label.to_owned();
    HolderSpan {
        kind,
        label,
        capacity,
        in_use: capacity,
        waiting: 1,
        waited: (waited * 1e6) as u64,
        held: held.collect(),
    }
}

/// A poll at `src/a/http.rs:77`.
pub(super) fn stall(operation: &str, milliseconds: f64, on_core: f64, waits_in: &str, times: u64) -> Stall {
    Stall {
        operation: name(operation),
        took: (milliseconds * 1e6) as u64,
        on_core,
        waits_in: waits_in.to_owned(),
        site: "src/a/http.rs:77".to_owned(),
        times,
        ..Stall::default()
    }
}
