//! Files and connections that are open at once.

use crate::advisor::view::ratio;
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::Snapshot;

/// Of those that may be open.
const MANY: f64 = 0.8;
const ALL: f64 = 0.95;

/// Finds a process that has nearly as many files open as it may.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let facts = &snapshot.process;
    let used = ratio(facts.descriptors, facts.descriptor_limit);
    let level = match used {
        ALL.. => Level::Fail,
        MANY..ALL => Level::Warn,
        _ => return Vec::new(),
    };
    let sentence = format!(
        "{} of {} files and connections that may be open are open ({})",
        facts.descriptors,
        facts.descriptor_limit,
        words::percent(used)
    );
    let finding = Finding::new("descriptors", Word::File, level, None)
        .of("open files and connections")
        .says(
            sentence,
            format!(
                "raise the limit (`ulimit -n {}`, LimitNOFILE= of systemd), or close what is left open",
                4 * facts.descriptor_limit
            ),
        )
        .shows("open", facts.descriptors.to_string())
        .costs(used);
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene;

    #[test]
    fn too_many_open_files_are_found() {
        for (open, limit, expected) in
            [(1000, 1024, Some(Level::Fail)), (900, 1024, Some(Level::Warn)), (100, 1024, None), (100, 0, None)]
        {
            let mut snapshot = scene::of(Vec::new());
            (snapshot.process.descriptors, snapshot.process.descriptor_limit) = (open, limit);
            assert_eq!(find(&snapshot).first().map(|finding| finding.level), expected, "{open} of {limit}");
        }
    }
}
