//! What tests of an application stand on: profiles, clients with cookies, operations, and the count of queries.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use axum::extract::State;
use sarsen::http::{Actor, Created, Json, NoContent, Path, Routes, Session, routing};
use sarsen::testing::{TestApp, assert_queries};
use sarsen::{App, Config, Db, Declare, Init, Module, NoApi, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

struct Notes(Db);

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, sarsen::FromRow)]
struct Note {
    id: Uuid,
    #[row(rename = "body")]
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct NewNote {
    text: String,
}

impl Module for Notes {
    const NAME: &'static str = "notes";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        let create = "CREATE TABLE notes (id UUID PRIMARY KEY, author UUID NOT NULL, body TEXT NOT NULL);";
        declare.tables(["notes"]).routes(routes);
        declare.migrations(Box::leak(Box::new([("migrations/0001_create.sql", create)])));
        declare.authenticate(|_, token| async move { Ok(token.parse().ok()) });
    }
    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Notes(init.db))
    }
}

fn routes(module: Arc<Notes>) -> Routes {
    Routes::new()
        .api_route("/v1/notes", routing::get(list).post(add))
        .api_route("/v1/session/{id}", routing::post(sign_in))
        .with_state(module)
}

async fn sign_in(session: Session, Path(id): Path<Uuid>) -> Result<NoContent> {
    session.sign_in(id).await?;
    Ok(NoContent)
}

async fn list(State(notes): State<Arc<Notes>>, actor: Actor) -> Result<Json<Vec<Note>>> {
    let sql = "SELECT id, body FROM notes WHERE author = ? ORDER BY id LIMIT 100";
    Ok(Json(notes.0.query(sql).bind(actor.id).all().await?))
}

async fn add(State(notes): State<Arc<Notes>>, actor: Actor, Json(new): Json<NewNote>) -> Result<Created<Note>> {
    let note = Note { id: notes.0.clock().id(), text: new.text };
    let insert = notes.0.query("INSERT INTO notes (id, author, body) VALUES (?, ?, ?)");
    insert.bind(note.id).bind(actor.id).bind(note.text.as_str()).execute().await?;
    Ok(Created(note))
}

fn notes(config: Config) -> App {
    let mut app = App::new("notes", "1.0.0", config);
    app.mount::<Notes>(());
    app
}

sarsen::each_profile! {
    async fn users_have_cookies_of_their_own() {
        let app = TestApp::start(notes).await;
        let (ada, bob) = (app.client(), app.client());
        ada.post(&format!("/v1/session/{}", Uuid::from_u128(1))).await.expect_status(204);
        bob.post(&format!("/v1/session/{}", Uuid::from_u128(2))).await.expect_status(204);
        let note: Note = ada.post("/v1/notes").json(&serde_json::json!({ "text": "mine" })).await.expect_status(201).json();
        assert_eq!(note.text, "mine");
        assert_eq!(ada.get("/v1/notes").await.json::<Vec<Note>>(), [note]);
        assert_eq!(bob.get("/v1/notes").await.json::<Vec<Note>>(), []);
        assert_eq!(app.get("/v1/notes").await.status(), 401);
        app.stop().await;
    }

    async fn a_bearer_token_is_a_user_too() {
        let app = TestApp::start(notes).await;
        let token = Uuid::from_u128(3).to_string();
        app.get("/v1/notes").bearer(&token).await.expect_status(200);
        app.get("/v1/notes").bearer("nobody").await.expect_status(401);
    }

    async fn time_passes_when_the_test_says_so() {
        let app = TestApp::start(notes).await;
        app.post(&format!("/v1/session/{}", Uuid::from_u128(1))).await.expect_status(204);
        app.clock().advance(Duration::from_secs(13 * 86_400));
        app.get("/v1/notes").await.expect_status(200);
        app.clock().advance(Duration::from_secs(15 * 86_400));
        app.get("/v1/notes").await.expect_status(401);
    }

    async fn queries_are_counted_for_each_operation() {
        let app = TestApp::start(notes).await;
        app.get("/v1/notes").bearer(&Uuid::from_u128(1).to_string()).await.expect_status(200);
        let operations = app.operations();
        assert_eq!(operations.len(), 1);
        let (name, module) = { let record = operations[0].record(); (record.name, record.module()) };
        assert_eq!((&*name, module), ("GET /v1/notes", "notes"));
        assert_queries(&operations[0], 1);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_queries(&operations[0], 0)));
        let told = *told.unwrap_err().downcast::<String>().unwrap();
        assert!(told.starts_with("`GET /v1/notes` ran 1 queries, and may run 0:\n    1 x SELECT"), "{told}");
        assert!(told.contains("tests/module_testing.rs:"), "{told}");
        assert_eq!(app.operations().len(), 0);
    }
}
