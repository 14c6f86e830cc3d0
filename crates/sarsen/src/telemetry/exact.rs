//! The account is exact: whatever is awaited in whatever way, each nanosecond is in one place.

use super::critical;
use super::waits::{NONE, Waits};
use super::*;
use crate::clock;
use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt, join_all, select};
use futures_util::stream::{self, StreamExt};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How many random cases: few where each step is interpreted.
const CASES: u64 = if cfg!(miri) { 4 } else { 60 };

/// What the shares should be, found the slow way: at each passing of time among all that have nothing open inside.
#[derive(Default)]
struct Plain {
    /// Around, open, share.
    all: Vec<(Option<usize>, bool, f64)>,
    other: f64,
}

impl Plain {
    fn pass(&mut self, idle: f64) {
        let has_inside = |place: usize| self.all.iter().any(|(around, open, _)| *open && *around == Some(place));
        let places: Vec<usize> =
            (0..self.all.len()).filter(|place| self.all[*place].1 && !has_inside(*place)).collect();
        match places.len() {
            0 => self.other += idle,
            count => places.into_iter().for_each(|place| self.all[place].2 += idle / count as f64),
        }
    }

    fn close(&mut self, place: usize) {
        self.all[place].1 = false;
        let around = self.all[place].0;
        self.all.iter_mut().filter(|wait| wait.1 && wait.0 == Some(place)).for_each(|wait| wait.0 = around);
    }
}

#[test]
fn shares_are_what_the_slow_way_finds() {
    for seed in 0..CASES * 5 {
        let (mut random, mut waits, mut plain) = (Rng::with_seed(seed), Waits::default(), Plain::default());
        let mut open: Vec<(u32, usize)> = Vec::new();
        for _ in 0..200 {
            match random.u32(..10) {
                0..4 => {
                    let around = if random.bool() { random.choice(&open).copied() } else { None };
                    waits.enter(around.map(|(place, _)| place));
                    let leaf = u32::try_from(plain.all.len()).expect("few");
                    let place = waits.open(random.choice(WaitKind::ALL).expect("some"), leaf, 0);
                    open.push((place, plain.all.len()));
                    plain.all.push((around.map(|(_, place)| place), true, 0.0));
                }
                4..7 if !open.is_empty() => {
                    let (place, of_plain) = open.swap_remove(random.usize(..open.len()));
                    waits.close(place, random.bool()).expect("open");
                    plain.close(of_plain);
                }
                _ => {
                    let idle = random.u64(0..10_000);
                    waits.pass(idle);
                    plain.pass(idle as f64);
                }
            }
        }
        for place in waits.still_open() {
            waits.close(place, true);
        }
        for (span, (_, _, share)) in waits.spans.iter().zip(&plain.all) {
            assert!((span.share - share).abs() < 1e-3, "seed {seed}: {} and not {share}", span.share);
        }
        assert!(waits.missing() < 1e-3);
        assert_eq!(waits.shares().iter().sum::<u64>() + waits.undeclared, waits.idle, "seed {seed}");
        let path: u64 = critical::path(&waits).iter().map(|(_, time)| time).sum();
        assert_eq!(path + waits.undeclared, waits.idle, "seed {seed}: the critical path");
    }
}

fn critical_of(waits: &Waits, kind: WaitKind) -> u64 {
    critical::path(waits).iter().filter(|(place, _)| waits.spans[*place].kind == kind).map(|(_, time)| time).sum()
}

#[test]
fn of_waits_at_the_same_time_the_longest_is_critical_and_all_share() {
    let mut waits = Waits::default();
    let [http, database, cache] =
        [WaitKind::Http, WaitKind::Database, WaitKind::Cache].map(|kind| (kind, waits.open(kind, NONE, 0)));
    for (_, place) in [http, database, cache] {
        waits.pass(10_000_000);
        waits.close(place, false);
    }
    let share = |kind: WaitKind| waits.shares()[kind as usize] / 1_000;
    assert_eq!([share(http.0), share(database.0), share(cache.0)], [3_333, 8_333, 18_333]);
    assert_eq!([http.0, database.0, cache.0].map(|kind| critical_of(&waits, kind)), [0, 0, 30_000_000]);
}

#[test]
fn what_was_cancelled_and_what_is_around_are_critical_only_where_nothing_else_is() {
    let mut waits = Waits::default();
    let around = waits.open(WaitKind::Named, 0, 0);
    waits.pass(10);
    waits.enter(Some(around));
    let inside = waits.open(WaitKind::Http, 1, 0);
    waits.enter(None);
    let cancelled = waits.open(WaitKind::Sleep, 2, 0);
    waits.pass(20);
    waits.close(inside, false);
    waits.pass(5);
    waits.close(around, false);
    waits.pass(7);
    waits.close(cancelled, true);
    waits.pass(3);
    let critical = [WaitKind::Named, WaitKind::Http, WaitKind::Sleep].map(|kind| critical_of(&waits, kind));
    assert_eq!((critical, waits.undeclared), ([15, 20, 7], 3));
}

/// A random way to wait.
fn tree(random: &mut Rng, depth: u32, tasks: bool) -> BoxFuture<'static, ()> {
    let kinds = if depth == 0 { 5 } else { 14 };
    let micros = Duration::from_micros(random.u64(0..1_500));
    let kind = random.choice(WaitKind::ALL).expect("some");
    match random.u32(..kinds) {
        0 | 1 => wait(kind, "nap", clock::pause(micros)).boxed(),
        2 => clock::pause(micros / 4).boxed(),
        3 => async move { sync(kind, "work", || sync(WaitKind::File, "inside", || clock::pause_thread(micros / 10))) }
            .boxed(),
        4 => async { wait(WaitKind::Named, "yield", tokio::task::yield_now()).await }.boxed(),
        5 => join_all(trees(random, depth, tasks)).map(drop).boxed(),
        6 => stream::iter(trees(random, depth, tasks)).buffer_unordered(2).collect::<Vec<()>>().map(drop).boxed(),
        7 => {
            let all = trees(random, depth, tasks);
            async move {
                for one in all {
                    one.await;
                }
            }
            .boxed()
        }
        8 => select(tree(random, depth - 1, tasks), tree(random, depth - 1, tasks)).map(drop).boxed(),
        9 => {
            let inside = tree(random, depth - 1, tasks);
            async move { drop(clock::until(clock::monotonic() + micros / 2, inside).await) }.boxed()
        }
        10 | 11 => wait(kind, "around", tree(random, depth - 1, tasks)).boxed(),
        12 => {
            let inside = tree(random, depth - 1, tasks);
            let panics = async move {
                inside.await;
                // Without the words that a panic prints.
                std::panic::resume_unwind(Box::new("on purpose"));
            };
            AssertUnwindSafe(wait(kind, "panics", panics)).catch_unwind().map(drop).boxed()
        }
        _ if tasks => {
            let inside = tree(random, depth - 1, tasks);
            async move { spawn("child", inside).await.expect("ends") }.boxed()
        }
        _ => drop_unpolled(tree(random, depth - 1, tasks)),
    }
}

fn trees(random: &mut Rng, depth: u32, tasks: bool) -> Vec<BoxFuture<'static, ()>> {
    (0..random.u32(1..4)).map(|_| tree(random, depth - 1, tasks)).collect()
}

fn drop_unpolled(future: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    async move { drop(future) }.boxed()
}

fn runtime(threads: bool) -> tokio::runtime::Runtime {
    let mut builder = if threads {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_time().build().expect("a runtime")
}

/// Runs a tree to its end, or lets it fall midway as when a client hangs up, and gives the record.
fn run(seed: u64, tasks: bool, hang_up: bool) -> Operation {
    let mut random = Rng::with_seed(seed);
    let recorder = Recorder::new(1);
    let tree = tree(&mut random, 4, tasks);
    let patience = Duration::from_micros(random.u64(0..2_000));
    runtime(tasks).block_on(async move {
        let operation = Operation::open(OperationKind::Command, "tree", &recorder);
        let scope = operation.scope(tree);
        if hang_up {
            let _ = clock::until(clock::monotonic() + patience, scope).await;
            operation.close(Outcome::Cancelled);
        } else {
            scope.await;
            operation.close(Outcome::Done);
        }
        recorder.drain().pop().expect("closed")
    })
}

#[test]
fn whatever_is_awaited_the_parts_are_the_whole() {
    for seed in 0..CASES {
        let operation = run(seed, false, seed % 3 == 0);
        let record = operation.record();
        let account = &record.account;
        assert_eq!(account.booked(), account.wall, "seed {seed}: {account:?}");
        assert_eq!(u128::from(account.wall), record.duration.as_nanos(), "seed {seed}");
        let sum = |parts: &[u64; KINDS]| parts.iter().sum::<u64>();
        assert_eq!(sum(&account.critical), sum(&account.wait), "seed {seed}: the critical path");
        for kind in WaitKind::ALL {
            let leaves = record.leaves.iter().filter(|leaf| leaf.kind == kind);
            let shares: u64 = leaves.map(|leaf| leaf.share).sum();
            let off = shares.abs_diff(account.of(kind));
            assert!(off <= record.leaf_count + 20, "seed {seed}: {kind:?} is {off} ns away from its leaves");
        }
    }
}

#[test]
fn what_tasks_did_is_in_the_account_and_the_parts_are_still_the_whole() {
    for seed in 0..CASES {
        let operation = run(seed, true, seed % 3 == 0);
        let record = operation.record();
        assert_eq!(record.account.booked(), record.account.wall, "seed {seed}: {:?}", record.account);
    }
}

#[tokio::test]
async fn a_wait_for_a_task_is_what_the_task_waited_for() {
    let recorder = Recorder::new(1);
    let operation = Operation::open(OperationKind::Command, "test", &recorder);
    let task = async {
        wait(WaitKind::Http, "far", clock::pause(Duration::from_millis(20))).await;
        wait(WaitKind::Cache, "near", clock::pause(Duration::from_millis(10))).await;
    };
    operation.scope(async { spawn("child", task).await.expect("ends") }).await;
    operation.close(Outcome::Done);
    let record = operation.record();
    let part = |kind: WaitKind| record.account.of(kind) as f64 / record.account.wall as f64;
    assert!(part(WaitKind::Http) > 0.4 && part(WaitKind::Cache) > 0.15, "{:?}", record.account);
    assert!(part(WaitKind::Child) < 0.01, "{:?}", record.account);
    assert_eq!(record.account.booked(), record.account.wall);
    let labels: Vec<_> = record.leaves.iter().map(|leaf| leaf.label.as_str()).collect();
    assert_eq!(labels, ["child", "far", "near"]);
}

#[tokio::test]
async fn a_wait_that_moves_to_another_task_is_not_counted_there() {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    let other = Operation::open(OperationKind::Command, "other", &Recorder::new(1));
    let mut moved = wait(WaitKind::Lock, "moved", clock::pause(Duration::from_millis(5))).boxed();
    let once = std::future::poll_fn(|context| {
        assert!(moved.poll_unpin(context).is_pending());
        std::task::Poll::Ready(())
    });
    operation.scope(once).await;
    other.scope(moved).await;
    [&operation, &other].iter().for_each(|operation| operation.close(Outcome::Done));
    let (first, second) = (operation.record(), other.record());
    assert_eq!((first.leaves.len(), second.leaves.len()), (1, 0));
    assert!(second.account.other > 1_000_000, "{:?}", second.account);
    assert_eq!((first.account.booked(), second.account.booked()), (first.account.wall, second.account.wall));
}

#[tokio::test]
async fn a_thousand_waits_are_all_counted_and_five_hundred_kept() {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    let each = |_| wait(WaitKind::Lock, "one of many", tokio::task::yield_now());
    operation.scope(join_all((0..1_000).map(each))).await;
    operation.close(Outcome::Done);
    let record = operation.record();
    assert_eq!((record.leaves.len(), record.leaf_count), (MAX_LEAVES, 1_000));
    assert_eq!(record.account.booked(), record.account.wall);
}

#[tokio::test]
async fn a_task_that_is_woken_and_not_polled_could_have_run() {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let waits = operation.scope(async { drop(wait(WaitKind::Queue, "word", receiver).await) });
    let holds_up = async {
        clock::pause(Duration::from_millis(5)).await;
        drop(sender);
        clock::pause_thread(Duration::from_millis(20));
    };
    tokio::join!(waits, holds_up);
    operation.close(Outcome::Done);
    let account = operation.record().account;
    assert!(account.runnable >= 15_000_000, "{account:?}");
    assert!(account.of(WaitKind::Queue) >= 3_000_000, "{account:?}");
}

#[tokio::test]
async fn a_wait_says_whether_a_connection_was_held() {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    operation
        .scope(async {
            Operation::with_current(Operation::begin_holding);
            wait(WaitKind::Http, "held", async {}).await;
            Operation::with_current(Operation::end_holding);
            wait(WaitKind::Http, "free", async {}).await;
        })
        .await;
    assert_eq!(operation.record().leaves.iter().map(|leaf| leaf.holding).collect::<Vec<_>>(), [true, false]);
}
