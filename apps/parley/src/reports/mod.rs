//! Reports: who wrote how much and when, in the channels that one may read, counted by a job and kept as a table.

mod calendar;
mod csv;
mod http;
mod jobs;
mod making;
mod store;
mod tally;
mod view;

use crate::accounts::api::Accounts;
use crate::channels::api::Channels;
use crate::messages::api::Messages;
use calendar::{Days, Zone};
use jobs::{MakeReport, WeeklyReports};
use sarsen::data::{Page, PageRequest};
use sarsen::error::Kind;
use sarsen::jobs::{Jobs, Options};
use sarsen::{Clock, Declare, Error, Init, NoApi, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{Store, Stored};
use uuid::Uuid;
use view::Report;

/// Most reports of one person that are being made.
const MAX_AT_ONCE: i64 = 3;

/// How long a report may take; one that is not done then will not be.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// People whose weekly reports are begun in one go.
const SUBSCRIBERS: i64 = 500;

/// The module.
#[derive(Debug)]
pub struct Module {
    store: Store,
    clock: Clock,
    jobs: Jobs,
    zone: Zone,
    accounts: Accounts,
    channels: Channels,
    messages: Messages,
}

/// What reports use.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// How people are called.
    pub accounts: Accounts,
    /// Who may read what.
    pub channels: Channels,
    /// What is counted.
    pub messages: Messages,
}

/// Section `[modules.reports.config]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The time zone of days and hours, and of Monday at eight: `Europe/Berlin`.
    pub zone: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { zone: "UTC".to_owned() }
    }
}

impl sarsen::Module for Module {
    const NAME: &'static str = "reports";
    type Api = NoApi;
    type Deps = Deps;
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.tables(["reports", "report_files", "report_subscribers"])
            .migrations(sarsen::migrations!["migrations/0001_create.sql"])
            .queue(jobs::QUEUE)
            .job::<MakeReport, _, _>(Module::make_report)
            .job::<WeeklyReports, _, _>(Module::weekly_reports)
            .schedule_in(|config| &config.zone, jobs::WEEKLY, WeeklyReports::due)
            .routes(http::routes);
    }

    fn check(config: &Config, _: &sarsen::Config) -> Result<()> {
        Zone::named(&config.zone).map(drop)
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let (store, zone) = (Store::new(i.db), Zone::named(&i.config.zone)?);
        let Deps { accounts, channels, messages } = i.deps;
        Ok(Module { store, clock: i.clock, jobs: i.jobs, zone, accounts, channels, messages })
    }
}

/// A report that is being made.
struct Begun {
    report: Stored,
    /// Whether it was not there before.
    is_new: bool,
}

impl Module {
    /// Begins a report of these days, or gives the one that is being made of them already.
    async fn start(&self, owner: Uuid, first: Option<&str>, last: Option<&str>) -> Result<Report> {
        let now = self.clock.now();
        let days = Days::asked(&self.zone, first, last, now)?;
        let Begun { report, is_new } = self.begin(owner, &days, now).await?;
        // Counted after the commit, so that of several at once none is counted too few.
        if is_new && self.store.unfinished(owner, now - MAX_AGE).await? > MAX_AT_ONCE {
            self.delete(owner, report.id).await?;
            return Err(Error::new(Kind::TooMany, format!("{MAX_AT_ONCE} reports of yours are being made already"))
                .retry_after(Duration::from_secs(10)));
        }
        self.view(report).await
    }

    async fn begin(&self, owner: Uuid, days: &Days, now: Timestamp) -> Result<Begun> {
        let (id, tx) = (self.clock.id(), self.store.db.begin().await?);
        let unique = format!("{owner} {} {}", days.first(), days.last());
        let job = MakeReport { report: id, owner };
        let enqueued = self.jobs.enqueue_with(&tx, job, Options::new().unique_by(unique)).await?;
        if enqueued.duplicate {
            tx.rollback().await?;
            let report = self.store.of_job(enqueued.id).await?;
            let report = report.ok_or_else(|| Error::conflict("this report is being made"))?;
            return Ok(Begun { report, is_new: false });
        }
        let report = Stored {
            id,
            owner_id: owner,
            job_id: enqueued.id,
            first_day: days.first(),
            last_day: days.last(),
            zone: days.zone().to_owned(),
            created_at: now,
            finished_at: None,
            messages: None,
            error: None,
        };
        store::insert(&tx, &report).await?;
        tx.commit().await?;
        Ok(Begun { report, is_new: true })
    }

    /// One's own reports, newest first.
    async fn reports(&self, owner: Uuid, page: &PageRequest) -> Result<Page<Report>> {
        let page = self.store.of_owner(owner, page).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for stored in page.items {
            items.push(self.view(stored).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// One of one's own reports.
    async fn report(&self, owner: Uuid, id: Uuid) -> Result<Report> {
        let stored = self.own(owner, id).await?;
        self.view(stored).await
    }

    /// The name and the table of one of one's own reports, once it is done.
    async fn table(&self, owner: Uuid, id: Uuid) -> Result<(String, String)> {
        let report = self.own(owner, id).await?;
        let csv = self.store.csv(id).await?.ok_or_else(|| Error::conflict("the report is not done"))?;
        Ok((format!("activity-{}-{}.csv", report.first_day, report.last_day), csv))
    }

    /// Deletes one of one's own reports, done or not.
    async fn delete(&self, owner: Uuid, id: Uuid) -> Result<()> {
        let report = self.own(owner, id).await?;
        self.jobs.cancel(report.job_id).await?;
        self.store.delete(owner, id).await.map(drop)
    }

    async fn own(&self, owner: Uuid, id: Uuid) -> Result<Stored> {
        let found = self.store.report(id).await?.filter(|report| report.owner_id == owner);
        found.ok_or_else(|| Error::not_found(format!("you have no report {id}")))
    }

    /// Begins the report of the last week for everybody who wants one every week and has none yet.
    async fn start_weekly(&self, now: Timestamp) -> Result<()> {
        let days = Days::asked(&self.zone, None, None, now)?;
        let mut after = Uuid::nil();
        loop {
            let subscribers = self.store.subscribers(after, SUBSCRIBERS).await?;
            for subscriber in &subscribers {
                if !self.store.has(*subscriber, &days).await? {
                    self.begin(*subscriber, &days, now).await?;
                }
            }
            let Some(last) = subscribers.last() else { return Ok(()) };
            after = *last;
        }
    }
}
