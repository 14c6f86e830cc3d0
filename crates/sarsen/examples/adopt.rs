//! An axum application that is none of Sarsen's, measured like one: with one wrap and one `Db`. `/ops` and `/metrics` are there.

use axum::extract::{Path, State};
use axum::{Json, Router, routing::get};
use sarsen::{Config, Db, adopt};

/// The application as it was, but for its database: it asks once for the orders, and then once for each of them.
async fn orders(State(db): State<Db>) -> sarsen::Result<Json<Vec<(i64, String)>>> {
    let mut named = Vec::new();
    for (id,) in db.query("SELECT id FROM orders ORDER BY id").all::<(i64,)>().await? {
        let sql = "SELECT name FROM customers WHERE id = ?";
        named.push((id, db.query(sql).bind(id).scalar::<String>().await?));
    }
    Ok(Json(named))
}

async fn order(Path(id): Path<i64>) -> String {
    format!("order {id}")
}

/// The routes, measured.
pub fn router(db: Db) -> Router {
    Router::new().route("/orders", get(orders)).route("/orders/{id}", get(order)).with_state(db)
}

#[tokio::main]
async fn main() -> sarsen::Result<()> {
    let adopted = adopt("shop", "1.0.0", Config::default()).await?;
    let router = adopted.wrap(router(adopted.db().clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, router).await?;
    adopted.stop().await;
    Ok(())
}
