//! Where the time of an Operation went: each nanosecond is in exactly one place.

use super::WaitKind;
use serde::{Deserialize, Serialize};

/// How many kinds of waits there are.
pub const KINDS: usize = WaitKind::ALL.len();

/// Nanoseconds by where they went: `wall = on_cpu + Σ sync + runnable + Σ wait + other`.
///
/// The idea, and the proof that it is exact, are a virtual clock that stands still while the Operation is polled: waits that
/// overlap share idle time equally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// From the beginning to the end.
    pub wall: u64,
    /// Inside polls, without declared sync sections.
    pub on_cpu: u64,
    /// Woken, and not yet polled.
    pub runnable: u64,
    /// Idle, with no declared wait.
    pub other: u64,
    /// Idle, by kind of wait: the fair share.
    pub wait: [u64; KINDS],
    /// Inside polls, in declared sync sections.
    pub sync: [u64; KINDS],
    /// Of the idle time, what was on the critical path, by kind. Equal to `wait` where nothing overlapped.
    pub critical: [u64; KINDS],
    /// Polls.
    pub polls: u64,
    /// The longest poll.
    pub longest_poll: u64,
}

impl Account {
    /// What is booked; equal to `wall`.
    pub fn booked(&self) -> u64 {
        let sum = |parts: &[u64; KINDS]| parts.iter().sum::<u64>();
        self.on_cpu + self.runnable + self.other + sum(&self.wait) + sum(&self.sync)
    }

    /// Waits and sync sections of one kind.
    pub fn of(&self, kind: WaitKind) -> u64 {
        self.wait[kind as usize] + self.sync[kind as usize]
    }

    /// Adds the account of another one.
    pub fn add(&mut self, other: &Account) {
        self.wall += other.wall;
        self.on_cpu += other.on_cpu;
        self.runnable += other.runnable;
        self.other += other.other;
        self.polls += other.polls;
        self.longest_poll = self.longest_poll.max(other.longest_poll);
        for kind in 0..KINDS {
            self.wait[kind] += other.wait[kind];
            self.sync[kind] += other.sync[kind];
            self.critical[kind] += other.critical[kind];
        }
    }
}
