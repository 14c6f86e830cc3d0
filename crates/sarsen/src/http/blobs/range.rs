//! Which part of a file a request asks for, and whether it asks for any of it: RFC 9110, sections 13 and 14.

use crate::clock::Timestamp;
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use std::ops::Range;

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Bytes(Range<u64>),
    /// No byte of what was asked for is there: 416.
    Beyond,
    /// The client has it already: 304.
    NotModified,
    /// It is not what the client takes it for: 412.
    Failed,
}

/// What a file is to who has an old copy of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'v> {
    /// Strong, with its quotes.
    pub(super) tag: &'v str,
    pub(super) modified: Timestamp,
    pub(super) size: u64,
}

/// Answers the conditions in the order of section 13.2.2, and then the range.
pub(super) fn part(headers: &HeaderMap, version: Version<'_>) -> Part {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let modified = seconds(version.modified);
    match (text(IF_MATCH), text(IF_UNMODIFIED_SINCE).and_then(date)) {
        (Some(tags), _) if !has_tag(tags, version.tag, Strength::Strong) => return Part::Failed,
        (None, Some(since)) if modified > since => return Part::Failed,
        _ => {}
    }
    match (text(IF_NONE_MATCH), text(IF_MODIFIED_SINCE).and_then(date)) {
        (Some(tags), _) if has_tag(tags, version.tag, Strength::Weak) => return Part::NotModified,
        (None, Some(since)) if modified <= since => return Part::NotModified,
        _ => {}
    }
    let mut asked = headers.get_all(RANGE).iter();
    let (Some(range), None) = (asked.next(), asked.next()) else { return Part::Whole };
    // A copy of another version is no use: all of this one is sent.
    let same = text(IF_RANGE).is_none_or(|copy| match copy.trim() {
        tag if tag.starts_with('"') => tag == version.tag,
        tag if tag.starts_with("W/") => false,
        other => date(other) == Some(modified),
    });
    match range.to_str() {
        Ok(range) if same => bytes(range, version.size),
        _ => Part::Whole,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

fn has_tag(tags: &str, own: &str, strength: Strength) -> bool {
    tags.split(',').map(str::trim).any(|tag| match (tag, strength) {
        ("*", _) => true,
        (tag, Strength::Weak) => tag.strip_prefix("W/").unwrap_or(tag) == own,
        (tag, Strength::Strong) => tag == own,
    })
}

/// Reads `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-MANY`. What is not well formed, and more than one range, is as if it
/// had not been asked: all of it is sent.
fn bytes(text: &str, size: u64) -> Part {
    let range = match text.split_once('=') {
        Some((unit, range)) if unit.trim().eq_ignore_ascii_case("bytes") => range.trim(),
        _ => return Part::Whole,
    };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More than fits is more than there is.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.is_empty(), number(first), last.is_empty(), number(last)) {
        (true, _, false, Some(0)) => Part::Beyond,
        (true, _, false, Some(many)) if size > 0 => Part::Bytes(size.saturating_sub(many)..size),
        (true, _, false, Some(_)) => Part::Beyond,
        (false, Some(first), true, _) if first < size => Part::Bytes(first..size),
        (false, Some(first), false, Some(last)) if first > last => Part::Whole,
        (false, Some(first), false, Some(last)) if first < size => Part::Bytes(first..last.saturating_add(1).min(size)),
        (false, Some(_), true, _) | (false, Some(_), false, Some(_)) => Part::Beyond,
        _ => Part::Whole,
    }
}

/// A moment as HTTP writes it, in whole seconds: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(at: Timestamp) -> Option<String> {
    let at = jiff::Timestamp::from_second(seconds(at)).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

fn date(text: &str) -> Option<i64> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok().map(jiff::Timestamp::as_second)
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const TAG: &str = "\"abc\"";
    /// Sun, 06 Nov 1994 08:49:37 GMT, and a bit.
    const MODIFIED: i64 = 784_111_777;

    fn of(given: &[(HeaderName, &'static str)], size: u64) -> Part {
        let headers = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let modified = Timestamp::from_micros(MODIFIED * 1_000_000 + 999);
        part(&headers, Version { tag: TAG, modified, size })
    }

    #[test]
    fn ranges() {
        for (range, size, expected) in [
            ("bytes=0-0", 10, Part::Bytes(0..1)),
            ("bytes=0-9", 10, Part::Bytes(0..10)),
            ("bytes=2-5", 10, Part::Bytes(2..6)),
            ("bytes=2-", 10, Part::Bytes(2..10)),
            ("bytes=9-9", 10, Part::Bytes(9..10)),
            ("bytes=9-99", 10, Part::Bytes(9..10)),
            ("bytes=-3", 10, Part::Bytes(7..10)),
            ("bytes=-99", 10, Part::Bytes(0..10)),
            ("BYTES = 1-2", 10, Part::Bytes(1..3)),
            ("bytes=0-99999999999999999999999", 10, Part::Bytes(0..10)),
            ("bytes=0-18446744073709551615", 10, Part::Bytes(0..10)),
            // Nothing of it is there.
            ("bytes=10-", 10, Part::Beyond),
            ("bytes=10-20", 10, Part::Beyond),
            ("bytes=-0", 10, Part::Beyond),
            ("bytes=0-", 0, Part::Beyond),
            ("bytes=0-0", 0, Part::Beyond),
            ("bytes=-1", 0, Part::Beyond),
            ("bytes=99999999999999999999999-", 10, Part::Beyond),
            // Not asked for, or asked in a way that is not answered.
            ("bytes=", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=5-2", 10, Part::Whole),
            ("bytes=a-b", 10, Part::Whole),
            ("bytes=1-b", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("bytes=1--2", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("items=0-1", 10, Part::Whole),
            ("0-1", 10, Part::Whole),
        ] {
            assert_eq!(of(&[(RANGE, range)], size), expected, "{range} of {size}");
        }
        assert_eq!(of(&[], 10), Part::Whole);
        assert_eq!(of(&[(RANGE, "bytes=0-0"), (RANGE, "bytes=1-1")], 10), Part::Whole, "asked twice");
    }

    #[test]
    fn a_range_of_another_version_is_all_of_this_one() {
        for (copy, expected) in [
            ("\"abc\"", Part::Bytes(0..1)),
            ("\"old\"", Part::Whole),
            ("W/\"abc\"", Part::Whole),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Part::Bytes(0..1)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Part::Whole),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Part::Whole),
            ("nonsense", Part::Whole),
        ] {
            assert_eq!(of(&[(RANGE, "bytes=0-0"), (IF_RANGE, copy)], 10), expected, "{copy}");
        }
    }

    #[test]
    fn conditions_come_before_the_range() {
        let range = (RANGE, "bytes=0-0");
        for (name, value, expected) in [
            (IF_NONE_MATCH, "\"abc\"", Part::NotModified),
            (IF_NONE_MATCH, "W/\"abc\"", Part::NotModified),
            (IF_NONE_MATCH, "\"x\", \"abc\"", Part::NotModified),
            (IF_NONE_MATCH, "*", Part::NotModified),
            (IF_NONE_MATCH, "\"x\"", Part::Bytes(0..1)),
            (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT", Part::NotModified),
            (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT", Part::Bytes(0..1)),
            (IF_MODIFIED_SINCE, "yesterday", Part::Bytes(0..1)),
            (IF_MATCH, "\"abc\"", Part::Bytes(0..1)),
            (IF_MATCH, "*", Part::Bytes(0..1)),
            (IF_MATCH, "W/\"abc\"", Part::Failed),
            (IF_MATCH, "\"x\"", Part::Failed),
            (IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT", Part::Bytes(0..1)),
            (IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT", Part::Failed),
        ] {
            assert_eq!(of(&[(name.clone(), value), range.clone()], 10), expected, "{name}: {value}");
        }
        let both = [(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(of(&both, 10), Part::Whole, "the tag says more than the date");
        let at = Timestamp::from_micros(MODIFIED * 1_000_000 + 999_999);
        assert_eq!(http_date(at).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
