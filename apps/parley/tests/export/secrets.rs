//! Secrets are planted wherever they can come in, and looked for wherever something goes out.

use crate::program::client::Person;
use crate::told::{World, eventually};
use sarsen::config::{DatabaseSection, Url};
use sarsen::{Clock, Db};
use serde_json::json;

/// What is looked for. The last ones are of the configuration.
const SECRETS: [&str; 13] = [
    "header-hush",
    "bearer-hush",
    "cookie-hush",
    "query-hush",
    "path-hush",
    "body-hush",
    "wrong-type-hush",
    "message-hush",
    "argument-hush",
    "correct horse",
    "config-hush",
    "dsn-key-hush",
    "long enough for them",
];

pub(crate) async fn nowhere() {
    let smtp = [("SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP", "smtp://mailer:config-hush@127.0.0.1:1")];
    let world = World::start(&smtp).await;
    let mut person = Person::sign_up(world.server.address, "mira").await;
    plant(&world).await;
    break_the_database(&world).await;
    let failed = person.post("/v1/channels", &json!({"name": "message-hush", "kind": "public"})).await.unwrap();
    assert_eq!(failed.status, 500, "{}", failed.body);

    let mut errors = Vec::new();
    let told = || {
        errors.extend(world.sentry.received());
        let text = |name: &str| errors.iter().any(|error| error.body.contains(name));
        (text("POST /v1/channels") && text("notifications.send_welcome")).then_some(())
    };
    eventually("both errors at Sentry", told).await;
    errors.iter().for_each(|error| is_an_envelope(&error.line, error.header("x-sentry-auth"), &error.body));
    let named = |name: &'static str| world.spans().into_iter().find(|span| span.name == name);
    eventually("the trace of the job", || named("notifications.send_welcome")).await;
    eventually("the trace of the request", || named("POST /v1/channels")).await;

    let mut outputs = vec![("log", world.log()), ("metrics", world.ask("GET /metrics HTTP/1.1").await)];
    for path in ["snapshot?span=60", "why?span=60", "samples", "config", "now", "history?span=60"] {
        outputs.push(("pages", world.ask(&format!("GET /ops/api/{path} HTTP/1.1")).await));
    }
    outputs.extend(world.collected().into_iter().map(|received| ("collector", received.body)));
    outputs.extend(errors.into_iter().map(|error| ("sentry", error.body)));
    for (place, output) in &outputs {
        for secret in SECRETS {
            let found = output.lines().find(|line| line.contains(secret));
            assert!(found.is_none(), "{secret} is in the {place}: {}", found.unwrap_or_default());
        }
    }
    // They were looked for where something stands.
    assert!(outputs[0].1.contains("notifications.send_welcome") && outputs[1].1.contains("sarsen_queries_total"));
}

async fn plant(world: &World) {
    let head = "x-secret: header-hush\nauthorization: Bearer par_bearer-hush-0123456789\ncookie: parley=cookie-hush";
    world.ask(&format!("GET /v1/me?token=query-hush HTTP/1.1\n{head}")).await;
    world.ask(&format!("GET /v1/channels/path-hush/messages HTTP/1.1\n{head}")).await;
    let json = "content-type: application/json\nsec-fetch-site: same-origin";
    let wrong = r#"{"username": "body-hush", "password": {"it": "wrong-type-hush"}}"#;
    world.ask(&format!("POST /v1/session HTTP/1.1\n{json}\n\n{wrong}")).await;
    let known = r#"{"username": "mira", "password": "body-hush"}"#;
    world.ask(&format!("POST /v1/session HTTP/1.1\n{json}\n\n{known}")).await;
    // The domain of the address is an argument of the job that sends the mail, which fails: nothing listens there.
    let new = r#"{"username": "ada", "password": "correct horse", "email": "ada@argument-hush.example"}"#;
    let made = world.ask(&format!("POST /v1/accounts HTTP/1.1\n{json}\n\n{new}")).await;
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
}

/// What is asked of the database now fails, with the text of the statement in the error.
async fn break_the_database(world: &World) {
    let url = format!("sqlite:{}", world.place.folder().join("parley.db").display());
    let section = DatabaseSection { url: Url::new(url), connections: 1, ..DatabaseSection::default() };
    let db = Db::connect(&section, &Clock::real()).await.expect("connects");
    db.query("ALTER TABLE channels RENAME TO channels_away").execute().await.expect("is renamed");
    db.close().await;
}

/// As <https://develop.sentry.dev/sdk/envelopes/> has it: a line about the envelope, one about the item, and the item, whose
/// length is told.
fn is_an_envelope(line: &str, auth: &str, body: &str) {
    assert!(line.starts_with("POST /api/42/envelope/ "), "{line}");
    assert!(auth.starts_with("Sentry sentry_version=7, ") && auth.ends_with("sentry_key=dsn-key-hush"), "{auth}");
    let mut lines = body.splitn(3, '\n');
    let mut line = || lines.next().expect("three lines");
    let head: serde_json::Value = serde_json::from_str(line()).expect("JSON");
    let item: serde_json::Value = serde_json::from_str(line()).expect("JSON");
    let payload = line().strip_suffix('\n').expect("an end");
    let event: serde_json::Value = serde_json::from_str(payload).expect("JSON");
    assert_eq!((&head["event_id"], event["event_id"].as_str().map(str::len)), (&event["event_id"], Some(32)));
    assert_eq!((item["type"].as_str(), item["length"].as_u64()), (Some("event"), Some(payload.len() as u64)));
    for part in [&event["timestamp"], &event["platform"], &event["exception"]["values"][0]["value"]] {
        assert!(part.is_string(), "{event}");
    }
    assert_eq!(event["contexts"]["trace"]["trace_id"].as_str().map(str::len), Some(32), "{event}");
    assert!(event["release"].as_str().is_some_and(|release| release.starts_with("parley@")), "{event}");
}
