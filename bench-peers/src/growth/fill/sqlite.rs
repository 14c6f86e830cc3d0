//! Fills a file of SQLite, beside the server that has it open.

use super::{BATCH, Message, Messages};
use crate::Outcome;
use rusqlite::{Connection, params};
use uuid::Uuid;

const USER: &str = "INSERT INTO users (id, handle, username, display_name, about, searched, imported, created_at) \
                    VALUES (?, ?, ?, ?, '', ?, TRUE, ?)";
const MESSAGE: &str = "INSERT INTO messages (seq, id, channel_id, author_id, text, posted_at, deleted, reply_count, revision) \
                       VALUES (?, ?, ?, ?, ?, ?, FALSE, 0, ?)";
const SEARCH: &str = "INSERT INTO message_search (rowid, place, text) VALUES (?, ?, ?)";
const REACTION: &str = "INSERT INTO reactions (message_id, emoji, user_id, at) VALUES (?, 'thumbsup', ?, ?)";
const MENTION: &str = "INSERT INTO mentions (message_id, user_id, posted_at) VALUES (?, ?, ?)";
const HEAD: &str = "INSERT INTO heads (channel_id, revision) VALUES (?, ?)";

pub(super) fn fill(file: &str, mut source: Messages) -> Outcome<()> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA busy_timeout = 30000; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA foreign_keys = OFF;",
    )?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    people(&connection, &source)?;
    for message in source.by_ref() {
        if message.seq.is_multiple_of(BATCH) {
            connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        write(&connection, &message)?;
    }
    for (channel, count) in source.channels.iter().zip(&source.counts) {
        connection.execute(HEAD, params![channel, *count as i64])?;
    }
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(())
}

fn people(connection: &Connection, source: &Messages) -> Outcome<()> {
    let mut insert = connection.prepare(USER)?;
    for (number, author) in source.authors.iter().enumerate() {
        let name = format!("author{number}");
        insert.execute(params![author, name, name, name, name, Messages::at(0).to_string()])?;
    }
    Ok(())
}

fn write(connection: &Connection, message: &Message) -> Outcome<()> {
    let (seq, at) = (message.seq as i64, message.posted_at.to_string());
    let Message { id, channel, author, text, revision, .. } = message;
    let values = params![seq, id, channel, author, text, at, *revision as i64];
    connection.prepare_cached(MESSAGE)?.execute(values)?;
    let place = scope(channel);
    connection.prepare_cached(SEARCH)?.execute(params![seq, place, format!("_{place} {text}")])?;
    if let Some(user) = message.reaction {
        connection.prepare_cached(REACTION)?.execute(params![id, user, at])?;
    }
    if let Some(user) = message.mention {
        connection.prepare_cached(MENTION)?.execute(params![id, user, at])?;
    }
    Ok(())
}

/// The channel as one word, as `sarsen::data::Search` spells it.
fn scope(channel: &Uuid) -> String {
    format!("s{}", channel.to_string().replace('-', "z2d"))
}
