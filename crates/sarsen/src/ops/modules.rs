//! The modules: what each owns and does, whom it calls, and how often it was called.

use super::Ops;
use crate::clock;
use crate::module::ModuleInfo;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/ops/api/modules", get(all))
}

#[derive(Serialize)]
struct All {
    /// For so long calls are counted.
    seconds: f64,
    modules: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    serves_http: bool,
    migrations: usize,
    tables: Vec<&'static str>,
    /// The modules that it calls.
    calls: Vec<&'static str>,
    methods: Vec<Method>,
    jobs: Vec<&'static str>,
    subscriptions: Vec<Hears>,
    projections: Vec<Builds>,
}

/// A method of the module's API, since the start of this process.
#[derive(Serialize)]
struct Method {
    name: &'static str,
    signature: &'static str,
    calls: u64,
    errors: u64,
    nanoseconds: u64,
}

/// What a module hears of: a delivery is a job whose kind is the subscriber's name.
#[derive(Serialize)]
struct Hears {
    event: &'static str,
    subscriber: &'static str,
}

#[derive(Serialize)]
struct Builds {
    name: &'static str,
    events: Vec<&'static str>,
}

async fn all(State(ops): State<Arc<Ops>>) -> Json<All> {
    let modules = &ops.parts.modules;
    Json(All {
        seconds: (clock::monotonic() - ops.started).as_secs_f64(),
        modules: modules.iter().map(|module| shown(module, modules)).collect(),
    })
}

fn shown(module: &ModuleInfo, all: &[ModuleInfo]) -> Shown {
    let serving =
        |api: &'static str| all.iter().find(|module| module.api.name == api).map_or(api, |module| module.name);
    let signatures = module.api.methods.iter().map(|method| method.signature);
    let methods = module.calls().into_iter().zip(signatures).map(|(count, signature)| Method {
        name: count.method,
        signature,
        calls: count.calls,
        errors: count.errors,
        nanoseconds: u64::try_from(count.total.as_nanos()).unwrap_or(u64::MAX),
    });
    let hears = |one: &crate::events::Subscribed| Hears { event: one.event, subscriber: one.subscriber };
    Shown {
        name: module.name,
        serves_http: module.serves_http,
        migrations: module.migrations,
        tables: module.tables.clone(),
        calls: module.dependencies.iter().map(|on| serving(on.api)).collect(),
        methods: methods.collect(),
        jobs: module.jobs.iter().map(|kind| kind.kind).collect(),
        subscriptions: module.subscriptions.iter().map(hears).collect(),
        projections: module
            .projections
            .iter()
            .map(|one| Builds { name: one.name, events: one.events().to_vec() })
            .collect(),
    }
}
