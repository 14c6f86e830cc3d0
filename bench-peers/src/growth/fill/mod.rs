//! Fills Parley's tables in bulk, past its routes, as if years had gone by.

mod postgres;
mod sqlite;

use super::site::Site;
use super::words::{PLANTED_COPIES, Writer, planted, word};
use crate::{Outcome, wrong};
use sarsen::{Timestamp, clock};
use uuid::Uuid;

/// Messages of one transaction or of one COPY.
const BATCH: u64 = 50_000;
/// People who write.
const AUTHORS: u64 = 200;
/// Side channels, beside the small old one.
const SIDES: usize = 3;
/// 2012-01-01; a minute and a half later the next message.
const BEGINNING: i64 = 1_325_376_000_000_000;
const PACE: i64 = 90_000_000;

/// What was filled, as the measuring needs it.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    /// The channel with the wanted number of messages.
    pub(super) main: String,
    /// A channel that nobody has written in since the beginning.
    pub(super) old: String,
    pub(super) messages: u64,
}

/// One message, ready for any database.
struct Message {
    seq: u64,
    id: Uuid,
    channel: Uuid,
    author: Uuid,
    text: String,
    posted_at: Timestamp,
    revision: u64,
    /// Somebody who reacted, and somebody who is mentioned.
    reaction: Option<Uuid>,
    mention: Option<Uuid>,
}

/// The messages one after another.
struct Messages {
    writer: Writer,
    channels: Vec<Uuid>,
    authors: Vec<Uuid>,
    /// Messages of each channel so far.
    counts: Vec<u64>,
    wanted: u64,
    next: u64,
}

impl Messages {
    fn new(channels: Vec<Uuid>, wanted: u64) -> Self {
        let authors = (0..AUTHORS).map(|number| id(0, number)).collect();
        let counts = vec![0; channels.len()];
        Self { writer: Writer::new(7), channels, authors, counts, wanted, next: 0 }
    }

    /// The first thousands are partly of the old channel, a sixteenth of all is of the sides, the rest is of the main one.
    fn place(&self, number: u64) -> usize {
        match number {
            0..2_000 if number.is_multiple_of(4) => 1,
            _ if number.is_multiple_of(16) => 2 + (number / 16) as usize % SIDES,
            _ => 0,
        }
    }

    fn at(number: u64) -> Timestamp {
        Timestamp::from_micros(BEGINNING + number as i64 * PACE)
    }
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if self.counts[0] == self.wanted {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let place = self.place(number);
        self.counts[place] += 1;
        let somebody = |step: u64| self.authors[(number * step % AUTHORS) as usize];
        let posted_at = Self::at(number);
        Some(Message {
            seq: number + 1,
            id: id(posted_at.as_micros().unsigned_abs() / 1_000, number),
            channel: self.channels[place],
            author: somebody(7),
            text: self.writer.text(number, self.wanted),
            posted_at,
            revision: self.counts[place],
            reaction: number.is_multiple_of(10).then(|| somebody(11)),
            mention: number.is_multiple_of(20).then(|| somebody(13)),
        })
    }
}

/// An id of version 7 with this time in milliseconds.
fn id(milliseconds: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(milliseconds << 16 | 0x7000, 0x8000_0000_0000_0000 | number)
}

/// Makes the channels through the site and fills them through the database.
pub(super) async fn fill(site: &mut Site, database: &str, messages: u64) -> Outcome<Filled> {
    let started = clock::monotonic();
    let mut names = vec!["main".to_owned(), "old".to_owned()];
    names.extend((0..SIDES).map(|number| format!("side-{number}")));
    let mut channels = Vec::new();
    for name in names {
        channels.push(site.channel(&name).await?);
    }
    let ids = channels.iter().map(|channel| channel.parse()).collect::<Result<Vec<Uuid>, _>>()?;
    let source = Messages::new(ids, messages);
    match database.strip_prefix("sqlite:") {
        Some(file) => sqlite::fill(file, source)?,
        None => postgres::fill(database, source).await?,
    }
    crate::report::progress(&format!("filled {messages} messages in {:.0?}", clock::monotonic() - started));
    let filled = Filled { main: channels[0].clone(), old: channels[1].clone(), messages };
    site.reconnect().await?;
    check(site, &filled).await?;
    Ok(filled)
}

/// What was written past the routes must be what the routes expect, or nothing is measured.
async fn check(site: &mut Site, filled: &Filled) -> Outcome<()> {
    let history = site.page(&format!("/v1/channels/{}/messages", filled.main)).await?;
    let found = site.page(&format!("/v1/search?q={}&channel={}", planted(3), filled.main)).await?;
    let frequent = site.page(&format!("/v1/search?q={}&limit=100", word(0))).await?;
    let counts = [&history, &found, &frequent].map(|page| page["items"].as_array().map_or(0, Vec::len) as u64);
    if counts == [50, PLANTED_COPIES, 100] {
        return Ok(());
    }
    Err(wrong(format!(
        "the tables of Parley are not as bench-peers/src/growth/fill expects: pages of {counts:?} messages"
    )))
}
