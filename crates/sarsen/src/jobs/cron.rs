//! When a schedule is due: cron expressions in time zones, and even intervals.
//!
//! Where the clocks change, the rule is that of Vixie cron. A schedule of fixed times (no `*` in its minutes and hours)
//! goes by the clock on the wall: what falls into the hour that is left out comes at the moment after it, once, and what
//! falls into the hour that is repeated comes in its first run only. A schedule of intervals (a `*` there) goes by real
//! time: nothing comes in the hour that does not exist, and in the repeated hour it comes in both runs.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use croner::Cron;
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::time::Duration;

/// From when on an expression must come at least once to be worth anything.
const YEAR_2000: i64 = 946_684_800_000_000;

/// When something is due, again and again.
#[derive(Clone, Debug)]
pub(crate) enum Timing {
    /// At the times of a cron expression, on the clocks of a zone.
    Cron(Box<(Cron, TimeZone)>),
    /// After each such time.
    Every(Duration),
}

impl Timing {
    /// Reads an expression of 5 fields (6 with seconds in front, 7 with years behind) and the name of a zone.
    pub(crate) fn cron(expression: &str, zone: &str) -> Result<Self> {
        let wrong = |what: &str| Error::invalid(format!("`{expression}` is no cron expression: {what}"));
        let cron: Cron = expression.parse().map_err(|error: croner::errors::CronError| {
            wrong(&error.to_string())
                .hint("write minute, hour, day of month, month, day of week, such as `0 8 * * MON`")
        })?;
        let timing = Self::Cron(Box::new((cron, time_zone(zone)?)));
        match timing.after(Timestamp::from_micros(YEAR_2000)) {
            Some(_) => Ok(timing),
            None => Err(wrong("there is no such day").hint("look at its day of month and its month")),
        }
    }

    /// The first time after `at`; nothing when there is none any more.
    pub(crate) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Timing::Every(every) => Some(at + *every),
            Timing::Cron(parts) if is_fixed(&parts.0) => next_on_the_wall(&parts.0, &zoned(at, &parts.1)?),
            Timing::Cron(parts) => {
                parts.0.find_next_occurrence(&zoned(at, &parts.1)?, false).ok().map(|at| timestamp(&at))
            }
        }
    }

    /// The times from `first`, which is one of them, to `until`: at most the last `most`, oldest first.
    pub(crate) fn due(&self, first: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut due = Vec::new();
        let mut at = self.last(first, until);
        while let Some(time) = at.filter(|time| *time > first && due.len() < most) {
            due.push(time);
            at = self.last(first, time - Duration::from_micros(1));
        }
        if due.len() < most && first <= until {
            due.push(first);
        }
        due.reverse();
        due
    }

    /// The last time that is not after `until`, as `first` is one.
    fn last(&self, first: Timestamp, until: Timestamp) -> Option<Timestamp> {
        match self {
            Timing::Every(every) => {
                let step = i64::try_from(every.as_micros()).unwrap_or(i64::MAX).max(1);
                let passed = until.as_micros() - first.as_micros();
                (passed >= 0).then(|| Timestamp::from_micros(first.as_micros() + passed / step * step))
            }
            Timing::Cron(parts) if is_fixed(&parts.0) => last_on_the_wall(&parts.0, &zoned(until, &parts.1)?),
            Timing::Cron(parts) => {
                parts.0.find_previous_occurrence(&zoned(until, &parts.1)?, true).ok().map(|at| timestamp(&at))
            }
        }
    }
}

fn time_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_| {
        let error = Error::invalid(format!("there is no time zone `{name}`"));
        let near = jiff::tz::db().available().map(|known| known.to_string());
        match near.min_by_key(|known| strsim::osa_distance(known, name)) {
            Some(known) if strsim::osa_distance(&known, name) < 4 => error.hint(format!("did you mean `{known}`?")),
            _ => error.hint("name it as the IANA does, such as `Europe/Berlin` or `UTC`"),
        }
    })
}

/// Whether it names times of the day, rather than how often.
fn is_fixed(cron: &Cron) -> bool {
    let fields = [&cron.pattern.seconds, &cron.pattern.minutes, &cron.pattern.hours];
    !fields.iter().any(|field| field.from_wildcard)
}

fn zoned(at: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    Some(jiff::Timestamp::from_microsecond(at.as_micros()).ok()?.to_zoned(zone.clone()))
}

fn timestamp(at: &Zoned) -> Timestamp {
    Timestamp::from_micros(at.timestamp().as_microsecond())
}

/// The first fixed time after `after`. A later time on the wall is never an earlier moment, so the first that fits is it.
fn next_on_the_wall(cron: &Cron, after: &Zoned) -> Option<Timestamp> {
    let mut wall = after.datetime();
    loop {
        wall = cron.find_next_occurrence(&wall, false).ok()?;
        let moment = moment(wall, after.time_zone())?;
        if moment > timestamp(after) {
            return Some(moment);
        }
    }
}

/// The last fixed time that is not after `until`.
fn last_on_the_wall(cron: &Cron, until: &Zoned) -> Option<Timestamp> {
    let mut wall = latest_seen(until)?;
    let mut inclusive = true;
    loop {
        wall = cron.find_previous_occurrence(&wall, inclusive).ok()?;
        let moment = moment(wall, until.time_zone())?;
        if moment <= timestamp(until) {
            return Some(moment);
        }
        inclusive = false;
    }
}

/// The latest time that a clock on the wall has shown: in the second run of a repeated hour that is its end.
fn latest_seen(at: &Zoned) -> Option<DateTime> {
    match at.time_zone().to_ambiguous_zoned(at.datetime()).offset() {
        AmbiguousOffset::Fold { before, after } if at.offset() == after => {
            at.datetime().checked_add(after.until(before)).ok()
        }
        _ => Some(at.datetime()),
    }
}

/// The moment of a time on the wall: the first of two, and the moment after the gap where there is none.
fn moment(wall: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_zoned(wall);
    let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    // In a gap it is a moment before the clocks change.
    let earlier = ambiguous.earlier().ok()?.timestamp();
    let moment = if is_gap { zone.following(earlier).next()?.timestamp() } else { earlier };
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn cron(expression: &str, zone: &str) -> Timing {
        Timing::cron(expression, zone).expect("an expression")
    }

    /// The next `count` times after `after`, as that zone writes them, without the date.
    fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let timing = cron(expression, zone);
        let zone = time_zone(zone).expect("a zone");
        let all = std::iter::successors(timing.after(at(after)), |time| timing.after(*time)).take(count);
        all.map(|time| zoned(time, &zone).expect("in range").strftime("%d %H:%M %Z").to_string()).collect()
    }

    #[test]
    fn a_time_in_the_gap_comes_at_the_moment_after_it_once() {
        let spring = |expression| next(expression, "Europe/Berlin", "2026-03-28T12:00:00Z", 3);
        assert_eq!(spring("30 2 * * *"), ["29 03:00 CEST", "30 02:30 CEST", "31 02:30 CEST"]);
        // Two times of one day keep apart: only that in the gap is moved.
        assert_eq!(spring("30 2,14 * * *"), ["28 14:30 CET", "29 03:00 CEST", "29 14:30 CEST"]);
        // Several in the gap, and one right after it, are one.
        assert_eq!(spring("0,15,30 2-3 * * *"), ["29 03:00 CEST", "29 03:15 CEST", "29 03:30 CEST"]);
    }

    #[test]
    fn a_time_in_the_repeated_hour_comes_once() {
        let autumn = |expression| next(expression, "Europe/Berlin", "2026-10-24T00:30:00Z", 3);
        assert_eq!(autumn("30 2 * * *"), ["25 02:30 CEST", "26 02:30 CET", "27 02:30 CET"]);
        assert_eq!(autumn("0 2,3 * * *"), ["24 03:00 CEST", "25 02:00 CEST", "25 03:00 CET"]);
        // Asked in the second run of the hour.
        let second = next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1);
        assert_eq!(second, ["26 02:30 CET"]);
    }

    #[test]
    fn intervals_go_by_real_time() {
        let spring = next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3);
        assert_eq!(spring, ["29 01:30 CET", "29 03:00 CEST", "29 03:30 CEST"]);
        let autumn = next("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 6);
        let hour = ["25 02:00 CEST", "25 02:30 CEST", "25 02:00 CET", "25 02:30 CET", "25 03:00 CET", "25 03:30 CET"];
        assert_eq!(autumn, hour);
        let hourly = next("15 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 3);
        assert_eq!(hourly, ["25 02:15 CEST", "25 02:15 CET", "25 03:15 CET"]);
        // In an hour that does not exist there is nothing.
        assert_eq!(next("*/30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 1), ["30 02:00 CEST"]);
    }

    #[test]
    fn other_zones_change_at_other_hours_and_by_other_amounts() {
        // Half an hour is left out, and repeated.
        assert_eq!(next("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 1), ["04 02:30 +11"]);
        assert_eq!(
            next("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", 2),
            ["05 01:45 +11", "06 01:45 +1030"]
        );
        // Midnight itself is left out: the day begins at one o'clock.
        assert_eq!(next("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", 2), ["29 01:00 EEST", "30 00:00 EEST"]);
        assert_eq!(next("30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 2), ["08 03:00 EDT", "09 02:30 EDT"]);
        assert_eq!(next("30 2 * * *", "Asia/Kolkata", "2026-03-29T00:00:00Z", 1), ["30 02:30 IST"]);
        assert_eq!(next("0 12 L * *", "UTC", "2026-02-01T00:00:00Z", 2), ["28 12:00 UTC", "31 12:00 UTC"]);
    }

    #[test]
    fn back_and_forth_the_times_are_the_same() {
        let spans =
            [("2026-03-01T00:00:00Z", "2026-04-15T00:00:00.000001Z"), ("2026-09-20T00:00:00Z", "2026-11-10T12:00:00Z")];
        let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Cairo"];
        for zone in zones {
            for expression in
                ["30 2 * * *", "0,30 1,2,3 * * SUN", "*/40 * * * *", "10 */2 * * *", "@weekly", "5 0 0 * * *"]
            {
                for (first, last) in spans {
                    let (timing, last) = (cron(expression, zone), at(last));
                    let begin = timing.after(at(first)).expect("there is one");
                    let forth = std::iter::successors(Some(begin), |time| timing.after(*time));
                    let forth: Vec<Timestamp> = forth.take_while(|time| *time <= last).collect();
                    assert!(forth.windows(2).all(|pair| pair[0] < pair[1]), "{expression} in {zone}");
                    assert_eq!(timing.due(begin, last, usize::MAX), forth, "{expression} in {zone}");
                    assert_eq!(timing.due(begin, last, 3), forth[forth.len() - 3..], "{expression} in {zone}");
                }
            }
        }
    }

    #[test]
    fn every_so_often_counts_from_its_first_time() {
        let every = Timing::Every(Duration::from_secs(60));
        let (first, until) = (at("2026-01-01T00:00:07Z"), at("2026-01-01T00:03:08Z"));
        assert_eq!(every.due(first, until, 2), [at("2026-01-01T00:02:07Z"), at("2026-01-01T00:03:07Z")]);
        assert_eq!(every.due(first, first, 2), [first]);
        assert_eq!(every.due(until, first, 2), []);
        assert_eq!(every.after(first), Some(at("2026-01-01T00:01:07Z")));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (expression, zone, says) in [
            ("0 8 * *", "UTC", "5 and 7 fields"),
            ("0 25 * * *", "UTC", "is no cron expression"),
            ("0 8 30 2 *", "UTC", "there is no such day"),
            ("0 8 * * *", "Europe/Berln", "no time zone `Europe/Berln`"),
        ] {
            let error = Timing::cron(expression, zone).expect_err("is wrong");
            assert!(error.message().contains(says), "{error}");
            assert!(error.hint_text().is_some());
        }
        let error = Timing::cron("0 8 * * *", "Europe/Berln").expect_err("is wrong");
        assert_eq!(error.hint_text(), Some("did you mean `Europe/Berlin`?"));
        // A year that is over is no mistake.
        assert_eq!(cron("0 0 8 1 1 * 2020", "UTC").after(at("2026-01-01T00:00:00Z")), None);
    }
}
