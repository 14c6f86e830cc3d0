//! Schedules: jobs that are enqueued again and again, by the clock on the wall or by an interval.

use super::cron::Timing;
use super::job::{Job, check_name};
use super::options::Options;
use super::registry::Registry;
use super::store::{NewJob, ScheduleRow};
use super::{Jobs, On};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Most firings that are made up for at once.
const MOST_MISSED: usize = 1_000;
/// A firing that is later than this was missed.
const LATE: Duration = Duration::from_secs(60);
/// Shortest interval.
const LEAST_EVERY: Duration = Duration::from_secs(1);

/// When a job is enqueued again and again; a module says it with [`Declare::schedule`](crate::Declare::schedule).
///
/// However many processes have the role `scheduler`, and whatever their clocks do, each time fires once: the firing and
/// its job are one transaction. A clock that is set back fires nothing again.
///
/// ```
/// use sarsen::jobs::{Missed, Schedule};
/// use std::time::Duration;
///
/// let report = Schedule::cron("messages.weekly_report", "0 8 * * MON").zone("Europe/Berlin").missed(Missed::Once);
/// let tidy = Schedule::every("messages.tidy", Duration::from_secs(300));
/// ```
///
/// # When the clocks change
/// A schedule without `*` in its minutes and hours goes by the clock on the wall: `30 2 * * *` comes at 3:00 on the day on
/// which 2:30 is left out, and once, in the first run, on the day on which 2:30 comes twice. Several times in the hour that
/// is left out are one firing. A schedule with a `*` there, such as `*/15 * * * *` or `30 * * * *`, goes by real time: it
/// leaves out the hour that does not exist, and fires in both runs of the one that comes twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    name: &'static str,
    when: When,
    zone: &'static str,
    missed: Missed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Cron(&'static str),
    Every(Duration),
}

/// What becomes of firings that nobody was there for, later than a minute: no scheduler ran, or its clock was set on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last one is made up for.
    #[default]
    Once,
    /// All are made up for, at most the last 1,000.
    All,
}

/// One firing of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// When it was due, which may be some time ago.
    pub at: Timestamp,
    /// The name of the schedule.
    pub name: &'static str,
}

impl Schedule {
    /// At the times of a cron expression: minute, hour, day of month, month, day of week; with a sixth field in front,
    /// seconds. `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are known, and `L`, `W` and `#` for days.
    ///
    /// The name is for ever: `MODULE.verb`, at most 100 bytes. The zone is UTC until [`Schedule::zone`] says another.
    pub const fn cron(name: &'static str, expression: &'static str) -> Self {
        Self { name, when: When::Cron(expression), zone: "UTC", missed: Missed::Once }
    }

    /// After each such time, at least 1 s; the first time is that long after the first start.
    pub const fn every(name: &'static str, every: Duration) -> Self {
        Self { name, when: When::Every(every), zone: "UTC", missed: Missed::Once }
    }

    /// The clock on the wall that a cron expression means, by its IANA name: `Europe/Berlin`. The system's time zones are
    /// used where it has some, else those of the build.
    #[must_use]
    pub const fn zone(self, zone: &'static str) -> Self {
        Self { zone, ..self }
    }

    /// What becomes of firings that nobody was there for; [`Missed::Once`] where nothing is said.
    #[must_use]
    pub const fn missed(self, missed: Missed) -> Self {
        Self { missed, ..self }
    }

    /// When it fires, as its row says it: the expression, or `every 300s`.
    fn expression(&self) -> String {
        match self.when {
            When::Cron(expression) => expression.to_owned(),
            When::Every(every) => format!("every {}s", every.as_secs_f64()),
        }
    }

    fn timing(&self, zone: &str) -> Result<Timing> {
        match self.when {
            When::Cron(expression) => Timing::cron(expression, zone),
            When::Every(every) if every >= LEAST_EVERY => Ok(Timing::Every(every)),
            When::Every(every) => Err(Error::invalid(format!("every {every:?} is more often than every second"))
                .hint("let the job itself repeat what is wanted so often")),
        }
    }
}

/// Makes the job of a firing.
type Make = Arc<dyn Fn(&Jobs, On<'_>, Firing) -> Result<NewJob> + Send + Sync>;

/// A schedule as a module declares it.
#[derive(Clone)]
pub(crate) struct Declared {
    schedule: Schedule,
    module: &'static str,
    kind: &'static str,
    make: Make,
    /// The zone that the configuration names, in place of the schedule's own.
    zone: Option<String>,
}

impl Declared {
    /// The schedule of `module`, whose firings become jobs by `make`.
    pub(crate) fn new<J: Job>(
        schedule: Schedule,
        module: &'static str,
        make: impl Fn(Firing) -> J + Send + Sync + 'static,
    ) -> Self {
        let make: Make = Arc::new(move |jobs, on, firing| jobs.make(on, &make(firing), &Options::new()));
        Self { schedule, module, kind: J::KIND, make, zone: None }
    }

    /// The same by another clock on the wall.
    pub(crate) fn in_zone(self, zone: String) -> Self {
        Self { zone: Some(zone), ..self }
    }

    fn zone(&self) -> &str {
        self.zone.as_deref().unwrap_or(self.schedule.zone)
    }

    /// The schedule ready to fire; an error when it says something impossible.
    pub(crate) fn scheduled(self) -> Result<Scheduled> {
        let name = self.schedule.name;
        check_name("schedule", name, 100)?;
        let timing = self.schedule.timing(self.zone()).map_err(|error| error.context(format!("schedule `{name}`")))?;
        Ok(Scheduled { declared: self, timing })
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared").field("schedule", &self.schedule).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A schedule that is ready to fire.
#[derive(Clone, Debug)]
pub(crate) struct Scheduled {
    declared: Declared,
    timing: Timing,
}

/// What to do about a schedule that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The firings, oldest first.
    pub(crate) fire: Vec<Timestamp>,
    /// When it is due next.
    pub(crate) next: Timestamp,
}

/// When a schedule is due that is never due again.
pub(crate) const NEVER: Timestamp = Timestamp::MAX;

impl Scheduled {
    /// What is wrong with these schedules together.
    pub(crate) fn problems(schedules: &[Scheduled], registry: &Registry) -> Vec<Error> {
        let mut problems = Vec::new();
        for (index, scheduled) in schedules.iter().enumerate() {
            let name = scheduled.name();
            if schedules[..index].iter().any(|other| other.name() == name) {
                let text = format!("schedule `{name}` is declared twice");
                problems.push(Error::invalid(text).hint("give one of them another name"));
            }
            if registry.kind(scheduled.kind()).is_none() {
                let text = format!("schedule `{name}` makes `{}`, which no module does", scheduled.kind());
                problems.push(Error::invalid(text).hint("say `declare.job::<…>(…)` in the module that does it"));
            }
        }
        problems
    }

    pub(crate) fn name(&self) -> &'static str {
        self.declared.schedule.name
    }

    pub(crate) fn module(&self) -> &'static str {
        self.declared.module
    }

    fn kind(&self) -> &'static str {
        self.declared.kind
    }

    /// Its row, as a scheduler that sees it first at `now` writes it.
    pub(crate) fn row(&self, now: Timestamp) -> ScheduleRow {
        ScheduleRow {
            name: self.name().to_owned(),
            kind: self.kind().to_owned(),
            cron: self.declared.schedule.expression(),
            zone: self.declared.zone().to_owned(),
            next_at: self.after(now).as_micros(),
            last_at: None,
            paused: 0,
        }
    }

    /// When it is due first after `now`.
    pub(crate) fn after(&self, now: Timestamp) -> Timestamp {
        self.timing.after(now).unwrap_or(NEVER)
    }

    /// Whether it is due later than it should be: a clock was set back, by more than clocks of processes differ.
    pub(crate) fn is_ahead(&self, due: Timestamp, now: Timestamp) -> bool {
        due > self.after(now + LATE)
    }

    /// What to fire at `now`, where `due` is the first time that has not been fired.
    pub(crate) fn plan(&self, due: Timestamp, now: Timestamp) -> Plan {
        let missed = self.declared.schedule.missed;
        let most = if missed == Missed::All { MOST_MISSED } else { 1 };
        let mut fire = self.timing.due(due, now, most);
        if missed == Missed::Skip {
            fire.retain(|at| now.since(*at) <= LATE);
        }
        let last = fire.last().copied().unwrap_or(due);
        Plan { fire, next: self.next(last, now) }
    }

    /// The first time after `now`; intervals go on counting from a time that they fired at.
    fn next(&self, last: Timestamp, now: Timestamp) -> Timestamp {
        match self.timing {
            Timing::Every(every) => self.timing.due(last, now, 1).last().copied().unwrap_or(last) + every,
            Timing::Cron(_) => self.after(now),
        }
    }

    /// The job of a firing.
    pub(crate) fn make(&self, jobs: &Jobs, on: On<'_>, at: Timestamp) -> Result<NewJob> {
        (self.declared.make)(jobs, on, Firing { at, name: self.name() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Tidy;

    impl Job for Tidy {
        const KIND: &'static str = "test.tidy";
    }

    fn scheduled(schedule: Schedule) -> Result<Scheduled> {
        Declared::new(schedule, "test", |_| Tidy).scheduled()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn the_missed_policy_says_what_is_made_up_for() {
        let nightly = Schedule::cron("test.nightly", "0 3 * * *");
        let (due, days_later) = (at("2026-01-01T03:00:00Z"), at("2026-01-03T12:00:00Z"));
        let next = at("2026-01-04T03:00:00Z");
        let (second, third) = (at("2026-01-02T03:00:00Z"), at("2026-01-03T03:00:00Z"));
        let cases = [(Missed::Skip, vec![]), (Missed::Once, vec![third]), (Missed::All, vec![due, second, third])];
        for (missed, fire) in cases {
            let scheduled = scheduled(nightly.missed(missed)).expect("is right");
            assert_eq!(scheduled.plan(due, days_later), Plan { fire, next });
            // Some seconds late is not missed.
            let plan = scheduled.plan(due, due + Duration::from_secs(20));
            assert_eq!(plan, Plan { fire: vec![due], next: second });
        }
    }

    #[test]
    fn no_more_than_a_thousand_are_made_up_for_and_they_are_the_last() {
        for schedule in [Schedule::cron("t", "* * * * *"), Schedule::every("t", Duration::from_secs(60))] {
            let scheduled = scheduled(schedule.missed(Missed::All)).expect("is right");
            let (due, now) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:30Z"));
            let plan = scheduled.plan(due, now);
            assert_eq!((plan.fire.len(), plan.fire.last()), (1_000, Some(&at("2026-02-01T00:00:00Z"))));
            assert_eq!(plan.next, at("2026-02-01T00:01:00Z"));
        }
    }

    #[test]
    fn intervals_keep_their_pace_whatever_was_skipped() {
        let every = scheduled(Schedule::every("t", Duration::from_secs(3600)).missed(Missed::Skip)).expect("is right");
        let plan = every.plan(at("2026-01-01T00:15:00Z"), at("2026-01-01T09:30:00Z"));
        assert_eq!(plan, Plan { fire: vec![], next: at("2026-01-01T10:15:00Z") });
    }

    #[test]
    fn a_clock_that_was_set_back_is_told_from_clocks_that_differ() {
        let nightly = scheduled(Schedule::cron("t", "0 3 * * *")).expect("is right");
        let (due, now) = (at("2026-01-02T03:00:00Z"), at("2026-01-01T02:59:58Z"));
        assert!(!nightly.is_ahead(due, now), "another process has fired a moment ago");
        assert!(nightly.is_ahead(due, now - Duration::from_secs(3600)));
        let every = scheduled(Schedule::every("t", Duration::from_secs(10))).expect("is right");
        assert!(!every.is_ahead(now + Duration::from_secs(15), now));
        assert!(every.is_ahead(now + Duration::from_secs(80), now));
    }

    #[test]
    fn what_is_impossible_is_said_with_the_name() {
        for (schedule, says) in [
            (Schedule::cron("t", "0 8 * * * *  *  *"), "schedule `t`: "),
            (Schedule::cron("t", "0 8 * * *").zone("Mars/Olympus"), "no time zone `Mars/Olympus`"),
            (Schedule::every("t", Duration::from_millis(10)), "more often than every second"),
            (Schedule::cron("two words", "0 8 * * *"), "is not a name for a schedule"),
        ] {
            let error = scheduled(schedule).expect_err("is wrong");
            assert!(error.message().contains(says), "{error}");
        }
        let twice = [
            scheduled(Schedule::cron("t", "@daily")).expect("right"),
            scheduled(Schedule::cron("t", "@daily")).expect("right"),
        ];
        let problems = Scheduled::problems(&twice, &Registry::default());
        let words: Vec<&str> = problems.iter().map(Error::message).collect();
        let unknown = "schedule `t` makes `test.tidy`, which no module does";
        assert_eq!(words, [unknown, "schedule `t` is declared twice", unknown]);
    }
}
