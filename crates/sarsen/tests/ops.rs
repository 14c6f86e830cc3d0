//! The pages of the operators: closed in production as if they were not there, actions, and nothing secret in what they show.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

#[path = "ops/acts.rs"]
mod acts;
#[path = "ops/closed.rs"]
mod closed;
#[path = "ops/secrets.rs"]
mod secrets;
#[path = "ops/world.rs"]
mod world;

sarsen::each_profile! {
    async fn a_stranger_in_production_learns_nothing() {
        closed::a_stranger_in_production_learns_nothing().await;
    }

    async fn the_token_lets_programs_and_browsers_in() {
        closed::the_token_lets_programs_and_browsers_in().await;
    }

    async fn people_are_let_in_by_name() {
        closed::people_are_let_in_by_name().await;
    }

    async fn development_is_open_to_this_machine_only() {
        closed::development_is_open_to_this_machine_only().await;
    }

    async fn a_configured_token_takes_the_place_of_the_derived_one() {
        closed::a_configured_token_takes_the_place_of_the_derived_one().await;
    }

    async fn an_operator_mends_jobs_queues_and_schedules() {
        acts::an_operator_mends_jobs_queues_and_schedules().await;
    }

    async fn a_page_of_another_origin_changes_nothing() {
        acts::a_page_of_another_origin_changes_nothing().await;
    }

    async fn plans_are_shown_in_development_only() {
        acts::plans_are_shown_in_development_only().await;
    }

    async fn an_index_is_proposed_beside_the_query_that_needs_it() {
        acts::an_index_is_proposed_beside_the_query_that_needs_it().await;
    }

    async fn nothing_secret_is_shown() {
        secrets::nothing_secret_is_shown().await;
    }
}
