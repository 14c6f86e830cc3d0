//! A machine that others use up: what is measured then says little about the application.

use crate::advisor::view::{self, host_is_busy};
use crate::advisor::{Finding, Level, Word, words};
use crate::telemetry::Snapshot;

/// Finds a machine whose cores other programs take.
pub(super) fn find(snapshot: &Snapshot) -> Vec<Finding> {
    let facts = &snapshot.process;
    if !host_is_busy(facts) {
        return Vec::new();
    }
    let others = (facts.machine_cpu * facts.cores - facts.cpu).max(0.0);
    let sentence = format!(
        "the machine is {} used, {others:.1} of {:.0} cores by other programs{}",
        words::percent(facts.machine_cpu),
        facts.cores,
        if facts.steal > 0.05 {
            format!(", and its host takes {}", words::percent(facts.steal))
        } else {
            String::new()
        }
    );
    let finding = Finding::new("host", Word::Host, Level::Note, None)
        .of("the machine: other programs use its cores")
        .says(sentence, "give the application a machine of its own, or a bigger one; other numbers of this time are not to be trusted")
        .shows("something waited for a core", format!("{:.0} % of the time", facts.pressure_cpu))
        .from(view::count(snapshot), &[])
        .costs(others);
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::scene;

    #[test]
    fn a_machine_that_others_use_up_is_found() {
        for (name, machine, own, steal, expected) in [
            ("others", 0.98, 0.3, 0.0, 1),
            ("we do", 0.98, 1.8, 0.0, 0),
            ("idle", 0.2, 0.1, 0.0, 0),
            ("its host", 0.5, 0.5, 0.2, 1),
        ] {
            let mut snapshot = scene::of(Vec::new());
            (snapshot.process.machine_cpu, snapshot.process.cpu, snapshot.process.steal) = (machine, own, steal);
            assert_eq!(find(&snapshot).len(), expected, "{name}");
        }
    }
}
