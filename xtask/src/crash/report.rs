//! What is printed: a table for people, or one JSON object a line.

use serde_json::json;

use super::{Database, Done};
use crate::{Outcome, command};

/// Collects whether everything went well.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    went_well: bool,
}

impl Report {
    pub(super) fn start(json: bool) -> Outcome<Report> {
        if !json {
            let commit = command::output(std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
            println!("commit {}", commit.trim());
            println!(
                "{:<9} {:<20} {:>5} {:>7} {:>8} {:>5} {:>7} {:>6} {:>10} {:>9} {:>6}",
                "database",
                "killed",
                "runs",
                "orders",
                "effects",
                "lost",
                "doubled",
                "missed",
                "disordered",
                "unreached",
                "exited"
            );
        }
        Ok(Report { json, went_well: true })
    }

    pub(super) fn add(&mut self, database: Database, done: &Done) {
        let Done { case, runs, unreached, exited, checked } = done;
        self.went_well &= checked.is_sound() && *unreached == 0 && *exited == 0;
        let name = database.name();
        if self.json {
            let line = json!({
                "case": format!("{name} {case}"), "runs": runs, "orders": checked.orders, "effects": checked.effects,
                "lost": checked.lost, "doubled": checked.doubled, "missed": checked.missed,
                "disordered": checked.disordered, "unreached": unreached, "exited": exited,
            });
            println!("{line}");
        } else {
            println!(
                "{name:<9} {case:<20} {runs:>5} {:>7} {:>8} {:>5} {:>7} {:>6} {:>10} {unreached:>9} {exited:>6}",
                checked.orders, checked.effects, checked.lost, checked.doubled, checked.missed, checked.disordered
            );
        }
        checked.words.iter().for_each(|words| eprintln!("  {words}"));
    }

    /// Whether nothing was lost, doubled, missed or out of order, every point was reached, and no process left by itself.
    pub(super) fn finish(&self) -> bool {
        self.went_well
    }
}
