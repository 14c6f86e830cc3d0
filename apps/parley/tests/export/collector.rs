//! Traces and metrics at a collector.

use crate::program::client::Person;
use crate::receiver::{Deed, Receiver};
use crate::told::{World, eventually, hexadecimal, text};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

pub(crate) async fn one_trace() {
    let (world, receiver) = (World::start(&[]).await, Receiver::start().await);
    let mut person = Person::sign_up(world.server.address, "mira").await;
    let channel = person.post("/v1/channels", &json!({"name": "general", "kind": "public"})).await.unwrap().expect(201);
    let channel = channel["id"].as_str().expect("an id").to_owned();
    let hook = json!({"url": receiver.url("/hook"), "events": ["messages.posted"]});
    person.post(&format!("/v1/channels/{channel}/webhooks"), &hook).await.unwrap().expect(201);
    let (path, caller) = (format!("/v1/channels/{channel}/messages"), format!("00-{TRACE}-{CALLER}-01"));
    person.post_in_trace(&path, &caller).await.expect(201);

    let received = eventually("the webhook", || receiver.received().pop()).await;
    let parent = received.header("traceparent").to_owned();
    assert_eq!(&parent[..35], format!("00-{TRACE}"), "{received:?}");
    let ours = || world.spans().into_iter().filter(|span| hexadecimal(&span.trace_id) == TRACE).collect::<Vec<Span>>();
    let deliver = eventually("the job", || ours().into_iter().find(|span| span.name == "webhooks.deliver")).await;
    assert_eq!(hexadecimal(&deliver.span_id), parent[36..52], "the webhook was called by the job");

    let spans = ours();
    let request = spans.iter().find(|span| span.name == "POST /v1/channels/{id}/messages").expect("the request");
    assert_eq!((hexadecimal(&request.parent_span_id).as_str(), request.kind), (CALLER, 2));
    assert_eq!(text(&request.attributes, "http.response.status_code").as_deref(), Some("201"));
    assert!(request.start_time_unix_nano < request.end_time_unix_nano);
    let leaves: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id == request.span_id).collect();
    let queries: Vec<String> = leaves.iter().filter_map(|span| text(&span.attributes, "db.query.text")).collect();
    assert!(queries.iter().any(|query| query.starts_with("INSERT INTO messages")), "{queries:?}");
    assert!(leaves.iter().all(|leaf| leaf.start_time_unix_nano >= request.start_time_unix_nano));
    logged(&world);
}

/// The line of the log has the trace, as JSON.
fn logged(world: &World) {
    let log = world.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let names: Vec<String> = lines
        .filter(|line| line["trace_id"] == TRACE)
        .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
        .collect();
    for name in ["POST /v1/channels/{id}/messages", "webhooks.posted", "webhooks.deliver"] {
        assert!(names.iter().any(|said| said == name), "{name} is not in {names:?}");
    }
}

pub(crate) async fn metrics() {
    let world = World::start(&[]).await;
    let mut person = Person::sign_up(world.server.address, "mira").await;
    for _ in 0..5 {
        person.get("/v1/me").await.unwrap().expect(200);
    }
    let counted = || {
        let request = world.metrics()?;
        let all = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        let mut all = all.flat_map(|scope| scope.metrics);
        let durations = all.find(|metric| metric.name == "sarsen.operation.duration")?;
        let Some(Data::Histogram(histogram)) = durations.data else { panic!("it is a histogram") };
        assert_eq!((durations.unit.as_str(), histogram.aggregation_temporality), ("s", 2));
        let mut points = histogram.data_points.into_iter();
        let me = points.find(|point| text(&point.attributes, "sarsen.operation").as_deref() == Some("GET /v1/me"))?;
        assert_eq!(me.bucket_counts.iter().sum::<u64>(), me.count);
        assert_eq!(me.bucket_counts.len(), me.explicit_bounds.len() + 1);
        (me.count == 5).then_some(me)
    };
    let me = eventually("five requests", counted).await;
    assert!(me.sum.expect("a sum") > 0.0);
}

pub(crate) async fn again() {
    let world = World::start(&[("SARSEN_TELEMETRY__TIMEOUT", "500ms")]).await;
    world.collector.will([Deed::Answer(503, ""), Deed::Silence, Deed::Close, Deed::Answer(429, "retry-after: 0\r\n")]);
    let begun = sarsen::clock::monotonic();
    let mut person = Person::sign_up(world.server.address, "mira").await;
    assert!(sarsen::clock::monotonic() - begun < std::time::Duration::from_secs(5));
    person.get("/v1/me").await.unwrap().expect(200);
    let named = |span: &Span| span.name == "POST /v1/accounts";
    eventually("the trace", || world.spans().into_iter().find(named)).await;
}
