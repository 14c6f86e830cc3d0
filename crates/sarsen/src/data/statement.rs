//! What can be known of an SQL text before it runs: its class, its fingerprint, its tables and its placeholders.

use super::dialect::{Dialect, without_row_locks};
use crate::telemetry::Statement;
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

/// Most distinct texts whose facts are kept; beyond it a text is read again each time.
const MAX_TEXTS: usize = 4096;

/// What kind of statement it is, which decides where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Reads only: a reader or a replica may serve it.
    Read,
    /// Writes, locks, or has effects: the primary.
    Write,
}

/// The facts about one text on one dialect.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) sql: String,
    dialect: Dialect,
    /// The text as the dialect writes it: what the driver runs.
    pub(crate) translated: String,
    pub(crate) class: Class,
    /// It says LIMIT, or is no read: without history it may still run inline.
    pub(crate) bounded: bool,
    pub(crate) tables: Vec<String>,
    pub(crate) placeholders: usize,
    /// It names the columns that it gives, so their order is the same at each run.
    pub(crate) names_columns: bool,
    /// The type that found the columns in its order.
    pub(crate) in_order: OnceLock<TypeId>,
    pub(crate) statement: Arc<Statement>,
}

/// One token of an SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Number,
    Text,
    Placeholder,
    Symbol(u8),
}

/// Reads tokens with their place; comments and spaces are passed over.
pub(crate) struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

pub(crate) fn tokens(sql: &str) -> Tokens<'_> {
    Tokens { sql, at: 0 }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Token<'a>, std::ops::Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank();
        let bytes = self.sql.as_bytes();
        let start = self.at;
        let token = match *bytes.get(start)? {
            b'\'' => {
                self.at = end_of_quote(bytes, start, b'\'');
                Token::Text
            }
            quote @ (b'"' | b'`') => {
                self.at = end_of_quote(bytes, start, quote);
                let inner = (start + 1)..(self.at.saturating_sub(1)).max(start + 1);
                Token::Quoted(self.sql.get(inner).unwrap_or_default())
            }
            b'?' => {
                self.at += 1;
                Token::Placeholder
            }
            byte if byte.is_ascii_digit() => {
                self.at += run(bytes, start, |byte| byte.is_ascii_alphanumeric() || byte == b'.');
                Token::Number
            }
            b'e' | b'E' if bytes.get(start + 1) == Some(&b'\'') => {
                self.at = end_of_escaped(bytes, start + 2);
                Token::Text
            }
            b'$' if dollar_tag(&bytes[start..]).is_some() => {
                self.at = end_of_dollar_quote(bytes, start);
                Token::Text
            }
            byte if is_word(byte) => {
                self.at += run(bytes, start, is_word);
                Token::Word(&self.sql[start..self.at])
            }
            byte => {
                self.at += 1;
                Token::Symbol(byte)
            }
        };
        Some((token, start..self.at))
    }
}

impl Tokens<'_> {
    fn skip_blank(&mut self) {
        let bytes = self.sql.as_bytes();
        loop {
            let rest = &bytes[self.at..];
            if rest.first().is_some_and(u8::is_ascii_whitespace) {
                self.at += 1;
            } else if rest.starts_with(b"--") {
                self.at += run(bytes, self.at, |byte| byte != b'\n');
            } else if rest.starts_with(b"/*") {
                let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
                self.at += end.map_or(rest.len(), |end| end + 4);
            } else {
                return;
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn run(bytes: &[u8], from: usize, takes: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().take_while(|byte| takes(**byte)).count()
}

/// One past the closing quote; a doubled quote stays inside.
fn end_of_quote(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

/// One past the closing quote of `E'…'`, where a backslash keeps the next byte inside.
fn end_of_escaped(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' if bytes.get(at + 1) != Some(&b'\'') => return at + 1,
            b'\'' => at += 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The `$$` or `$tag$` that a text quoted by dollars begins and ends with.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let tag = run(rest, 1, |byte| is_word(byte) && byte != b'$');
    let opens = rest.get(tag + 1) == Some(&b'$') && !rest[1].is_ascii_digit();
    opens.then(|| &rest[..tag + 2])
}

fn end_of_dollar_quote(bytes: &[u8], start: usize) -> usize {
    let tag = dollar_tag(&bytes[start..]).map_or(1, <[u8]>::len);
    let inner = &bytes[start + tag..];
    let end = inner.windows(tag).position(|window| *window == bytes[start..start + tag]);
    end.map_or(bytes.len(), |end| start + tag + end + tag)
}

/// Functions whose call is an effect, so a statement with one is no read.
const EFFECTS: [&str; 16] = [
    "nextval",
    "setval",
    "pg_notify",
    "pg_advisory_lock",
    "pg_advisory_xact_lock",
    "pg_try_advisory_lock",
    "pg_try_advisory_xact_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_xact_lock_shared",
    "pg_try_advisory_lock_shared",
    "pg_try_advisory_xact_lock_shared",
    "pg_advisory_unlock",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "set_config",
    "load_extension",
];

fn classify(sql: &str) -> Class {
    let mut words = tokens(sql).filter_map(|(token, _)| match token {
        Token::Word(word) => Some(word),
        _ => None,
    });
    let first = words.next().unwrap_or_default();
    if !["select", "with", "values"].iter().any(|read| first.eq_ignore_ascii_case(read)) {
        return Class::Write;
    }
    let effect = |word: &str| {
        ["insert", "update", "delete", "into", "merge", "share"].iter().any(|effect| word.eq_ignore_ascii_case(effect))
            || EFFECTS.iter().any(|effect| word.eq_ignore_ascii_case(effect))
    };
    if words.any(effect) { Class::Write } else { Class::Read }
}

/// The text with literals and lists squeezed, words and symbols one space apart.
pub(super) fn normalise(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    for (token, range) in tokens(sql) {
        let shown = match token {
            Token::Number | Token::Text | Token::Placeholder => "?",
            _ => &sql[range],
        };
        if shown == "?" && out.ends_with("?,") {
            out.pop();
            continue;
        }
        let tight = matches!(shown, "," | ")" | "." | ";") || out.ends_with(['(', '.']) || out.is_empty();
        if !(tight || shown == "(" && !out.ends_with(' ')) {
            out.push(' ');
        }
        out.push_str(shown);
    }
    out
}

/// The names that stand where a table stands: after FROM, JOIN, INTO, UPDATE or TABLE, and after a comma of FROM.
pub(crate) fn tables(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = false;
    let mut in_from = Vec::from([false]);
    let mut named = false;
    for (token, _) in tokens(sql) {
        let just_named = std::mem::take(&mut named);
        match token {
            Token::Word(word) if is_any(word, &["from", "join", "using", "into", "update", "table"]) => {
                expect = true;
                if let Some(level) = in_from.last_mut().filter(|_| !word.eq_ignore_ascii_case("using")) {
                    *level = word.eq_ignore_ascii_case("from") || (*level && word.eq_ignore_ascii_case("join"));
                }
            }
            Token::Word(word)
                if is_any(word, &["where", "group", "order", "limit", "set", "on", "values", "select"]) =>
            {
                expect = false;
                if let Some(level) = in_from.last_mut().filter(|_| !word.eq_ignore_ascii_case("on")) {
                    *level = false;
                }
            }
            Token::Word(word) if expect && is_any(word, &BEFORE_TABLE) => {}
            Token::Word(name) | Token::Quoted(name) if expect => {
                found.push(name.to_lowercase());
                (named, expect) = (true, false);
            }
            Token::Symbol(b',') => expect = in_from.last() == Some(&true),
            Token::Symbol(b'.') if just_named => {
                // What was pushed last was a schema; the table follows.
                found.pop();
                expect = true;
            }
            Token::Symbol(b'(') => {
                in_from.push(false);
                expect = false;
            }
            Token::Symbol(b')') => {
                in_from.pop();
                if in_from.is_empty() {
                    in_from.push(false);
                }
            }
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Words between UPDATE, FROM or TABLE and the name.
const BEFORE_TABLE: [&str; 11] =
    ["only", "if", "not", "exists", "lateral", "or", "ignore", "replace", "abort", "fail", "rollback"];

fn is_any(word: &str, list: &[&str]) -> bool {
    list.iter().any(|item| word.eq_ignore_ascii_case(item))
}

/// Multiply-and-rotate over eight bytes at a time (the scheme of FxHash): a key for caches, not against attackers.
fn hash(text: &str) -> u64 {
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
    let sum = chunks.iter().fold(text.len() as u64, |sum, chunk| mix(sum, u64::from_le_bytes(*chunk)));
    let last = rest.iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte));
    mix(sum, last)
}

/// The key is a hash already.
type Known = HashMap<u64, Arc<Text>, BuildHasherDefault<AsItIs>>;

static TEXTS: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

thread_local! {
    static NEAR: RefCell<Known> = RefCell::default();
}

#[derive(Clone, Copy, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The facts about `sql`, read once and kept.
pub(crate) fn facts(sql: &str, dialect: Dialect) -> Arc<Text> {
    let key = hash(sql) ^ dialect as u64;
    let near =
        NEAR.with_borrow(|near| near.get(&key).filter(|text| text.sql == sql && text.dialect == dialect).cloned());
    near.unwrap_or_else(|| shared_facts(sql, key, dialect))
}

fn shared_facts(sql: &str, key: u64, dialect: Dialect) -> Arc<Text> {
    let known = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let text = match known {
        Some(text) if text.sql == sql && text.dialect == dialect => text,
        Some(_) => return Arc::new(read(sql, dialect)),
        None => {
            let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
            if texts.len() >= MAX_TEXTS {
                return Arc::new(read(sql, dialect));
            }
            texts.entry(key).or_insert_with(|| Arc::new(read(sql, dialect))).clone()
        }
    };
    NEAR.with_borrow_mut(|near| near.insert(key, text.clone()));
    text
}

/// A text with this fingerprint, where one was read and is kept.
pub(super) fn by_fingerprint(fingerprint: u64, dialect: Dialect) -> Option<Arc<Text>> {
    let texts = TEXTS.read().unwrap_or_else(PoisonError::into_inner);
    texts.values().find(|text| text.statement.fingerprint == fingerprint && text.dialect == dialect).cloned()
}

fn read(sql: &str, dialect: Dialect) -> Text {
    let normalised = normalise(sql);
    let class = classify(sql);
    let limited =
        tokens(sql).any(|(token, _)| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("limit")));
    let tables = tables(&without_row_locks(sql));
    Text {
        dialect,
        translated: dialect.translate(sql),
        class,
        bounded: limited || class == Class::Write,
        names_columns: tokens(sql).all(|(token, _)| token != Token::Symbol(b'*')),
        in_order: OnceLock::new(),
        placeholders: tokens(sql).filter(|(token, _)| *token == Token::Placeholder).count(),
        statement: Arc::new(Statement {
            fingerprint: hash(&normalised),
            normalised,
            runs: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            writes: class == Class::Write,
            tables: tables.clone(),
        }),
        tables,
        sql: sql.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_is_a_read() {
        for read in
            ["SELECT 1", "-- x\n select 'insert into' FROM a", "WITH x AS (SELECT 1) SELECT * FROM x", "values (1)"]
        {
            assert_eq!(classify(read), Class::Read, "{read}");
        }
        for write in [
            "INSERT INTO a VALUES (1)",
            "WITH x AS (INSERT INTO a VALUES (1) RETURNING id) SELECT * FROM x",
            "SELECT * FROM a FOR UPDATE",
            "SELECT * FROM a FOR SHARE",
            "SELECT * FROM a WHERE b IN (SELECT b FROM c FOR NO KEY UPDATE SKIP LOCKED)",
            "SELECT * INTO b FROM a",
            "SELECT nextval('s')",
            "VACUUM",
        ] {
            assert_eq!(classify(write), Class::Write, "{write}");
        }
    }

    #[test]
    fn the_fingerprint_forgets_values_lists_and_spaces() {
        let one = normalise("SELECT  a.b FROM t /* why */ WHERE id IN (?, ?, ?) AND n = 5 AND s = 'it''s' -- end");
        assert_eq!(one, "SELECT a.b FROM t WHERE id IN(?) AND n = ? AND s = ?");
        assert_eq!(normalise("SELECT a.b FROM t WHERE id IN (?) AND n = 7 AND s = ''"), one);
    }

    #[test]
    fn tables_stand_after_from_join_into_update() {
        let names = |sql| tables(sql).join(" ");
        assert_eq!(
            names("SELECT m.x FROM messages m JOIN \"users\" u ON u.id = m.by WHERE m.x IN (SELECT y FROM c)"),
            "c messages users"
        );
        assert_eq!(names("SELECT a, b FROM t1, t2 WHERE x = 'from t3'"), "t1 t2");
        assert_eq!(names("INSERT INTO a (x, y) SELECT x, y FROM b"), "a b");
        assert_eq!(names("UPDATE a SET x = (SELECT max(y) FROM b), z = 1"), "a b");
        assert_eq!(names("DELETE FROM a"), "a");
        assert_eq!(names("SELECT x FROM main.a JOIN public.\"b\" ON a.x = b.x, c WHERE a.y = 1"), "a b c");
        assert_eq!(names("DELETE FROM a USING b, c WHERE a.x = b.x"), "a b c");
        assert_eq!(names("SELECT * FROM a JOIN b USING (x), c"), "a b c");
        assert_eq!(names("UPDATE OR IGNORE a SET x = 1"), "a");
        assert_eq!(names("INSERT INTO a (n) VALUES (?) ON CONFLICT (n) DO UPDATE SET n = 1"), "a");
    }

    #[test]
    fn what_is_quoted_hides_its_marks() {
        let marks = |sql| tokens(sql).filter(|(token, _)| *token == Token::Placeholder).count();
        for sql in [
            r"SELECT E'it\'s ? ''?' || ?",
            "SELECT $$ ? it's $$ || ?",
            "SELECT $tag$ ? $$ ? $tag$ || ?",
            "SELECT 'a\\' || ?",
            "SELECT name || 'e' || 'x?' || ?::text",
            "SELECT a.e, '?' /* it's ? */, ?",
        ] {
            assert_eq!(marks(sql), 1, "{sql}");
        }
        assert_eq!(
            (marks("SELECT $1, ?"), marks("SELECT $a$ ?"), marks("SELECT E'?"), marks("SELECT $")),
            (1, 0, 0, 0)
        );
    }

    #[test]
    fn an_open_quote_or_comment_ends_with_the_text() {
        for sql in ["SELECT 'x", "SELECT \"", "/* x", "SELECT ?--", "'", "\"", "`é"] {
            assert!(tokens(sql).count() < 4, "{sql}");
            let _ = (normalise(sql), tables(sql), classify(sql));
        }
    }
}
