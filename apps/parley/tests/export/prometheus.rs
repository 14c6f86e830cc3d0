//! The metrics and rules, read by the programs of Prometheus itself.

use crate::program::client::Person;
use crate::program::place::{Database, Place};
use crate::told::{World, ask, eventually};
use sarsen::config::{Config, Secret};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The program, where `cargo xtask services` found it.
fn program(variable: &str) -> Option<String> {
    let program = std::env::var(variable).ok();
    if program.is_none() {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "{variable} is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: {variable} is not set; run `cargo xtask services -- cargo test`");
    }
    program
}

/// Runs promtool, and fails with what it says when it is not content.
async fn promtool(program: &str, arguments: &[&str], input: &str, folder: &Path) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.expect("is read");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}\n{input}", String::from_utf8_lossy(&said));
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a body").1
}

pub(crate) async fn scrapes() {
    let world = World::start(&[]).await;
    let mut person = Person::sign_up(world.server.address, "mira").await;
    person.get("/v1/me").await.unwrap().expect(200);
    let mut text = String::new();
    while !text.contains("operation=\"GET /v1/me\"") {
        text = body(&world.ask("GET /metrics HTTP/1.1").await).to_owned();
    }
    for name in
        ["sarsen_jobs{queue=\"mail\"", "process_cpu_seconds_total", "sarsen_wait_seconds_total{kind=\"request\""]
    {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    let Some(tool) = program("SARSEN_TEST_PROMTOOL") else { return };
    promtool(&tool, &["check", "metrics"], &text, world.place.folder()).await;
    let Some(server) = program("SARSEN_TEST_PROMETHEUS") else { return };
    exemplars(&world, &server).await;
}

/// A real Prometheus scrapes: it asks for OpenMetrics, and keeps the traces of slow requests.
async fn exemplars(world: &World, program: &str) {
    let folder = world.place.folder();
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs: [{{job_name: parley, static_configs: [{{targets: ['{}']}}]}}]\n",
        world.server.address
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--enable-feature=exemplar-storage"]);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).current_dir(folder);
    let _running =
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().expect("Prometheus runs");
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let query =
        "GET /api/v1/query_exemplars?query=sarsen_operation_duration_seconds_bucket&start=0&end=9999999999 HTTP/1.1";
    eventually("Prometheus listens", || std::net::TcpStream::connect(address).ok()).await;
    let until = sarsen::clock::monotonic() + crate::told::PATIENCE;
    loop {
        let answer = ask(address, query).await;
        let found =
            body(&answer).lines().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or(Value::Null);
        let labels = &found["data"][0]["exemplars"][0]["labels"]["trace_id"];
        if labels.as_str().is_some_and(|trace| trace.len() == 32) {
            return;
        }
        assert!(sarsen::clock::monotonic() < until, "no exemplar: {answer}");
        sarsen::clock::pause(std::time::Duration::from_millis(100)).await;
    }
}

pub(crate) async fn hides() {
    let place = Place::new(Database::Embedded).await.expect("is always there");
    let production = [
        ("SARSEN_APP__ENVIRONMENT", "production"),
        ("SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP", "smtp://127.0.0.1:1"),
    ];
    let server = place.serve_with(&production).await;
    let without_ids = |answer: &str| {
        let lines = answer
            .lines()
            .filter(|line| !line.to_lowercase().starts_with("x-request-id") && !line.contains("trace_id"));
        lines.filter(|line| !line.starts_with("date")).collect::<Vec<_>>().join("\n")
    };
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let asked = ask(server.address, &format!("{method} /metrics HTTP/1.1\nauthorization: Bearer wrong")).await;
        let nothing = ask(server.address, &format!("{method} /nothing HTTP/1.1\nauthorization: Bearer wrong")).await;
        assert!(asked.starts_with("HTTP/1.1 404"), "{asked}");
        assert_eq!(without_ids(&asked), without_ids(&nothing));
    }
    let mut config = Config::default();
    config.app.secret = Secret::new("only for tests, but long enough for them");
    let token = sarsen::App::new("parley", "0.0.0", config).ops_token().expect("a token");
    let asked = ask(server.address, &format!("GET /metrics HTTP/1.1\nauthorization: Bearer {}", token.expose())).await;
    assert!(asked.starts_with("HTTP/1.1 200") && asked.contains("sarsen_build_info"), "{asked}");
}

/// Of 1,000 requests a minute a fifth is too slow, for two hours: that wakes somebody. Of six a minute it does not.
const TIMES: &str = r#"
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'sarsen_operation_duration_seconds_count{kind="request", module="accounts", operation="GET /v1/me"}', values: '0+1000x180'}
      - {series: 'sarsen_budget_broken_total{kind="request", module="accounts", operation="GET /v1/me", promise="time"}', values: '0+200x180'}
      - {series: 'sarsen_operation_duration_seconds_count{kind="request", module="accounts", operation="GET /v1/users"}', values: '0+1x180'}
      - {series: 'sarsen_budget_broken_total{kind="request", module="accounts", operation="GET /v1/users", promise="time"}', values: '0+0.2x180'}
      - {series: 'sarsen_operation_duration_seconds_count{kind="request", module="accounts", operation="GET /v1/session"}', values: '0+1000x180'}
      - {series: 'sarsen_operations_failed_total{kind="request", module="accounts", operation="GET /v1/session"}', values: '0+50x180'}
    promql_expr_test:
      - expr: sum by (operation, promise) (ALERTS{alertname="SarsenBudgetBurnsFast"})
        eval_time: 2h
        exp_samples:
          - {labels: '{operation="GET /v1/me", promise="time"}', value: 1}
          - {labels: '{operation="GET /v1/session", promise="errors"}', value: 1}
"#;

pub(crate) async fn rules() {
    let place = Place::new(Database::Embedded).await.expect("is always there");
    let (alerts, again) = (place.run(&["export", "alerts"]).await, place.run(&["export", "alerts"]).await);
    assert_eq!(alerts, again);
    let board: Value = serde_json::from_str(&place.run(&["export", "grafana"]).await).expect("JSON");
    let table = board["panels"].as_array().expect("panels").last().expect("budgets")["options"]["content"].to_string();
    assert!(table.contains("`GET /v1/me`") && table.contains("`webhooks.deliver`"), "{table}");
    let listed = place.run(&["budgets"]).await;
    assert!(listed.lines().any(|line| line.starts_with("job ") && line.contains("webhooks.deliver")), "{listed}");
    let Some(tool) = program("SARSEN_TEST_PROMTOOL") else { return };
    std::fs::write(place.folder().join("alerts.yml"), &alerts).unwrap();
    std::fs::write(place.folder().join("times.yml"), TIMES).unwrap();
    promtool(&tool, &["check", "rules", "alerts.yml"], "", place.folder()).await;
    promtool(&tool, &["test", "rules", "times.yml"], "", place.folder()).await;
}
