//! A disk that is full, or that everything waits for.

use crate::advisor::view::{self, impact};
use crate::advisor::{Finding, Level, Word, shares, words};
use crate::telemetry::{CauseSpan, Snapshot};

/// Free bytes that are worth a word, and those below which nothing works soon.
const LITTLE: u64 = 1 << 30;
const NONE: u64 = 100 << 20;
/// Percent of the time in which something waits for a disk.
const PRESSURE: f64 = 10.0;

/// Finds a full disk, and commits that wait for a slow one.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    full(snapshot).into_iter().chain(slow(snapshot)).collect()
}

fn full(snapshot: &Snapshot) -> Option<Finding> {
    let level = match snapshot.process.disk_free {
        0 | LITTLE.. => return None,
        1..NONE => Level::Fail,
        NONE..LITTLE => Level::Warn,
    };
    let free = words::bytes(snapshot.process.disk_free as f64);
    let says = format!("the disk of the database has {free} free");
    let finding = Finding::new("disk_full", Word::Disk, level, None).of("the disk of the database");
    Some(finding.says(says, "free some space, or give it a larger disk").shows("free", free))
}

/// Pressure alone may be another program's; it is our trouble when our commits are slow.
fn slow(snapshot: &Snapshot) -> Option<Finding> {
    let commits = || snapshot.causes.iter().filter(|cause| shares::is_slow_commit(cause));
    let (time, calls) = commits().fold((0, 0), |(time, calls), cause| (time + cause.share, calls + cause.calls));
    let most = commits().max_by_key(|cause: &&CauseSpan| cause.share)?;
    if snapshot.process.pressure_io < PRESSURE || calls == 0 {
        return None;
    }
    let mean = words::time(time as f64 / calls as f64);
    let subject = words::operation(&most.operation);
    let finding = Finding::new("disk", Word::Disk, Level::Note, None)
        .of(format!("the disk: commits of {subject}"))
        .says(
            format!(
                "commits take {mean}, and something waits for a disk {:.0} % of the time",
                snapshot.process.pressure_io
            ),
            "write more in one transaction, or put the database on a faster disk",
        )
        .shows("written a second", words::bytes(snapshot.process.written))
        .from(view::count(snapshot), &[])
        .costs(impact(snapshot, time as f64));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene::{self, wait};
    use crate::telemetry::WaitKind;

    #[test]
    fn a_full_disk_is_found() {
        for (free, expected) in
            [(50 << 20, Some(Level::Fail)), (500 << 20, Some(Level::Warn)), (5 << 30, None), (0, None)]
        {
            let mut snapshot = scene::of(Vec::new());
            snapshot.process.disk_free = free;
            assert_eq!(find(&snapshot).first().map(|finding| finding.level), expected, "{free}");
        }
    }

    #[test]
    fn slow_commits_on_a_busy_disk_are_found() {
        for (milliseconds, pressure, expected) in [(30.0, 40.0, 1), (30.0, 0.0, 0), (1.0, 40.0, 0)] {
            let mut snapshot = scene::of(Vec::new());
            snapshot.process.pressure_io = pressure;
            snapshot.causes = vec![wait("POST /a", WaitKind::Database, "commit", 100, milliseconds)];
            assert_eq!(find(&snapshot).len(), expected, "{milliseconds} {pressure}");
        }
    }
}
