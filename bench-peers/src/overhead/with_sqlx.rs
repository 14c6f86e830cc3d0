//! The handlers on axum and sqlx, with its pool.

use super::bare::{Bare, Fault};
use crate::Outcome;
use crate::sample::{LIST, Message, ONE};
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{Router, get};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr;
use uuid::Uuid;

/// A pool of readers with the settings of Sarsen's.
pub(super) async fn sqlite(file: &str) -> Outcome<Bare> {
    let options = SqliteConnectOptions::from_str(&format!("sqlite:{file}"))?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .pragma("mmap_size", "268435456")
        .pragma("cache_size", "-16384")
        .pragma("temp_store", "MEMORY");
    let pool = SqlitePoolOptions::new().max_connections(16).test_before_acquire(false).connect_with(options).await?;
    let router = Router::new()
        .route("/hello", get(|| async { Json(crate::sample::HELLO) }))
        .route("/messages/{id}", get(sqlite_message))
        .route("/channels/{channel}/messages", get(sqlite_list));
    Ok(Bare(router.with_state(pool)))
}

async fn sqlite_message(State(pool): State<SqlitePool>, Path(id): Path<Uuid>) -> Result<Json<Message>, Fault> {
    Ok(Json(sqlx::query_as(ONE).bind(id).fetch_one(&pool).await?))
}

async fn sqlite_list(State(pool): State<SqlitePool>, Path(channel): Path<i64>) -> Result<Json<Vec<Message>>, Fault> {
    Ok(Json(sqlx::query_as(LIST).bind(channel).fetch_all(&pool).await?))
}

/// Its pool, without the ping before each use, which neither of the others sends.
pub(super) async fn postgres(url: &str) -> Outcome<Bare> {
    let pool = PgPoolOptions::new().max_connections(16).test_before_acquire(false).connect(url).await?;
    let router = Router::new()
        .route("/messages/{id}", get(postgres_message))
        .route("/channels/{channel}/messages", get(postgres_list));
    Ok(Bare(router.with_state(pool)))
}

async fn postgres_message(State(pool): State<PgPool>, Path(id): Path<Uuid>) -> Result<Json<Message>, Fault> {
    let sql = "SELECT id, author, text, likes FROM bench_messages WHERE id = $1";
    Ok(Json(sqlx::query_as(sql).bind(id).fetch_one(&pool).await?))
}

async fn postgres_list(State(pool): State<PgPool>, Path(channel): Path<i64>) -> Result<Json<Vec<Message>>, Fault> {
    let sql = "SELECT id, author, text, likes FROM bench_messages WHERE channel = $1 ORDER BY number DESC LIMIT 20";
    Ok(Json(sqlx::query_as(sql).bind(channel).fetch_all(&pool).await?))
}
