//! One thread of the process that looks every few milliseconds whether a poll goes on for too long, and lets canaries fly.
//!
//! What it finds out about a long poll: whose it is, whether its thread computes or waits, and for what, and the line of the
//! application. Reading line tables takes long, so another thread does that.

use super::canary::Cage;
use super::line::{self, Ended, Line, Look};
use super::site::{Copied, Sites};
use super::stalls::{self, Seen};
use super::{parse, stack};
use crate::clock;
use crate::error::Result;
use crate::lifecycle::{self, Lifecycle};
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// A poll that goes on for this long is told of before it ends.
const TELL_AFTER: u64 = 1_000_000_000;
/// Most stacks that wait to be read.
const MOST_UNREAD: usize = 64;
/// Most long polls whose end has not been heard of yet.
const MOST_OVER: usize = 64;
/// The shortest time over which is measured whether a thread computes.
const MEASURED: u64 = 2_000_000;

static DESK: Mutex<Desk> = Mutex::new(Desk { users: Vec::new(), running: false });

/// Who wants the thread to look.
#[derive(Debug)]
struct Desk {
    users: Vec<Weak<User>>,
    running: bool,
}

/// One application that wants to know; the thread ends with the last of them.
#[derive(Debug)]
pub(super) struct User {
    pub(super) lifecycle: Lifecycle,
    pub(super) stall_after: Duration,
    pub(super) stacks: bool,
    /// Bytes; 0 is what the machine says.
    pub(super) memory_limit: u64,
    pub(super) cage: Mutex<Option<Cage>>,
}

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks for `user` until it is dropped, or stops.
pub(super) fn start(user: &Arc<User>) -> Result<()> {
    if user.stall_after.is_zero() && user.cage().is_none() {
        return Ok(());
    }
    if user.stacks && !user.stall_after.is_zero() {
        stack::install();
    }
    let mut desk = desk();
    desk.users.push(Arc::downgrade(user));
    if !desk.running {
        lifecycle::start_thread("sarsen-watch", run)?;
        desk.running = true;
    }
    Ok(())
}

/// Those who want it still; none is the end of the thread.
fn users() -> Option<Vec<Arc<User>>> {
    let mut desk = desk();
    desk.users.retain(|user| user.upgrade().is_some_and(|user| !user.lifecycle.is_stopping()));
    let users: Vec<Arc<User>> = desk.users.iter().filter_map(Weak::upgrade).collect();
    desk.running = !users.is_empty();
    desk.running.then_some(users)
}

fn run() {
    let mut watchdog = Watchdog::default();
    while let Some(users) = users() {
        users.iter().for_each(|user| user.cage().iter_mut().for_each(Cage::fly));
        if let Some(user) = users.iter().rfind(|user| !user.stall_after.is_zero()) {
            watchdog.look(user);
        }
        let pause = users.iter().map(|user| user.pause()).min().unwrap_or(Duration::from_millis(5));
        drop(users);
        clock::pause_thread(pause);
    }
}

impl User {
    fn cage(&self) -> MutexGuard<'_, Option<Cage>> {
        self.cage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Twice within the shortest poll that is looked at, and as often as canaries fly.
    fn pause(&self) -> Duration {
        let stalls = Some(self.stall_after / 2).filter(|half| !half.is_zero());
        let pause = stalls.into_iter().chain(self.cage().as_ref().map(Cage::every)).min();
        pause.unwrap_or_default().clamp(Duration::from_millis(1), Duration::from_millis(50))
    }
}

/// A poll that was seen.
#[derive(Debug)]
struct Sighting {
    look: Look,
    /// When it was seen first and last, and the CPU time of its thread then.
    first: (u64, u64),
    last: (u64, u64),
    /// How often it was looked at, and how often it computed then, or wanted to.
    looks: (u32, u32),
    asked: bool,
    told: bool,
    waits_in: String,
    stack: Option<Copied>,
}

impl Sighting {
    fn new(look: Look, thread: u32) -> Self {
        let now = (line::now(), cpu_of(thread));
        let looks = (1, u32::from(is_runnable(thread)));
        Self { look, first: now, last: now, looks, asked: false, told: false, waits_in: String::new(), stack: None }
    }

    fn age(&self) -> u64 {
        self.last.0.saturating_sub(self.look.since)
    }

    /// How much of it was work, not waiting: near 1 it computed. That it waited for a core beside other programs is no
    /// waiting of its own, so a thread that is found runnable counts as one that works.
    #[expect(clippy::cast_precision_loss, reason = "a part of a few seconds")]
    fn on_core(&self) -> f64 {
        let (wall, cpu) = ((self.last.0 - self.first.0) as f64, self.last.1.saturating_sub(self.first.1) as f64);
        let waited = wall * f64::from(self.looks.0 - self.looks.1) / f64::from(self.looks.0);
        if waited > 0.0 { (cpu / (cpu + waited)).clamp(0.0, 1.0) } else { 1.0 }
    }

    /// Looks again; the poll may end meanwhile, and then what was measured is not its own.
    fn measure(&mut self, line: &Line) {
        let now = (line::now(), cpu_of(line.thread()));
        let runnable = is_runnable(line.thread());
        if line.is_still(&self.look) {
            self.last = now;
            self.looks = (self.looks.0 + 1, self.looks.1 + u32::from(runnable));
        }
    }

    /// Asks the kernel and the thread what it does.
    fn ask(&mut self, line: &Line, stacks: bool) {
        self.asked = true;
        if self.last.0 - self.first.0 < MEASURED {
            clock::pause_thread(Duration::from_nanos(MEASURED));
            self.measure(line);
        }
        let waits_in = waits_in(line.thread());
        let copied = if stacks { stack::of_thread(line.thread(), line.stack()) } else { None };
        // The next poll of this thread is somebody else's.
        if line.is_still(&self.look) {
            (self.waits_in, self.stack) = (waits_in, copied);
        }
    }

    fn seen(&self, took: u64, times: u64) -> Seen {
        let known = Seen::only(self.look.name, took);
        let waits_in = self.waits_in.clone();
        Seen { on_core: self.on_core(), watched: true, waits_in, times, ..known }
    }
}

/// CPU time of a thread.
fn cpu_of(thread: u32) -> u64 {
    let told = || file_of(thread, "schedstat").split_ascii_whitespace().next()?.parse().ok();
    stack::cpu_of(thread).or_else(told).unwrap_or(0)
}

/// Whether a thread has work: it is on a core, or waits for one.
fn is_runnable(thread: u32) -> bool {
    parse::state(&file_of(thread, "stat")) == Some('R')
}

/// The function of the kernel in which a thread waits; where that is secret, what its state says.
fn waits_in(thread: u32) -> String {
    let function = file_of(thread, "wchan");
    match (function.trim(), parse::state(&file_of(thread, "stat"))) {
        ("" | "0", Some('D')) => "the disk".to_owned(),
        ("" | "0", _) => String::new(),
        (function, _) => function.to_owned(),
    }
}

fn file_of(thread: u32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/{name}")).unwrap_or_default()
}

/// What is known of the polls of all threads.
#[derive(Debug, Default)]
struct Watchdog {
    watched: HashMap<usize, Sighting>,
    /// Long polls that another has followed, and whose end has not been heard of yet.
    over: VecDeque<(usize, Sighting)>,
    unread: Option<SyncSender<(Seen, Copied)>>,
}

impl Watchdog {
    fn look(&mut self, user: &User) {
        for (number, line) in line::all().into_iter().enumerate() {
            self.look_at(number, line, user);
        }
        while let Some(ended) = line::next_ended() {
            self.hear(ended);
        }
    }

    fn look_at(&mut self, number: usize, line: &Line, user: &User) {
        let look = line.look();
        let known = self.watched.get(&number).map(|sighting| sighting.look.sequence);
        if known != look.map(|look| look.sequence) {
            if let Some(sighting) = self.watched.remove(&number).filter(|sighting| sighting.asked) {
                self.over.push_back((number, sighting));
                self.over.drain(..self.over.len().saturating_sub(MOST_OVER));
            }
            self.watched.extend(look.map(|look| (number, Sighting::new(look, line.thread()))));
        }
        let Some(sighting) = self.watched.get_mut(&number) else { return };
        sighting.measure(line);
        if !sighting.asked && u128::from(sighting.age()) >= user.stall_after.as_nanos() {
            sighting.ask(line, user.stacks);
        }
        if sighting.asked && !sighting.told && sighting.age() > TELL_AFTER {
            sighting.told = true;
            let (seen, stack) = (sighting.seen(sighting.age(), 1), sighting.stack.clone());
            self.tell(seen, stack);
        }
    }

    /// A long poll has ended; what was seen of it is told.
    fn hear(&mut self, ended: Ended) {
        let over = self
            .over
            .iter()
            .position(|(line, sighting)| *line == ended.line && sighting.look.sequence == ended.sequence);
        let sighting = match over.and_then(|at| self.over.remove(at)) {
            Some((_, sighting)) => Some(sighting),
            None => {
                let watched = self.watched.get(&ended.line);
                let same = watched.is_some_and(|sighting| sighting.look.sequence == ended.sequence);
                same.then(|| self.watched.remove(&ended.line)).flatten()
            }
        };
        match sighting.filter(|sighting| sighting.asked) {
            Some(sighting) => {
                let times = u64::from(!sighting.told);
                self.tell(sighting.seen(ended.took, times), sighting.stack);
            }
            None => stalls::keep(Seen::only(ended.name, ended.took)),
        }
    }

    /// Hands it to the thread that reads lines; without a stack, or when that is behind, it goes without a line.
    fn tell(&mut self, seen: Seen, stack: Option<Copied>) {
        let Some(stack) = stack else { return stalls::keep(seen) };
        let unread = self.unread.get_or_insert_with(|| {
            let (sender, receiver) = sync_channel(MOST_UNREAD);
            // Should there be no thread for it, the receiver is gone, and all go without a line.
            let _ = lifecycle::start_thread("sarsen-lines", move || read_lines(&receiver));
            sender
        });
        if let Err(refused) = unread.try_send((seen, stack)) {
            let (std::sync::mpsc::TrySendError::Full((seen, _))
            | std::sync::mpsc::TrySendError::Disconnected((seen, _))) = refused;
            stalls::keep(seen);
        }
    }
}

fn read_lines(unread: &Receiver<(Seen, Copied)>) {
    let mut sites = Sites::default();
    while let Ok((seen, stack)) = unread.recv() {
        stalls::keep(Seen { site: sites.of(&stack), ..seen });
    }
}
