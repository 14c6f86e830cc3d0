//! A plain INSERT of one row, as one statement for many rows that come as columns.

use super::value::Param;
use crate::data::statement::{Token, tokens};
use crate::data::value::Value;
use postgres_types::{Kind, Type};
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was found out about texts that ran with many rows: the types of their columns are known to the server only.
#[derive(Debug, Default)]
pub(super) struct Inserts(Mutex<HashMap<String, Option<Arc<Insert>>>>);

impl Inserts {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Option<Arc<Insert>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The statement for many rows of `sql`, when it is a plain INSERT; `types` are those of its placeholders. Keeps
    /// at most `most`.
    pub(super) fn find(&self, sql: &str, types: &[Type], most: usize) -> Option<Arc<Insert>> {
        let mut known = self.known();
        if let Some(insert) = known.get(sql) {
            return insert.clone();
        }
        if known.len() >= most.max(1) {
            known.clear();
        }
        let insert = Insert::read(sql, types).map(Arc::new);
        known.insert(sql.to_owned(), insert.clone());
        insert
    }

    /// The table may have changed.
    pub(super) fn forget(&self, sql: &str) {
        self.known().remove(sql);
    }
}

/// An INSERT of many rows: `INSERT INTO t (a, b) SELECT * FROM unnest($1::…[], $2::…[])`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Insert {
    pub(super) text: String,
    columns: usize,
    /// Columns by which DO UPDATE finds the row: one statement cannot update a row twice.
    key: Option<Vec<usize>>,
}

impl Insert {
    fn read(sql: &str, types: &[Type]) -> Option<Insert> {
        let all: Vec<_> = tokens(sql).collect();
        let word = |at: usize, text: &str| matches!(all.get(at), Some((Token::Word(word), _)) if word.eq_ignore_ascii_case(text));
        let symbol = |at: usize, byte: u8| matches!(all.get(at), Some((Token::Symbol(symbol), _)) if *symbol == byte);
        let mark = |at: usize| matches!(all.get(at), Some((Token::Placeholder, _)));
        let next = |from: usize, byte: u8| (from..all.len()).find(|at| symbol(*at, byte));
        let names =
            |open: usize, close: usize| all[open + 1..close].iter().step_by(2).map(|(token, _)| name(*token)).collect();
        let open = next(2, b'(').filter(|_| word(0, "insert") && word(1, "into"))?;
        let close = next(open, b')')?;
        let columns: Vec<String> = Option::from_iter::<Vec<Option<String>>>(names(open, close))?;
        let (first, end) = (close + 3, close + 2 + 2 * columns.len());
        let listed = (first..end).all(|at| if (at - first) % 2 == 0 { mark(at) } else { symbol(at, b',') });
        let plain = word(close + 1, "values") && symbol(close + 2, b'(') && listed && symbol(end, b')');
        let alone = !symbol(end + 1, b',') && !(end + 1..all.len()).any(mark);
        if !plain
            || !alone
            || types.len() != columns.len()
            || types.iter().any(|ty| matches!(ty.kind(), Kind::Array(_)))
        {
            return None;
        }
        let rest = end + 1..all.len();
        let updates = rest.clone().any(|at| word(at, "do") && word(at + 1, "update"));
        let key = if updates {
            let open = rest.clone().find(|at| word(*at, "conflict") && symbol(*at + 1, b'(')).map(|at| at + 1)?;
            let by: Vec<String> = Option::from_iter::<Vec<Option<String>>>(names(open, next(open, b')')?))?;
            Some(by.iter().map(|by| columns.iter().position(|column| column == by)).collect::<Option<Vec<_>>>()?)
        } else {
            None
        };
        let list: Vec<String> = (1..).zip(types).map(|(number, ty)| format!("${number}::{}[]", cast(ty))).collect();
        let (head, tail) = (&sql[..all[close].1.end], &sql[all[end].1.end..]);
        let text = format!("{head} SELECT * FROM unnest({}){tail}", list.join(", "));
        Some(Insert { text, columns: columns.len(), key })
    }

    /// Whether these rows can go in one statement.
    pub(super) fn takes(&self, rows: &[Vec<Value>]) -> bool {
        let Some(key) = &self.key else { return true };
        let mut seen = HashSet::with_capacity(rows.len());
        rows.iter().all(|row| seen.insert(hash(key.iter().filter_map(|column| row.get(*column)))))
    }

    /// The values as the placeholders take them.
    pub(super) fn params<'r>(&self, rows: &'r [Vec<Value>]) -> Vec<Param<'r>> {
        (0..self.columns).map(|column| Param::Column(rows, column)).collect()
    }
}

fn name(token: Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_lowercase()),
        Token::Quoted(name) => Some(name.to_owned()),
        _ => None,
    }
}

fn cast(ty: &Type) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    format!("{}.{}", quoted(ty.schema()), quoted(ty.name()))
}

/// Two keys with one hash only cost that the rows are sent one by one.
fn hash<'v>(values: impl Iterator<Item = &'v Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for value in values {
        match value {
            Value::Null => 0_u8.hash(&mut hasher),
            Value::Bool(value) => value.hash(&mut hasher),
            Value::Int(value) => value.hash(&mut hasher),
            Value::Float(value) => value.to_bits().hash(&mut hasher),
            Value::Text(value) => value.hash(&mut hasher),
            Value::Bytes(value) => value.hash(&mut hasher),
            Value::Uuid(value) => value.hash(&mut hasher),
            Value::Timestamp(value) => value.hash(&mut hasher),
            Value::Json(value) => value.hash(&mut hasher),
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str) -> Option<String> {
        Insert::read(sql, &[Type::INT8, Type::TEXT]).map(|insert| insert.text)
    }

    #[test]
    fn a_plain_insert_becomes_one_over_columns() {
        let list = "SELECT * FROM unnest($1::\"pg_catalog\".\"int8\"[], $2::\"pg_catalog\".\"text\"[])";
        for (sql, before, after) in [
            ("INSERT INTO t (a, b) VALUES (?, ?)", "INSERT INTO t (a, b) ", ""),
            (
                "insert into s.\"t\" (a, \"B\") values (?,?) ON CONFLICT DO NOTHING",
                "insert into s.\"t\" (a, \"B\") ",
                " ON CONFLICT DO NOTHING",
            ),
            (
                "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.b < 'x'",
                "INSERT INTO t (a, b) ",
                " ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.b < 'x'",
            ),
        ] {
            assert_eq!(text(sql), Some(format!("{before}{list}{after}")), "{sql}");
        }
        for other in [
            "INSERT INTO t VALUES (?, ?)",
            "INSERT INTO t (a, b) VALUES (?, 1)",
            "INSERT INTO t (a, b, c) VALUES (?, ?, now())",
            "INSERT INTO t (a, b) VALUES (?, lower(?))",
            "INSERT INTO t (a) VALUES (?), (?)",
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (c) DO UPDATE SET b = excluded.b",
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT ON CONSTRAINT t_a DO UPDATE SET b = excluded.b",
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (lower(b)) DO UPDATE SET a = 1",
            "INSERT INTO t (a) SELECT ? WHERE ? = 1",
            "UPDATE t SET a = ? WHERE b = ?",
            "INSERT INTO t (",
            "",
        ] {
            assert_eq!(text(other), None, "{other}");
        }
        let arrays = Insert::read("INSERT INTO t (a) VALUES (?)", &[Type::TEXT_ARRAY]);
        assert_eq!(arrays, None, "unnest would take them apart");
    }

    #[test]
    fn a_row_that_would_be_updated_twice_is_seen() {
        let sql = "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (b) DO UPDATE SET a = excluded.a";
        let insert = Insert::read(sql, &[Type::INT8, Type::TEXT]).expect("a plain insert");
        let rows = |names: [&'static str; 2]| names.map(|name| vec![Value::Int(1), Value::Text(name.into())]);
        assert!(insert.takes(&rows(["x", "y"])));
        assert!(!insert.takes(&rows(["x", "x"])));
    }
}
