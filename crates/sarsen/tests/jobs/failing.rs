//! What becomes of a job that fails: retries, dead letters, timeouts and deadlines.

use crate::stage::{Dated, Does, Eager, Heavy, MINUTE, Plain, Short, Slow, Theatre};
use sarsen::jobs::{Options, State};
use std::time::Duration;

pub(crate) async fn a_failed_job_is_tried_again_ever_later() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Slow>("fails", Does::fail(9)).await;
    for (attempt, most) in [(1, 10), (2, 20), (3, 40)] {
        let before = theatre.clock().now();
        assert_eq!(theatre.run().await.failed, 1);
        let known = theatre.known(id).await;
        assert_eq!((known.state, known.attempt), (State::Retryable, attempt));
        assert!(known.error.contains("as it was told"), "{known:?}");
        assert!(known.run_at.since(before) <= Duration::from_secs(most), "{known:?}");
        theatre.pass(Duration::from_secs(most));
    }
    assert_eq!(theatre.run().await.discarded, 1);
    assert_eq!(theatre.state(id).await, State::Discarded);
    assert_eq!(theatre.count("SELECT COUNT(*) FROM sarsen_job_errors").await, 4);
    theatre.pass(100 * MINUTE);
    assert_eq!(theatre.run().await.total(), 0);
}

pub(crate) async fn the_waits_are_spread_evenly() {
    let theatre = Theatre::open().await;
    for n in 0..200 {
        theatre.put::<Slow>(&n.to_string(), Does::fail(9)).await;
    }
    let now = theatre.clock().now();
    assert_eq!(theatre.run().await.failed, 200);
    let sql = "SELECT run_at FROM sarsen_jobs";
    let waits: Vec<(i64,)> = theatre.db().query(sql).all().await.unwrap();
    let waits: Vec<i64> = waits.into_iter().map(|(at,)| (at - now.as_micros()) / 1_000_000).collect();
    let early = waits.iter().filter(|wait| **wait < 5).count();
    assert!(waits.iter().all(|wait| (0..=10).contains(wait)), "{waits:?}");
    // 100 are expected, with a standard deviation of 7.
    assert!((50..=150).contains(&early), "{early} of 200 wait less than half");
}

pub(crate) async fn the_kind_of_an_error_decides() {
    let theatre = Theatre::open().await;
    let dead = ["not-found", "invalid", "unauthenticated", "forbidden", "unsupported"];
    let again = ["conflict", "too-many", "timeout", "unavailable", "internal"];
    let mut ids = Vec::new();
    for kind in dead.iter().chain(&again) {
        ids.push((*kind, theatre.put::<Slow>(kind, Does::fault(kind, 9)).await));
    }
    let ran = theatre.run().await;
    assert_eq!((ran.discarded, ran.failed), (5, 5));
    for (kind, id) in ids {
        let expected = if dead.contains(&kind) { State::Discarded } else { State::Retryable };
        assert_eq!(theatre.state(id).await, expected, "{kind}");
    }
}

pub(crate) async fn an_error_may_say_how_long_to_wait() {
    let theatre = Theatre::open().await;
    let does = Does::Fail { kind: "too-many".to_owned(), times: 1, wait: 300 };
    theatre.put::<Slow>("waits", does).await;
    assert_eq!(theatre.run().await.failed, 1);
    theatre.pass(Duration::from_secs(299));
    assert_eq!(theatre.run().await.total(), 0);
    theatre.pass(Duration::from_secs(1));
    assert_eq!(theatre.run().await.completed, 1);
}

pub(crate) async fn one_job_may_have_fewer_attempts() {
    let theatre = Theatre::open().await;
    let id = theatre.put_with::<Slow>("once", Does::fail(9), Options::new().attempts(1)).await.id;
    assert_eq!(theatre.run().await.discarded, 1);
    assert_eq!(theatre.state(id).await, State::Discarded);
}

pub(crate) async fn a_panic_is_a_failure_like_others() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Eager>("panics", Does::Panic).await;
    theatre.put::<Plain>("other", Does::Nothing).await;
    let heavy = theatre.put_with::<Heavy>("panics on a thread", Does::Panic, Options::new().attempts(1)).await.id;
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.failed, ran.discarded), (1, 2, 2));
    for id in [id, heavy] {
        let known = theatre.known(id).await;
        assert_eq!(known.state, State::Discarded);
        assert!(known.error.contains("panic: as it was told"), "{known:?}");
    }
}

pub(crate) async fn a_run_that_takes_too_long_is_stopped() {
    let theatre = Theatre::open().await;
    let id = theatre.put::<Short>("never ends", Does::Never).await;
    theatre.put::<Plain>("other", Does::Nothing).await;
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.failed), (1, 1));
    let known = theatre.known(id).await;
    assert_eq!((known.state, known.attempt), (State::Retryable, 1));
    assert!(known.error.contains("ran longer than 50ms"), "{known:?}");
    theatre.pass(MINUTE);
    assert_eq!(theatre.run().await.discarded, 1);
    assert_eq!(theatre.state(id).await, State::Discarded);
}

pub(crate) async fn a_job_past_its_deadline_is_not_begun() {
    let theatre = Theatre::open().await;
    let late = theatre.put::<Dated>("late", Does::Nothing).await;
    let delayed = theatre.put_with::<Dated>("delayed", Does::Nothing, Options::new().delay(MINUTE)).await.id;
    let fails = Does::Fail { kind: "unavailable".to_owned(), times: 1, wait: 120 };
    let failing = theatre.put_with::<Dated>("failing", fails, Options::new().delay(MINUTE)).await.id;
    theatre.pass(MINUTE + Duration::from_secs(1));
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.discarded), (1, 2));
    assert_eq!(theatre.state(delayed).await, State::Completed);
    let known = theatre.known(late).await;
    assert_eq!(known.state, State::Discarded);
    assert!(known.error.contains("deadline"), "{known:?}");
    assert_eq!(theatre.state(failing).await, State::Discarded, "the next attempt would be past its deadline");
    assert_eq!(theatre.seen.times("late"), 0);
}
