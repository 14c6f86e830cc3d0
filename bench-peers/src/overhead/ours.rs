//! The handlers on Sarsen: its extractors, its Db, and the whole stack around them.

use crate::Outcome;
use crate::pipe::Pipe;
use crate::sample::{HELLO, Hello, LIST, Message, ONE};
use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use hyper::body::Incoming;
use sarsen::Db;
use sarsen::config::HttpSection;
use sarsen::http::routing::get;
use sarsen::http::{Health, Json, ModuleRoutes, Path, Routes, Stack, StackParts};
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::Recorder;
use std::convert::Infallible;
use std::pin::Pin;
use uuid::Uuid;

async fn hello() -> Json<Hello> {
    Json(HELLO)
}

async fn message(State(db): State<Db>, Path(id): Path<Uuid>) -> sarsen::Result<Json<Message>> {
    db.query(ONE).bind(id).one().await.map(Json)
}

async fn list(State(db): State<Db>, Path(channel): Path<i64>) -> sarsen::Result<Json<Vec<Message>>> {
    db.query(LIST).bind(channel).all().await.map(Json)
}

/// The stack with its queue of closed Operations.
pub(super) struct Stacked {
    stack: Stack,
    recorder: Recorder,
}

impl Stacked {
    pub(super) fn new(db: &Db) -> Outcome<Self> {
        let recorder = Recorder::new(8_192);
        let lifecycle = Lifecycle::default();
        lifecycle.set_ready();
        let mut parts = StackParts::new(&HttpSection::default(), &recorder, Health::new(lifecycle));
        let db = db.for_module("bench");
        parts.modules.push(ModuleRoutes::new("bench", move || {
            Routes::new()
                .api_route("/hello", get(hello))
                .api_route("/messages/{id}", get(message))
                .api_route("/channels/{channel}/messages", get(list))
                .with_state(db)
        }));
        Ok(Self { stack: Stack::new(parts)?, recorder })
    }

    /// The log task would take the closed Operations; here the bench does, between the rounds.
    pub(super) async fn pipe(&self, path: &str) -> Outcome<Pipe> {
        let recorder = self.recorder.clone();
        Pipe::open(Served(self.stack.clone()), path, move || drop(recorder.drain())).await
    }
}

/// The stack as hyper calls it; `sarsen::http::serve` does the same.
struct Served(Stack);

impl hyper::service::Service<Request<Incoming>> for Served {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let stack = self.0.clone();
        Box::pin(async move { Ok(stack.call(request).await) })
    }
}
