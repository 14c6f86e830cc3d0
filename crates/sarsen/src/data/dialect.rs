//! The few phrases that databases spell differently; beside the drivers, the only place that names them.

use super::explain::Plan;
use super::statement::{Token, tokens};
use crate::error::Error;
use std::fmt::Write;

/// A sequence that nothing was drawn from says 1.
macro_rules! last_drawn {
    () => {
        "CASE WHEN is_called THEN last_value ELSE 0 END"
    };
}
/// A way to write SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// SQLite 3.43 or later, embedded.
    Sqlite,
    /// PostgreSQL 13 or later.
    Postgres,
}

impl Dialect {
    /// The name, as it stands in file names (`0002_search.sqlite.sql`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }

    /// The text with placeholders as this dialect writes them, and `IN (?)` as it takes a list.
    ///
    /// `?` inside quotes and comments stays. With numbered placeholders a list is one array: `= ANY($1)`. Row locks
    /// (`FOR UPDATE SKIP LOCKED`) are left out where a statement that locks has the one writer for itself.
    pub(super) fn translate(self, sql: &str) -> String {
        match self {
            Dialect::Sqlite => without_row_locks(sql),
            Dialect::Postgres => numbered(sql),
        }
    }

    /// Rewrites the portable column types of a migration.
    pub(super) fn column_types(self, script: &str) -> String {
        let mut out = String::with_capacity(script.len());
        let mut copied = 0;
        for (token, range) in tokens(script) {
            let Token::Word(word) = token else { continue };
            // Written in full it is one dialect's own.
            if word == "DOUBLE" && script[range.end..].trim_start().starts_with("PRECISION") {
                continue;
            }
            let Some((_, types)) = TYPES.iter().find(|(portable, _)| *portable == word) else { continue };
            out.push_str(&script[copied..range.start]);
            out.push_str(match self {
                Dialect::Sqlite => types[0],
                Dialect::Postgres => types[1],
            });
            copied = range.end;
        }
        out.push_str(&script[copied..]);
        out
    }

    /// Waits until no other process migrates, until the end of the transaction; nothing where a write transaction is that lock.
    pub(super) fn migration_lock(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some("SELECT pg_advisory_xact_lock(7308332105)"),
        }
    }

    /// Whether a WITH may write, so that rows are moved from one table to another by one statement.
    pub(crate) fn with_may_write(self) -> bool {
        self == Dialect::Postgres
    }

    /// What those who take from a queue, whose name is bound, wait by until the end of the transaction: some that may take
    /// at the same time, or one that takes alone. Nothing where whoever writes is alone.
    pub(crate) fn queue_locks(self) -> Option<QueueLocks> {
        match self {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some(QueueLocks {
                together: "SELECT pg_advisory_xact_lock_shared(1935832677, hashtext(?))",
                alone: "SELECT pg_advisory_xact_lock(1935832677, hashtext(?))",
            }),
        }
    }

    /// How the plan of a translated text is asked for, without values to plan for.
    pub(super) fn plan(self, translated: &str, placeholders: usize) -> Plan {
        match self {
            Dialect::Sqlite => Plan::AtOnce(format!("EXPLAIN QUERY PLAN {translated}")),
            Dialect::Postgres => {
                // `EXPLAIN (GENERIC_PLAN)` needs version 16. Names are no part of a transaction: each has its own.
                let name = format!("sarsen_plan_{:08x}", fastrand::u32(..));
                let nothing = vec!["NULL"; placeholders].join(", ");
                let values = if placeholders == 0 { String::new() } else { format!("({nothing})") };
                Plan::Prepared {
                    before: [
                        "SET LOCAL plan_cache_mode = force_generic_plan".to_owned(),
                        format!("PREPARE {name} AS {translated}"),
                    ],
                    ask: format!("EXPLAIN EXECUTE {name}{values}"),
                    after: format!("DEALLOCATE {name}"),
                }
            }
        }
    }

    /// How the commit log is appended to, and how far it is safe to read.
    ///
    /// Where many write at once, a position is drawn before it is committed, so a later one can be visible earlier. A
    /// transaction therefore takes a shared lock on the last position that was drawn, and then draws: what it draws is
    /// behind its lock. Who reads looks at the last position first, then at the locks, and only then at the entries.
    /// Everything up to the least lock is committed or will never be; with no lock, everything up to the last position.
    /// A writer that was missed between the two looks draws behind the last position.
    pub(super) fn log(self) -> LogPhrases {
        match self {
            Dialect::Sqlite => LogPhrases {
                append: Append::Each(
                    "INSERT INTO sarsen_log (id, at, name, version, key, data, meta) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING pos",
                ),
                last: "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'sarsen_log'), 0) LIMIT 1",
                locks: None,
            },
            Dialect::Postgres => LogPhrases {
                append: Append::Lists { first: LOCK_AND_APPEND, then: APPEND },
                last: concat!("SELECT ", last_drawn!(), " FROM sarsen_log_pos_seq LIMIT 1"),
                locks: Some(
                    "SELECT CAST(objid AS BIGINT) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 \
                     AND classid = CAST('sarsen_log' AS REGCLASS) \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                ),
            },
        }
    }

    /// Facts for `doctor`: name and a statement that gives one text.
    pub(super) fn facts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Dialect::Sqlite => &[
                ("version", "SELECT sqlite_version()"),
                ("journal", "SELECT journal_mode FROM pragma_journal_mode"),
                (
                    "bytes",
                    "SELECT CAST(c.page_count * s.page_size AS TEXT) FROM pragma_page_count c, pragma_page_size s",
                ),
                ("integrity", "SELECT quick_check FROM pragma_quick_check"),
            ],
            Dialect::Postgres => &[
                ("version", "SELECT current_setting('server_version')"),
                ("bytes", "SELECT CAST(pg_database_size(current_database()) AS TEXT)"),
                ("encoding", "SELECT current_setting('server_encoding')"),
                (
                    "connections",
                    "SELECT CAST(count(*) AS TEXT) || ' of ' || current_setting('max_connections') FROM pg_stat_activity",
                ),
            ],
        }
    }
}

/// The locks of a queue; see [`Dialect::queue_locks`].
pub(crate) struct QueueLocks {
    pub(crate) together: &'static str,
    pub(crate) alone: &'static str,
}

/// What the commit log runs; see [`Dialect::log`].
pub(super) struct LogPhrases {
    pub(super) append: Append,
    /// The last position that was drawn.
    pub(super) last: &'static str,
    /// The low 31 bits of the positions that writers drew behind and have not committed yet; nothing where positions
    /// are committed in order.
    pub(super) locks: Option<&'static str>,
}

/// How entries are appended; each gives its position.
pub(super) enum Append {
    /// One entry at a time.
    Each(&'static str),
    /// As lists, one for each column. The first time in a transaction it takes the lock.
    Lists { first: &'static str, then: &'static str },
}

macro_rules! appended {
    () => {
        "SELECT id, at, name, version, key, data, meta FROM unnest(CAST(? AS UUID[]), CAST(? AS BIGINT[]), \
         CAST(? AS TEXT[]), CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[])) \
         WITH ORDINALITY AS entry (id, at, name, version, key, data, meta, number) ORDER BY number"
    };
}

const APPEND: &str =
    concat!("INSERT INTO sarsen_log (id, at, name, version, key, data, meta) ", appended!(), " RETURNING pos");

/// A position is drawn only once the lock is there: its sequence is named by what the lock gave.
const LOCK_AND_APPEND: &str = concat!(
    "WITH locked AS MATERIALIZED (SELECT CAST(pg_advisory_xact_lock_shared(CAST(CAST(CAST('sarsen_log' AS REGCLASS) AS OID) AS INT), CAST((",
    last_drawn!(),
    ") & 2147483647 AS INT)) AS TEXT) AS done FROM sarsen_log_pos_seq) \
     INSERT INTO sarsen_log (pos, id, at, name, version, key, data, meta) \
     SELECT nextval(CASE WHEN locked.done IS NOT NULL THEN CAST('sarsen_log_pos_seq' AS REGCLASS) END), entries.* FROM locked, (",
    appended!(),
    ") AS entries RETURNING pos"
);

/// Portable type, and what it is: embedded, server.
const TYPES: [(&str, [&str; 2]); 9] = [
    ("UUID", ["BLOB", "UUID"]),
    ("TIMESTAMP", ["TEXT", "TIMESTAMPTZ"]),
    ("BOOLEAN", ["INTEGER", "BOOLEAN"]),
    ("JSON", ["TEXT", "JSONB"]),
    ("BLOB", ["BLOB", "BYTEA"]),
    ("DOUBLE", ["REAL", "DOUBLE PRECISION"]),
    ("BIGINT", ["INTEGER", "BIGINT"]),
    ("SERIAL_KEY", ["INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"]),
    ("TEXT", ["TEXT", "TEXT"]),
];

/// The text without `FOR UPDATE`, `FOR NO KEY UPDATE`, `FOR SHARE` and `FOR KEY SHARE`, each with `OF names`,
/// `SKIP LOCKED` or `NOWAIT` behind it.
pub(super) fn without_row_locks(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    let all: Vec<_> = tokens(sql).collect();
    for index in 0..all.len() {
        let length = row_lock(&all[index..]);
        if length > 0 && all[index].1.start >= copied {
            out.push_str(sql[copied..all[index].1.start].trim_end());
            copied = all[index + length - 1].1.end;
        }
    }
    out.push_str(&sql[copied..]);
    out
}

/// How many tokens a row lock takes that begins with the first; 0 when none begins there.
fn row_lock(tokens: &[(Token<'_>, std::ops::Range<usize>)]) -> usize {
    let says = |from: usize, words: &[&str]| {
        let same = |(place, word): (usize, &&str)| matches!(tokens.get(from + place), Some((Token::Word(token), _)) if token.eq_ignore_ascii_case(word));
        words.iter().enumerate().all(same)
    };
    let strengths: [&[&str]; 4] =
        [&["for", "update"], &["for", "share"], &["for", "no", "key", "update"], &["for", "key", "share"]];
    let Some(strength) = strengths.iter().find(|words| says(0, words)) else { return 0 };
    let mut length = strength.len();
    if says(length, &["of"]) {
        let name = |(token, _): &&(Token<'_>, _)| match token {
            Token::Word(word) => !["skip", "nowait", "for"].iter().any(|end| word.eq_ignore_ascii_case(end)),
            token => matches!(token, Token::Quoted(_) | Token::Symbol(b',' | b'.')),
        };
        length += 1 + tokens[length + 1..].iter().take_while(name).count();
    }
    match () {
        () if says(length, &["skip", "locked"]) => length + 2,
        () if says(length, &["nowait"]) => length + 1,
        () => length,
    }
}

/// The text written before a list placeholder that is bound as an array.
enum Before {
    Nothing,
    In(usize),
    NotIn(usize),
}

fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut copied, mut count) = (0, 0);
    let all: Vec<_> = tokens(sql).collect();
    for (index, (token, range)) in all.iter().enumerate() {
        if *token != Token::Placeholder {
            continue;
        }
        count += 1;
        let alone = all.get(index + 1).is_some_and(|(next, _)| *next == Token::Symbol(b')'));
        let (from, operator, to) = match before_list(&all[..index]) {
            Before::In(start) if alone => (start, "= ANY(", range.end),
            Before::NotIn(start) if alone => (start, "<> ALL(", range.end),
            _ => (range.start, "", range.end),
        };
        out.push_str(&sql[copied..from]);
        let _ = write!(out, "{operator}${count}");
        copied = to;
    }
    out.push_str(&sql[copied..]);
    out
}

/// Looks for `IN (` or `NOT IN (` at the end of `tokens`, and says where it starts.
fn before_list(tokens: &[(Token<'_>, std::ops::Range<usize>)]) -> Before {
    let word = |back: usize, text: &str| {
        let place = tokens.len().checked_sub(back)?;
        let (token, range) = &tokens[place];
        matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(text)).then_some(range.start)
    };
    if !matches!(tokens.last(), Some((Token::Symbol(b'('), _))) {
        return Before::Nothing;
    }
    match (word(2, "in"), word(3, "not")) {
        (Some(_), Some(start)) => Before::NotIn(start),
        (Some(start), None) => Before::In(start),
        _ => Before::Nothing,
    }
}

/// Whether an error says that the file of an embedded database is damaged, or is none.
pub(super) fn is_damage(error: &Error) -> bool {
    let report = error.report();
    ["file is not a database", "disk image is malformed"].iter().any(|says| report.contains(says))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_outside_quotes_and_comments() {
        let sql =
            "SELECT '?' || \"a?\" FROM t /* ? */ WHERE a = ? AND b IN (?) AND c NOT IN ( ? ) AND d IN (?, ?) -- ?";
        assert_eq!(
            Dialect::Postgres.translate(sql),
            "SELECT '?' || \"a?\" FROM t /* ? */ WHERE a = $1 AND b = ANY($2) AND c <> ALL($3 ) AND d IN ($4, $5) -- ?"
        );
        assert_eq!(Dialect::Sqlite.translate(sql), sql);
    }

    #[test]
    fn row_locks_are_left_out_where_there_is_one_writer() {
        for (sql, without) in [
            ("SELECT a FROM t WHERE b = ? FOR UPDATE", "SELECT a FROM t WHERE b = ?"),
            ("SELECT a FROM t LIMIT 1 for update skip locked;", "SELECT a FROM t LIMIT 1;"),
            ("SELECT a FROM t\n  FOR NO KEY UPDATE SKIP LOCKED", "SELECT a FROM t"),
            (
                "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t LIMIT ? FOR NO KEY UPDATE) RETURNING id",
                "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t LIMIT ?) RETURNING id",
            ),
            ("SELECT x FROM t, u FOR SHARE OF t, \"u\" NOWAIT FOR UPDATE OF s.v", "SELECT x FROM t, u"),
            ("SELECT 1 FOR KEY SHARE -- end", "SELECT 1 -- end"),
            ("SELECT 'FOR UPDATE', \"for\" FROM t /* FOR UPDATE */", ""),
            ("CREATE TRIGGER x AFTER UPDATE ON t FOR EACH ROW BEGIN SELECT 1; END", ""),
            ("SELECT substring(a FOR 3) FROM t", ""),
        ] {
            assert_eq!(Dialect::Sqlite.translate(sql), if without.is_empty() { sql } else { without });
            assert!(!sql.contains('?') || Dialect::Postgres.translate(sql).contains("$1"));
        }
        assert!(Dialect::Postgres.translate("SELECT 1 FOR UPDATE SKIP LOCKED").ends_with("FOR UPDATE SKIP LOCKED"));
    }

    #[test]
    fn column_types_are_rewritten_as_whole_words_only() {
        let script =
            "CREATE TABLE t (id UUID PRIMARY KEY, at TIMESTAMP, uuid TEXT, seq SERIAL_KEY, x BLOB DEFAULT 'BLOB')";
        assert_eq!(
            Dialect::Postgres.column_types(script),
            "CREATE TABLE t (id UUID PRIMARY KEY, at TIMESTAMPTZ, uuid TEXT, seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, x BYTEA DEFAULT 'BLOB')"
        );
        assert_eq!(
            Dialect::Postgres.column_types("x DOUBLE, y DOUBLE PRECISION"),
            "x DOUBLE PRECISION, y DOUBLE PRECISION"
        );
        assert!(Dialect::Sqlite.column_types(script).starts_with("CREATE TABLE t (id BLOB PRIMARY KEY, at TEXT"));
    }
}
