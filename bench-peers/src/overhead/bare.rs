//! The handlers on bare axum, with the drivers that Sarsen uses used directly.

use crate::Outcome;
use crate::pipe::Pipe;
use crate::sample::{HELLO, LIST, Message, ONE};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get};
use deadpool_postgres::{Manager, Pool};
use hyper_util::service::TowerToHyperService;
use rusqlite::{Connection, OpenFlags};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// A router that hyper serves without anything around it.
pub(super) struct Bare(pub(super) Router);

impl Bare {
    pub(super) async fn pipe(&self, path: &str) -> Outcome<Pipe> {
        Pipe::open(TowerToHyperService::new(self.0.clone()), path, || ()).await
    }
}

/// Any error is a fault here.
pub(super) struct Fault;

impl<E: std::error::Error> From<E> for Fault {
    fn from(_: E) -> Self {
        Self
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

type Embedded = State<Arc<Mutex<Connection>>>;

/// One connection behind a lock, statements prepared once, inline: what one writes by hand.
pub(super) fn sqlite(file: &str) -> Outcome<Bare> {
    let shared = Arc::new(Mutex::new(open(file)?));
    let router = Router::new()
        .route("/hello", get(|| async { Json(HELLO) }))
        .route("/messages/{id}", get(sqlite_message))
        .route("/channels/{channel}/messages", get(sqlite_list));
    Ok(Bare(router.with_state(shared)))
}

/// A reader with the settings of Sarsen's readers.
pub(crate) fn open(file: &str) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA mmap_size = 268435456; \
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

async fn sqlite_message(State(shared): Embedded, Path(id): Path<Uuid>) -> Result<Json<Message>, Fault> {
    let connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(connection.prepare_cached(ONE)?.query_row([id], from_sqlite)?))
}

async fn sqlite_list(State(shared): Embedded, Path(channel): Path<i64>) -> Result<Json<Vec<Message>>, Fault> {
    let connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map([channel], from_sqlite)?;
    Ok(Json(rows.collect::<Result<_, _>>()?))
}

pub(crate) fn from_sqlite(row: &rusqlite::Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message { id: row.get(0)?, author: row.get(1)?, text: row.get(2)?, likes: row.get(3)? })
}

/// The pool of Sarsen with statements prepared once for each connection.
pub(super) fn postgres(url: &str) -> Outcome<Bare> {
    let router = Router::new()
        .route("/messages/{id}", get(postgres_message))
        .route("/channels/{channel}/messages", get(postgres_list));
    Ok(Bare(router.with_state(pool(url)?)))
}

pub(crate) fn pool(url: &str) -> Outcome<Pool> {
    let manager = Manager::new(url.parse()?, tokio_postgres::NoTls);
    Ok(Pool::builder(manager).max_size(16).build()?)
}

async fn postgres_message(State(pool): State<Pool>, Path(id): Path<Uuid>) -> Result<Json<Message>, Fault> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(&numbered(ONE)).await?;
    Ok(Json(from_postgres(&connection.query_one(&statement, &[&id]).await?)?))
}

async fn postgres_list(State(pool): State<Pool>, Path(channel): Path<i64>) -> Result<Json<Vec<Message>>, Fault> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(&numbered(LIST)).await?;
    let rows = connection.query(&statement, &[&channel]).await?;
    Ok(Json(rows.iter().map(from_postgres).collect::<Result<_, _>>()?))
}

pub(crate) fn from_postgres(row: &tokio_postgres::Row) -> Result<Message, tokio_postgres::Error> {
    Ok(Message { id: row.try_get(0)?, author: row.try_get(1)?, text: row.try_get(2)?, likes: row.try_get(3)? })
}

/// The text with the placeholder of PostgreSQL.
pub(crate) fn numbered(sql: &str) -> String {
    sql.replacen('?', "$1", 1)
}
