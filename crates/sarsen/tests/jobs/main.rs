//! What jobs promise, on every database alike: one check for each feature.
//!
//! The list below is the suite and the table of features in `docs/jobs-features.md`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what it expects, and some jobs misbehave"
)]

mod enqueue;
mod failing;
mod seen;
mod stage;
mod unique;

use sarsen::testing::{Profile, run};

/// One test for each check and database, and the table of features.
macro_rules! features {
    ($($feature:literal in $file:ident: $($check:ident),+ $(,)?;)*) => {
        /// Each feature, and the checks that hold it.
        const FEATURES: &[(&str, &[&str])] = &[$(($feature, &[$(stringify!($check)),+])),*];

        mod embedded { $($(
            #[test]
            fn $check() {
                super::run(super::Profile::Embedded, super::$file::$check());
            }
        )+)* }

        mod postgres { $($(
            #[test]
            fn $check() {
                super::run(super::Profile::Postgres, super::$file::$check());
            }
        )+)* }
    };
}

features! {
    "Enqueue in the caller's transaction, one or many" in enqueue: a_job_runs_only_if_its_transaction_committed,
        many_jobs_are_put_in_at_once, what_is_too_large_is_refused;
    "Delay" in enqueue: a_delayed_job_runs_when_it_is_due, a_worker_begins_what_comes_due;
    "Priorities" in enqueue: the_urgent_run_first, what_becomes_urgent_overtakes_a_long_queue;
    "Retries with backoff and jitter" in failing: a_failed_job_is_tried_again_ever_later, the_waits_are_spread_evenly,
        the_kind_of_an_error_decides, an_error_may_say_how_long_to_wait, one_job_may_have_fewer_attempts,
        a_panic_is_a_failure_like_others;
    "Timeout" in failing: a_run_that_takes_too_long_is_stopped;
    "Deadline" in failing: a_job_past_its_deadline_is_not_begun;
    "Uniqueness by arguments or by a text" in unique: the_same_arguments_are_taken_once_while_the_first_lives,
        many_at_once_are_taken_once_each, a_text_may_stand_for_the_arguments, of_concurrent_enqueuers_one_wins,
        enqueuers_of_many_do_not_lock_each_other_out, what_was_rolled_back_makes_room;
    "Uniqueness while alive" in unique: what_fails_lives_until_it_is_dead;
    "Uniqueness while waiting" in unique: once_it_runs_another_may_wait;
    "Uniqueness within a time" in unique: within_a_time_there_is_one_even_if_it_has_ended;
}

#[test]
fn the_table_of_features_is_up_to_date() {
    assert!(!FEATURES.is_empty());
}
