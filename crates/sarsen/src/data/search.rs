//! Full-text search by each database's own means, newest first, at a cost that does not grow with the table.

use super::dialect::Dialect;
use super::{Db, Tx};
use crate::error::{Error, Result};
use std::fmt::Write;

/// Most scopes of one search.
const MAX_SCOPES: usize = 200;
/// Most documents of one [`Search::put_many`].
pub const MAX_DOCUMENTS: usize = 1000;
/// Most words of one search.
const MAX_WORDS: usize = 16;
/// Most characters of a word that count.
const MAX_WORD: usize = 64;
/// Documents of one bucket, and the mark of such a bucket: the steps by which a search walks back where the index has no
/// order of its own. The smallest hold a page of a common word; a word that is rare in the largest is looked up at once.
const BUCKETS: [(char, i64); 3] = [('b', 1 << 10), ('c', 1 << 14), ('d', 1 << 18)];
/// How many buckets of one size a search would rather walk than one of the next size.
const MANY: i64 = 4;
/// How many times the documents wanted a search looks at, whatever their scope, before it asks the index for the scope.
const LOOKED_AT: usize = 16;

/// An inverted index over documents with rising numbers. Each belongs to a scope (a channel, a project).
///
/// The module's migrations make its table, one file for each dialect; see `docs/data.md`.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    table: &'static str,
}

/// What a search asks for, once its words are known.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    words: &'a [String],
    scopes: &'a [String],
    before: i64,
    limit: u32,
}

impl Search {
    /// The index in this table.
    pub const fn new(table: &'static str) -> Self {
        Self { table }
    }

    /// Writes document `id`, replacing what it was.
    pub async fn put(&self, tx: &Tx, id: i64, scope: &str, text: &str) -> Result<()> {
        self.put_many(tx, &[(id, scope, text)]).await
    }

    /// Writes documents `(id, scope, text)`, replacing what they were; no id twice, at most [`MAX_DOCUMENTS`].
    pub async fn put_many(&self, tx: &Tx, documents: &[(i64, &str, &str)]) -> Result<()> {
        if documents.len() > MAX_DOCUMENTS {
            return Err(Error::invalid(format!("{} documents are more than {MAX_DOCUMENTS}", documents.len())));
        }
        match tx.db().dialect() {
            _ if documents.is_empty() => Ok(()),
            Dialect::Sqlite => self.put_each(tx, documents).await,
            Dialect::Postgres => self.put_at_once(tx, documents).await,
        }
    }

    async fn put_each(&self, tx: &Tx, documents: &[(i64, &str, &str)]) -> Result<()> {
        let sql = format!("INSERT OR REPLACE INTO {} (rowid, place, text) VALUES (?, ?, ?)", self.table);
        for (id, scope, text) in documents {
            let place = word_of(scope);
            let text = format!("_{place} {}", words(text).join(" "));
            tx.query(sql.clone()).bind(*id).bind(place).bind(text).execute().await?;
        }
        Ok(())
    }

    /// One statement, for each is a round trip.
    async fn put_at_once(&self, tx: &Tx, documents: &[(i64, &str, &str)]) -> Result<()> {
        let groups = vec!["(?, ?, array_to_tsvector(?))"; documents.len()].join(", ");
        let sql = format!(
            "INSERT INTO {} (id, place, terms) VALUES {groups} \
             ON CONFLICT (id) DO UPDATE SET place = EXCLUDED.place, terms = EXCLUDED.terms",
            self.table
        );
        let query = documents.iter().fold(tx.query(sql), |query, (id, scope, text)| {
            let (place, mut terms) = (mark('s', scope), words(text));
            terms.push(place.clone());
            terms.extend(BUCKETS.map(|bucket| mark_of(bucket, *id)));
            terms.sort_unstable();
            terms.dedup();
            query.bind(*id).bind(place).bind_list(terms)
        });
        query.execute().await.map(drop)
    }

    /// Takes document `id` out.
    pub async fn remove(&self, tx: &Tx, id: i64) -> Result<()> {
        let key = match tx.db().dialect() {
            Dialect::Sqlite => "rowid",
            Dialect::Postgres => "id",
        };
        tx.query(format!("DELETE FROM {} WHERE {key} = ?", self.table)).bind(id).execute().await.map(drop)
    }

    /// The newest documents below `before` with all `words`, in any of `scopes`; at most `limit`.
    pub async fn find(
        &self,
        db: &Db,
        words: &str,
        scopes: &[String],
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<i64>> {
        let words = words_of_query(words)?;
        if scopes.is_empty() || words.is_empty() {
            return Ok(Vec::new());
        }
        if scopes.len() > MAX_SCOPES {
            return Err(Error::invalid(format!("{} scopes are more than {MAX_SCOPES}", scopes.len())));
        }
        let wanted = Wanted { words: &words, scopes, before: before.unwrap_or(i64::MAX), limit };
        match db.dialect() {
            Dialect::Sqlite => self.find_ordered(db, &wanted).await,
            Dialect::Postgres => self.find_in_buckets(db, &wanted).await,
        }
    }

    /// The index gives documents in the order of their numbers, so the newest come first and it can stop.
    ///
    /// To find one document in the list of a large scope costs more than to read it. So the newest documents with the words
    /// are looked at, whatever their scope; only when too few of them are in it, the index is asked for it.
    async fn find_ordered(&self, db: &Db, wanted: &Wanted<'_>) -> Result<Vec<i64>> {
        let (table, Wanted { words, scopes, before, limit }) = (self.table, *wanted);
        let words = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" AND ");
        let places: Vec<String> = scopes.iter().map(|scope| word_of(scope)).collect();
        let sql =
            format!("SELECT rowid, place FROM {table} WHERE {table} MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?");
        let (limit, mut below, mut found, mut looked_at) = (limit as usize, before, Vec::new(), 0);
        // Who searches one scope mostly searches a large one: a few documents of others lie in between.
        let mut size = if places.len() == 1 { limit + limit / 8 } else { limit };
        while looked_at + size <= limit * LOOKED_AT {
            let probe = db.query(sql.clone()).bind(words.as_str()).bind(below);
            let newest = probe.bind(i64::try_from(size).unwrap_or(i64::MAX)).all::<(i64, String)>().await?;
            let ended = newest.len() < size;
            below = newest.last().map_or(below, |(id, _)| *id);
            looked_at += size;
            found.extend(newest.into_iter().filter(|(_, place)| places.contains(place)).map(|(id, _)| id));
            found.truncate(limit);
            if ended || found.len() == limit {
                return Ok(found);
            }
            // What should hold those that are missing. When that is much, the scope is small and its list is short.
            size = (limit - found.len()) * looked_at * 2 / found.len().max(1);
        }
        let missing = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        let sql = format!("SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?");
        let places = places.iter().map(|place| format!("\"_{place}\"")).collect::<Vec<_>>().join(" OR ");
        // No document has the word `_`. It keeps the others together: of one list of ANDs each would ask the scope for
        // every document it comes by, and the scope's list is the longest; so only what has all of them does.
        let matched = format!("(({words}) NOT \"_\") AND ({places})");
        let rest = db.query(sql).bind(matched).bind(below).bind(missing).all::<(i64,)>().await?;
        found.extend(rest.into_iter().map(|(id,)| id));
        Ok(found)
    }

    /// The index has no order, so each document carries its buckets as terms: they are walked from the newest back, small
    /// ones first and larger ones while too little is found. A common word stops at once; a rare one is looked up as it is.
    ///
    /// To find one document in the list of a large scope costs more than to read it. So the documents with the words are
    /// looked at, whatever their scope; only when there are many, the index is asked for it.
    async fn find_in_buckets(&self, db: &Db, wanted: &Wanted<'_>) -> Result<Vec<i64>> {
        let (table, Wanted { words, scopes, before, limit }) = (self.table, *wanted);
        let all = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" & ");
        let places: Vec<String> = scopes.iter().map(|scope| mark('s', scope)).collect();
        let newest: Option<i64> = db.query(format!("SELECT MAX(id) FROM {table}")).scalar().await?;
        let first = newest.map_or(0, |newest| newest.saturating_add(1).min(before));
        let (limit, mut found, mut below, mut level) = (limit as usize, Vec::new(), first, 0);
        let (mut looked_at, mut asks) = (0, false);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        while below > 0 && found.len() < limit {
            let bucket = BUCKETS.get(level).copied();
            // The newest bucket is seldom full, so it is not alone.
            let pair = bucket.map(|bucket| [below - 1, below - 1 - bucket.1].map(|id| mark_of(bucket, id)));
            let size = if asks { limit - found.len() } else { limit * 2 };
            let conditions = [Some(all.clone()), pair.map(|pair| any_of(&pair)), asks.then(|| any_of(&places))];
            let conditions: Vec<String> = conditions.into_iter().flatten().collect();
            let query = db.query(step(table, conditions.len()));
            let query = conditions.into_iter().fold(query, |query, terms| query.bind(terms)).bind(below);
            let seen = query.bind(number(size)).all::<(i64, String)>().await?;
            let last = seen.last().filter(|_| seen.len() == size).map(|(id, _)| *id);
            looked_at += seen.len();
            found.extend(seen.into_iter().filter(|(_, place)| places.contains(place)).map(|(id, _)| id));
            found.truncate(limit);
            if let Some(last) = last {
                (below, asks) = (last, true);
                continue;
            }
            let Some((_, size)) = bucket else { break };
            below = ((below - 1) / size - 1).max(0) * size;
            let (walked, missing) = (first - below, number(limit - found.len()));
            // What should hold the documents that are missing, as those before held theirs. That is a guess, and too many
            // documents of one word are dear: the next size at most. Of several words there are few together.
            let enough = walked.saturating_mul(missing * 2) / number(found.len()).max(1);
            let fitting = BUCKETS.iter().position(|(_, size)| size * MANY >= enough);
            level = fitting.unwrap_or(BUCKETS.len()).min(level + words.len());
            let ahead = BUCKETS.get(level).map_or(below, |(_, size)| size * 2);
            asks |= ahead.saturating_mul(number(looked_at)) / walked > number(limit * LOOKED_AT);
        }
        Ok(found)
    }
}

/// The statement for one step of the walk, with so many conditions.
///
/// Each is one of its own, for the index leaps from what meets one to what meets the next; within one it walks every
/// document of the rarest term, and searches the longer lists for each. Materialized: otherwise a plan for any terms walks
/// the key from its end, past all that does not match.
fn step(table: &str, conditions: usize) -> String {
    let conditions = vec!["terms @@ CAST(? AS TEXT)::tsquery"; conditions].join(" AND ");
    format!(
        "WITH found AS MATERIALIZED (SELECT id, place FROM {table} WHERE {conditions}) \
         SELECT id, place FROM found WHERE id < ? ORDER BY id DESC LIMIT ?"
    )
}

/// The words of a text, lowered: letters and digits of any script; everything else parts them.
///
/// The same for documents and queries on every database: left to themselves they read addresses, hyphens and capital
/// umlauts in ways of their own. A word is cut at [`MAX_WORD`] characters.
fn words(text: &str) -> Vec<String> {
    let found = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    found.map(|word| word.to_lowercase().chars().take(MAX_WORD).collect()).collect()
}

fn words_of_query(text: &str) -> Result<Vec<String>> {
    let found = words(text);
    if found.len() > MAX_WORDS {
        return Err(Error::invalid_field("q", format!("has more than {MAX_WORDS} words")));
    }
    Ok(found)
}

/// A scope as one word of small letters and digits, and no other scope's: what is neither is spelled `z` and two digits.
/// With `_` in front it is a word that no text can hold.
fn word_of(scope: &str) -> String {
    spelled(scope, 's', 'z', |byte| matches!(byte, b'a'..=b'y' | b'0'..=b'9'))
}

/// `start` and `text`, where each byte that is not `plain` is written as `escape` and two hexadecimal digits.
fn spelled(text: &str, start: char, escape: char, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::from(start);
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "{escape}{byte:02x}");
        }
    }
    out
}

/// A term that no text can hold: it has a colon in front.
fn mark(kind: char, value: &str) -> String {
    format!(":{}", spelled(value, kind, '_', |byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

/// The mark of the bucket that holds document `id`.
fn mark_of((kind, size): (char, i64), id: i64) -> String {
    mark(kind, &(id.max(0) / size).to_string())
}

fn any_of(marks: &[String]) -> String {
    marks.iter().map(|mark| format!("'{mark}'")).collect::<Vec<_>>().join(" | ")
}
