//! Hostile input: whatever is sent, the answer is a problem that names the field, never a 5xx and never a panic.
//!
//! The requests are made from the served OpenAPI document, so a new route is attacked without a new test.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test says what it counts and what it expects")]

#[path = "hostile/attacks/mod.rs"]
mod attacks;
#[path = "hostile/document.rs"]
mod document;
#[path = "hostile/judge.rs"]
mod judge;
#[expect(dead_code, reason = "each suite uses its part of it")]
#[path = "program/mod.rs"]
mod program;
#[path = "hostile/request.rs"]
mod request;
#[path = "hostile/schema.rs"]
mod schema;
#[path = "hostile/sockets.rs"]
mod sockets;
#[path = "hostile/stage.rs"]
mod stage;
#[path = "hostile/values.rs"]
mod values;

use attacks::{address, body, credentials, mixed, query, routes};
use stage::Stage;

sarsen::each_profile! {
    async fn no_body_breaks_it() {
        Stage::start().await.attack(body).await;
    }

    async fn no_query_breaks_it() {
        Stage::start().await.attack(query).await;
    }

    async fn no_path_breaks_it() {
        Stage::start().await.attack(address).await;
    }

    async fn no_credentials_are_forged() {
        Stage::start().await.attack(credentials).await;
    }

    async fn everything_at_once_does_not_break_it() {
        Stage::start().await.attack(mixed).await;
    }

    async fn unknown_routes_and_methods_are_problems() {
        routes(Stage::start().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_http_disturb_nobody() {
    sockets::garbage_disturbs_nobody().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_never_smuggled() {
    sockets::requests_are_never_smuggled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_slow_clients_disturb_nobody() {
    sockets::slow_clients_disturb_nobody().await;
}
