//! Secrets in everything that comes in, and none in anything that `/ops` gives out.

use crate::world::{ADDRESSES, Charge, SECRET, start};
use sarsen::config::{Environment, Secret};
use sarsen::testing::TestApp;
use serde_json::{Value, json};

/// Each is planted in one place: nothing of them may come out.
const CARD: &str = "4111-1111-2222-9876";
const COUPON: &str = "COUPON-77x77-HUSH";
const HEADER: &str = "header-hush-5512ab";
const COOKIE: &str = "cookie-hush-9931cd";
const BODY: &str = "a body nobody should read";
const JOB: &str = "job-card-5500-0000-0000-0004";
const PASSWORD: &str = "mail-hush-password";
const SERVER: &str = "server-hush-password";
const TOKEN: &str = "the token of the operators, which is long enough";

pub(crate) async fn nothing_secret_is_shown() {
    let configure = |config: &mut sarsen::Config| {
        config.ops.token = Secret::new(TOKEN);
        config.jobs.encryption_keys = vec![Secret::new("encryption-hush-0123456789abcdef0123456789")];
        let mut table = toml::Table::new();
        table.insert("mail_password".into(), PASSWORD.into());
        table.insert("server".into(), format!("smtp://me:{SERVER}@host:25").into());
        config.modules.entry("shop".into()).or_default().config = table;
    };
    let app = start(Environment::Development, configure, |_| ()).await;
    plant(&app).await;
    let mut all = Vec::new();
    for path in ADDRESSES {
        let response = app.get(path).await;
        all.push((path.to_owned(), format!("{:?}\n{}", response.headers(), response.text())));
    }
    all.extend(deeper(&app).await);
    let known = [CARD, COUPON, HEADER, COOKIE, BODY, JOB, PASSWORD, SERVER, TOKEN, SECRET, "encryption-hush"];
    for (path, text) in &all {
        for secret in known {
            assert!(!text.contains(secret), "`{secret}` comes out at {path}:\n{text}");
        }
    }
    let whole: String = all.into_iter().map(|(_, text)| text).collect();
    for expected in ["shop.charge", "GET /cards/{number}", "(redacted)", "was refused"] {
        assert!(whole.contains(expected), "{expected} should be there, else nothing was tested");
    }
}

async fn plant(app: &TestApp) {
    for _ in 0..40 {
        let request = app.get(&format!("/cards/{CARD}?code={COUPON}")).header("x-api-key", HEADER);
        request.header("cookie", &format!("session={COOKIE}")).await.expect_status(500);
        app.post("/notes").json(&json!({ "text": BODY })).bearer(HEADER).await.expect_status(503);
    }
    let job = Charge { card: JOB.to_owned(), works: false };
    app.running().jobs().enqueue(app.db(), job).await.unwrap();
    app.run_jobs().await;
    app.db().query("SELECT 1 WHERE 'x' = ?").bind(JOB).execute().await.unwrap();
    app.running().insight().collect();
}

/// What the lists lead to: each job, each sample.
async fn deeper(app: &TestApp) -> Vec<(String, String)> {
    let list: Value = app.get("/ops/api/jobs/list?state=discarded").await.json();
    let mut paths: Vec<String> = list["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| format!("/ops/api/jobs/{}", job["id"].as_str().unwrap()))
        .collect();
    let samples: Value = app.get("/ops/api/samples").await.json();
    assert!(samples.as_array().is_some_and(|samples| samples.len() > 2), "samples were kept: {samples}");
    paths.extend(
        samples.as_array().into_iter().flatten().map(|one| format!("/ops/api/sample/{}", one["id"].as_str().unwrap())),
    );
    let mut all = Vec::new();
    for path in paths {
        let text = app.get(&path).await.text();
        all.push((path, text));
    }
    all
}
