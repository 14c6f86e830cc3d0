//! The work of reports that is done later.

use super::Module;
use sarsen::Result;
use sarsen::jobs::{Firing, Job, Missed, Policy, Queue, Run, Schedule, Unique};
use sarsen::telemetry::{Budget, ms};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Where reports wait: people take turns, and one at a time of each.
pub(super) const QUEUE: Queue = Queue::new("reports").limit_per_key(1).fair();

/// Every Monday at eight.
pub(super) const WEEKLY: Schedule = Schedule::cron("reports.weekly", "0 8 * * MON").missed(Missed::Once);

/// Makes a report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MakeReport {
    pub(super) report: Uuid,
    pub(super) owner: Uuid,
}

impl Job for MakeReport {
    const KIND: &'static str = "reports.make";

    /// It counts for as long as it takes, on a thread of its own; of the same days of the same person there is one at a
    /// time.
    fn policy() -> Policy {
        let policy = Policy::new().queue("reports").blocking().unique(Unique::WhileAlive).attempts(3);
        let budget = Budget::new().wait(ms(60_000)).run(ms(120_000)).queries(16).retries(1);
        policy.timeout(Duration::from_secs(3600)).deadline(super::MAX_AGE).budget(budget)
    }

    fn key(&self) -> Option<String> {
        Some(self.owner.to_string())
    }
}

/// Begins the reports of those who want one every week.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WeeklyReports {
    at: sarsen::Timestamp,
}

impl Job for WeeklyReports {
    const KIND: &'static str = "reports.weekly";
}

impl WeeklyReports {
    pub(super) fn due(firing: Firing) -> Self {
        Self { at: firing.at }
    }
}

impl Module {
    pub(super) async fn make_report(self: Arc<Self>, job: MakeReport, run: Run) -> Result<()> {
        self.make(job.report, &run).await
    }

    pub(super) async fn weekly_reports(self: Arc<Self>, job: WeeklyReports, _: Run) -> Result<()> {
        self.start_weekly(job.at).await
    }
}
