//! The account of an Operation of which nobody kept one: what its leaves say, and the rest is its own work.

use super::WaitKind;
use super::account::Account;
use super::operation::{OperationKind, Record};

/// Gives a record without an account one.
pub(super) fn complete(record: &mut Record, kind: OperationKind) {
    if record.account.wall > 0 {
        return;
    }
    let wall = u64::try_from(record.duration.as_nanos()).unwrap_or(u64::MAX);
    let (mut account, mut left) = (Account { wall, polls: 1, ..Account::default() }, wall);
    for leaf in &mut record.leaves {
        // Waits that overlap would count twice; the first one has it.
        leaf.share = leaf.wall().min(left);
        leaf.critical = leaf.share;
        leaf.sync |= leaf.kind == WaitKind::Database && leaf.query.as_ref().is_some_and(|query| !query.offloaded);
        let place = if leaf.sync { &mut account.sync } else { &mut account.wait };
        place[leaf.kind as usize] += leaf.share;
        left -= leaf.share;
    }
    account.critical = account.wait;
    let place = if kind == OperationKind::Request { &mut account.on_cpu } else { &mut account.other };
    *place = left;
    record.account = account;
}
