//! How numbers and queries are written in sentences.

use super::{Finding, Level, Word};
use crate::telemetry::{CauseSpan, OperationKind};

/// Most characters of a query in a sentence.
const QUERY: usize = 90;

/// Nanoseconds for people: `0.42 ms`, `4.2 ms`, `380 ms`, `1.2 s`.
pub(super) fn time(nanoseconds: f64) -> String {
    let milliseconds = nanoseconds / 1e6;
    match milliseconds {
        0.0..1.0 => format!("{milliseconds:.2} ms"),
        1.0..10.0 => format!("{milliseconds:.1} ms"),
        10.0..1000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1000.0),
    }
}

pub(super) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

pub(super) fn bytes(bytes: f64) -> String {
    match bytes {
        ..1024.0 => format!("{bytes:.0} B"),
        1024.0..1_048_576.0 => format!("{:.0} kB", bytes / 1024.0),
        1_048_576.0..1_073_741_824.0 => format!("{:.0} MB", bytes / 1_048_576.0),
        _ => format!("{:.1} GB", bytes / 1_073_741_824.0),
    }
}

/// A number a unit: `11`, `2.5`.
pub(super) fn number(number: f64) -> String {
    if number >= 10.0 || (number - number.round()).abs() < 0.05 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    }
}

/// `GET /v1/channels/{id}`, `job webhooks.deliver`.
pub(super) fn operation((kind, name): &(OperationKind, String)) -> String {
    match kind {
        OperationKind::Request => name.clone(),
        kind => format!("{} {name}", kind.as_str()),
    }
}

/// A query cut to what fits a sentence.
pub(super) fn query(text: &str) -> String {
    if text.chars().count() <= QUERY {
        return text.to_owned();
    }
    // What is read is less telling than from where.
    let short = match text.find(" FROM ") {
        Some(from) if text.starts_with("SELECT ") && from > 30 => format!("SELECT …{}", &text[from..]),
        _ => text.to_owned(),
    };
    match short.char_indices().nth(QUERY) {
        Some((end, _)) => format!("{} …", short[..end].trim_end()),
        None => short,
    }
}

/// What it is, and the line that asked for it.
pub(super) fn cause(cause: &CauseSpan) -> String {
    let what = if cause.query { query(&cause.text) } else { cause.label.clone() };
    if cause.site.is_empty() { what } else { format!("{what} at {}", cause.site) }
}

/// A line for people at a terminal.
pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warn => "warn",
        Level::Fail => "fail",
    }
}

impl Level {
    /// The level in lower-case letters.
    pub fn as_str(self) -> &'static str {
        level(self)
    }
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Finding {
    /// Whose it is, for people; `the process` when it is nobody's in particular.
    pub fn subject(&self) -> String {
        self.operation.as_ref().map_or_else(|| "the process".to_owned(), operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (nanoseconds, shown) in [(4.2e5, "0.42 ms"), (4.2e6, "4.2 ms"), (3.8e8, "380 ms"), (1.25e9, "1.2 s")] {
            assert_eq!(time(nanoseconds), shown);
        }
        assert_eq!((bytes(100.0), bytes(2048.0), bytes(5e6)), ("100 B".into(), "2 kB".into(), "5 MB".into()));
        assert_eq!((number(11.0), number(2.5), number(2.01)), ("11".into(), "2.5".into(), "2".into()));
    }

    #[test]
    fn a_long_query_keeps_its_tables() {
        let columns = "SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p FROM messages WHERE channel_id = ? AND id < ? ORDER BY id DESC LIMIT ?";
        let shown = query(columns);
        assert!(shown.starts_with("SELECT … FROM messages WHERE channel_id = ?"), "{shown}");
        assert!(shown.chars().count() <= QUERY + 2);
        assert_eq!(query("COMMIT"), "COMMIT");
    }
}
