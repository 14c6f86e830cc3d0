//! How far an import is: one line on a terminal, and nothing where there is none.

use sarsen::clock;
use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(100);
/// How wide the bar is.
const WIDTH: u64 = 40;

/// A bar over so many bytes.
#[derive(Debug)]
pub(super) struct Progress {
    total: u64,
    position: Cell<u64>,
    began: Instant,
    drawn: Cell<Option<Instant>>,
    shown: bool,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        let (began, shown) = (clock::monotonic(), std::io::stderr().is_terminal());
        Self { total, position: Cell::new(0), began, drawn: Cell::new(None), shown }
    }

    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    pub(super) fn set(&self, position: u64) {
        self.position.set(position);
        let now = clock::monotonic();
        if self.shown && self.drawn.get().is_none_or(|drawn| now - drawn >= EVERY) {
            self.drawn.set(Some(now));
            // Who cannot see it has lost nothing.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(position, self.total, now - self.began));
        }
    }

    /// Takes the line away.
    pub(super) fn finish(self) {
        if self.drawn.get().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `━━━━━━╌╌╌╌  60 %  3.1 MB of 5.2 MB  4 s left`
fn line(position: u64, total: u64, passed: Duration) -> String {
    let (done, total) = (position.min(total), total.max(1));
    let full = usize::try_from(done * WIDTH / total).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0) - full;
    let left = passed.as_secs_f64() * (total - done) as f64 / done.max(1) as f64;
    let (bar, rest) = ("━".repeat(full), "╌".repeat(empty));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let percent = done * 100 / total;
    format!("{bar}{rest} {percent:>3} %  {:.1} MB of {:.1} MB  {left:.0} s left", megabytes(done), megabytes(total))
}

/// A number as people write it: `18,549`.
pub(super) fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parted_by_thousands() {
        assert_eq!(
            [0, 12, 999, 1_000, 18_549, 1_234_567].map(with_commas),
            ["0", "12", "999", "1,000", "18,549", "1,234,567"]
        );
    }

    #[test]
    fn the_line_says_how_far_and_how_long() {
        let half = line(3_000_000, 6_000_000, Duration::from_secs(4));
        assert!(half.ends_with(" 50 %  3.0 MB of 6.0 MB  4 s left") && half.matches('━').count() == 20, "{half}");
        assert!(line(0, 0, Duration::ZERO).contains("  0 %"), "an empty file is no fault");
    }
}
