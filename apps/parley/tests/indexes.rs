//! The advice on indexes: each index of Parley is dropped, and what is proposed from the queries that Parley ran must be as
//! good, in the plan and in what it takes.

#![expect(clippy::print_stdout, reason = "a test shows what was proposed")]

use sarsen::advisor::index::{Advice, advise, plans};
use sarsen::clock::{Timestamp, id_at};
use sarsen::data::{Db, Plan, Value};
use sarsen::testing::{Profile, Request, TestApp, run};
use sarsen::{App, clock};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// Every secondary index of Parley, as its migrations make it, with its table.
const INDEXES: [(&str, &str, &str); 20] = [
    ("tokens", "tokens_user", "(user_id, id)"),
    ("audit_entries", "audit_entries_actor", "(actor_id, at, id)"),
    ("audit_entries", "audit_entries_channel", "(channel_id, at, id)"),
    ("audit_entries", "audit_entries_at", "(at)"),
    ("memberships", "memberships_user", "(user_id, channel_id)"),
    ("memberships", "memberships_joined", "(channel_id, joined_at, user_id)"),
    ("channels", "channels_kind", "(kind, id)"),
    ("messages", "messages_history", "(channel_id, posted_at, id) WHERE thread_id IS NULL"),
    ("messages", "messages_thread", "(thread_id, posted_at, id)"),
    ("messages", "messages_changes", "(channel_id, revision)"),
    ("messages", "messages_activity", "(channel_id, posted_at, id)"),
    ("files", "files_message", "(message_id, id)"),
    ("files", "files_pending", "(uploader_id, uploaded_at) WHERE message_id IS NULL"),
    ("mentions", "mentions_user", "(user_id, posted_at, message_id)"),
    ("reports", "reports_owner", "(owner_id, id)"),
    ("reports", "reports_job", "(job_id)"),
    ("webhooks", "webhooks_channel", "(channel_id, id)"),
    ("webhook_deliveries", "webhook_deliveries_recent", "(webhook_id, id)"),
    ("webhook_deliveries", "webhook_deliveries_age", "(created_at)"),
    ("incoming_hooks", "incoming_hooks_channel", "(channel_id, id)"),
];

/// A query whose cost grows by less does not need the index.
const NEEDS: f64 = 1.5;
/// What is proposed may cost a little more, and take so much longer: a test is not alone on its machine.
const COSTS: f64 = 1.1;
const TAKES: (f64, Duration) = (2.0, Duration::from_millis(1));
/// How often it is measured again before it counts as slower.
const ROUNDS: u32 = 5;

#[test]
fn a_dropped_index_is_proposed_again_embedded() {
    run(Profile::Embedded, a_dropped_index_is_proposed_again());
}

#[test]
fn a_dropped_index_is_proposed_again_postgres() {
    run(Profile::Postgres, a_dropped_index_is_proposed_again());
}

/// The same without a copy, where the server has the extension for it.
#[test]
fn an_index_that_only_the_planner_sees_is_as_good_as_a_copy() {
    run(Profile::Postgres, async {
        let app = start().await;
        fill(app.db()).await;
        let there =
            app.db().query("SELECT CAST(COUNT(*) AS BIGINT) FROM pg_available_extensions WHERE name = 'hypopg'");
        if there.scalar::<i64>().await.expect("counts") == 0 {
            println!("skipped: the server has no hypopg");
            return;
        }
        for text in ["CREATE EXTENSION hypopg", "ANALYZE tokens", "DROP INDEX tokens_user"] {
            sql(app.db(), text.to_owned()).await;
        }
        let text = "SELECT id, name FROM tokens WHERE user_id = ? ORDER BY id".to_owned();
        let advice = advise(app.db(), std::slice::from_ref(&text)).await.expect("advises");
        let [proposal] = &advice.proposals[..] else { panic!("{advice:?}") };
        assert!(proposal.sql.contains("ON tokens (user_id"), "{}", proposal.sql);
        let after = proposal.queries[0].after.lines.join(" ");
        assert!(after.contains("tokens_user_id") && proposal.queries[0].after.took.is_none(), "{after}");
        // Nothing of it stays.
        assert!(plans(app.db(), &[text]).await.expect("plans")[0].1.as_ref().is_ok_and(|plan| plan.rows > 1000.0));
    });
}

async fn start() -> TestApp {
    TestApp::start(|mut config| {
        let keys = json!({"config": {"password_memory_kib": 64, "password_iterations": 1}});
        config.modules.insert("accounts".to_owned(), serde_json::from_value(keys).expect("a section"));
        let keys = json!({"config": {"allow_private": true}});
        config.modules.insert("webhooks".to_owned(), serde_json::from_value(keys).expect("a section"));
        let mut app = App::new("parley", "0.0.0", config);
        parley::mount(&mut app);
        app
    })
    .await
}

async fn a_dropped_index_is_proposed_again() {
    let app = start().await;
    let mut texts = recorded(&app).await;
    // Runs when a report's job is given up, which needs a fault.
    texts.push("SELECT id, owner_id FROM reports WHERE job_id = ?".to_owned());
    fill(app.db()).await;
    let mut wrong = Vec::new();
    let mut needed = 0;
    for (table, name, columns) in INDEXES {
        let of_table: Vec<String> = texts.iter().filter(|text| names(text, table)).cloned().collect();
        assert!(!of_table.is_empty(), "nothing was recorded on {table}");
        let with = costs(app.db(), &of_table).await;
        sql(app.db(), format!("DROP INDEX {name}")).await;
        let without = costs(app.db(), &of_table).await;
        let worse = |text: &&String| without[*text].cost > NEEDS * with[*text].cost;
        let suffers = with.keys().any(|text| worse(&text));
        let advice = advise(app.db(), &of_table).await.expect("advises");
        needed += usize::from(suffers);
        if suffers {
            wrong.extend(is_as_good(app.db(), &with, &advice).await.into_iter().map(|what| format!("{name}: {what}")));
        }
        let proposed: Vec<&str> = advice.proposals.iter().map(|proposal| proposal.sql.as_str()).collect();
        println!("{name} {columns}: {}{proposed:?}", if suffers { "" } else { "no recorded query needs it; " });
        for (text, why) in &advice.skipped {
            wrong.push(format!("{name}: {text} was not tried: {why}"));
        }
        sql(app.db(), format!("CREATE INDEX {name} ON {table} {columns}")).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(needed >= INDEXES.len() - 3, "only {needed} of {} indexes were needed", INDEXES.len());
}

/// Makes what was proposed, and looks whether each query costs and takes no more than with Parley's own index.
async fn is_as_good(db: &Db, with: &BTreeMap<String, Plan>, advice: &Advice) -> Vec<String> {
    for proposal in &advice.proposals {
        sql(db, proposal.sql.clone()).await;
    }
    let texts: Vec<String> = with.keys().cloned().collect();
    let took = |plan: &Plan| plan.took.unwrap_or_default();
    // The same plan takes the same time, whatever else the machine does.
    let slower =
        |before: &Plan, now: &Plan| now.lines != before.lines && took(now) > took(before).mul_f64(TAKES.0) + TAKES.1;
    let mut after = costs(db, &texts).await;
    for _ in 0..ROUNDS {
        if with.iter().all(|(text, before)| !slower(before, &after[text])) {
            break;
        }
        for (text, again) in costs(db, &texts).await {
            let least = took(&again).min(took(&after[&text]));
            after.insert(text, Plan { took: Some(least), ..again });
        }
    }
    for proposal in &advice.proposals {
        sql(db, format!("DROP INDEX {}", proposal.index.name())).await;
    }
    let mut wrong = Vec::new();
    for (text, before) in with {
        let now = &after[text];
        if now.cost > before.cost * COSTS + 1.0 || slower(before, now) {
            let plans = format!("{}\n    {}", before.lines.join(" | "), now.lines.join(" | "));
            wrong.push(format!(
                "{text}\n  {} {:?} was {} {:?}\n    {plans}",
                now.cost, now.took, before.cost, before.took
            ));
        }
    }
    wrong
}

async fn costs(db: &Db, texts: &[String]) -> BTreeMap<String, Plan> {
    let mut costs = BTreeMap::new();
    for (text, plan) in plans(db, texts).await.expect("plans") {
        match plan {
            Ok(plan) => drop(costs.insert(text, plan)),
            Err(error) => panic!("{text}: {}", error.report()),
        }
    }
    costs
}

async fn sql(db: &Db, sql: String) {
    let done = db.query(sql.clone()).execute().await;
    assert!(done.is_ok(), "{sql}: {done:?}");
}

fn names(text: &str, table: &str) -> bool {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).any(|word| word == table)
}

/// Uses Parley, and gives the texts of the reads and deletions that it ran.
async fn recorded(app: &TestApp) -> Vec<String> {
    let post = async |path: &str, body: serde_json::Value| sent(app.post(path).json(&body)).await;
    let ada = post("/v1/accounts", json!({"username": "ada", "password": "correct horse"})).await;
    let channel = id(&post("/v1/channels", json!({"name": "general", "kind": "public"})).await);
    let of = |rest: &str| format!("/v1/channels/{channel}{rest}");
    let mut message = String::new();
    for text in ["one", "two @ada", "three"] {
        message = id(&post(&of("/messages"), json!({"text": text})).await);
    }
    for text in ["a reply", "another @ada"] {
        post(&of("/messages"), json!({"text": text, "thread_id": message})).await;
    }
    sent(app.post(&of("/files?name=a.txt")).body("a file")).await;
    post("/v1/me/tokens", json!({"name": "script"})).await;
    let hook = json!({"url": "http://127.0.0.1:9999/", "events": ["messages.posted"]});
    let hook = id(&post(&of("/webhooks"), hook).await["webhook"]);
    post(&of("/hooks"), json!({"name": "Build Server"})).await;
    let report = id(&post("/v1/reports", json!({})).await);
    app.run_jobs().await;
    let user = id(&ada);
    let replies = format!("/v1/messages/{message}/replies?limit=1");
    let (deliveries, report, user) =
        (format!("/v1/webhooks/{hook}/deliveries"), format!("/v1/reports/{report}"), format!("/v1/users/{user}"));
    let lists = [
        of("/messages?limit=1"),
        replies,
        of("/changes?since=1"),
        "/v1/me/mentions?limit=1".to_owned(),
        "/v1/channels".to_owned(),
        "/v1/channels?scope=all".to_owned(),
        of(""),
        of("/members?limit=1"),
        "/v1/audit?limit=1".to_owned(),
        format!("/v1/audit?channel={channel}&limit=1"),
        "/v1/me/tokens".to_owned(),
        "/v1/reports?limit=1".to_owned(),
        report,
        of("/webhooks"),
        format!("{deliveries}?limit=1"),
        of("/hooks"),
        of("/statistics"),
        user,
        "/v1/search?q=two".to_owned(),
    ];
    for path in lists {
        let page: serde_json::Value = app.get(&path).await.expect_status(200).json();
        if let Some(cursor) = page["next"].as_str() {
            let sign = if path.contains('?') { '&' } else { '?' };
            app.get(&format!("{path}{sign}cursor={cursor}")).await.expect_status(200);
        }
    }
    // Long enough for everything that is forgotten after a while.
    app.clock().advance(Duration::from_secs(400 * 86_400));
    app.run_jobs().await;
    let operations = app.operations();
    let queries = operations.iter().flat_map(|operation| {
        let record = operation.record();
        record.queries().map(|query| query.statement.normalised.clone()).collect::<Vec<_>>()
    });
    let reads = |text: &String| !text.contains("sarsen_") && (text.starts_with("SELECT") || text.starts_with("DELETE"));
    queries.filter(reads).collect::<BTreeSet<_>>().into_iter().collect()
}

async fn sent(request: Request) -> serde_json::Value {
    let response = request.await;
    assert!(response.status().is_success(), "{}: {}", response.status(), response.text());
    response.json()
}

fn id(value: &serde_json::Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

fn moment(number: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000) + Duration::from_secs(60 * number)
}

/// Ids that rise with their numbers; `kind` keeps those of different things apart.
fn made(kind: u64, number: u64) -> Uuid {
    let (mut bytes, at) = (*id_at(moment(number)).as_bytes(), (kind << 40) | number);
    bytes[6..8].copy_from_slice(&[0x70, 0]);
    bytes[8..].copy_from_slice(&at.to_be_bytes());
    Uuid::from_bytes(bytes)
}

fn uuid(kind: u64, number: u64) -> Value {
    Value::Uuid(made(kind, number))
}

fn at(number: u64) -> Value {
    Value::Timestamp(moment(number))
}

fn words(text: &str) -> Value {
    Value::Text(text.to_owned().into())
}

async fn insert(db: &Db, table: &str, columns: &str, rows: impl Iterator<Item = Vec<Value>>) {
    let places = vec!["?"; columns.split(", ").count()].join(", ");
    let rows: Vec<Vec<Value>> = rows.collect();
    let tx = db.begin().await.expect("begins");
    for rows in rows.chunks(2_000) {
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
        let done = tx.query(sql).execute_many(rows.to_vec()).await;
        assert!(done.is_ok(), "{table}: {done:?}");
    }
    tx.commit().await.expect("commits");
}

/// Enough rows that an index matters: few of everybody, many in all.
async fn fill(db: &Db) {
    let begun = clock::monotonic();
    let (yes, no, one) = (Value::Bool(true), Value::Bool(false), Value::Int(1));
    insert(
        db,
        "users",
        "id, handle, username, display_name, about, searched, imported, created_at, mention_mails",
        (0..400).map(|n| {
            let name = words(&format!("user{n}"));
            vec![uuid(1, n), name.clone(), name.clone(), name, words(""), words(""), no.clone(), at(n), yes.clone()]
        }),
    )
    .await;
    insert(
        db,
        "tokens",
        "id, user_id, name, hash, created_at",
        (0..4_000).map(|n| {
            vec![uuid(2, n), uuid(1, n % 400), words("script"), Value::Bytes(n.to_be_bytes().to_vec()), at(n)]
        }),
    )
    .await;
    insert(
        db,
        "audit_entries",
        "id, at, actor_id, action, channel_id, subject_id",
        (0..9_000).map(|n| {
            vec![uuid(3, n), at(n), uuid(1, n % 300), words("messages.posted"), uuid(4, n * 7 % 200), Value::Null]
        }),
    )
    .await;
    insert(
        db,
        "channels",
        "id, topic, kind, created_by, created_at",
        (0..3_000).map(|n| {
            let kind = if n % 150 == 0 { "public" } else { "private" };
            vec![uuid(4, n), words(""), words(kind), uuid(1, 0), at(n)]
        }),
    )
    .await;
    insert(
        db,
        "memberships",
        "channel_id, user_id, joined_at",
        (0..9_000).map(|n| {
            // The first channel has very many members.
            if n < 3_000 {
                vec![uuid(4, 0), uuid(5, n), at(n * 37 % 3_001)]
            } else {
                vec![uuid(4, 1 + n % 2_999), uuid(1, n % 401), at(n)]
            }
        }),
    )
    .await;
    insert(
        db,
        "messages",
        "id, channel_id, author_id, text, posted_at, deleted, thread_id, reply_count, revision",
        (0..15_000).map(|n| {
            let channel = if n % 2 == 0 { 0 } else { 1 + n % 60 };
            let thread = if n % 20 < 18 { uuid(7, n % 500) } else { Value::Null };
            let revision = Value::Int(n.cast_signed());
            vec![
                uuid(6, n),
                uuid(4, channel),
                uuid(1, n % 400),
                words("some words that are said"),
                at(n),
                no.clone(),
                thread,
                Value::Int(0),
                revision,
            ]
        }),
    )
    .await;
    insert(
        db,
        "files",
        "id, channel_id, uploader_id, message_id, name, content_type, size, uploaded_at, blob, thumbnail, tries, note",
        (0..8_000).map(|n| {
            let message = if n % 20 == 0 { Value::Null } else { uuid(6, n) };
            vec![
                uuid(14, n),
                uuid(4, n % 61),
                uuid(1, n % 250),
                message,
                words("a.txt"),
                words("application/octet-stream"),
                one.clone(),
                at(n),
                words("files/00/00000000000000000000000000000000"),
                words("none"),
                Value::Int(0),
                words(""),
            ]
        }),
    )
    .await;
    insert(
        db,
        "mentions",
        "user_id, message_id, posted_at",
        (0..8_000).map(|n| vec![uuid(1, n % 250), uuid(6, n), at(n)]),
    )
    .await;
    insert(
        db,
        "reports",
        "id, owner_id, job_id, first_day, last_day, zone, created_at",
        (0..4_000).map(|n| {
            vec![
                uuid(8, n),
                uuid(1, n % 200),
                uuid(9, n),
                words("2026-01-01"),
                words("2026-01-07"),
                words("UTC"),
                at(n),
            ]
        }),
    )
    .await;
    insert(
        db,
        "webhooks",
        "id, channel_id, owner_id, url, events, secret, created_at, failures",
        (0..4_000).map(|n| {
            vec![
                uuid(10, n),
                uuid(4, n % 900),
                uuid(1, 0),
                words("https://example.com"),
                words("messages.posted"),
                words(""),
                at(n),
                one.clone(),
            ]
        }),
    )
    .await;
    insert(
        db,
        "webhook_deliveries",
        "id, webhook_id, event_id, event, body, status, attempts, created_at",
        (0..8_000).map(|n| {
            vec![
                uuid(11, n),
                uuid(10, n % 300),
                uuid(12, n),
                words("messages.posted"),
                words("{}"),
                words("delivered"),
                one.clone(),
                at(n),
            ]
        }),
    )
    .await;
    insert(
        db,
        "incoming_hooks",
        "id, channel_id, owner_id, bot_id, name, secret, created_at, window_at, window_count",
        (0..4_000).map(|n| {
            vec![
                uuid(13, n),
                uuid(4, n % 900),
                uuid(1, 0),
                uuid(1, 1),
                words("hook"),
                words(""),
                at(n),
                at(n),
                one.clone(),
            ]
        }),
    )
    .await;
    println!("filled in {:?}", clock::monotonic() - begun);
}
