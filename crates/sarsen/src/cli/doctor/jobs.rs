//! What `doctor` finds about jobs: work that nobody does, dead letters, and schedules that nobody fires.

use super::{Finding, Level};
use crate::app::App;
use crate::data::{Db, MigrationState};
use crate::error::Result;
use crate::http;
use crate::jobs::store::LOOK;
use crate::jobs::{self, Jobs};
use std::collections::BTreeSet;

const CHECK: &str = "jobs";

/// Looks at the tables of jobs, once they are there.
pub(super) async fn examine(app: &App, db: &Db, states: &[MigrationState]) -> Vec<Finding> {
    if states.iter().any(|state| state.module == http::MODULE && state.applied_at.is_none()) {
        return Vec::new();
    }
    let jobs = app.handles_on(db).0;
    match look(app, &jobs).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::of_error(CHECK, &error)],
    }
}

async fn look(app: &App, jobs: &Jobs) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = jobs::stalled(jobs)
        .await?
        .iter()
        .map(|stalled| Finding::new(Level::Fail, CHECK, stalled.to_string()).hint(stalled.why.hint()))
        .collect();
    findings.extend(dead(app.name(), jobs).await?);
    findings.extend(paused(app.name(), jobs).await?);
    findings.extend(versions(jobs).await?);
    findings.extend(schedules(app, jobs).await?);
    if findings.is_empty() {
        let live = jobs.admin().workers().await?.iter().filter(|worker| worker.live).count();
        findings.push(Finding::new(Level::Ok, CHECK, format!("nothing waits too long; {live} live workers")));
    }
    Ok(findings)
}

async fn dead(program: &str, jobs: &Jobs) -> Result<Option<Finding>> {
    let kinds = jobs.store().dead_kinds().await?;
    if kinds.is_empty() {
        return Ok(None);
    }
    let all: i64 = kinds.iter().map(|(_, count)| count).sum();
    let least = if all >= LOOK { "at least " } else { "" };
    let mut shown: Vec<String> = kinds.iter().take(5).map(|(kind, count)| format!("{count} {kind}")).collect();
    if kinds.len() > shown.len() {
        shown.push("others".into());
    }
    let text = format!("{least}{all} dead letters: {}", shown.join(", "));
    let hint =
        format!("`{program} jobs list --state discarded` shows them, `jobs show ID` says why; then `jobs retry`");
    Ok(Some(Finding::new(Level::Warn, CHECK, text).hint(hint)))
}

async fn paused(program: &str, jobs: &Jobs) -> Result<Vec<Finding>> {
    let queues = jobs.admin().queues().await?;
    let waiting = queues.into_iter().filter(|queue| queue.paused && queue.available.count > 0);
    Ok(waiting
        .map(|queue| {
            let text = format!("queue `{}` stands still, and {} jobs wait in it", queue.name, queue.available);
            Finding::new(Level::Warn, CHECK, text).hint(format!("`{program} jobs resume {}` lets it go on", queue.name))
        })
        .collect())
}

async fn versions(jobs: &Jobs) -> Result<Option<Finding>> {
    let workers = jobs.admin().workers().await?;
    let versions: BTreeSet<&str> =
        workers.iter().filter(|worker| worker.live).map(|worker| worker.version.as_str()).collect();
    if versions.len() < 2 {
        return Ok(None);
    }
    let text =
        format!("live workers are of different versions: {}", versions.into_iter().collect::<Vec<_>>().join(", "));
    let hint = "that is well while a new version is rolled out; otherwise stop the old ones";
    Ok(Some(Finding::new(Level::Warn, CHECK, text).hint(hint)))
}

async fn schedules(app: &App, jobs: &Jobs) -> Result<Vec<Finding>> {
    let (now, limit) = (jobs.store().now(), app.config().jobs.stall_after.0);
    let mut findings = Vec::new();
    for state in jobs.admin().schedules().await?.into_iter().filter(|state| state.declared && !state.paused) {
        let Some(due) = state.next_at else { continue };
        if now.since(due) > limit {
            let text = format!("schedule `{}` was due at {due}, and nobody has fired it", state.name);
            let hint = "start a process with the role `scheduler` (process.roles)";
            findings.push(Finding::new(Level::Fail, CHECK, text).hint(hint));
        } else if jobs.registry().schedules().iter().any(|one| one.name() == state.name && one.is_ahead(due, now)) {
            let text =
                format!("schedule `{}` fires next at {due}, later than it should: a clock was set back", state.name);
            let hint = format!(
                "`{0} jobs schedules pause {1}` and `resume {1}` let it go on from now",
                app.name(),
                state.name
            );
            findings.push(Finding::new(Level::Warn, CHECK, text).hint(hint));
        }
    }
    Ok(findings)
}
