//! How the time of an Operation is shared out among the words: of what its slow ones take more, else of all it takes.

use super::view::{self, ratio};
use super::{FEWEST, Word};
use crate::telemetry::{Account, CauseSpan, OperationSpan, Snapshot, Sums, WaitKind};

/// An Operation that takes this from the heap is bound by memory, whatever else it seems to do.
const HEAVY: f64 = 32.0 * 1024.0 * 1024.0;
/// A poll that is longer holds up others.
pub(super) const LONG_POLL: u64 = 10_000_000;
/// A commit, or a lone insert, that takes longer waits for the disk.
const SLOW_COMMIT: f64 = 5e6;

/// What the shares are shares of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// What the slow ones take more than the others.
    Tail,
    /// The mean of all.
    Mean,
}

/// Nanoseconds of one Operation by word.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    pub(super) basis: Basis,
    /// Words with their part of the time, greatest first.
    pub(super) words: Vec<(Word, f64)>,
}

impl Shares {
    pub(super) fn of(snapshot: &Snapshot, operation: &OperationSpan) -> Self {
        let split = Split::of(snapshot, operation);
        let body = body(&operation.all, &operation.tail);
        let is_apart = operation.tail.count >= FEWEST && body.count >= 10 && operation.tail.mean() >= 2.0 * body.mean();
        if is_apart {
            let slow = split.words(&operation.tail);
            let other = split.words(&body);
            let more = |(word, time): (Word, f64)| (word, (time - at(&other, word)).max(0.0));
            return Self { basis: Basis::Tail, words: parts(slow.into_iter().map(more).collect()) };
        }
        Self { basis: Basis::Mean, words: parts(split.words(&operation.all)) }
    }

    /// The word that it is bound by: the greatest that reaches its threshold, else the greatest.
    pub(super) fn word(&self) -> (Word, f64) {
        let decided = self.words.iter().find(|(word, part)| *part >= threshold(*word));
        decided.or(self.words.first()).copied().unwrap_or((Word::Unknown, 0.0))
    }

    /// A second word that is nearly as great.
    pub(super) fn second(&self) -> Option<(Word, f64)> {
        let (first, part) = self.word();
        let near = |(word, other): &&(Word, f64)| *word != first && part - *other <= 0.1 && *other >= 0.2;
        self.words.iter().find(near).copied()
    }
}

/// The part from which on a word is the verdict.
pub(super) fn threshold(word: Word) -> f64 {
    match word {
        Word::DbPool | Word::Lock | Word::Runtime | Word::Host | Word::Unknown | Word::Blocking | Word::Queue => 0.25,
        _ => 0.4,
    }
}

/// Those that were not slow.
pub(super) fn body(all: &Sums, tail: &Sums) -> Sums {
    let mut body = Sums { count: all.count.saturating_sub(tail.count), ..Sums::default() };
    let (all_of, tail_of) = (&all.account, &tail.account);
    let less = |all: &[u64], tail: &[u64]| std::array::from_fn(|kind| all[kind].saturating_sub(tail[kind]));
    body.account = Account {
        wall: all_of.wall.saturating_sub(tail_of.wall),
        on_cpu: all_of.on_cpu.saturating_sub(tail_of.on_cpu),
        runnable: all_of.runnable.saturating_sub(tail_of.runnable),
        other: all_of.other.saturating_sub(tail_of.other),
        wait: less(&all_of.wait, &tail_of.wait),
        sync: less(&all_of.sync, &tail_of.sync),
        ..Account::default()
    };
    body.cpu = all.cpu.saturating_sub(tail.cpu);
    body.cpu_wall = all.cpu_wall.saturating_sub(tail.cpu_wall);
    body.allocated = all.allocated.saturating_sub(tail.allocated);
    body
}

/// What is known of an Operation beside its sums.
struct Split {
    /// Part of the time inside polls that was on a core.
    on_core: f64,
    /// Where the rest of that belongs.
    stalled: Word,
    /// Where the time to be polled belongs.
    runnable: Word,
    /// Part of the database's time that was commits.
    commits: f64,
    /// Waiting for tasks of its own, by what they did.
    children: Vec<(Word, f64)>,
}

impl Split {
    fn of(snapshot: &Snapshot, operation: &OperationSpan) -> Self {
        let causes: Vec<_> = view::causes(snapshot, &operation.id()).collect();
        let host = view::host_is_busy(&snapshot.process);
        let (on_core, blocked) = on_core(snapshot, operation);
        Self {
            on_core,
            stalled: stalled(snapshot, operation, host, blocked),
            runnable: if host && !fills_threads(snapshot) { Word::Host } else { Word::Runtime },
            commits: commits(&causes),
            children: children(&causes),
        }
    }

    /// Mean nanoseconds by word.
    fn words(&self, sums: &Sums) -> Vec<(Word, f64)> {
        let account = &sums.account;
        let of = |kinds: &[WaitKind]| kinds.iter().map(|kind| sums.each(account.of(*kind))).sum::<f64>();
        let database = of(&[WaitKind::Database]);
        let computes = if sums.each(sums.allocated) >= HEAVY { Word::Memory } else { Word::Cpu };
        let mut words = vec![
            (computes, sums.each(account.on_cpu) * self.on_core),
            (
                if computes == Word::Memory { computes } else { self.stalled },
                sums.each(account.on_cpu) * (1.0 - self.on_core),
            ),
            (self.runnable, sums.each(account.runnable)),
            (Word::Db, database * (1.0 - self.commits)),
            (Word::Disk, database * self.commits),
            (Word::DbPool, of(&[WaitKind::DatabasePool])),
            (Word::Lock, of(&[WaitKind::Lock])),
            (Word::External, of(&[WaitKind::Http, WaitKind::Mail, WaitKind::Blob])),
            (Word::Cache, of(&[WaitKind::Cache])),
            (Word::Queue, of(&[WaitKind::Queue])),
            (Word::File, of(&[WaitKind::File])),
            (Word::Client, of(&[WaitKind::BodyIn, WaitKind::BodyOut])),
            (Word::Cpu, of(&[WaitKind::Blocking])),
            (Word::Unknown, sums.each(account.other) + of(&[WaitKind::Named, WaitKind::Sleep])),
        ];
        let child = of(&[WaitKind::Child]);
        words.extend(self.children.iter().map(|(word, part)| (*word, part * child)));
        words
    }
}

/// Whether Operations of this process keep a good part of its threads themselves, whatever else uses the machine.
fn fills_threads(snapshot: &Snapshot) -> bool {
    let polls: u64 = snapshot.operations.iter().map(|operation| view::polled(&operation.all.account)).sum();
    view::impact(snapshot, polls as f64) >= 0.3 * snapshot.process.workers.max(1) as f64
}

/// Adds up what stands under the same word, as parts of the whole, greatest first.
fn parts(words: Vec<(Word, f64)>) -> Vec<(Word, f64)> {
    let whole: f64 = words.iter().map(|(_, time)| time).sum();
    let mut sums: Vec<(Word, f64)> = Vec::new();
    for (word, time) in words {
        match sums.iter_mut().find(|(other, _)| *other == word) {
            Some((_, sum)) => *sum += time / whole.max(1.0),
            None => sums.push((word, time / whole.max(1.0))),
        }
    }
    sums.sort_by(|one, other| other.1.total_cmp(&one.1));
    sums
}

fn at(words: &[(Word, f64)], word: Word) -> f64 {
    words.iter().filter(|(other, _)| *other == word).map(|(_, time)| time).sum()
}

/// Part of the time inside polls that was on a core, and whether polls were seen that waited for something.
fn on_core(snapshot: &Snapshot, operation: &OperationSpan) -> (f64, bool) {
    let (mut took, mut computed, mut blocked) = (0.0, 0.0, 0.0);
    for stall in view::stalls(snapshot, &operation.id()) {
        let time = stall.took as f64 * stall.times.max(1) as f64;
        took += time;
        computed += time * stall.on_core.clamp(0.0, 1.0);
        blocked += if view::is_blocked(stall) { time } else { 0.0 };
    }
    let sampled =
        (operation.all.cpu_wall >= 1_000_000).then(|| ratio(operation.all.cpu, operation.all.cpu_wall).min(1.0));
    let polls = operation.all.account.on_cpu as f64;
    let part = match sampled {
        // Stalls that are most of it were all looked at; samples are only some.
        _ if took > 0.0 && took >= 0.3 * polls => computed / took,
        Some(sampled) => sampled,
        None if took > 0.0 => computed / took,
        None => 1.0,
    };
    (part, blocked > 0.5 * took)
}

/// What it is when a poll is not on a core.
fn stalled(snapshot: &Snapshot, operation: &OperationSpan, host: bool, blocked: bool) -> Word {
    let on_disk = || view::stalls(snapshot, &operation.id()).any(|stall| view::is_disk(&stall.waits_in));
    let account = &operation.all.account;
    match () {
        () if blocked && on_disk() => Word::Disk,
        () if blocked => Word::Blocking,
        () if snapshot.process.major_faults > 100.0 => Word::Memory,
        // Who computes long is pushed aside on a busy machine, and still it is what it computes.
        () if host && operation.all.each(account.on_cpu) < 5e6 => Word::Host,
        () if host || account.longest_poll < LONG_POLL => Word::Cpu,
        () => Word::Blocking,
    }
}

/// Part of the database's time that makes data durable: commits, and inserts that commit by themselves, where they are slow.
fn commits(causes: &[&CauseSpan]) -> f64 {
    let (mut all, mut durable) = (0_u64, 0_u64);
    for cause in causes.iter().filter(|cause| cause.kind == WaitKind::Database) {
        all += cause.share;
        durable += if is_slow_commit(cause) { cause.share } else { 0 };
    }
    ratio(durable, all)
}

pub(super) fn is_slow_commit(cause: &CauseSpan) -> bool {
    let commits = if cause.query {
        cause.text.starts_with("COMMIT") || cause.text.starts_with("INSERT INTO") && cause.text.contains(" VALUES ")
    } else {
        cause.kind == WaitKind::Database && matches!(cause.label.as_str(), "commit" | "server" | "offloaded")
    };
    commits && ratio(cause.share, cause.calls) >= SLOW_COMMIT
}

/// The word for a kind of wait.
fn word(kind: WaitKind) -> Word {
    match kind {
        WaitKind::DatabasePool => Word::DbPool,
        WaitKind::Database => Word::Db,
        WaitKind::Cache => Word::Cache,
        WaitKind::Http | WaitKind::Mail | WaitKind::Blob => Word::External,
        WaitKind::Lock => Word::Lock,
        WaitKind::Queue => Word::Queue,
        WaitKind::BodyIn | WaitKind::BodyOut => Word::Client,
        WaitKind::File => Word::File,
        WaitKind::Blocking => Word::Cpu,
        WaitKind::Sleep | WaitKind::Child | WaitKind::Named => Word::Unknown,
    }
}

/// What the tasks that an Operation started did, as parts; all of it is unknown where less than half is told.
fn children(causes: &[&CauseSpan]) -> Vec<(Word, f64)> {
    let of = |child: bool| causes.iter().filter(move |cause| (cause.kind == WaitKind::Child) == child);
    let children: u64 = of(true).map(|cause| cause.share).sum();
    // What they waited for beyond what the Operation's own account holds.
    let told: u64 = of(false).map(|cause| cause.wall.saturating_sub(cause.share)).sum();
    if children == 0 || told < children / 2 {
        return vec![(Word::Unknown, 1.0)];
    }
    of(false).map(|cause| (word(cause.kind), ratio(cause.wall.saturating_sub(cause.share), told))).collect()
}
