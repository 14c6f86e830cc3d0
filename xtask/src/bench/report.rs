//! The figures of a bench, for people and for machines.

use std::process::Command;

use serde_json::{Value, json};

use crate::{Outcome, command, repository};

/// One figure, and what it is compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measurement {
    /// The bench by its name on the command line.
    pub(crate) bench: String,
    /// What was done.
    pub(crate) case: String,
    pub(crate) value: f64,
    /// Of both figures.
    pub(crate) unit: String,
    /// What it is compared with, or its limit; empty when there is none.
    pub(crate) against: String,
    pub(crate) against_value: f64,
    pub(crate) ratio: f64,
}

impl Measurement {
    /// A figure by itself.
    pub(super) fn alone(bench: &str, case: &str, value: f64, unit: &str) -> Measurement {
        Measurement {
            bench: bench.to_owned(),
            case: case.to_owned(),
            value,
            unit: unit.to_owned(),
            ..Measurement::default()
        }
    }

    /// A figure that must not be over its limit: the ratio is then 1 or more.
    pub(super) fn limited(bench: &str, case: &str, value: f64, unit: &str, limit: f64) -> Measurement {
        let compared = Measurement::alone(bench, case, value, unit);
        Measurement { against: "its limit".to_owned(), against_value: limit, ratio: limit / value, ..compared }
    }

    /// From a line of another program.
    fn from_json(line: &str) -> Option<Measurement> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| value.get(key)?.as_f64();
        Some(Measurement {
            bench: text("bench")?,
            case: text("case")?,
            value: number("value")?,
            unit: text("unit")?,
            against: text("against")?,
            against_value: number("against_value")?,
            ratio: number("ratio")?,
        })
    }

    fn to_json(&self) -> Value {
        let compared = |value: f64| if self.against.is_empty() { Value::Null } else { json!(value) };
        json!({
            "bench": self.bench, "case": self.case, "value": self.value, "unit": self.unit,
            "against": if self.against.is_empty() { Value::Null } else { json!(self.against) },
            "against_value": compared(self.against_value), "ratio": compared(self.ratio),
        })
    }

    /// The cells of the table.
    fn cells(&self) -> [String; 5] {
        let [against, against_value, ratio] = if self.against.is_empty() {
            Default::default()
        } else {
            [self.against.clone(), shown(self.against_value, &self.unit), format!("{:.2}", self.ratio)]
        };
        [self.case.clone(), shown(self.value, &self.unit), against, against_value, ratio]
    }
}

/// A figure with three digits that count, in a unit that suits its size.
fn shown(value: f64, unit: &str) -> String {
    let (value, unit) = match unit {
        "ns" if value >= 1e6 => (value / 1e6, "ms"),
        "ns" if value >= 1e4 => (value / 1e3, "µs"),
        _ => (value, unit),
    };
    let digits = match value.abs() {
        0.0..10.0 if value.fract() != 0.0 => 2,
        0.0..100.0 if value.fract() != 0.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// Prints figures as they come.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
}

impl Report {
    /// Begins with the line that says which machine and which commit; it is no figure, so machines do not get it.
    pub(super) fn start(json: bool) -> Outcome<Report> {
        let mut describe = Command::new("git");
        let commit =
            command::output(describe.args(["describe", "--always", "--dirty"]).current_dir(repository::root()))?;
        let words: Vec<String> = std::env::args().skip(1).collect();
        let header = format!("cargo xtask {} · {} · commit {}", words.join(" "), machine(), commit.trim());
        if json {
            eprintln!("{header}");
        } else {
            println!("{header}");
            print_row(["case", "value", "against", "value", "ratio"]);
        }
        Ok(Report { json })
    }

    pub(super) fn add(&self, measurement: &Measurement) {
        if self.json {
            println!("{}", measurement.to_json());
        } else {
            print_row(measurement.cells().each_ref().map(String::as_str));
        }
    }

    /// Says that there is no figure to compare with, and why.
    pub(super) fn add_failure(&self, bench: &str, case: &str, against: &str, reason: &str) {
        if self.json {
            println!("{}", failure(bench, case, against, reason));
        } else {
            println!("{case:50} {:>12}  {against:28} failed: {reason}", "–");
        }
    }

    /// Adds what another program printed; an error for a line that is no figure.
    pub(super) fn add_line(&self, line: &str) -> Outcome<()> {
        let measurement = Measurement::from_json(line).ok_or_else(|| format!("`{line}` is no figure of a bench"))?;
        self.add(&measurement);
        Ok(())
    }
}

/// The row of a peer that could not do it.
fn failure(bench: &str, case: &str, against: &str, reason: &str) -> Value {
    json!({
        "bench": bench, "case": case, "value": Value::Null, "unit": Value::Null,
        "against": against, "against_value": Value::Null, "ratio": Value::Null, "failed": reason,
    })
}

fn print_row([case, value, against, against_value, ratio]: [&str; 5]) {
    println!("{case:50} {value:>12}  {against:28} {against_value:>12} {ratio:>6}");
}

/// The processor, its number, and how busy it is: a figure of a busy machine is not to be trusted.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg");
    format!(
        "{count} × {}, load {}",
        model.trim_start_matches([' ', '\t', ':']),
        load.split(' ').next().unwrap_or("unknown")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_written_alike() {
        let line = r#"{"bench":"data","case":"point","value":2500.0,"unit":"ns","against":"bare","against_value":2000.0,"ratio":0.8}"#;
        let measurement = Measurement::from_json(line).unwrap();
        assert_eq!(measurement.to_json(), serde_json::from_str::<Value>(line).unwrap());
        assert_eq!(measurement.cells(), ["point", "2500 ns", "bare", "2000 ns", "0.80"]);
        assert_eq!(Measurement::from_json("Compiling"), None);
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        assert_eq!(shown(21_554.0, "ns"), "21.6 µs");
        assert_eq!(shown(3.0, "packages"), "3 packages");
        assert_eq!(shown(38.25, "MB"), "38.2 MB");
        assert_eq!(shown(0.125, "s"), "0.12 s");
    }
}
