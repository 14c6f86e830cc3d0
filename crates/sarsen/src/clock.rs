//! The only place that reads time: wall clock, monotonic clock, sleeping, and time-ordered ids.

mod ticks;

pub use ticks::Ticks;
pub(crate) use ticks::thread_cpu;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// A moment in UTC with microseconds, from year 0 to 9999.
///
/// Everywhere in Sarsen it has one text form of 27 characters (`2026-11-23T01:02:03.000004Z`), so text order is time order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const LEAST: i64 = -62_167_219_200_000_000;
const MOST: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The last moment of the year 9999.
    pub const MAX: Timestamp = Timestamp(MOST);

    /// From microseconds since 1970, held within the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(LEAST, MOST))
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this, zero when it is not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.0.saturating_add(micros))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.0.saturating_sub(micros))
    }
}

impl fmt::Display for Timestamp {
    /// Writes the fixed form; the date arithmetic is `civil_from_days` of Howard Hinnant's date algorithms.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl Timestamp {
    /// The 27 bytes of the fixed text form.
    pub fn to_text(self) -> [u8; 27] {
        let (days, micros) = (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000));
        let (year, month, day) = civil_from_days(days);
        let seconds = micros / 1_000_000;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], seconds / 3600);
        write_digits(&mut text[14..16], seconds / 60 % 60);
        write_digits(&mut text[17..19], seconds % 60);
        write_digits(&mut text[20..26], micros % 1_000_000);
        text
    }
}

fn write_digits(place: &mut [u8], mut number: i64) {
    for byte in place.iter_mut().rev() {
        *byte = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// Reads the fixed form only; anything else, wrong dates included, is left to the full parser.
fn from_fixed_text(text: &[u8]) -> Option<Timestamp> {
    let form = b"0000-00-00T00:00:00.000000Z";
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if text.len() != form.len() || !text.iter().zip(form).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_micros(seconds * 1_000_000 + number(20, 26)))
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_index + 2) / 5 + 1)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = Error;
    /// Reads RFC 3339, with any offset and fraction.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(time) = from_fixed_text(text.as_bytes()) {
            return Ok(time);
        }
        let parsed: jiff::Timestamp = text.parse().map_err(|error| {
            Error::invalid(format!("`{text}` is not a time such as 2026-11-23T01:02:03Z")).source(error)
        })?;
        Ok(Self::from_micros(parsed.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// The monotonic clock, for measuring; it is never simulated.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads time")]
#[inline]
pub fn monotonic() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads time")]
fn system_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Time as the application sees it: real, or moved by hand in tests.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Real,
    Simulated(Arc<Simulated>),
}

#[derive(Debug)]
struct Simulated {
    micros: AtomicI64,
    moved: watch::Sender<()>,
    /// Of its own: other clocks of the process stand at other times.
    last_id: AtomicU64,
}

impl Clock {
    /// The clock of the machine.
    pub fn real() -> Self {
        Self(Source::Real)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn simulated(start: Timestamp) -> Self {
        let (micros, last_id) = (AtomicI64::new(start.as_micros()), AtomicU64::new(0));
        Self(Source::Simulated(Arc::new(Simulated { micros, moved: watch::Sender::new(()), last_id })))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(match &self.0 {
            Source::Real => system_micros(),
            Source::Simulated(simulated) => simulated.micros.load(Ordering::SeqCst),
        })
    }

    /// The present moment for measuring how long something is ago: nobody sets the real clock of it.
    #[inline]
    pub(crate) fn ticks(&self) -> Ticks {
        match &self.0 {
            Source::Real => Ticks::now(),
            Source::Simulated(simulated) => {
                let micros = simulated.micros.load(Ordering::SeqCst).max(0).unsigned_abs();
                Ticks::from_nanos(micros.saturating_mul(1_000))
            }
        }
    }

    /// Moves a simulated clock on and wakes whoever sleeps on it; does nothing to the real one.
    pub fn advance(&self, by: Duration) {
        if let Source::Simulated(simulated) = &self.0 {
            simulated.micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
            simulated.moved.send_replace(());
        }
    }

    /// Sets a simulated clock, also back, and wakes whoever sleeps on it; does nothing to the real one.
    pub fn set(&self, to: Timestamp) {
        if let Source::Simulated(simulated) = &self.0 {
            simulated.micros.store(to.as_micros(), Ordering::SeqCst);
            simulated.moved.send_replace(());
        }
    }

    /// Waits for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::Real => pause(duration).await,
            Source::Simulated(simulated) => {
                let (until, mut moved) = (self.now() + duration, simulated.moved.subscribe());
                while self.now() < until && moved.changed().await.is_ok() {}
            }
        }
    }

    /// A new time-ordered id (UUID version 7), larger than any that this clock made before at the same or an earlier time.
    pub fn id(&self) -> Uuid {
        let last = match &self.0 {
            Source::Real => &LAST_ID,
            Source::Simulated(simulated) => &simulated.last_id,
        };
        id_after(last, self.now())
    }
}

/// Waits for real time to pass: for retries and polls that no simulated clock should stop.
#[expect(clippy::disallowed_methods, reason = "this is the place that sleeps")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Like [`pause`], on a thread for blocking work.
#[expect(clippy::disallowed_methods, reason = "this is the place that sleeps")]
pub(crate) fn pause_thread(duration: Duration) {
    std::thread::sleep(duration);
}

/// Runs `future` until it is done or `deadline` has passed: then a [`Kind::Timeout`](crate::error::Kind::Timeout) error.
#[expect(clippy::disallowed_methods, reason = "this is the place that sleeps")]
pub async fn until<F: Future>(deadline: impl Into<Instant>, future: F) -> Result<F::Output> {
    let timed = tokio::time::timeout_at(deadline.into().into(), future).await;
    timed.map_err(|_| Error::new(crate::error::Kind::Timeout, "the deadline passed"))
}

/// The part of an id below the millisecond: 12 bits of fraction and a counter, so that ids of one process rise.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// A time-ordered id whose time is `at`.
///
/// The first 48 bits are milliseconds (RFC 9562, UUID version 7), the next 12 a rising fraction, the rest random.
pub fn id_at(at: Timestamp) -> Uuid {
    id_after(&LAST_ID, at)
}

fn id_after(last_id: &AtomicU64, at: Timestamp) -> Uuid {
    let micros = at.as_micros().max(0).unsigned_abs();
    let wanted = ((micros / 1000) << 12) | ((micros % 1000) << 2);
    let ticks = last_id.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| following(last, wanted));
    let ticks = ticks.ok().and_then(|last| following(last, wanted)).unwrap_or(wanted);
    let high = ((ticks >> 12) << 16) | 0x7000 | (ticks & 0xfff);
    let low = (fastrand::u64(..) >> 2) | (1 << 63);
    Uuid::from_u64_pair(high, low)
}

/// The ticks of the id after `last`. An id for the past (an import) neither waits for the present nor holds it back.
fn following(last: u64, wanted: u64) -> Option<u64> {
    if wanted > last {
        return Some(wanted);
    }
    (last - wanted < 1 << 22).then_some(last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn text_form_is_fixed_and_reads_back() {
        for micros in [0, 1, -1, 951_782_400_000_000, 1_700_000_000_123_456, LEAST, MOST] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time.to_string().len(), 27);
            assert_eq!(time.to_string().parse::<Timestamp>().expect("reads back"), time);
        }
        for wrong in ["2023-02-29T00:00:00.000000Z", "2023-13-01T00:00:00.000000Z", "soon", ""] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
        assert_eq!("2000-02-29T01:00:00+01:00".parse::<Timestamp>().expect("reads").as_micros(), 951_782_400_000_000);
        assert_eq!(Timestamp::from_micros(951_782_400_000_000).to_string(), "2000-02-29T00:00:00.000000Z");
    }

    #[test]
    fn ids_of_a_simulated_clock_rise_whatever_others_do() {
        let clock = Clock::simulated(Timestamp::from_micros(1_767_225_600_000_000));
        let ids: Vec<Uuid> = (0..1_000).map(|_| (Clock::real().id(), clock.id()).1).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn ids_rise_and_carry_their_time() {
        let ids: Vec<Uuid> = (0..10_000).map(|_| Clock::real().id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        let old = id_at(Timestamp::from_micros(1_000_000_000_000_000));
        assert_eq!(old.get_version_num(), 7);
        assert!(old < ids[0]);
    }

    #[tokio::test]
    async fn a_simulated_sleep_ends_when_the_clock_is_moved() {
        let clock = Clock::simulated(Timestamp::from_micros(0));
        let sleep = clock.sleep(Duration::from_secs(60));
        tokio::pin!(sleep);
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(59));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(clock.now().as_micros(), 60_000_000);
    }
}
