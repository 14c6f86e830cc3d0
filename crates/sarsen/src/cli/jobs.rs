//! The verbs of `jobs`: what an operator sees of the jobs and does with them, while nothing of the application is up.

mod show;

use super::print;
use crate::app::App;
use crate::error::{Error, Result};
use crate::jobs::{Admin, Discarded, Filter, Listed, State};
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(super) enum JobsVerb {
    /// List jobs, without their arguments: newest first; of waiting ones the next first, of ended ones the last first
    List {
        /// available, scheduled, retryable, running, waiting, completed, cancelled or discarded (the dead letters)
        #[arg(long, value_parser = state)]
        state: Option<State>,
        #[command(flatten)]
        which: Which,
        /// Most jobs to list, up to 1000
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        form: Form,
    },
    /// Show everything about a job: arguments (decrypted), errors, batch, who waits for it
    Show {
        /// The job
        id: Uuid,
        #[command(flatten)]
        form: Form,
    },
    /// Try dead letters again from the first attempt, or jobs that wait for a time at once
    #[command(
        override_usage = "jobs retry <ID>...\n       jobs retry --dead [--queue <QUEUE>] [--kind <KIND>] [--key <KEY>]"
    )]
    Retry {
        /// The jobs
        #[arg(required_unless_present = "dead", conflicts_with = "dead")]
        ids: Vec<Uuid>,
        /// All dead letters, or those of a queue, kind or key
        #[arg(long)]
        dead: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Replace the arguments of a job that is dead or has yet to run; retry a dead one afterwards
    Edit {
        /// The job
        id: Uuid,
        /// All of its arguments, as JSON in the form of this build
        #[arg(long, value_name = "JSON")]
        args: String,
    },
    /// Give jobs up: a live one becomes a dead letter, a dead letter is deleted
    Discard {
        /// The jobs
        #[arg(required = true)]
        ids: Vec<Uuid>,
    },
    /// Stop jobs: those that wait are cancelled, those that run are told to stop
    Cancel {
        /// The jobs
        #[arg(required = true)]
        ids: Vec<Uuid>,
    },
    /// Let a queue stand still: nothing more of it begins, what runs goes on
    Pause {
        /// The queue
        queue: String,
    },
    /// Let a queue go on
    Resume {
        /// The queue
        queue: String,
    },
    /// List the queues and how deep they are
    Queues {
        #[command(flatten)]
        form: Form,
    },
    /// List the schedules and when they fire, or pause, resume and fire one
    #[command(args_conflicts_with_subcommands = true)]
    Schedules {
        #[command(flatten)]
        form: Form,
        #[command(subcommand)]
        verb: Option<ScheduleVerb>,
    },
    /// List the processes that do jobs
    Workers {
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ScheduleVerb {
    /// Let a schedule stand still; what falls into the pause is not made up for
    Pause {
        /// The schedule
        name: String,
    },
    /// Let a schedule go on with its next time from now
    Resume {
        /// The schedule
        name: String,
    },
    /// Fire a schedule now, beside its times
    Fire {
        /// The schedule
        name: String,
    },
}

/// Which jobs.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only of this queue
    #[arg(long, default_value = "", hide_default_value = true)]
    queue: String,
    /// Only of this kind
    #[arg(long, default_value = "", hide_default_value = true)]
    kind: String,
    /// Only of this key
    #[arg(long, default_value = "", hide_default_value = true)]
    key: String,
}

/// How it is written.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Form {
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
}

fn state(text: &str) -> Result<State, String> {
    text.parse().map_err(|error: Error| format!("{}; {}", error.message(), error.hint_text().unwrap_or_default()))
}

impl Form {
    /// Prints the things as lines of JSON, or as what `text` makes of them.
    pub(super) fn print<T: Serialize>(self, things: &[T], text: impl FnOnce(&[T]) -> String) -> Result<()> {
        if !self.json {
            print(&text(things));
            return Ok(());
        }
        let line = |thing: &T| serde_json::to_string(thing).map(|line| line + "\n");
        let lines = things.iter().map(line).collect::<Result<String, _>>();
        print(&lines.map_err(|error| Error::internal("this cannot be written as JSON").source(error))?);
        Ok(())
    }
}

/// Does one verb on the application's database, which a start has made.
pub(super) async fn run(app: &App, verb: JobsVerb) -> Result<()> {
    let db = super::doctor::connect_to_made(app).await?;
    let done = obey(app.handles_on(&db).0.admin(), verb, db.clock().now()).await;
    db.close().await;
    done
}

async fn obey(admin: Admin, verb: JobsVerb, now: crate::Timestamp) -> Result<()> {
    match verb {
        JobsVerb::List { state, which, limit, form } => {
            let Listed { jobs, complete } = admin.list(&which.filter(state, limit)).await?;
            form.print(&jobs, |jobs| show::jobs(jobs, complete, now))
        }
        JobsVerb::Show { id, form } => {
            let detail = admin.show(id).await?;
            let detail = detail.ok_or_else(|| Error::not_found(format!("there is no job {id}")))?;
            form.print(&[detail], |details| details.iter().map(|detail| show::job(detail, now)).collect())
        }
        JobsVerb::Retry { dead: true, which, .. } => {
            let retried = admin.retry_dead(&which.filter(Some(State::Discarded), 0)).await?;
            print(&format!("{retried} dead letters are tried again\n"));
            Ok(())
        }
        JobsVerb::Retry { ids, .. } => each(&ids, async |id| admin.retry(id).await.map(|()| "is tried again")).await,
        JobsVerb::Edit { id, args } => {
            let arguments =
                serde_json::from_str(&args).map_err(|error| Error::invalid(format!("--args is no JSON: {error}")))?;
            admin.edit(id, &arguments).await?;
            print(&format!("{id} has new arguments\n"));
            Ok(())
        }
        JobsVerb::Discard { ids } => each(&ids, async |id| admin.discard(id).await.map(discarded)).await,
        JobsVerb::Cancel { ids } => each(&ids, async |id| cancel(&admin, id).await).await,
        JobsVerb::Pause { queue } => said(admin.pause(&queue).await, format!("queue {queue} stands still")),
        JobsVerb::Resume { queue } => said(admin.resume(&queue).await, format!("queue {queue} goes on")),
        JobsVerb::Queues { form } => form.print(&admin.queues().await?, |queues| show::queues(queues, now)),
        JobsVerb::Schedules { form, verb: None } => {
            form.print(&admin.schedules().await?, |schedules| show::schedules(schedules, now))
        }
        JobsVerb::Schedules { verb: Some(verb), .. } => schedule(&admin, verb).await,
        JobsVerb::Workers { form } => form.print(&admin.workers().await?, |workers| show::workers(workers, now)),
    }
}

impl Which {
    fn filter(self, state: Option<State>, limit: usize) -> Filter {
        Filter { state, queue: self.queue, kind: self.kind, key: self.key, limit }
    }
}

async fn schedule(admin: &Admin, verb: ScheduleVerb) -> Result<()> {
    match verb {
        ScheduleVerb::Pause { name } => {
            said(admin.pause_schedule(&name).await, format!("schedule {name} stands still"))
        }
        ScheduleVerb::Resume { name } => said(admin.resume_schedule(&name).await, format!("schedule {name} goes on")),
        ScheduleVerb::Fire { name } => {
            let job = admin.fire(&name).await?;
            said(Ok(()), format!("schedule {name} fired: job {job}"))
        }
    }
}

fn said(done: Result<()>, what: String) -> Result<()> {
    done.map(|()| print(&(what + "\n")))
}

fn discarded(what: Discarded) -> &'static str {
    match what {
        Discarded::DeadLetter => "is a dead letter",
        Discarded::Deleted => "is deleted",
    }
}

async fn cancel(admin: &Admin, id: Uuid) -> Result<&'static str> {
    if admin.cancel(id).await? {
        return Ok("is cancelled, or told to stop");
    }
    Err(match admin.show(id).await? {
        Some(detail) => Error::conflict(format!("job {id} is {}", detail.job.state)),
        None => Error::not_found(format!("there is no job {id}")),
    })
}

/// Does the same to each job, says what became of it, and fails in the end when one of them failed.
async fn each(ids: &[Uuid], act: impl AsyncFn(Uuid) -> Result<&'static str>) -> Result<()> {
    let mut failed = Vec::new();
    for id in ids {
        match act(*id).await {
            Ok(done) => print(&format!("{id} {done}\n")),
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => failed.push(format!("\n- {}", error.report())),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!("{} of {} jobs stay as they are:{}", failed.len(), ids.len(), failed.concat())))
}
