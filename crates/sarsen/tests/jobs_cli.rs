//! The verbs of `jobs` and what `doctor` says of jobs, run as a program of its own: this file is the program and its tests.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects")]

mod as_program;

use as_program::{failure, printed};
use sarsen::cli::Program;
use sarsen::jobs::{Job, Jobs, Options, Policy, Run, Schedule};
use sarsen::{App, Declare, Error, Init, Module, NoApi, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What the program finds in its environment.
const ENVIRONMENT: &[(&str, &str)] = &[("SARSEN_JOBS__ENCRYPTION_KEYS", r#"["0123456789abcdef0123456789abcdef"]"#)];

struct Post;

#[derive(Serialize, Deserialize)]
struct Send {
    to: String,
}

impl Job for Send {
    const KIND: &'static str = "post.send";
    fn policy() -> Policy {
        Policy::new().queue("post").encrypted()
    }
}

impl Module for Post {
    const NAME: &'static str = "post";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.job(Self::send);
        let daily = Schedule::cron("post.daily", "0 8 29 2 *").zone("Europe/Berlin");
        declare.schedule(daily, |_| Send { to: "everybody".into() });
    }
    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Post)
    }
}

impl Post {
    async fn send(self: Arc<Self>, job: Send, _: Run) -> Result<()> {
        if job.to == "nowhere" { Err(Error::invalid("there is no such place").hint("look it up")) } else { Ok(()) }
    }
}

#[derive(clap::Subcommand)]
enum Commands {
    /// Send something
    Send {
        to: String,
        /// In an hour
        #[arg(long)]
        later: bool,
    },
    /// Do what is to be done now
    Work,
}

struct Hello;

impl Program for Hello {
    const NAME: &'static str = "hello";
    const VERSION: &'static str = "1.2.3";
    const ABOUT: &'static str = "Sends.";
    type Commands = Commands;
    type Handles = ();

    fn mount(app: &mut App) -> Result<()> {
        app.mount::<Post>(());
        Ok(())
    }

    async fn command(command: Commands, app: &sarsen::app::Running, _: &()) -> Result<()> {
        let jobs: &Jobs = app.jobs();
        match command {
            Commands::Work => app.run_jobs().await.map(drop),
            Commands::Send { to, later } => {
                let options = Options::new().delay(Duration::from_secs(if later { 3_600 } else { 0 }));
                jobs.enqueue_with(app.db(), Send { to }, options).await.map(drop)
            }
        }
    }
}

/// The jobs in a state, oldest first.
fn ids(folder: &Path, state: &str) -> Vec<String> {
    let lines = printed(folder, &["jobs", "list", "--state", state, "--json"]);
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = lines.lines().map(id).collect();
    ids.sort();
    ids
}

fn without_a_database_it_says_what_to_do(folder: &Path) {
    let (code, text) = failure(folder, &["jobs", "list"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no database") && text.contains("hint: run `hello migrate up`"), "{text}");
    assert!(!folder.join("data").exists());
}

fn jobs_are_listed_without_their_arguments(folder: &Path) {
    for to in ["nowhere", "here", "nowhere"] {
        printed(folder, &["send", to]);
    }
    printed(folder, &["work"]);
    printed(folder, &["send", "there", "--later"]);
    let text = printed(folder, &["jobs", "list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("SAID"), "{text}");
    assert!(lines[1].contains("scheduled  post.send  post   -    0/10     in 59m"), "{text}");
    assert!(
        lines[4].contains("discarded  post.send  post   -    1/10") && lines[4].contains("there is no such place"),
        "{text}"
    );
    assert!(!text.contains("nowhere"), "{text}");
    assert_eq!(printed(folder, &["jobs", "list", "--queue", "mail"]).lines().count(), 1);
    assert_eq!(printed(folder, &["jobs", "list", "--limit", "2"]).lines().count(), 3);
    let (code, text) = failure(folder, &["jobs", "list", "--state", "dead"]);
    assert!(code == Some(2) && text.contains("known: available, scheduled"), "{text}");
}

fn one_job_is_shown_with_its_arguments_decrypted(folder: &Path) {
    let dead = &ids(folder, "discarded")[0];
    let text = printed(folder, &["jobs", "show", dead]);
    for part in [
        "state       discarded",
        "\"to\": \"nowhere\"",
        "attempt 1",
        "invalid: there is no such place",
        "hint: look it up",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&printed(folder, &["jobs", "show", dead, "--json"])).unwrap();
    assert_eq!((&json["arguments"]["to"], &json["errors"][0]["attempt"]), (&"nowhere".into(), &1.into()));
    let unknown = "00000000-0000-0000-0000-000000000001";
    assert_eq!(failure(folder, &["jobs", "show", unknown]), (Some(1), format!("error: there is no job {unknown}\n")));
}

fn the_doctor_says_how_the_jobs_are(folder: &Path) {
    let text = printed(folder, &["doctor"]);
    assert!(
        text.contains("warn  jobs: 2 dead letters: 2 post.send\n      -> `hello jobs list --state discarded`"),
        "{text}"
    );
}

fn dead_letters_are_edited_and_retried(folder: &Path) {
    let dead = ids(folder, "discarded");
    let (code, text) = failure(folder, &["jobs", "edit", &dead[0], "--args", "{"]);
    assert!(code == Some(1) && text.contains("--args is no JSON"), "{text}");
    let (code, text) = failure(folder, &["jobs", "edit", &dead[0], "--args", r#"{"too": "here"}"#]);
    assert!(code == Some(1) && text.contains("missing field `to`"), "{text}");
    let edited = printed(folder, &["jobs", "edit", &dead[0], "--args", r#"{"to": "here"}"#]);
    assert_eq!(edited, format!("{} has new arguments\n", dead[0]));
    let all = printed(folder, &["jobs", "retry", "--dead", "--kind", "post.send"]);
    assert_eq!(all, "2 dead letters are tried again\n");
    printed(folder, &["work"]);
    assert_eq!(ids(folder, "discarded"), dead[1..]);
    assert_eq!(printed(folder, &["jobs", "retry", &dead[1]]), format!("{} is tried again\n", dead[1]));
    let (code, text) = failure(folder, &["jobs", "retry", &dead[0], &dead[1]]);
    assert_eq!(code, Some(1));
    assert!(text.contains("2 of 2 jobs stay as they are:") && text.contains("is completed"), "{text}");
    assert_eq!(failure(folder, &["jobs", "retry"]).0, Some(2));
    assert_eq!(failure(folder, &["jobs", "retry", &dead[0], "--dead"]).0, Some(2));
}

fn jobs_are_given_up_and_cancelled(folder: &Path) {
    printed(folder, &["work"]);
    let (dead, later) = (&ids(folder, "discarded")[0], &ids(folder, "scheduled")[0]);
    assert_eq!(printed(folder, &["jobs", "discard", dead]), format!("{dead} is deleted\n"));
    assert!(ids(folder, "discarded").is_empty());
    assert_eq!(printed(folder, &["jobs", "cancel", later]), format!("{later} is cancelled, or told to stop\n"));
    let (code, text) = failure(folder, &["jobs", "cancel", later]);
    assert_eq!((code, text), (Some(1), format!("error: job {later} is cancelled\n")));
}

fn queues_stand_still_and_go_on(folder: &Path) {
    printed(folder, &["send", "here"]);
    assert_eq!(printed(folder, &["jobs", "pause", "post"]), "queue post stands still\n");
    printed(folder, &["work"]);
    let text = printed(folder, &["jobs", "queues"]);
    assert!(text.starts_with("QUEUE  STATE   WORKERS  AVAILABLE  OLDEST"), "{text}");
    assert!(text.contains("post   paused  0        1 "), "{text}");
    let text = printed(folder, &["doctor"]);
    assert!(text.contains("queue `post` stands still, and 1 jobs wait in it"), "{text}");
    assert_eq!(printed(folder, &["jobs", "resume", "post"]), "queue post goes on\n");
    printed(folder, &["work"]);
    assert!(ids(folder, "available").is_empty());
    let (code, text) = failure(folder, &["jobs", "pause", "pst"]);
    assert!(code == Some(1) && text.contains("there is no queue `pst`\n  hint: known: post"), "{text}");
    assert_eq!(printed(folder, &["jobs", "workers"]).lines().count(), 1);
}

fn schedules_are_listed_and_fired(folder: &Path) {
    let text = printed(folder, &["jobs", "schedules"]);
    assert!(text.contains("post.daily  on     0 8 29 2 *  Europe/Berlin"), "{text}");
    let fired = printed(folder, &["jobs", "schedules", "fire", "post.daily"]);
    assert!(
        fired.starts_with("schedule post.daily fired: job ") && fired.contains(&ids(folder, "available")[0]),
        "{fired}"
    );
    assert_eq!(printed(folder, &["jobs", "schedules", "pause", "post.daily"]), "schedule post.daily stands still\n");
    let line = printed(folder, &["jobs", "schedules", "--json"]);
    let state: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&state["name"], &state["paused"]), (&"post.daily".into(), &true.into()));
    printed(folder, &["jobs", "schedules", "resume", "post.daily"]);
    assert_eq!(failure(folder, &["jobs", "schedules", "fire", "nightly"]).0, Some(1));
}

fn the_help_says_what_each_verb_does(folder: &Path) {
    let help = printed(folder, &["jobs", "--help"]);
    for verb in
        ["list", "show", "retry", "edit", "discard", "cancel", "pause", "resume", "queues", "schedules", "workers"]
    {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))), "{verb}: {help}");
    }
    assert!(printed(folder, &["jobs", "retry", "--help"]).contains("jobs retry --dead"));
}

fn main() -> ExitCode {
    as_program::main::<Hello>(&[
        ("without_a_database_it_says_what_to_do", without_a_database_it_says_what_to_do),
        ("jobs_are_listed_without_their_arguments", jobs_are_listed_without_their_arguments),
        ("one_job_is_shown_with_its_arguments_decrypted", one_job_is_shown_with_its_arguments_decrypted),
        ("the_doctor_says_how_the_jobs_are", the_doctor_says_how_the_jobs_are),
        ("dead_letters_are_edited_and_retried", dead_letters_are_edited_and_retried),
        ("jobs_are_given_up_and_cancelled", jobs_are_given_up_and_cancelled),
        ("queues_stand_still_and_go_on", queues_stand_still_and_go_on),
        ("schedules_are_listed_and_fired", schedules_are_listed_and_fired),
        ("the_help_says_what_each_verb_does", the_help_says_what_each_verb_does),
    ])
}
