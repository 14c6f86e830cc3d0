//! Schedules on both databases: each time fires once, whatever the processes and their clocks do.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use sarsen::clock::pause;
use sarsen::config::Span;
use sarsen::jobs::{Firing, Job, Missed, Run, Schedule, State};
use sarsen::telemetry::OperationKind;
use sarsen::testing::TestApp;
use sarsen::{App, Config, Db, Declare, Init, Module, NoApi, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What one build of the application has for schedules.
trait Plan: Send + Sync + 'static {
    const SCHEDULES: &'static [Schedule];
}

struct Clockwork<P> {
    db: Db,
    plan: PhantomData<P>,
}

/// The job of a firing: it writes down for what time it came.
#[derive(Serialize, Deserialize)]
struct Strike {
    schedule: String,
    at: Timestamp,
}

impl Job for Strike {
    const KIND: &'static str = "clockwork.strike";
}

impl<P: Plan> Module for Clockwork<P> {
    const NAME: &'static str = "clockwork";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["strikes"]).migrations(&[(
            "migrations/0001_strikes.sql",
            "CREATE TABLE strikes (id SERIAL_KEY, schedule TEXT NOT NULL, due TIMESTAMP NOT NULL);",
        )]);
        declare.job(Self::strike);
        for schedule in P::SCHEDULES {
            declare.schedule(*schedule, |firing: Firing| Strike { schedule: firing.name.to_owned(), at: firing.at });
        }
    }
    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Self { db: init.db, plan: PhantomData })
    }
}

impl<P: Plan> Clockwork<P> {
    async fn strike(self: Arc<Self>, job: Strike, run: Run) -> Result<()> {
        let tx = self.db.begin().await?;
        tx.query("INSERT INTO strikes (schedule, due) VALUES (?, ?)").bind(job.schedule).bind(job.at).execute().await?;
        run.complete_in(&tx).await?;
        tx.commit().await
    }
}

fn build<P: Plan>(config: Config) -> App {
    let mut app = App::new("clockwork", "1.0.0", config);
    app.mount::<Clockwork<P>>(());
    app
}

macro_rules! plan {
    ($name:ident, $($schedule:expr),+) => {
        struct $name;
        impl Plan for $name {
            const SCHEDULES: &'static [Schedule] = &[$($schedule),+];
        }
    };
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The times for which jobs came, in the order in which they came.
async fn strikes(app: &TestApp) -> Vec<String> {
    let rows: Vec<(String, Timestamp)> =
        app.db().query("SELECT schedule, due FROM strikes ORDER BY id LIMIT 5000").all().await.unwrap();
    rows.into_iter().map(|(schedule, due)| format!("{schedule} {}", &due.to_string()[5..16])).collect()
}

/// Steps on until `end`, and lets everything run at each step.
async fn step(app: &TestApp, by: Duration, end: &str) {
    while app.clock().now() < at(end) {
        app.clock().advance(by);
        app.run_jobs().await;
    }
}

plan!(Minutely, Schedule::cron("m", "* * * * *").missed(Missed::All));

plan!(
    Policies,
    Schedule::cron("skip", "0 3 * * *").missed(Missed::Skip),
    Schedule::cron("once", "0 3 * * *").missed(Missed::Once),
    Schedule::cron("all", "0 3 * * *").missed(Missed::All),
    Schedule::every("every", Duration::from_secs(7 * 3600)).missed(Missed::All)
);

plan!(
    Zones,
    Schedule::cron("berlin", "30 2 * * *").zone("Europe/Berlin"),
    Schedule::cron("new_york", "30 1 * * *").zone("America/New_York"),
    Schedule::cron("lord_howe", "15 2 * * *").zone("Australia/Lord_Howe"),
    Schedule::cron("kolkata", "30 2 * * *").zone("Asia/Kolkata")
);

plan!(HalfHours, Schedule::cron("half", "*/30 * * * *").zone("Europe/Berlin"));

plan!(Daily, Schedule::cron("d", "0 8 * * *"));
plan!(DailyInBerlin, Schedule::cron("d", "0 8 * * *").zone("Europe/Berlin"));

sarsen::each_profile! {
    async fn two_processes_fire_each_time_once() {
        let one = TestApp::start(build::<Minutely>).await;
        let other = one.beside(build::<Minutely>).await;
        for _ in 0..30 {
            one.clock().advance(MINUTE);
            other.clock().advance(MINUTE);
            tokio::join!(one.run_jobs(), other.run_jobs(), one.run_jobs(), other.run_jobs());
        }
        one.run_jobs().await;
        let mut struck = strikes(&one).await;
        struck.sort();
        let expected: Vec<String> = (1..=30).map(|minute| format!("m 01-01T00:{minute:02}")).collect();
        assert_eq!(struck, expected);
    }

    async fn clocks_that_differ_and_jump_fire_nothing_twice() {
        let one = TestApp::start(build::<Minutely>).await;
        let other = one.beside(build::<Minutely>).await;
        let start = one.clock().now();
        other.clock().advance(5 * MINUTE);
        tokio::join!(one.run_jobs(), other.run_jobs());
        assert_eq!(strikes(&one).await.len(), 5);
        // The first process lives through the same minutes, is set back, and lives through them again.
        for set in [start + 3 * MINUTE, start, start + 4 * MINUTE, start + 5 * MINUTE] {
            one.clock().set(set);
            one.run_jobs().await;
        }
        assert_eq!(strikes(&one).await.len(), 5);
        // Set on by an hour: what was left out is made up for, once.
        one.clock().set(start + 65 * MINUTE);
        one.run_jobs().await;
        other.clock().set(start + 65 * MINUTE);
        other.run_jobs().await;
        assert_eq!(strikes(&one).await.len(), 65);
    }

    async fn the_policy_says_what_is_made_up_for() {
        let app = TestApp::start(build::<Policies>).await;
        app.clock().set(at("2026-01-01T03:00:10Z"));
        app.run_jobs().await;
        let mut struck = strikes(&app).await;
        struck.sort();
        assert_eq!(struck, ["all 01-01T03:00", "once 01-01T03:00", "skip 01-01T03:00"].map(String::from));
        app.db().query("DELETE FROM strikes WHERE id > 0").execute().await.unwrap();
        // Nobody is there for three nights.
        app.clock().set(at("2026-01-04T12:00:00Z"));
        app.run_jobs().await;
        let mut struck = strikes(&app).await;
        struck.retain(|strike| !strike.starts_with("every"));
        struck.sort();
        let nights = ["all 01-02T03:00", "all 01-03T03:00", "all 01-04T03:00", "once 01-04T03:00"];
        assert_eq!(struck, nights.map(String::from));
        let every = strikes(&app).await.into_iter().filter(|strike| strike.starts_with("every"));
        assert_eq!(every.count(), 12, "every 7 hours, from 7:00 of the first day to 12:00 of the fourth");
        assert_eq!(app.run_jobs().await.total(), 0);
    }

    async fn when_clocks_change_a_fixed_time_comes_once_each_day() {
        let app = TestApp::start(build::<Zones>).await;
        for (from, to) in [("2026-03-06T00:00:00Z", "2026-04-07T00:00:00Z"), ("2026-10-01T00:00:00Z", "2026-11-03T00:00:00Z")] {
            app.clock().set(at(from));
            app.run_jobs().await;
            app.db().query("DELETE FROM strikes WHERE id > 0").execute().await.unwrap();
            step(&app, 3 * HOUR, to).await;
            let struck = strikes(&app).await;
            let days = (at(to).since(at(from)).as_secs() / 86_400) as usize;
            for zone in ["berlin", "new_york", "lord_howe", "kolkata"] {
                let of_zone = struck.iter().filter(|strike| strike.starts_with(zone)).count();
                assert_eq!(of_zone, days, "{zone} from {from}: {struck:#?}");
            }
            let spring = ["berlin 03-28T01:30", "berlin 03-29T01:00", "berlin 03-30T00:30", "new_york 03-08T06:30", "lord_howe 04-04T15:45"];
            let autumn = ["berlin 10-25T00:30", "berlin 10-26T01:30", "new_york 11-01T05:30", "lord_howe 10-03T15:30"];
            let expected: &[&str] = if from.contains("-03-") { &spring } else { &autumn };
            for strike in expected {
                assert!(struck.iter().any(|struck| struck == strike), "{strike}: {struck:#?}");
            }
        }
    }

    async fn when_clocks_change_intervals_go_by_real_time() {
        let app = TestApp::start(build::<HalfHours>).await;
        for (from, to) in [("2026-03-28T23:45:00Z", "2026-03-29T02:45:00Z"), ("2026-10-24T23:45:00Z", "2026-10-25T02:45:00Z")] {
            app.clock().set(at(from));
            app.run_jobs().await;
            app.db().query("DELETE FROM strikes WHERE id > 0").execute().await.unwrap();
            step(&app, MINUTE * 15, to).await;
            assert_eq!(strikes(&app).await.len(), 6, "from {from}");
        }
    }

    async fn a_schedule_that_is_paused_goes_on_from_then() {
        let app = TestApp::start(build::<Minutely>).await;
        let admin = app.running().jobs().admin();
        step(&app, MINUTE, "2026-01-01T00:02:00Z").await;
        admin.pause_schedule("m").await.unwrap();
        let state = admin.schedules().await.unwrap().remove(0);
        assert!(state.paused && state.declared && state.next_at.is_none(), "{state:?}");
        step(&app, MINUTE, "2026-01-01T00:10:00Z").await;
        assert_eq!(strikes(&app).await.len(), 2);
        admin.resume_schedule("m").await.unwrap();
        app.run_jobs().await;
        step(&app, MINUTE, "2026-01-01T00:12:00Z").await;
        assert_eq!(strikes(&app).await[2..], ["m 01-01T00:11", "m 01-01T00:12"].map(String::from));
        let job = admin.fire("m").await.unwrap();
        app.run_jobs().await;
        assert_eq!(app.running().jobs().progress_of(job).await.unwrap().unwrap().state, State::Completed);
        assert!(admin.fire("n").await.is_err() && admin.pause_schedule("n").await.is_err());
    }

    async fn a_zone_that_changes_in_the_code_is_reckoned_anew() {
        let old = TestApp::start(build::<Daily>).await;
        let new = old.beside(build::<DailyInBerlin>).await;
        for app in [&old, &new] {
            app.clock().set(at("2026-01-01T07:30:00Z"));
            app.run_jobs().await;
        }
        // The old build leaves the schedule to the new one, which it no longer knows.
        old.clock().set(at("2026-01-01T08:30:00Z"));
        old.run_jobs().await;
        assert_eq!(strikes(&new).await, ["d 01-01T07:00"]);
    }

    async fn a_process_with_the_role_fires_by_itself() {
        let app = TestApp::start(|mut config| {
            config.jobs.poll = Span(Duration::from_millis(10));
            build::<Minutely>(config)
        })
        .await;
        let working = app.running().work().await.unwrap();
        app.clock().advance(MINUTE);
        let mut waited = 0;
        while strikes(&app).await.is_empty() && waited < 1_000 {
            pause(Duration::from_millis(10)).await;
            waited += 1;
        }
        assert_eq!(strikes(&app).await, ["m 01-01T00:01"]);
        working.stop(MINUTE).await;
        app.clock().advance(MINUTE);
        pause(Duration::from_millis(50)).await;
        assert_eq!(strikes(&app).await.len(), 1);
    }

    async fn a_firing_is_an_operation_of_its_own() {
        let app = TestApp::start(build::<Minutely>).await;
        app.clock().advance(MINUTE);
        app.run_jobs().await;
        let operations = app.operations();
        let firing = operations.iter().find(|operation| operation.kind() == OperationKind::Schedule).unwrap();
        assert_eq!(&*firing.record().name, "m");
        assert_eq!(firing.record().module(), "clockwork");
        let job = operations.iter().find(|operation| operation.kind() == OperationKind::Job).unwrap();
        assert_eq!(job.trace().id(), firing.trace().id());
    }
}

plan!(
    Impossible,
    Schedule::cron("i", "0 8 30 2 *"),
    Schedule::cron("z", "0 8 * * *").zone("Europe/Berln"),
    Schedule::cron("t", "@daily"),
    Schedule::cron("t", "@daily")
);

#[test]
fn what_is_impossible_stops_the_start() {
    let error = build::<Impossible>(Config::default()).check().unwrap_err();
    for says in ["there is no such day", "did you mean `Europe/Berlin`?", "schedule `t` is declared twice"] {
        assert!(error.message().contains(says), "{error}");
    }
}
