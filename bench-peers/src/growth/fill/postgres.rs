//! Fills a database of PostgreSQL by COPY; the index of the search is built afterwards, as for any bulk load.

use super::{BATCH, Message, Messages};
use crate::Outcome;
use futures_util::SinkExt;
use hyper::body::Bytes;
use sarsen::lifecycle;
use std::fmt::Write;
use tokio_postgres::{Client, NoTls};

const USERS: &str = "COPY users (id, handle, username, display_name, about, searched, imported, created_at) FROM STDIN";
const MESSAGES: &str =
    "COPY messages (seq, id, channel_id, author_id, text, posted_at, deleted, reply_count, revision) FROM STDIN";
const REACTIONS: &str = "COPY reactions (message_id, emoji, user_id, at) FROM STDIN";
const MENTIONS: &str = "COPY mentions (message_id, user_id, posted_at) FROM STDIN";
const HEADS: &str = "COPY heads (channel_id, revision) FROM STDIN";
/// As `sarsen::data::Search` writes a document.
const SEARCH: &str = "INSERT INTO message_search (id, place, terms) SELECT seq, ':s' || channel_id, \
                      to_tsvector('simple', text) || array_to_tsvector(ARRAY[':s' || channel_id, \
                      ':b' || (seq >> 10), ':c' || (seq >> 14), ':d' || (seq >> 18)]) FROM messages";
/// The indexes that are dropped meanwhile, as the statements that make them again.
const INDEXES: &str = "SELECT indexname, indexdef FROM pg_indexes \
                       WHERE tablename = 'message_search' AND indexname NOT LIKE '%pkey'";

pub(super) async fn fill(url: &str, mut source: Messages) -> Outcome<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    drop(lifecycle::spawn(connection));
    people(&client, &source).await?;
    loop {
        let batch: Vec<Message> = source.by_ref().take(BATCH as usize).collect();
        if batch.is_empty() {
            break;
        }
        write(&client, &batch).await?;
    }
    let mut heads = String::new();
    for (channel, count) in source.channels.iter().zip(&source.counts) {
        writeln!(heads, "{channel}\t{count}")?;
    }
    copy(&client, HEADS, heads).await?;
    let indexes = client.query(INDEXES, &[]).await?;
    for index in &indexes {
        client.batch_execute(&format!("DROP INDEX {}", index.get::<_, &str>(0))).await?;
    }
    client.batch_execute(SEARCH).await?;
    for index in &indexes {
        client.batch_execute(index.get(1)).await?;
    }
    // What autovacuum would do in the minutes after.
    client.batch_execute("SELECT setval(pg_get_serial_sequence('messages', 'seq'), MAX(seq)) FROM messages").await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    Ok(())
}

async fn people(client: &Client, source: &Messages) -> Outcome<()> {
    let mut users = String::new();
    for (number, author) in source.authors.iter().enumerate() {
        let (name, at) = (format!("author{number}"), Messages::at(0));
        writeln!(users, "{author}\t{name}\t{name}\t{name}\t\t{name}\tt\t{at}")?;
    }
    copy(client, USERS, users).await
}

/// The texts are of letters and spaces, so nothing has to be escaped.
async fn write(client: &Client, batch: &[Message]) -> Outcome<()> {
    let (mut messages, mut reactions, mut mentions) = (String::new(), String::new(), String::new());
    for message in batch {
        let Message { seq, id, channel, author, text, posted_at, revision, reaction, mention } = message;
        writeln!(messages, "{seq}\t{id}\t{channel}\t{author}\t{text}\t{posted_at}\tf\t0\t{revision}")?;
        if let Some(user) = reaction {
            writeln!(reactions, "{id}\tthumbsup\t{user}\t{posted_at}")?;
        }
        if let Some(user) = mention {
            writeln!(mentions, "{id}\t{user}\t{posted_at}")?;
        }
    }
    copy(client, MESSAGES, messages).await?;
    copy(client, REACTIONS, reactions).await?;
    copy(client, MENTIONS, mentions).await
}

async fn copy(client: &Client, statement: &str, rows: String) -> Outcome<()> {
    let sink = client.copy_in::<_, Bytes>(statement).await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from(rows)).await?;
    sink.close().await?;
    Ok(())
}
