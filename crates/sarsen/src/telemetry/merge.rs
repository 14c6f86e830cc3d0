//! What a task did for an Operation, as a part of its account.

use super::WaitKind;
use super::account::{Account, KINDS};
use super::leaf::Leaf;
use super::ledger::Ledger;
use super::operation::MAX_LEAVES;

impl Ledger {
    /// Puts what a task did in the place of the wait for it: each part of the task's time has as much of the wait as it had of the
    /// task. The sum stays what it was.
    pub(super) fn adopt(&mut self, place: u32, child: Ledger) {
        let leaf = self.waits.spans.get(place as usize).map_or(usize::MAX, |span| span.leaf as usize);
        let (share, critical) = self.leaves.get(leaf).map_or((0, 0), |leaf| (leaf.share, leaf.critical));
        // What rounding of all shares took from this kind cannot be given away.
        let share = share.min(self.account.wait[WaitKind::Child as usize]);
        let critical = critical.min(self.account.critical[WaitKind::Child as usize]);
        if child.account.wall > 0 {
            self.split(&child.account, share, critical);
            if let Some(leaf) = self.leaves.get_mut(leaf) {
                (leaf.share, leaf.critical) = (leaf.share - share, leaf.critical - critical);
            }
        }
        self.account.polls += child.account.polls;
        self.account.longest_poll = self.account.longest_poll.max(child.account.longest_poll);
        self.take_over(child, share, critical);
    }

    fn split(&mut self, child: &Account, share: u64, critical: u64) {
        let of = |part: u64, whole: u64| scaled(part, whole, child.wall);
        let on_cpu = of(child.on_cpu, share);
        let runnable = of(child.runnable, share);
        let mut left = share - on_cpu - runnable;
        for kind in 0..KINDS {
            let waited = child.wait[kind] + child.sync[kind];
            let own = of(waited, share).min(left);
            self.account.wait[kind] += own;
            left -= own;
            self.account.critical[kind] += of(waited, critical);
        }
        self.account.on_cpu += on_cpu;
        self.account.runnable += runnable;
        // Rounded down, a few nanoseconds are left; and what the task did not declare.
        self.account.other += left;
        self.account.wait[WaitKind::Child as usize] -= share;
        self.account.critical[WaitKind::Child as usize] -= critical;
    }

    /// The leaves and counts of a task; it has `share` of this account's time for all of its own.
    pub(super) fn take_over(&mut self, child: Ledger, share: u64, critical: u64) {
        let (wall, after) = (child.account.wall, child.started().since(self.started()));
        let scale = |leaf: Leaf| Leaf {
            from: leaf.from + after,
            to: leaf.to + after,
            share: scaled(leaf.share, share, wall),
            critical: scaled(leaf.share, critical, wall),
            ..leaf
        };
        let room = MAX_LEAVES.saturating_sub(self.leaves.len());
        self.leaves.extend(child.leaves.into_iter().take(room).map(scale));
        self.leaf_count += child.leaf_count;
        self.query_count += child.query_count;
        self.cpu += child.cpu;
        self.cpu_wall += child.cpu_wall;
        self.allocated += child.allocated;
        self.kept += child.kept;
    }
}

/// `part` of `of`, in proportion to `whole`.
fn scaled(part: u64, of: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    u64::try_from(u128::from(part) * u128::from(of) / u128::from(whole)).unwrap_or(of)
}
