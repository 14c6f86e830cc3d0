//! Reads IRC logs: two line formats, in streams of any length, with every line accounted for.
//!
//! `[HH:MM] <nick> text` with the date in the file's name, and `CHANNEL DATE [HH:MM:SS] <nick> text` (seconds may be
//! absent). `===` starts a system message (joins, renames).

use sarsen::{Error, Result, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// Longest line that is read; a longer one is malformed.
const MAX_LINE: u64 = 64 * 1024;
/// Longest nick.
const MAX_NICK: usize = 64;
/// Least step back in time that is a new half day instead of disorder.
const HALF_DAY: i64 = 6 * 3600;

/// What one line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Somebody said something.
    Message(Said),
    /// A join, a rename, a topic.
    System,
    /// Anything else.
    Malformed,
}

/// A message as the log has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The same each time this line of this log is read.
    pub(super) id: Uuid,
    pub(super) nick: String,
    pub(super) text: String,
    /// The time of the line; lines of the same time are a millisecond apart, in their order.
    pub(super) at: Timestamp,
}

/// Reads the lines of one log.
pub(super) struct Log<R> {
    input: R,
    channel: String,
    /// Midnight of the day at hand, in seconds, when the lines have no date of their own.
    day: Option<i64>,
    last: i64,
    stamp: i64,
    within_stamp: u32,
    /// How often the same nick said the same thing at the same time.
    repeats: HashMap<[u8; 32], u32>,
    /// How far the input is read, in bytes.
    pub(super) position: u64,
}

/// One line taken apart.
struct Parts<'a> {
    date: Option<&'a str>,
    seconds: i64,
    nick: &'a str,
    text: &'a str,
}

impl<R: BufRead> Log<R> {
    /// Reads `input` for `channel`. `date` is the day of lines that have none.
    pub(super) fn new(input: R, channel: &str, date: Option<i64>) -> Self {
        Self {
            input,
            channel: channel.to_owned(),
            day: date,
            last: i64::MIN,
            stamp: i64::MIN,
            within_stamp: 0,
            repeats: HashMap::new(),
            position: 0,
        }
    }

    /// The next line, or nothing at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>> {
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.position += read as u64;
        if read as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
            self.skip_rest()?;
            return Ok(Some(Line::Malformed));
        }
        let line = String::from_utf8_lossy(&bytes);
        self.line(line.trim_end_matches(['\r', '\n'])).map(Some)
    }

    fn skip_rest(&mut self) -> Result<()> {
        loop {
            let mut rest = Vec::new();
            let read = (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut rest)?;
            self.position += read as u64;
            if read == 0 || rest.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<Line> {
        if is_system(line) {
            return Ok(Line::System);
        }
        let Some(parts) = parse(line).filter(|parts| is_nick(parts.nick)) else { return Ok(Line::Malformed) };
        let midnight = match parts.date {
            Some(date) => match midnight(date) {
                Some(midnight) => midnight,
                None => return Ok(Line::Malformed),
            },
            None => self.day.ok_or_else(|| {
                Error::invalid("the lines have no date, and the name of the file holds none")
                    .hint("say it with --date 2006-06-05")
            })?,
        };
        let stamp = self.monotone(midnight + parts.seconds, parts.date.is_some());
        Ok(Line::Message(self.said(&parts, stamp)))
    }

    /// Time as it goes on: a large step back is midnight (or noon, where the clock has 12 hours), a small one disorder.
    fn monotone(&mut self, stamp: i64, dated: bool) -> i64 {
        let back = self.last.saturating_sub(stamp);
        let mut stamp = stamp;
        if !dated && self.last != i64::MIN && back >= HALF_DAY {
            let step = if back >= 3 * HALF_DAY { 86_400 } else { 43_200 };
            self.day = self.day.map(|day| day + step);
            stamp += step;
        }
        self.last = stamp.max(self.last);
        self.last
    }

    fn said(&mut self, parts: &Parts<'_>, stamp: i64) -> Said {
        if self.stamp != stamp {
            (self.stamp, self.within_stamp) = (stamp, 0);
            self.repeats.clear();
        }
        let text = parts.text.trim().replace('\0', "\u{fffd}");
        let base = Timestamp::from_micros(stamp.saturating_mul(1_000_000));
        let at = base + Duration::from_millis(u64::from(self.within_stamp.min(59_999)));
        self.within_stamp += 1;
        let id = self.id(base, parts.nick, &text);
        Said { id, nick: parts.nick.to_owned(), text, at }
    }

    /// A time-ordered id that is the same for the same line: from channel, time, nick, text and how often it was said then.
    fn id(&mut self, at: Timestamp, nick: &str, text: &str) -> Uuid {
        let mut hash = Sha256::new();
        for part in [self.channel.as_str(), &at.to_string(), nick, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let same: [u8; 32] = hash.clone().finalize().into();
        let repeat = self.repeats.entry(same).or_default();
        hash.update(repeat.to_le_bytes());
        *repeat += 1;
        let digest: [u8; 32] = hash.finalize().into();
        let millis = u64::try_from(at.as_micros() / 1000).unwrap_or(0);
        let random: [u8; 10] = std::array::from_fn(|index| digest[index]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The date that a file name holds, as seconds since 1970.
pub(super) fn date_in(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    (0..name.len().saturating_sub(9)).find_map(|from| midnight(name.get(from..from + 10)?))
}

/// Midnight of `2006-06-05` in UTC, as seconds since 1970.
pub(super) fn midnight(date: &str) -> Option<i64> {
    let shaped = date.len() == 10
        && date.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let time: Timestamp = format!("{date}T00:00:00Z").parse().ok().filter(|_| shaped)?;
    Some(time.as_micros() / 1_000_000)
}

fn is_nick(nick: &str) -> bool {
    !nick.trim().is_empty() && nick.chars().count() <= MAX_NICK && !nick.chars().any(char::is_control)
}

fn is_system(line: &str) -> bool {
    line.starts_with("===") || dated(line).is_some_and(|(_, rest)| rest.starts_with("==="))
}

/// Date and rest of `CHANNEL DATE rest`.
fn dated(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(' ')?;
    let (date, rest) = rest.split_once(' ')?;
    midnight(date).map(|_| (date, rest))
}

fn parse(line: &str) -> Option<Parts<'_>> {
    let (date, rest) = match line.starts_with('[') {
        true => (None, line),
        false => dated(line).map(|(date, rest)| (Some(date), rest))?,
    };
    let (time, rest) = rest.strip_prefix('[')?.split_once("] <")?;
    // A nick may hold almost anything but a space: the first `> ` ends it.
    let (nick, text) = rest.split_once('>')?;
    let text = text.strip_prefix([' ', '\t'])?;
    Some(Parts { date, seconds: clock_time(time)?, nick, text })
}

/// Seconds since midnight of `HH:MM` or `HH:MM:SS`.
fn clock_time(time: &str) -> Option<i64> {
    let fields: Vec<&str> = time.split(':').collect();
    let number = |text: &str, below: i64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number < below)
    };
    match fields.as_slice() {
        [hour, minute] => Some(number(hour, 24)? * 3600 + number(minute, 60)? * 60),
        [hour, minute, second] => Some(number(hour, 24)? * 3600 + number(minute, 60)? * 60 + number(second, 60)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], date: Option<&str>) -> Vec<Line> {
        let mut log = Log::new(text, "test", date.and_then(midnight));
        std::iter::from_fn(|| log.next_line().expect("reads")).collect()
    }

    fn messages(text: &str) -> Vec<(String, String, String)> {
        let said = read(text.as_bytes(), Some("2006-06-05")).into_iter().filter_map(|line| match line {
            Line::Message(said) => Some((said.at.to_string()[..19].to_owned(), said.nick, said.text)),
            _ => None,
        });
        said.collect()
    }

    #[test]
    fn both_formats_are_read() {
        let found = messages(
            "[09:14] <|QuaD-> totem > xine\nrust 2018-05-29 [21:20:37] <a_b^> <x> [y] \nmeet 2010-11-08 [13:21] <d>\tok\n",
        );
        let expected = [
            ("2006-06-05T09:14:00", "|QuaD-", "totem > xine"),
            ("2018-05-29T21:20:37", "a_b^", "<x> [y]"),
            ("2018-05-29T21:20:37", "d", "ok"),
        ];
        let expected = expected.map(|(at, nick, text)| (at.to_owned(), nick.to_owned(), text.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn every_line_is_a_message_a_system_line_or_malformed() {
        let text = b"=== x joined\nmeet 2010-11-08 === y is now z\n[09:14]  * q waves\n[05:12] -z:#u- spam\n\n[25:00] <a> b\n\
            [09:14] <a\x01> b\n[09:14] <> b\nx 2010-13-40 [01:01] <a> b\n[09:15] <a> \xff\xfe\n[09:15] <a>\n[09:15] <a> \n";
        let lines = read(text, Some("2006-06-05"));
        let count = |wanted: fn(&Line) -> bool| lines.iter().filter(|line| wanted(line)).count();
        assert_eq!(count(|line| *line == Line::System), 2);
        assert_eq!(count(|line| *line == Line::Malformed), 8);
        assert_eq!(count(|line| matches!(line, Line::Message(_))), 2);
    }

    #[test]
    fn time_goes_on_over_midnight_and_noon_and_through_disorder() {
        let at = |text| messages(text).into_iter().map(|(at, ..)| at[8..16].to_owned()).collect::<Vec<_>>();
        assert_eq!(at("[23:59] <a> x\n[00:00] <a> y\n[00:01] <a> z"), ["05T23:59", "06T00:00", "06T00:01"]);
        assert_eq!(
            at("[11:55] <a> x\n[12:59] <a> x\n[01:00] <a> y\n[12:30] <a> z"),
            ["05T11:55", "05T12:59", "05T13:00", "06T00:30"]
        );
        assert_eq!(at("[10:05] <a> x\n[10:03] <a> y\n[10:06] <a> z"), ["05T10:05", "05T10:05", "05T10:06"]);
    }

    #[test]
    fn ids_are_the_same_each_time_and_repeats_differ() {
        let ids = |text: &str| {
            let lines = read(text.as_bytes(), Some("2006-06-05")).into_iter();
            lines
                .filter_map(|line| if let Line::Message(said) = line { Some((said.id, said.at)) } else { None })
                .collect::<Vec<_>>()
        };
        let text = "[09:14] <a> hi\n[09:14] <a> hi\n[09:14] <b> hi\n[09:15] <a> hi\n";
        let first = ids(text);
        assert_eq!(first, ids(text));
        assert!(first.windows(2).all(|pair| pair[0].1 < pair[1].1), "in the order of the lines");
        let distinct: std::collections::HashSet<_> = first.iter().map(|(id, _)| id).collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(ids(&format!("{text}[09:16] <c> more\n"))[..4], first[..], "a log that grew keeps its ids");
    }

    #[test]
    fn an_endless_line_is_malformed_and_the_next_is_read() {
        let mut text = vec![b'x'; 200_000];
        text.extend_from_slice(b"\n[09:14] <a> b\n");
        let lines = read(&text, Some("2006-06-05"));
        assert!(matches!(lines.as_slice(), [Line::Malformed, Line::Message(_)]));
    }

    #[test]
    fn the_date_stands_in_the_name_of_the_file() {
        let of = |name: &str| {
            date_in(Path::new(name)).map(|seconds| Timestamp::from_micros(seconds * 1_000_000).to_string())
        };
        assert_eq!(of("logs/ubuntu-2004-12-25.txt").expect("a date")[..10], *"2004-12-25");
        assert_eq!(of("2011-05-29_19.raw.txt").expect("a date")[..10], *"2011-05-29");
        assert_eq!(of("rust.txt"), None);
        assert!(Log::new(&b"[09:14] <a> b"[..], "x", None).next_line().is_err());
    }
}
