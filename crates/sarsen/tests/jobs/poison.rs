//! Jobs that harm: each ends where an operator can see and mend it, and the rest keeps moving.

use crate::stage::{self, Does, Fragile, Plain, Short, Task, Theatre};
use sarsen::jobs::{Options, State};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Where a process that works finds its database.
pub(crate) const DATABASE: &str = "SARSEN_TEST_CHILD_DATABASE";
/// As much address space as a process that works may have, in kilobytes: what it holds from the start takes a part of it.
const MEMORY: &str = "6000000";

/// Starts a process that works until no job is left; it may die of one.
fn process(theatre: &Theatre) -> Child {
    let url = theatre.app.running().config().database.url.expose().to_owned();
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -c 0; ulimit -v {MEMORY}; exec \"$0\" \"$@\"")]).arg(program);
    command.args(["--exact", "process_of_its_own", "--ignored"]).env(DATABASE, url);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

async fn ended(mut child: Child) -> ExitStatus {
    let late = sarsen::clock::monotonic() + 2 * crate::seen::PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if sarsen::clock::monotonic() > late {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("a process that works does not end");
        }
        sarsen::clock::pause(Duration::from_millis(20)).await;
    }
}

/// Starts processes one after another, as a supervisor does, until no job is left; gives how many died.
async fn supervise(theatre: &Theatre) -> usize {
    for deaths in 0..8 {
        if ended(process(theatre)).await.success() {
            return deaths;
        }
    }
    panic!("processes die for ever");
}

/// What such a process does.
pub(crate) async fn work(url: String) {
    let (running, working) = stage::work_on(url).await;
    let late = sarsen::clock::monotonic() + crate::seen::PATIENCE;
    loop {
        let sql = "SELECT COUNT(*) FROM sarsen_jobs";
        let left: i64 = running.db().query(sql).scalar().await.unwrap();
        if left == 0 {
            break;
        }
        assert!(sarsen::clock::monotonic() < late, "{left} jobs are left");
        sarsen::clock::pause(Duration::from_millis(20)).await;
    }
    working.stop(Duration::from_secs(5)).await;
    running.stop().await;
}

async fn expect_only_dead(theatre: &Theatre, poison: uuid::Uuid, deaths: i64) {
    let known = theatre.known(poison).await;
    assert_eq!((known.state, i64::from(known.attempt)), (State::Discarded, deaths));
    assert!(known.error.contains("the process died while it ran"), "{known:?}");
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE outcome = 2").await, 1);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE outcome = 0").await, 200);
}

async fn with_others(theatre: &Theatre) {
    let others = |from: usize| (from..from + 100).map(|n| Task::<Plain>::new(n.to_string(), Does::Nothing)).collect();
    theatre.jobs().enqueue_many(theatre.db(), others(0)).await.unwrap();
    theatre.jobs().enqueue_many(theatre.db(), others(100)).await.unwrap();
}

pub(crate) async fn a_job_that_kills_its_process_becomes_a_dead_letter() {
    let theatre = Theatre::open().await;
    let poison = theatre.put_with::<Plain>("poison", Does::Abort, Options::new().priority(1)).await.id;
    with_others(&theatre).await;
    assert_eq!(supervise(&theatre).await, 3);
    expect_only_dead(&theatre, poison, 3).await;
}

pub(crate) async fn a_job_that_fills_the_memory_becomes_a_dead_letter() {
    let theatre = Theatre::open().await;
    let poison = theatre.put_with::<Plain>("hungry", Does::Fill, Options::new().priority(1)).await.id;
    with_others(&theatre).await;
    assert_eq!(supervise(&theatre).await, 3);
    expect_only_dead(&theatre, poison, 3).await;
}

pub(crate) async fn a_kind_may_allow_fewer_deaths() {
    let theatre = Theatre::open().await;
    let poison = theatre.put_with::<Fragile>("poison", Does::Abort, Options::new().priority(1)).await.id;
    let innocent = (0..200).map(|n| Task::<Fragile>::new(n.to_string(), Does::Nothing)).collect();
    theatre.jobs().enqueue_many(theatre.db(), innocent).await.unwrap();
    assert_eq!(supervise(&theatre).await, 1);
    let known = theatre.known(poison).await;
    assert_eq!((known.state, known.attempt), (State::Discarded, 1));
    let dead = theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE outcome = 2").await;
    assert!(dead <= 50, "{dead} were at work with it");
}

pub(crate) async fn whatever_is_wrong_with_a_job_the_rest_keeps_moving() {
    let theatre = Theatre::open().await;
    let once = || Options::new().attempts(1);
    let unknown = theatre.put_with::<Plain>("unknown", Does::Nothing, once()).await.id;
    let undecodable = theatre.put_with::<Plain>("undecodable", Does::Nothing, once()).await.id;
    let panics = theatre.put_with::<Plain>("panics", Does::Panic, once()).await.id;
    let endless = theatre.put_with::<Short>("endless", Does::Never, once()).await.id;
    let sql = "UPDATE sarsen_jobs SET kind = 'test.gone' WHERE id = ?";
    theatre.db().query(sql).bind(unknown).execute().await.unwrap();
    let sql = "UPDATE sarsen_jobs SET args = ? WHERE id = ?";
    theatre.db().query(sql).bind(vec![0xff_u8, 0]).bind(undecodable).execute().await.unwrap();
    let worker = theatre.worker().await;
    let others = (0..200).map(|n| Task::<Plain>::new(n.to_string(), Does::Nothing)).collect();
    theatre.jobs().enqueue_many(theatre.db(), others).await.unwrap();
    theatre.until_done().await;
    worker.stop().await;
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_history WHERE outcome = 0").await, 200);
    for (id, says) in [
        (unknown, "no module of this build does jobs of kind `test.gone`"),
        (undecodable, "cannot be decoded"),
        (panics, "panic: as it was told"),
        (endless, "it ran longer than 50ms"),
    ] {
        let known = theatre.known(id).await;
        assert_eq!(known.state, State::Discarded);
        assert!(known.error.contains(says), "{known:?}");
    }
}

pub(crate) async fn an_unknown_kind_is_tried_again_for_a_newer_build() {
    let theatre = Theatre::open().await;
    let id = theatre.put_with::<Plain>("newer", Does::Nothing, Options::new().attempts(3)).await.id;
    theatre.execute("UPDATE sarsen_jobs SET kind = 'test.newer'").await;
    assert_eq!(theatre.run().await.failed, 1);
    assert_eq!(theatre.state(id).await, State::Retryable);
    // A build that knows it is deployed.
    theatre.execute("UPDATE sarsen_jobs SET kind = 'test.plain'").await;
    theatre.pass(stage::MINUTE);
    assert_eq!(theatre.run().await.completed, 1);
}
