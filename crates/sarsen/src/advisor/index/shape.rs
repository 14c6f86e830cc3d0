//! What a query asks of its tables: which columns it compares, and by which it orders.
//!
//! The text is read flat, without its nesting: what is wrongly concluded is tried in vain, and nothing else comes of it.

use crate::data::{Given, TableFacts, Token, tokens};

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) table: String,
    pub(super) name: String,
}

/// A column as it is written: with an alias or without.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    alias: String,
    name: String,
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Equal,
    Null,
    Below,
    Above,
}

/// A query that may be helped by an index.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Its normalised text.
    pub(super) text: String,
    sql: String,
    /// Tables and their aliases.
    pub(super) tables: Vec<(String, String)>,
    /// Columns, how they are compared, and the number of the placeholder that they are compared with.
    compared: Vec<(Written, How, Option<usize>)>,
    orders: Vec<Vec<(Written, bool)>>,
    /// Which placeholders are sizes of pages, of how many.
    pages: Vec<usize>,
    placeholders: usize,
}

/// A shape whose columns are known to be of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) sql: String,
    pub(super) given: Vec<Given>,
    pub(super) equal: Vec<Column>,
    pub(super) nulls: Vec<Column>,
    pub(super) ranges: Vec<Column>,
    pub(super) orders: Vec<Vec<(Column, bool)>>,
}

const ENDS_ORDER: [&str; 8] = ["LIMIT", "OFFSET", "FOR", "FETCH", "HAVING", "ORDER", "WINDOW", "UNION"];
const NO_ALIAS: [&str; 18] = [
    "WHERE",
    "ON",
    "SET",
    "JOIN",
    "LEFT",
    "RIGHT",
    "INNER",
    "OUTER",
    "CROSS",
    "ORDER",
    "GROUP",
    "LIMIT",
    "FOR",
    "USING",
    "VALUES",
    "UNION",
    "TABLESAMPLE",
    "RETURNING",
];

impl Shape {
    /// What `sql` asks; nothing for what no index helps: inserts, and texts without a table.
    pub(super) fn of(text: &str, sql: &str) -> Option<Self> {
        let words: Vec<Token<'_>> = tokens(sql).map(|(token, _)| token).collect();
        let first = words.first()?;
        if !["SELECT", "UPDATE", "DELETE", "WITH"].iter().any(|word| is_word(first, word)) {
            return None;
        }
        let mut reader = Reader { words: &words, at: 0, seen: 0, assigns: false };
        let (sql, text) = (sql.to_owned(), text.to_owned());
        let mut shape = Shape {
            text,
            sql,
            tables: Vec::new(),
            compared: Vec::new(),
            orders: Vec::new(),
            pages: Vec::new(),
            placeholders: 0,
        };
        reader.read(&mut shape);
        (!shape.tables.is_empty()).then_some(shape)
    }

    pub(super) fn reads(&self, table: &str) -> bool {
        self.tables.iter().any(|(name, _)| name == table)
    }

    /// The columns with their tables: by the alias, else each table of the query that has one of that name.
    pub(super) fn resolved(&self, facts: &[TableFacts]) -> Resolved {
        let mut resolved =
            Resolved { sql: self.sql.clone(), given: vec![Given::Unknown; self.placeholders], ..Resolved::default() };
        for page in &self.pages {
            resolved.given[*page] = Given::Page;
        }
        for (written, how, placeholder) in &self.compared {
            let columns = self.columns(written, facts);
            if let (Some(place), Some(column)) = (placeholder, columns.first()) {
                let (table, name) = (column.table.clone(), column.name.clone());
                resolved.given[*place] = match how {
                    How::Equal | How::Null => Given::Equal(table, name),
                    How::Below => Given::Greatest(table, name),
                    How::Above => Given::Least(table, name),
                };
            }
            match how {
                How::Equal => resolved.equal.extend(columns),
                How::Null => resolved.nulls.extend(columns),
                How::Below | How::Above => resolved.ranges.extend(columns),
            }
        }
        for order in &self.orders {
            let tables = facts.iter().filter(|table| self.reads(&table.name));
            let all = |table: &TableFacts| -> Option<Vec<(Column, bool)>> {
                let find = |written: &Written| {
                    self.columns(written, facts).into_iter().find(|column| column.table == table.name)
                };
                order.iter().map(|(written, descends)| Some((find(written)?, *descends))).collect()
            };
            resolved.orders.extend(tables.filter_map(all));
        }
        resolved
    }

    fn columns(&self, written: &Written, facts: &[TableFacts]) -> Vec<Column> {
        let named = |table: &str| {
            // A name that is no table's is that of a part of the query: the tables inside it are meant.
            let known = self.tables.iter().any(|(name, alias)| *alias == written.alias || *name == written.alias);
            let same = self
                .tables
                .iter()
                .any(|(name, alias)| name == table && (*alias == written.alias || *name == written.alias));
            written.alias.is_empty() || !known || same
        };
        let has = |table: &&TableFacts| {
            self.reads(&table.name) && named(&table.name) && table.columns.contains(&written.name)
        };
        facts.iter().filter(has).map(|table| Column { table: table.name.clone(), name: written.name.clone() }).collect()
    }
}

fn is_word(token: &Token<'_>, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word))
}

/// Reads a text from its begin to its end.
struct Reader<'a> {
    words: &'a [Token<'a>],
    at: usize,
    /// Placeholders so far.
    seen: usize,
    /// Between SET and WHERE a `=` compares nothing.
    assigns: bool,
}

impl Reader<'_> {
    fn read(&mut self, shape: &mut Shape) {
        while self.at < self.words.len() {
            let before = self.at;
            self.step(shape);
            let read = &self.words[before..self.at];
            self.seen += read.iter().filter(|token| **token == Token::Placeholder).count();
        }
        shape.placeholders = self.seen;
    }

    fn word(&self, at: usize, word: &str) -> bool {
        self.words.get(at).is_some_and(|token| is_word(token, word))
    }

    fn symbol(&self, at: usize, symbol: u8) -> bool {
        self.words.get(at) == Some(&Token::Symbol(symbol))
    }

    fn step(&mut self, shape: &mut Shape) {
        let at = self.at;
        match () {
            () if ["FROM", "JOIN", "UPDATE"].iter().any(|word| self.word(at, word)) => self.tables(shape),
            () if self.word(at, "SET") => self.assigns = true,
            () if self.word(at, "WHERE") => self.assigns = false,
            () if self.word(at, "LIMIT") || self.word(at, "OFFSET") => {
                if self.words.get(at + 1) == Some(&Token::Placeholder) {
                    shape.pages.push(self.seen);
                }
            }
            () if (self.word(at, "ORDER") || self.word(at, "GROUP")) && self.word(at + 1, "BY") => {
                return self.order(shape);
            }
            () if !self.assigns => self.comparison(shape),
            () => {}
        }
        self.at = self.at.max(at + 1);
    }

    /// `FROM a AS x, b y`.
    fn tables(&mut self, shape: &mut Shape) {
        let mut at = self.at + 1;
        while let Some(name) = self.name(at) {
            let mut next = at + 1;
            if self.word(next, "AS") {
                next += 1;
            }
            let alias = self.name(next).filter(|alias| !NO_ALIAS.iter().any(|word| alias.eq_ignore_ascii_case(word)));
            next += usize::from(alias.is_some());
            if !name.eq_ignore_ascii_case("SELECT") && !name.eq_ignore_ascii_case("LATERAL") {
                shape.tables.push((name.to_lowercase(), alias.unwrap_or(name).to_lowercase()));
            }
            if !self.symbol(next, b',') {
                break;
            }
            at = next + 1;
        }
    }

    fn name(&self, at: usize) -> Option<&str> {
        match self.words.get(at)? {
            Token::Word(name) | Token::Quoted(name) => Some(name),
            _ => None,
        }
    }

    /// A column and where it ends.
    fn column(&self, at: usize) -> Option<(Written, usize)> {
        let first = self.name(at)?.to_lowercase();
        if !self.symbol(at + 1, b'.') {
            return Some((Written { alias: String::new(), name: first }, at + 1));
        }
        Some((Written { alias: first, name: self.name(at + 2)?.to_lowercase() }, at + 3))
    }

    /// `a.b = ?`, `b IN (?)`, `b IS NULL`, `b < ?`, `b BETWEEN ? AND ?`, `(a, b) < (?, ?)`.
    fn comparison(&mut self, shape: &mut Shape) {
        if let Some((columns, end)) = self.row(self.at) {
            return self.compare_row(shape, &columns, end);
        }
        let Some((column, end)) = self.column(self.at) else { return };
        if self.word(end, "IS") && self.word(end + 1, "NULL") {
            shape.compared.push((column, How::Null, None));
        } else if self.word(end, "IN") && self.symbol(end + 1, b'(') {
            let given = (self.words.get(end + 2) == Some(&Token::Placeholder)).then_some(self.seen);
            shape.compared.push((column, How::Equal, given));
        } else if self.word(end, "BETWEEN") {
            let given = (self.words.get(end + 1) == Some(&Token::Placeholder)).then_some(self.seen);
            shape.compared.push((column, How::Above, given));
        } else if let Some((how, value)) = self.operator(end) {
            self.compare(shape, column, how, value);
        }
        self.at = end;
    }

    fn compare(&self, shape: &mut Shape, column: Written, how: How, value: usize) {
        match self.words.get(value) {
            Some(Token::Placeholder) => shape.compared.push((column, how, Some(self.seen))),
            // Half of all rows are no rows that an index finds.
            _ if self.word(value, "TRUE") || self.word(value, "FALSE") => {}
            _ => {
                shape.compared.push((column, how, None));
                if let Some((other, end)) = self.column(value).filter(|_| how == How::Equal)
                    && !self.symbol(end, b'(')
                {
                    shape.compared.push((other, How::Equal, None));
                }
            }
        }
    }

    fn operator(&self, at: usize) -> Option<(How, usize)> {
        let or_equal = 1 + usize::from(self.symbol(at + 1, b'='));
        match self.words.get(at)? {
            Token::Symbol(b'=') => Some((How::Equal, at + 1)),
            Token::Symbol(b'<') if !self.symbol(at + 1, b'>') => Some((How::Below, at + or_equal)),
            Token::Symbol(b'>') => Some((How::Above, at + or_equal)),
            _ => None,
        }
    }

    /// `(a, b)`, and where it ends.
    fn row(&self, at: usize) -> Option<(Vec<Written>, usize)> {
        if !self.symbol(at, b'(') {
            return None;
        }
        let (mut columns, mut next) = (Vec::new(), at + 1);
        loop {
            let (column, end) = self.column(next)?;
            columns.push(column);
            match self.words.get(end)? {
                Token::Symbol(b',') => next = end + 1,
                Token::Symbol(b')') => return (columns.len() > 1).then_some((columns, end + 1)),
                _ => return None,
            }
        }
    }

    fn compare_row(&mut self, shape: &mut Shape, columns: &[Written], end: usize) {
        self.at = end;
        let Some((how, value)) = self.operator(end).filter(|(_, value)| self.symbol(*value, b'(')) else { return };
        for (number, column) in columns.iter().enumerate() {
            let is_given = self.words.get(value + 1 + 2 * number) == Some(&Token::Placeholder);
            shape.compared.push((column.clone(), how, is_given.then_some(self.seen + number)));
        }
    }

    /// Columns behind ORDER BY or GROUP BY, as long as they are columns.
    fn order(&mut self, shape: &mut Shape) {
        let mut order = Vec::new();
        let mut at = self.at + 2;
        while let Some((column, end)) =
            self.column(at).filter(|(column, _)| !ENDS_ORDER.iter().any(|word| column.name.eq_ignore_ascii_case(word)))
        {
            at = end;
            if self.symbol(at, b'(') {
                // A function of something.
                order.clear();
                break;
            }
            let descends = self.word(at, "DESC");
            at += usize::from(descends || self.word(at, "ASC"));
            order.push((column, descends));
            if !self.symbol(at, b',') {
                break;
            }
            at += 1;
        }
        if !order.is_empty() {
            shape.orders.push(order);
        }
        self.at = at.max(self.at + 2);
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidate;
    use super::*;

    fn table(name: &str, columns: &[&str]) -> TableFacts {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        TableFacts { name: name.to_owned(), columns, rows: 1000, indexes: Vec::new() }
    }

    fn first_of(sql: &str, tables: &[TableFacts]) -> Vec<String> {
        let shape = Shape::of(sql, sql).expect("has tables").resolved(tables);
        tables.iter().flat_map(|table| candidate::of(&shape, table)).map(|draft| draft.sql()).collect()
    }

    #[test]
    fn equality_comes_before_order_and_range() {
        let mut messages = [table("messages", &["id", "channel_id", "thread_id", "posted_at", "revision"])];
        let columns = vec!["id".to_owned()];
        messages[0].indexes =
            vec![crate::data::IndexFacts { name: "key".to_owned(), columns, unique: true, partial: false }];
        for (sql, expected) in [
            (
                "SELECT * FROM (SELECT id FROM messages WHERE channel_id = ?) AS page WHERE (posted_at, id) < (?, ?) ORDER BY posted_at DESC, id DESC LIMIT ?",
                "ON messages (channel_id, posted_at, id)",
            ),
            (
                "SELECT id FROM messages m WHERE m.channel_id = ? AND m.thread_id IS NULL ORDER BY m.posted_at, m.id LIMIT ?",
                "ON messages (channel_id, posted_at, id) WHERE thread_id IS NULL",
            ),
            (
                "SELECT id FROM messages WHERE channel_id = ? AND revision > ? LIMIT ?",
                "ON messages (channel_id, revision)",
            ),
            (
                "SELECT id FROM messages WHERE channel_id IN (?) AND thread_id = ?",
                "ON messages (channel_id, thread_id)",
            ),
            (
                "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE posted_at < ? ORDER BY posted_at LIMIT ?)",
                "ON messages (posted_at)",
            ),
            (
                "SELECT id FROM messages WHERE channel_id = ? ORDER BY posted_at DESC, id LIMIT ?",
                "ON messages (channel_id, posted_at DESC, id)",
            ),
        ] {
            let all = first_of(sql, &messages);
            assert!(all.iter().any(|found| found.ends_with(expected)), "{sql}: {all:#?}");
        }
    }

    #[test]
    fn joins_give_columns_to_the_tables_of_their_aliases() {
        let tables = [table("channels", &["id", "kind"]), table("memberships", &["channel_id", "user_id"])];
        let sql = "SELECT c.id FROM channels c LEFT JOIN memberships m ON m.channel_id = c.id AND m.user_id = ? WHERE c.kind = ?";
        let all = first_of(sql, &tables);
        assert!(all.iter().any(|found| found.ends_with("ON memberships (channel_id, user_id)")), "{all:#?}");
        assert!(all.iter().any(|found| found.ends_with("ON memberships (user_id, channel_id)")), "{all:#?}");
        assert!(all.iter().any(|found| found.ends_with("ON channels (kind)")), "{all:#?}");
    }

    #[test]
    fn what_stands_for_placeholders_comes_from_their_columns() {
        let tables = [table("t", &["a", "b", "c"])];
        let sql = "UPDATE t SET a = ? WHERE b = ? AND c < ? AND (a, b) > (?, ?) AND f(?) LIMIT ?";
        let given = Shape::of(sql, sql).expect("has a table").resolved(&tables).given;
        let column = |name: &str| ("t".to_owned(), name.to_owned());
        let [(ta, a), (tb, b), (tc, c)] = [column("a"), column("b"), column("c")];
        let expected = [
            Given::Unknown,
            Given::Equal(tb.clone(), b.clone()),
            Given::Greatest(tc, c),
            Given::Least(ta, a),
            Given::Least(tb, b),
            Given::Unknown,
            Given::Page,
        ];
        assert_eq!(given, expected);
    }

    #[test]
    fn what_has_an_index_already_is_not_tried() {
        let mut messages = table("messages", &["id", "channel_id"]);
        let columns = vec!["channel_id".to_owned(), "id".to_owned()];
        messages.indexes = vec![crate::data::IndexFacts { name: "x".to_owned(), columns, ..Default::default() }];
        let all = first_of("SELECT id FROM messages WHERE channel_id = ? ORDER BY id", &[messages]);
        assert!(all.iter().all(|found| !found.contains("(channel_id")), "{all:#?}");
        assert!(Shape::of("INSERT INTO t (a) VALUES (?)", "INSERT INTO t (a) VALUES (?)").is_none());
    }
}
