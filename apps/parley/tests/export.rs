//! What Parley tells others: the real program, and real receivers that read what it sends.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test says what it skips and what it expects")]

#[path = "export/budgets.rs"]
mod budgets;
#[path = "export/collector.rs"]
mod collector;
#[path = "program/mod.rs"]
#[expect(dead_code, reason = "crashes and imports use the rest of it")]
mod program;
#[path = "export/prometheus.rs"]
mod prometheus;
#[path = "suite/receiver.rs"]
#[expect(dead_code, reason = "the suite uses the rest of it")]
mod receiver;
#[path = "export/secrets.rs"]
mod secrets;
#[path = "export/told.rs"]
mod told;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_its_jobs_and_its_webhook_are_one_trace_at_the_collector() {
    collector::one_trace().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_reach_the_collector() {
    collector::metrics().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_fails_gets_it_again_and_holds_up_nobody() {
    collector::again().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_takes_the_metrics_and_keeps_their_exemplars() {
    prometheus::scrapes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_production_metrics_are_for_operators_and_not_there_for_others() {
    prometheus::hides().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_are_rules_and_wake_when_a_budget_burns() {
    prometheus::rules().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_checked_against_what_a_run_recorded() {
    budgets::checked().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_in_what_is_told() {
    secrets::nowhere().await;
}
