//! What jobs promise, on every database alike: one check for each feature.
//!
//! The list below is the suite and the table of features in `docs/jobs-features.md`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects, and some jobs misbehave")]

mod bundles;
mod enqueue;
mod failing;
mod limits;
mod mending;
mod order;
mod payloads;
mod poison;
mod runs;
mod seen;
mod stage;
mod table;
mod together;
mod unique;
mod workers;

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
    "Concurrency limit of a queue, in all processes" in limits: a_queue_has_a_limit_in_all_processes,
        a_failed_job_makes_room_too;
    "Concurrency limit of a key, in all processes" in limits: a_key_has_a_limit_in_all_processes,
        jobs_without_a_key_are_served_too;
    "Rate limit of a queue, in all processes" in limits: starts_of_a_queue_are_limited_in_time,
        a_rate_holds_in_all_processes;
    "Rate limit of a key" in limits: starts_of_a_key_are_limited_in_time;
    "Fairness between keys" in limits: a_key_with_many_jobs_holds_up_no_other, keys_take_turns;
    "Order of the jobs of a key" in order: jobs_of_a_key_run_in_their_order_in_all_processes,
        a_failing_job_holds_up_its_key_only, a_dead_letter_lets_the_next_of_its_key_run, a_delayed_job_keeps_its_place,
        keys_that_are_held_up_do_not_hide_the_others, concurrent_transactions_keep_their_order,
        jobs_from_before_the_queue_kept_an_order_run_too;
    "Batches with completion" in together: the_completion_runs_when_all_have_ended, an_empty_batch_is_complete_at_once,
        a_batch_counts_only_what_was_taken, a_batch_is_of_its_transaction,
        a_large_batch_completes_once_in_several_processes;
    "Chains" in together: a_chain_runs_link_by_link, a_link_waits_until_the_one_before_went_well,
        what_went_well_before_is_not_waited_for, nothing_waits_for_what_is_dead, a_link_is_added_while_the_one_before_ends;
    "Progress" in runs: progress_is_seen_while_a_job_runs_and_afterwards;
    "Effects exactly once" in runs: effects_and_completion_happen_together, who_was_replaced_has_no_effect,
        the_end_of_a_replaced_run_changes_nothing;
    "Retention" in runs: what_has_ended_is_kept_for_its_time;
    "Versions of arguments" in payloads: old_arguments_are_upgraded, what_this_build_cannot_read_is_a_dead_letter;
    "Encrypted arguments, and change of keys" in payloads: encrypted_arguments_cannot_be_read_in_the_table,
        keys_are_changed_without_losing_jobs;
    "Several processes" in workers: each_job_is_done_once_by_several_processes, a_job_begins_without_being_looked_for,
        a_queue_may_have_fewer_places_in_a_process;
    "Short jobs taken in bundles" in bundles: many_sorts_are_taken_together_and_done_once, its_jobs_are_seen_at_work,
        one_of_its_jobs_is_told_to_stop, what_comes_to_wait_for_one_of_its_jobs_runs,
        the_bundle_of_a_dead_process_is_done_by_others, what_is_left_of_a_bundle_is_told_apart_after_a_moment,
        who_stops_gives_back_what_is_left_of_a_bundle;
    "Jobs that block or compute" in workers: a_job_that_computes_holds_up_nobody;
    "Graceful stop" in workers: who_stops_finishes_what_runs_and_gives_back_the_rest,
        what_runs_too_long_for_a_stop_is_given_back;
    "Rescue of the jobs of a dead process" in workers: the_jobs_of_a_process_that_died_here_are_done_at_once,
        the_jobs_of_a_silent_process_are_done_by_others, the_jobs_of_a_process_that_nobody_knows_are_done,
        a_claim_whose_answer_was_lost_is_given_back, a_process_that_was_held_to_be_dead_begins_anew;
    "Jobs that kill their process" in poison: a_job_that_kills_its_process_becomes_a_dead_letter,
        a_job_that_fills_the_memory_becomes_a_dead_letter, a_kind_may_allow_fewer_deaths;
    "Jobs that cannot be done" in poison: whatever_is_wrong_with_a_job_the_rest_keeps_moving,
        an_unknown_kind_is_tried_again_for_a_newer_build;
    "Cancellation of what waits and of what runs" in mending: what_waits_is_cancelled_at_once, what_runs_is_told_to_stop,
        a_cancelled_job_is_not_begun_again_when_its_process_dies, what_waits_for_a_cancelled_job_is_cancelled_too;
    "Pause and resume" in mending: a_paused_queue_stands_still;
    "Dead letters: inspect, edit, replay, discard" in mending: a_dead_letter_is_looked_at_mended_and_tried_again,
        a_dead_letter_is_given_up, many_dead_letters_are_tried_again_at_once,
        what_belongs_to_a_dead_letter_goes_on_when_it_is_tried_again, a_mended_job_stays_encrypted_and_in_its_place;
    "Notice when nothing moves" in mending: it_is_said_when_nothing_moves;
}

#[test]
fn the_table_of_features_is_up_to_date() {
    table::check(FEATURES);
}

/// A process that works, which the checks of `poison` start.
#[test]
#[ignore = "does something only as a process of its own"]
fn process_of_its_own() {
    if let Ok(url) = std::env::var(poison::DATABASE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(poison::work(url));
    }
}
