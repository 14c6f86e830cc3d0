//! `kill -9` at any moment: what was acknowledged is there after the restart, and the database is sound.
//!
//! The processes are real, and so is the signal. Each test prints what it counted.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test says what it counts and what it expects")]

#[path = "crash/importing.rs"]
mod importing;
#[path = "crash/posting.rs"]
mod posting;
#[path = "program/mod.rs"]
#[expect(dead_code, reason = "other programs do more with it")]
mod program;

use program::place::Database;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_is_finished_by_the_next_embedded() {
    importing::is_finished_by_the_next(Database::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_is_finished_by_the_next_server() {
    importing::is_finished_by_the_next(Database::Server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_outlive_a_kill_embedded() {
    posting::outlives_a_kill(Database::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_outlive_a_kill_server() {
    posting::outlives_a_kill(Database::Server).await;
}
