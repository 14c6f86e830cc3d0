//! The table that the benches read: 20,000 messages in 100 channels, the same in every database.

use crate::Outcome;
use sarsen::config::{DatabaseSection, Url};
use sarsen::lifecycle::{self, Lifecycle};
use sarsen::telemetry::{self, Recorder};
use sarsen::{Clock, Db};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Reads one message by its id; the placeholder is spelled as the driver wants it.
pub(crate) const ONE: &str = "SELECT id, author, text, likes FROM bench_messages WHERE id = ?";
/// Reads the last 20 messages of a channel.
pub(crate) const LIST: &str =
    "SELECT id, author, text, likes FROM bench_messages WHERE channel = ? ORDER BY number DESC LIMIT 20";

pub(crate) const MESSAGES: i64 = 20_000;
const CHANNELS: i64 = 100;

/// A row, and the JSON of it.
#[derive(Clone, Debug, Serialize, JsonSchema, sarsen::FromRow, sqlx::FromRow)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) author: String,
    pub(crate) text: String,
    pub(crate) likes: i64,
}

/// What `hello` says.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) struct Hello {
    pub(crate) message: &'static str,
}

pub(crate) const HELLO: Hello = Hello { message: "hello" };

/// Ids that everybody can compute.
pub(crate) fn id_of(number: i64) -> Uuid {
    Uuid::from_u64_pair(0x0192_0000_0000_7000, 0x8000_0000_0000_0000 | number.unsigned_abs())
}

/// Fresh connections over which a case on a server is measured.
pub(crate) const CONNECTIONS: usize = 12;

/// The channel whose list is read.
pub(crate) const CHANNEL: i64 = 42;
/// The message that is read.
pub(crate) const NUMBER: i64 = 7_777;

/// Connects as an application does, with the defaults.
pub(crate) async fn connect(url: &str) -> Outcome<Db> {
    let section = DatabaseSection { url: Url::new(url), ..DatabaseSection::default() };
    Ok(Db::connect(&section, &Clock::default()).await?)
}

/// What stands behind the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Sqlite,
    Postgres,
}

/// Makes and fills the table behind the URL, on a runtime that ends with it.
pub(crate) fn prepare(url: &str, product: Product) -> Outcome<()> {
    crate::current_thread()?.block_on(async { fill(&connect(url).await?, product).await })
}

/// The log task that every application has. Its timer is never far, so no deadline is the first to wake for.
pub(crate) fn log(recorder: &Recorder, lifecycle: Lifecycle) {
    recorder.keep_failures_only();
    drop(lifecycle::spawn(telemetry::write_operations(recorder.clone(), lifecycle, false, |_| ())));
}

/// The types are spelled out, for only migrations are portable.
async fn fill(db: &Db, product: Product) -> Outcome<()> {
    let uuid_type = if product == Product::Sqlite { "BLOB" } else { "UUID" };
    db.query("DROP TABLE IF EXISTS bench_messages").execute().await?;
    let table = format!(
        "CREATE TABLE bench_messages (number BIGINT PRIMARY KEY, id {uuid_type} NOT NULL UNIQUE, \
         channel BIGINT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL, likes BIGINT NOT NULL)"
    );
    db.query(table).execute().await?;
    db.query("CREATE INDEX bench_messages_channel ON bench_messages (channel, number)").execute().await?;
    let tx = db.begin().await?;
    for number in 0..MESSAGES {
        let text = format!("Message {number}: it is about as long as what people write to each other, a line or so.");
        tx.query("INSERT INTO bench_messages (number, id, channel, author, text, likes) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(number)
            .bind(id_of(number))
            .bind(number % CHANNELS)
            .bind(format!("author {}", number % 50))
            .bind(text)
            .bind(number % 7)
            .execute()
            .await?;
    }
    tx.commit().await?;
    if product == Product::Postgres {
        db.query("VACUUM ANALYZE bench_messages").execute().await?;
    }
    Ok(())
}
