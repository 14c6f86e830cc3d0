//! The account of an Operation while it is at work. It belongs to whoever polls it, so nothing here is locked.

use super::account::{Account, KINDS};
use super::leaf::{Label, Leaf, QueryRecord};
use super::operation::MAX_LEAVES;
use super::waits::{NONE, Waits};
use super::waker::Kept;
use super::{WaitKind, critical, heap};
use crate::clock::{self, Ticks};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most ledgers that a thread keeps for later.
const MAX_SPARE: usize = 64;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes themselves are used again")]
    static SPARE: RefCell<Vec<Box<Ledger>>> = const { RefCell::new(Vec::new()) };
}

/// The account of an Operation, or of a task that works for one.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Which one: what was opened on one is not closed on another.
    pub(super) id: u64,
    started: Ticks,
    /// The end of the last poll, and the beginning of this one.
    last: Ticks,
    poll_started: Ticks,
    in_poll: bool,
    /// The poll of the connection in which a request was read, until its handler is polled.
    read_in: Option<u64>,
    /// Declared sync sections of this poll.
    sync_in_poll: u64,
    pub(super) account: Account,
    pub(super) waits: Waits,
    pub(super) leaves: Vec<Leaf>,
    pub(super) leaf_count: u64,
    pub(super) query_count: u64,
    /// The leaf that ended last, which a query may want to be.
    last_leaf: u32,
    /// Whether the kernel is asked for the CPU time of each poll, and what it said.
    sampled: bool,
    cpu_before: u64,
    pub(super) cpu: u64,
    pub(super) cpu_wall: u64,
    heap_before: heap::Counts,
    pub(super) allocated: u64,
    pub(super) kept: i64,
    /// What tasks did for this one, each with the place of the wait for it.
    pub(super) children: Vec<(u32, Box<Ledger>)>,
    pub(super) waker: Option<Kept>,
}

impl Ledger {
    /// Begins; `started` may be past, when the time before the first poll is to count.
    pub(super) fn open(started: Ticks, sampled: bool) -> Box<Self> {
        let mut ledger = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        (ledger.id, ledger.started, ledger.last) = (next_id(), started, started);
        (ledger.sampled, ledger.last_leaf) = (sampled, NONE);
        ledger
    }

    /// Gives it back to the thread, which has use for its memory.
    pub(super) fn recycle(mut self: Box<Self>) {
        // Not while the thread ends.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                self.clear();
                spare.push(self);
            }
        });
    }

    /// The first poll begins, in this stretch of the connection.
    #[inline]
    pub(super) fn begin_first_poll(&mut self, now: Ticks, stretch: u64) {
        self.begin_poll(now);
        self.read_in = Some(stretch);
    }

    /// When the first poll began, if it goes on. When others were polled in between, as with HTTP/2, it did not begin yet.
    #[inline]
    pub(super) fn continues(&mut self, stretch: u64) -> Option<Ticks> {
        match self.read_in.take() {
            Some(read_in) if read_in == stretch => return Some(self.poll_started),
            Some(_) => (self.in_poll, self.account.polls, self.last) = (false, 0, self.poll_started),
            None => {}
        }
        None
    }

    /// A poll begins.
    #[inline]
    pub(super) fn begin_poll(&mut self, now: Ticks) {
        // One that panicked did not end.
        self.end_poll(now);
        let now = now.max(self.last);
        let woken = self.waker.as_ref().map_or(0, Kept::take);
        if self.account.polls == 0 {
            self.account.runnable += now.since(self.last);
        } else {
            let woken = if woken == 0 { now } else { Ticks::from_nanos(woken).clamp(self.last, now) };
            self.waits.pass(woken.since(self.last));
            self.account.runnable += now.since(woken);
        }
        self.account.polls += 1;
        (self.poll_started, self.in_poll, self.sync_in_poll) = (now, true, 0);
        self.waits.enter(None);
        self.heap_before = heap::counts();
        if self.sampled {
            self.cpu_before = clock::thread_cpu();
        }
    }

    /// A poll ends.
    #[inline]
    pub(super) fn end_poll(&mut self, now: Ticks) {
        if !std::mem::replace(&mut self.in_poll, false) {
            return;
        }
        let now = now.max(self.poll_started);
        let took = now.since(self.poll_started);
        self.account.on_cpu += took - self.sync_in_poll.min(took);
        self.account.longest_poll = self.account.longest_poll.max(took);
        self.last = now;
        if self.sampled {
            self.cpu += clock::thread_cpu().saturating_sub(self.cpu_before);
            self.cpu_wall += took;
        }
        let (taken, given) = heap::counts().since(self.heap_before);
        self.allocated += taken;
        self.kept += taken as i64 - given as i64;
    }

    /// A wait begins; gives its place. `holding` says whether a connection of the database is held.
    #[inline]
    pub(super) fn open_wait(&mut self, kind: WaitKind, label: Label, holding: bool) -> u32 {
        let from = Ticks::now().since(self.started);
        let leaf = self.add(|| Leaf { kind, label, from, to: from, holding, ..Leaf::default() });
        self.waits.open(kind, leaf, self.account.polls)
    }

    /// A wait ends.
    #[inline]
    pub(super) fn close_wait(&mut self, place: u32, cancelled: bool) {
        let began = self.waits.spans.get(place as usize).map(|span| span.poll);
        let Some((share, leaf)) = self.waits.close(place, cancelled) else { return };
        self.last_leaf = leaf;
        let Some(leaf) = self.leaves.get_mut(leaf as usize) else { return };
        // It ended before this poll began; one of this poll alone has to be asked for.
        let to = if began == Some(self.account.polls) { Ticks::now() } else { self.poll_started };
        leaf.to = to.since(self.started).max(leaf.from);
        (leaf.share, leaf.cancelled) = (share.max(0.0) as u64, cancelled);
    }

    /// Where a sync section begins; to be given to [`Ledger::close_sync`].
    #[inline]
    pub(super) fn open_sync(&self) -> u64 {
        self.sync_in_poll
    }

    /// A sync section ends; those inside it have their own time.
    pub(super) fn close_sync(&mut self, leaf: Leaf, began: Ticks, ended: Ticks, inside: u64) {
        let own = ended.since(began).saturating_sub(self.sync_in_poll - inside);
        self.account.sync[leaf.kind as usize] += own;
        self.sync_in_poll += own;
        self.query_count += u64::from(leaf.query.is_some());
        let (from, to) = (began.since(self.started), ended.since(self.started));
        self.last_leaf = self.add(|| Leaf { from, to, share: own, sync: true, ..leaf });
    }

    /// Says of the wait for the database that ended last which query it was; where that is another one, it is a leaf of its own.
    pub(super) fn note_query(&mut self, query: QueryRecord) {
        self.query_count += 1;
        if let Some(leaf) = self.leaves.get_mut(self.last_leaf as usize)
            && leaf.kind == WaitKind::Database
            && leaf.query.is_none()
        {
            leaf.query = Some(query);
            return;
        }
        let to = Ticks::now().since(self.started);
        let from = to.saturating_sub(query.execution.as_nanos() as u64);
        self.add(|| Leaf { kind: WaitKind::Database, from, to, query: Some(query), ..Leaf::default() });
    }

    #[inline]
    fn add(&mut self, leaf: impl FnOnce() -> Leaf) -> u32 {
        self.leaf_count += 1;
        if self.leaves.len() >= MAX_LEAVES {
            return NONE;
        }
        self.leaves.push(leaf());
        u32::try_from(self.leaves.len() - 1).unwrap_or(NONE)
    }

    /// When it began.
    pub(super) fn started(&self) -> Ticks {
        self.started
    }

    /// Ends: what is open is cancelled, and all that the account has is in it.
    pub(super) fn finish(&mut self, now: Ticks) {
        if self.in_poll {
            self.end_poll(now);
        } else {
            self.waits.pass(now.since(self.last));
            self.last = now.max(self.last);
        }
        for place in self.waits.still_open() {
            self.close_wait(place, true);
        }
        self.account.wall = self.last.since(self.started);
        self.account.other = self.waits.undeclared;
        if self.waits.idle == self.waits.undeclared && self.children.is_empty() {
            // Nothing was waited for.
            return;
        }
        self.account.wait = self.waits.shares();
        self.account.critical = self.account.wait;
        if self.waits.overlapped {
            self.find_critical();
        } else {
            self.leaves.iter_mut().filter(|leaf| !leaf.sync).for_each(|leaf| leaf.critical = leaf.share);
        }
        for (place, child) in std::mem::take(&mut self.children) {
            self.adopt(place, *child);
        }
    }

    fn find_critical(&mut self) {
        self.account.critical = [0; KINDS];
        for (place, time) in critical::path(&self.waits) {
            let span = self.waits.spans[place];
            self.account.critical[span.kind as usize] += time;
            if let Some(leaf) = self.leaves.get_mut(span.leaf as usize) {
                leaf.critical += time;
            }
        }
    }

    #[inline]
    fn clear(&mut self) {
        // Field by field: to make another one and move it here takes several times as long, and each request pays.
        self.waits.clear();
        self.leaves.clear();
        self.children.clear();
        self.waker = None;
        self.account = Account::default();
        (self.in_poll, self.read_in) = (false, None);
        (self.leaf_count, self.query_count) = (0, 0);
        (self.cpu, self.cpu_wall, self.allocated, self.kept) = (0, 0, 0, 0);
    }
}

/// An id that no other ledger of the process has: each thread takes a few thousand at a time.
fn next_id() -> u64 {
    static BLOCKS: AtomicU64 = AtomicU64::new(1);
    const BLOCK: u64 = 1 << 12;
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    NEXT.with(|next| {
        let mut id = next.get();
        if id % BLOCK == 0 {
            id = BLOCKS.fetch_add(1, Ordering::Relaxed) * BLOCK;
        }
        next.set(id + 1);
        id
    })
}
