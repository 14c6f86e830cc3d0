//! Days and hours as people of one time zone have them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use sarsen::{Error, Result, Timestamp};
use std::ops::RangeInclusive;

/// Most days of one report.
pub(super) const MAX_DAYS: usize = 31;

/// Days of one report when nobody says how many.
const WEEK: i32 = 7;

/// Years that can be asked for; beyond them there is nothing to count, and much to go wrong.
const YEARS: RangeInclusive<i16> = 1970..=9998;

/// A time zone, such as `Europe/Berlin`.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone of this name; it is known by the time zone database, or it is `UTC`.
    pub(super) fn named(name: &str) -> Result<Self> {
        let zone = TimeZone::get(name).map_err(|error| {
            Error::invalid(format!("zone = \"{name}\" is no time zone"))
                .source(error)
                .hint("write UTC, Europe/Berlin …")
        })?;
        Ok(Self { name: name.to_owned(), zone })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Day and hour of a moment.
    fn local(&self, at: Timestamp) -> Result<(Date, u8)> {
        let wrong = |error| Error::internal(format!("{at} has no day")).source(error);
        let time = jiff::Timestamp::from_microsecond(at.as_micros()).map_err(wrong)?.to_zoned(self.zone.clone());
        Ok((time.date(), u8::try_from(time.hour()).unwrap_or_default()))
    }

    /// The moment in which a day begins.
    fn begin(&self, day: Date) -> Result<Timestamp> {
        let wrong = |error| Error::invalid_field("first_day", "is out of reach").source(error);
        let begin = day.to_zoned(self.zone.clone()).map_err(wrong)?;
        Ok(Timestamp::from_micros(begin.timestamp().as_microsecond()))
    }
}

/// Days in a row, both ends counted.
#[derive(Clone, Debug)]
pub(super) struct Days {
    zone: Zone,
    first: Date,
    last: Date,
}

impl Days {
    /// From `first` to `last`, written 2026-01-05; without them the seven days before today.
    pub(super) fn asked(zone: &Zone, first: Option<&str>, last: Option<&str>, now: Timestamp) -> Result<Self> {
        let today = zone.local(now)?.0;
        let last = match last {
            Some(last) => read("last_day", last)?,
            None => today.saturating_sub(1.day()),
        };
        let first = match first {
            Some(first) => read("first_day", first)?,
            None => last.saturating_sub(days(WEEK - 1)),
        };
        if last > today {
            return Err(Error::invalid_field("last_day", format!("is after today, {today}")));
        }
        if first > last {
            return Err(Error::invalid_field("first_day", "is after the last day"));
        }
        let asked = Self { zone: zone.clone(), first, last };
        if asked.count() > MAX_DAYS {
            return Err(Error::invalid_field("first_day", format!("is more than {MAX_DAYS} days before the last")));
        }
        Ok(asked)
    }

    /// Reads what was stored.
    pub(super) fn stored(zone: &str, first: &str, last: &str) -> Result<Self> {
        let zone = Zone::named(zone)?;
        Ok(Self { zone, first: read("first_day", first)?, last: read("last_day", last)? })
    }

    pub(super) fn zone(&self) -> &str {
        self.zone.name()
    }

    pub(super) fn first(&self) -> String {
        self.first.to_string()
    }

    pub(super) fn last(&self) -> String {
        self.last.to_string()
    }

    pub(super) fn count(&self) -> usize {
        usize::try_from(since(self.first, self.last)).unwrap_or_default() + 1
    }

    /// Each day, as text.
    pub(super) fn names(&self) -> Vec<String> {
        self.first.series(1.day()).take_while(|day| *day <= self.last).map(|day| day.to_string()).collect()
    }

    /// The first moment, and the one after the last.
    pub(super) fn moments(&self) -> Result<(Timestamp, Timestamp)> {
        Ok((self.zone.begin(self.first)?, self.zone.begin(self.last.saturating_add(1.day()))?))
    }

    /// Which day a moment is of, from 0, and its hour; nothing when it is of another day.
    pub(super) fn place(&self, at: Timestamp) -> Result<Option<(usize, usize)>> {
        let (day, hour) = self.zone.local(at)?;
        let number = usize::try_from(since(self.first, day)).ok().filter(|_| day <= self.last);
        Ok(number.map(|number| (number, usize::from(hour))))
    }
}

fn days(count: i32) -> Span {
    Span::new().days(count)
}

/// Days from one to the other; less than nothing when they are the other way round.
fn since(first: Date, day: Date) -> i32 {
    first.until(day).map_or(-1, |span| span.get_days())
}

fn read(field: &'static str, text: &str) -> Result<Date> {
    let wrong = || Error::invalid_field(field, "is no day such as 2026-01-05");
    // Of all the forms of a date only this one.
    if text.len() != 10 {
        return Err(wrong());
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    if !YEARS.contains(&day.year()) {
        return Err(Error::invalid_field(field, "is out of reach"));
    }
    Ok(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").expect("is known")
    }

    #[test]
    fn the_last_week_ends_yesterday() {
        // Monday, eight in the morning.
        let week = Days::asked(&berlin(), None, None, at("2026-01-12T07:00:00Z")).expect("a week");
        assert_eq!((week.first(), week.last(), week.count()), ("2026-01-05".to_owned(), "2026-01-11".to_owned(), 7));
        assert_eq!(week.names().len(), 7);
        let (from, until) = week.moments().expect("moments");
        assert_eq!((from, until), (at("2026-01-04T23:00:00Z"), at("2026-01-11T23:00:00Z")));
    }

    #[test]
    fn a_day_of_the_change_of_clocks_has_23_hours() {
        let day = Days::asked(&berlin(), Some("2026-03-29"), Some("2026-03-29"), at("2026-04-01T00:00:00Z"));
        let day = day.expect("a day");
        let (from, until) = day.moments().expect("moments");
        assert_eq!(until.since(from).as_secs(), 23 * 3600);
        assert_eq!(day.place(at("2026-03-29T00:59:59Z")).expect("a place"), Some((0, 1)));
        assert_eq!(day.place(at("2026-03-29T01:00:00Z")).expect("a place"), Some((0, 3)));
        assert_eq!(day.place(at("2026-03-28T22:59:59Z")).expect("a place"), None);
        assert_eq!(day.place(at("2026-03-29T22:00:00Z")).expect("a place"), None);
    }

    #[test]
    fn days_out_of_order_or_reach_are_refused() {
        let now = at("2026-01-12T07:00:00Z");
        let field = |first: Option<&str>, last: Option<&str>| {
            let error = Days::asked(&berlin(), first, last, now).expect_err("refused");
            error.fields()[0].field.clone()
        };
        assert_eq!(field(Some("2026-01-12"), Some("2026-01-11")), "first_day");
        assert_eq!(field(Some("2025-11-01"), Some("2026-01-11")), "first_day");
        assert_eq!(field(None, Some("2026-01-13")), "last_day");
        for wrong in ["", "soon", "2026-02-30", "20260105", "2026-1-5", "-009999-01-01", "0001-01-01", "9999-12-31"] {
            assert_eq!(field(Some(wrong), None), "first_day", "{wrong}");
        }
        assert!(Days::asked(&berlin(), Some("2025-12-13"), Some("2026-01-12"), now).is_ok());
        assert!(Zone::named("Europe/Atlantis").is_err());
    }
}
