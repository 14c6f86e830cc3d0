//! The handlers on Sarsen: its extractors, its Db, and the whole stack around them.

use crate::Outcome;
use crate::pipe::Pipe;
use crate::sample::{self, HELLO, Hello, LIST, Message, ONE};
use axum::extract::State;
use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use sarsen::Db;
use sarsen::config::HttpSection;
use sarsen::http::routing::get;
use sarsen::http::{Health, Json, ModuleRoutes, Path, Routes, Stack, StackParts};
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::{self, Recorder, WaitKind};
use std::convert::Infallible;
use uuid::Uuid;

async fn hello() -> Json<Hello> {
    Json(HELLO)
}

/// Waits so many times for nothing, which costs a poll each time.
async fn turns(Path(count): Path<u32>) -> Json<Hello> {
    for _ in 0..count {
        telemetry::wait(WaitKind::Named, "turn", tokio::task::yield_now()).await;
    }
    Json(HELLO)
}

async fn message(State(db): State<Db>, Path(id): Path<Uuid>) -> sarsen::Result<Json<Message>> {
    db.query(ONE).bind(id).one().await.map(Json)
}

async fn list(State(db): State<Db>, Path(channel): Path<i64>) -> sarsen::Result<Json<Vec<Message>>> {
    db.query(LIST).bind(channel).all().await.map(Json)
}

pub(super) fn routes(db: Db) -> Routes {
    Routes::new()
        .api_route("/hello", get(hello))
        .api_route("/turns/{count}", get(turns))
        .api_route("/messages/{id}", get(message))
        .api_route("/channels/{channel}/messages", get(list))
        .with_state(db)
}

/// The stack with its queue of closed Operations.
pub(super) struct Stacked {
    stack: Stack,
    recorder: Recorder,
}

impl Stacked {
    /// As an application has it, with everything recorded.
    pub(super) fn new(db: &Db) -> Outcome<Self> {
        Self::with(db, Recorder::new(8_192))
    }

    /// The same with another recorder.
    pub(super) fn with(db: &Db, recorder: Recorder) -> Outcome<Self> {
        let lifecycle = Lifecycle::default();
        lifecycle.set_ready();
        sample::log(&recorder, lifecycle.clone());
        let mut parts = StackParts::new(&HttpSection::default(), &recorder, Health::new(lifecycle));
        let db = db.for_module("bench");
        parts.modules.push(ModuleRoutes::new("bench", move || routes(db)));
        Ok(Self { stack: Stack::new(parts)?, recorder })
    }

    /// The stack itself, for a server.
    pub(super) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The log task looks every 50 ms, and the rounds are quicker than its queue is long: the bench empties it between them.
    pub(super) async fn pipe(&self, path: &str) -> Outcome<Pipe> {
        let (stack, recorder) = (self.stack.clone(), self.recorder.clone());
        // As `sarsen::http::serve` does it.
        let served = service_fn(move |request: Request<Incoming>| stack.call(request).map(Ok::<_, Infallible>));
        Pipe::open(served, path, move || drop(recorder.drain())).await
    }
}
