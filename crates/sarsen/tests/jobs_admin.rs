//! What an operator sees of the jobs and does with them, on both databases.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use sarsen::config::Secret;
use sarsen::error::Kind;
use sarsen::jobs::{Admin, Discarded, Filter, Job, Jobs, Options, Policy, Run, Standstill, State, Unique, stalled};
use sarsen::testing::TestApp;
use sarsen::{App, Config, Declare, Error, Init, Module, NoApi, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

struct Post;

/// Fails until its address is right.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Send {
    to: String,
}

impl Job for Send {
    const KIND: &'static str = "post.send";
    fn policy() -> Policy {
        Policy::new().queue("post").attempts(2)
    }
    fn key(&self) -> Option<String> {
        Some(self.to.clone())
    }
}

#[derive(Serialize, Deserialize)]
struct Seal {
    word: String,
}

impl Job for Seal {
    const KIND: &'static str = "post.seal";
    const VERSION: u32 = 2;
    fn policy() -> Policy {
        Policy::new().encrypted().unique(Unique::WhileAlive).attempts(1)
    }
}

#[derive(Serialize, Deserialize)]
struct Sweep;

impl Job for Sweep {
    const KIND: &'static str = "post.sweep";
}

impl Module for Post {
    const NAME: &'static str = "post";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.job(Self::send).job(Self::seal).job(Self::sweep);
    }
    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Post)
    }
}

impl Post {
    async fn send(self: Arc<Self>, job: Send, run: Run) -> Result<()> {
        match job.to.as_str() {
            "nowhere" => Err(Error::invalid("there is no such place")),
            "later" => Err(Error::unavailable(format!("attempt {} finds nobody", run.attempt()))),
            _ => Ok(()),
        }
    }
    async fn seal(self: Arc<Self>, job: Seal, _: Run) -> Result<()> {
        if job.word == "broken" { Err(Error::unavailable("it breaks")) } else { Ok(()) }
    }
    async fn sweep(self: Arc<Self>, _: Sweep, _: Run) -> Result<()> {
        Ok(())
    }
}

async fn start() -> TestApp {
    TestApp::start(|mut config: Config| {
        config.jobs.encryption_keys = vec![Secret::new("0123456789abcdef0123456789abcdef")];
        let mut app = App::new("post", "1.0.0", config);
        app.mount::<Post>(());
        app
    })
    .await
}

fn to(place: &str) -> Send {
    Send { to: place.into() }
}

fn jobs(app: &TestApp) -> (&Jobs, Admin) {
    (app.running().jobs(), app.running().jobs().admin())
}

async fn put<J: Job>(app: &TestApp, job: J, options: Options) -> Uuid {
    app.running().jobs().enqueue_with(app.db(), job, options).await.unwrap().id
}

async fn state(app: &TestApp, id: Uuid) -> State {
    app.running().jobs().progress_of(id).await.unwrap().unwrap().state
}

async fn listed(admin: &Admin, filter: Filter) -> Vec<Uuid> {
    let listed = admin.list(&filter).await.unwrap();
    assert!(listed.complete);
    listed.jobs.iter().map(|job| job.id).collect()
}

fn in_state(state: State) -> Filter {
    Filter { state: Some(state), ..Filter::default() }
}

fn is_conflict<T: std::fmt::Debug>(done: Result<T>) {
    assert_eq!(done.unwrap_err().kind(), Kind::Conflict);
}

fn is_missing<T: std::fmt::Debug>(done: Result<T>) {
    assert_eq!(done.unwrap_err().kind(), Kind::NotFound);
}

const HOUR: Duration = Duration::from_secs(3600);

sarsen::each_profile! {
    async fn lists_find_jobs_in_every_state_and_by_every_filter() {
        let app = start().await;
        let (handle, admin) = jobs(&app);
        let dead = put(&app, to("nowhere"), Options::new()).await;
        let done = put(&app, to("here"), Options::new()).await;
        let retryable = put(&app, to("later"), Options::new()).await;
        app.run_jobs().await;
        let cancelled = put(&app, to("here"), Options::new().delay(HOUR)).await;
        assert!(handle.cancel(cancelled).await.unwrap() && !handle.cancel(cancelled).await.unwrap());
        let scheduled = put(&app, to("here"), Options::new().delay(HOUR)).await;
        let first = put(&app, to("here"), Options::new()).await;
        let urgent = put(&app, Sweep, Options::new().priority(1)).await;
        let waiting = put(&app, Sweep, Options::new().after(scheduled)).await;
        let expected: [(State, &[Uuid]); 7] = [
            (State::Discarded, &[dead]), (State::Completed, &[done]), (State::Retryable, &[retryable]),
            (State::Cancelled, &[cancelled]), (State::Scheduled, &[scheduled]), (State::Available, &[urgent, first]),
            (State::Waiting, &[waiting]),
        ];
        for (state, ids) in expected {
            assert_eq!(listed(&admin, in_state(state)).await, ids, "{state}");
        }
        let all = [waiting, urgent, first, scheduled, cancelled, retryable, done, dead];
        assert_eq!(listed(&admin, Filter::default()).await, all);
        assert_eq!(listed(&admin, Filter { limit: 3, ..Filter::default() }).await, all[..3]);
        let post = Filter { queue: "post".into(), ..Filter::default() };
        assert_eq!(listed(&admin, post.clone()).await, [first, scheduled, cancelled, retryable, done, dead]);
        assert_eq!(listed(&admin, Filter { state: Some(State::Available), ..post.clone() }).await, [first]);
        let keyed = Filter { key: "here".into(), ..post };
        assert_eq!(listed(&admin, keyed.clone()).await, [first, scheduled, cancelled, done]);
        assert_eq!(listed(&admin, Filter { state: Some(State::Available), ..keyed }).await, [first]);
        let kind = Filter { kind: "post.sweep".into(), ..Filter::default() };
        assert_eq!(listed(&admin, kind.clone()).await, [waiting, urgent]);
        assert_eq!(listed(&admin, Filter { state: Some(State::Available), ..kind }).await, [urgent]);
        let failed = &admin.list(&in_state(State::Discarded)).await.unwrap().jobs[0];
        assert!(failed.error.as_ref().unwrap().contains("there is no such place"), "{failed:?}");
    }

    async fn one_job_is_shown_with_all_that_is_known() {
        let app = start().await;
        let (handle, admin) = jobs(&app);
        let id = put(&app, Seal { word: "broken".into() }, Options::new().delay(HOUR)).await;
        let after = put(&app, Sweep, Options::new().after(id)).await;
        let shown = admin.show(id).await.unwrap().unwrap();
        assert_eq!((shown.arguments, shown.version), (Some(json!({"word": "broken"})), 2));
        assert_eq!(shown.awaited_by, [after]);
        assert_eq!(admin.show(after).await.unwrap().unwrap().waits_for, Some(id));
        let batch = handle.batch(app.db(), vec![to("later"), to("here")], Sweep).await.unwrap();
        app.run_jobs().await;
        app.clock().advance(Duration::from_secs(120));
        app.run_jobs().await;
        let dead = listed(&admin, in_state(State::Discarded)).await[0];
        let shown = admin.show(dead).await.unwrap().unwrap();
        let errors: Vec<_> = shown.errors.iter().map(|failed| (failed.attempt, failed.message.as_str())).collect();
        assert_eq!(errors, [(Some(1), "attempt 1 finds nobody"), (Some(2), "attempt 2 finds nobody")]);
        let of = shown.batch.unwrap();
        assert_eq!((of.id, of.total, of.pending, of.failed), (batch, 2, 0, 1));
        assert!(admin.show(Uuid::from_u128(1)).await.unwrap().is_none());
    }

    async fn a_dead_letter_is_edited_and_retried_from_its_first_attempt() {
        let app = start().await;
        let (_, admin) = jobs(&app);
        let id = put(&app, to("later"), Options::new()).await;
        app.run_jobs().await;
        is_conflict(admin.edit(id, &json!({"to": "here"})).await.and_then(|()| Err::<(), _>(Error::conflict("it may"))));
        admin.edit(id, &json!({"to": "later"})).await.unwrap();
        app.clock().advance(HOUR);
        app.run_jobs().await;
        assert_eq!(state(&app, id).await, State::Discarded);
        let wrong = admin.edit(id, &json!({"too": "here"})).await.unwrap_err();
        assert!(wrong.kind() == Kind::Invalid && wrong.message().contains("missing field"), "{wrong}");
        admin.retry(id).await.unwrap();
        is_conflict(admin.retry(id).await);
        app.run_jobs().await;
        let shown = admin.show(id).await.unwrap().unwrap();
        assert_eq!((shown.job.state, shown.job.attempt), (State::Retryable, 1));
        let attempts: Vec<_> = shown.errors.iter().map(|failed| failed.attempt).collect();
        assert_eq!(attempts, [None, None, Some(1)], "the errors of before stay");
        // What waits for its time can run at once.
        admin.edit(id, &json!({"to": "here"})).await.unwrap();
        admin.retry(id).await.unwrap();
        assert_eq!(app.run_jobs().await.completed, 1);
        is_conflict(admin.retry(id).await);
        is_conflict(admin.edit(id, &json!({"to": "here"})).await);
        is_missing(admin.retry(Uuid::from_u128(1)).await);
    }

    async fn encrypted_arguments_stay_encrypted() {
        let app = start().await;
        let (_, admin) = jobs(&app);
        let id = put(&app, Seal { word: "broken".into() }, Options::new()).await;
        app.run_jobs().await;
        admin.edit(id, &json!({"word": "whole"})).await.unwrap();
        let kept: Vec<u8> = app.db().query("SELECT args FROM sarsen_job_history WHERE id = ?").bind(id).scalar().await.unwrap();
        assert!(!String::from_utf8_lossy(&kept).contains("whole"));
        assert_eq!(admin.show(id).await.unwrap().unwrap().arguments, Some(json!({"word": "whole"})));
        admin.retry(id).await.unwrap();
        assert_eq!(app.run_jobs().await.completed, 1);
        assert_eq!(admin.show(id).await.unwrap().unwrap().arguments, None);
    }

    async fn dead_letters_are_retried_in_bulk() {
        let app = start().await;
        let (handle, admin) = jobs(&app);
        handle.enqueue_many(app.db(), (0..1_203).map(|_| to("nowhere")).collect()).await.unwrap();
        put(&app, Seal { word: "broken".into() }, Options::new()).await;
        assert_eq!(app.run_jobs().await.discarded, 1_204);
        let none = Filter { kind: "post.sweep".into(), ..Filter::default() };
        assert_eq!(admin.retry_dead(&none).await.unwrap(), 0);
        let sent = Filter { kind: Send::KIND.into(), ..Filter::default() };
        assert_eq!(admin.retry_dead(&sent).await.unwrap(), 1_203);
        assert_eq!(admin.retry_dead(&Filter::default()).await.unwrap(), 1);
        let depths = admin.queues().await.unwrap();
        let post = depths.iter().find(|queue| queue.name == "post").unwrap();
        assert_eq!((post.available.count, post.discarded.count, post.available.more), (1_203, 0, false));
    }

    async fn a_batch_waits_for_what_is_retried() {
        let app = start().await;
        let (handle, admin) = jobs(&app);
        let batch = handle.batch(app.db(), vec![to("nowhere"), to("later")], Sweep).await.unwrap();
        app.run_jobs().await;
        let dead = listed(&admin, in_state(State::Discarded)).await[0];
        let of = async || admin.show(dead).await.unwrap().unwrap().batch.unwrap();
        assert_eq!((of().await.pending, of().await.failed), (1, 1));
        admin.edit(dead, &json!({"to": "here"})).await.unwrap();
        admin.retry(dead).await.unwrap();
        assert_eq!((of().await.pending, of().await.failed), (2, 0));
        let other = listed(&admin, in_state(State::Retryable)).await[0];
        assert_eq!(admin.discard(other).await.unwrap(), Discarded::DeadLetter);
        assert_eq!(of().await.id, batch);
        assert_eq!(app.run_jobs().await.completed, 2, "the job, and then what runs when all have ended");
        // The batch has ended: what is retried now counts no more.
        admin.edit(other, &json!({"to": "here"})).await.unwrap();
        admin.retry(other).await.unwrap();
        assert_eq!(app.run_jobs().await.completed, 1);
        assert_eq!((of().await.pending, of().await.failed), (0, 1));
    }

    async fn what_is_given_up_dies_and_is_then_deleted() {
        let app = start().await;
        let (_, admin) = jobs(&app);
        let id = put(&app, to("here"), Options::new()).await;
        let after = put(&app, Sweep, Options::new().after(id)).await;
        assert_eq!(admin.discard(id).await.unwrap(), Discarded::DeadLetter);
        let shown = admin.show(id).await.unwrap().unwrap();
        assert_eq!((shown.job.state, shown.errors[0].kind.as_str()), (State::Discarded, "discarded"));
        assert_eq!(state(&app, after).await, State::Waiting, "it may still be retried");
        assert_eq!(admin.discard(id).await.unwrap(), Discarded::Deleted);
        assert_eq!(state(&app, after).await, State::Cancelled);
        is_missing(admin.discard(id).await);
        is_conflict(admin.discard(after).await);
    }

    async fn a_paused_queue_stands_still_until_it_is_resumed() {
        let app = start().await;
        let (_, admin) = jobs(&app);
        put(&app, to("here"), Options::new()).await;
        put(&app, Sweep, Options::new()).await;
        admin.pause("post").await.unwrap();
        assert_eq!(app.run_jobs().await.completed, 1);
        app.clock().advance(Duration::from_secs(90));
        let queues = admin.queues().await.unwrap();
        let post = queues.iter().find(|queue| queue.name == "post").unwrap();
        assert!(post.paused && post.available.count == 1, "{post:?}");
        assert_eq!(post.due_since, Some(app.clock().now() - Duration::from_secs(90)));
        assert_eq!(stalled(app.running().jobs()).await.unwrap(), [], "it stands still on purpose");
        admin.resume("post").await.unwrap();
        assert_eq!(app.run_jobs().await.completed, 1);
        let error = admin.pause("pst").await.unwrap_err();
        assert!(error.kind() == Kind::NotFound && error.hint_text().unwrap().contains("post"), "{error:?}");
    }

    async fn a_queue_in_which_nothing_moves_is_found() {
        let app = start().await;
        let (handle, _) = jobs(&app);
        let why = async || stalled(handle).await.unwrap().into_iter().map(|one| (one.queue, one.why)).collect::<Vec<_>>();
        put(&app, to("here"), Options::new()).await;
        app.clock().advance(Duration::from_secs(59));
        assert_eq!(why().await, []);
        app.clock().advance(Duration::from_secs(2));
        assert_eq!(why().await, [("post".to_owned(), Standstill::NoWorker)]);
        worker(&app, "default").await;
        assert_eq!(why().await, [("post".to_owned(), Standstill::NotServed)]);
        worker(&app, "default post").await;
        assert_eq!(why().await, [("post".to_owned(), Standstill::NothingEnds)]);
        app.run_jobs().await;
        assert_eq!(why().await, []);
        // A backlog that moves is no standstill.
        put(&app, to("here"), Options::new()).await;
        app.clock().advance(Duration::from_secs(3_600));
        put(&app, to("here"), Options::new().priority(1)).await;
        worker(&app, "default post").await;
        take_one(&app).await;
        assert_eq!(why().await, []);
        // What should have been made available long ago waits as well.
        put(&app, Sweep, Options::new().delay(Duration::from_secs(1))).await;
        app.clock().advance(Duration::from_secs(100_000));
        assert_eq!(why().await.len(), 2);
    }
}

/// A worker as another process would write it down, beating now.
async fn worker(app: &TestApp, queues: &str) {
    let sql = "INSERT INTO sarsen_workers (id, host, pid, version, queues, started_at, beat_at) VALUES (?, 'h', 1, '1.0.0', ?, ?, ?)";
    let now = app.clock().now().as_micros();
    app.db().query(sql).bind(app.clock().id()).bind(queues).bind(now).bind(now).execute().await.unwrap();
}

/// A worker begins the most urgent job of the queue.
async fn take_one(app: &TestApp) {
    let sql = "UPDATE sarsen_jobs SET state = 3, claimed_at = ? WHERE priority = 1";
    assert_eq!(app.db().query(sql).bind(app.clock().now().as_micros()).execute().await.unwrap(), 1);
}
