//! What was said of each fault, for people and for machines.

use std::time::Duration;

use serde_json::{Value, json};

use super::Database;

/// At least so many of a hundred must be right.
const GOAL: f64 = 0.95;

/// What the application said of a fault.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    fault: &'static str,
    database: Database,
    pub(super) word: String,
    culprit: String,
    sentence: String,
    pub(super) right: bool,
    seconds: f64,
    /// Requests that were answered well, and others.
    pub(super) load: (u64, u64),
}

impl Verdict {
    pub(super) fn of(fault: &'static str, database: Database) -> Verdict {
        let (word, culprit, sentence) = (String::new(), String::new(), String::new());
        Verdict { fault, database, word, culprit, sentence, right: false, seconds: f64::NAN, load: (0, 0) }
    }

    pub(super) fn take(&mut self, finding: &Value, after: Duration) {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        (self.word, self.culprit, self.sentence) = (text("word"), text("culprit"), text("sentence"));
        self.seconds = after.as_secs_f64();
    }

    fn to_json(&self) -> Value {
        let seconds = if self.seconds.is_nan() { Value::Null } else { json!(self.seconds) };
        json!({
            "fault": self.fault, "database": self.database.name(), "verdict": self.word, "culprit": self.culprit,
            "sentence": self.sentence, "right": self.right, "seconds": seconds,
            "requests": self.load.0, "failed_requests": self.load.1,
        })
    }

    fn to_line(&self) -> String {
        let right = if self.right { "right" } else { "WRONG" };
        let seconds = if self.seconds.is_nan() { "-".to_owned() } else { format!("{:.1}", self.seconds) };
        let (fault, database) = (self.fault, self.database.name());
        format!("{database:9} {fault:19} {right} {seconds:>5}  {:9} {}", self.word, shortened(&self.culprit, 90))
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most).chain(['…']).collect() }
}

/// The verdicts so far.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    all: Vec<Verdict>,
}

impl Report {
    pub(super) fn start(json: bool) -> Report {
        if !json {
            println!("database  fault               right  secs  verdict   culprit");
        }
        Report { json, all: Vec::new() }
    }

    pub(super) fn add(&mut self, verdict: Verdict) {
        let line = if self.json { verdict.to_json().to_string() } else { verdict.to_line() };
        println!("{line}");
        self.all.push(verdict);
    }

    /// Whether enough were right, and the healthy application was called healthy.
    pub(super) fn finish(&self) -> bool {
        let (healthy, faults): (Vec<&Verdict>, Vec<&Verdict>) =
            self.all.iter().partition(|verdict| verdict.fault == "healthy");
        let right = faults.iter().filter(|verdict| verdict.right).count();
        if !self.json {
            println!(
                "{right} of {} faults right; the healthy application was called {}",
                faults.len(),
                called(&healthy)
            );
        }
        healthy.iter().all(|verdict| verdict.right) && right as f64 >= GOAL * faults.len() as f64
    }
}

fn called(healthy: &[&Verdict]) -> &'static str {
    match healthy {
        [] => "nothing (it was not asked)",
        all if all.iter().all(|verdict| verdict.right) => "healthy",
        _ => "ill",
    }
}
