//! Takes secrets out of what is told: of errors before they are kept, and of lines before they are written.
//!
//! Three nets, because none is enough: the secrets of the configuration by their value, what stands where secrets stand
//! (`password=…`, `Bearer …`, `user:…@host`), and in errors also what a parser quotes of the input, and what looks like a token.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

const REDACTED: &str = "[redacted]";

/// Shorter ones would be found in innocent words.
const LEAST: usize = 6;
/// From this length on, letters and digits in a row may be a token.
const TOKEN: usize = 24;
/// Most secrets that are known by their value.
const MOST: usize = 1_000;

/// The secrets of this process, longest first.
static KNOWN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Never tells `secrets` again, wherever they stand: in an error, in a line of the log, in what is exported.
pub fn keep_secret(secrets: impl IntoIterator<Item = String>) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let new = secrets.into_iter().filter(|secret| secret.len() >= LEAST);
    known.extend(new.take(MOST));
    known.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    known.dedup();
    known.truncate(MOST);
}

/// A line without the secrets that are known, and without what stands where secrets stand.
pub fn line(text: &str) -> Cow<'_, str> {
    named(known(Cow::Borrowed(text)))
}

/// The text of an error: like [`line()`], and without what parsers quote of the input, and what looks like a token.
pub fn error(text: &str) -> Cow<'_, str> {
    tokens(quoted(line(text)))
}

fn known(text: Cow<'_, str>) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(text, |text, secret| {
        if text.contains(secret.as_str()) { text.replace(secret.as_str(), REDACTED).into() } else { text }
    })
}

/// Words after which a secret stands.
const NAMES: [&str; 9] =
    ["password", "passwd", "secret", "token", "authorization", "api_key", "apikey", "cookie", "credential"];

/// `password=…`, `"token": "…"`, `Bearer …`, `scheme://user:…@host`.
fn named(text: Cow<'_, str>) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    for name in NAMES {
        let found = lower.match_indices(name).filter_map(|(at, _)| value_after(&text, at + name.len(), name));
        cuts.extend(found);
    }
    for scheme in ["bearer ", "basic "] {
        let found = lower.match_indices(scheme).map(|(at, _)| word(&text, at + scheme.len()));
        // Words of a sentence about schemes are no credentials.
        cuts.extend(
            found.filter(|(from, to)| to - from >= 8 || text[*from..*to].bytes().any(|byte| byte.is_ascii_digit())),
        );
    }
    cuts.extend(lower.match_indices("://").filter_map(|(at, _)| password(&text, at + 3)));
    without(text, cuts)
}

/// The value after `=` or `:`, through quotes and blanks; nothing where a sentence goes on.
fn value_after(text: &str, at: usize, name: &str) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    // `password_hash` is another name of one.
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    let rest = rest.trim_start_matches(['"', '\'', '\\']).trim_start();
    let sign = rest.strip_prefix(['=', ':'])?;
    let opened = sign.trim_start();
    let value = opened.trim_start_matches(['\\', '"', '\'']);
    let quoted = value.len() < opened.len();
    // "token: it is too long" is a sentence: what stands open after a blank holds more than letters.
    let from = text.len() - value.len();
    let (_, to) = if quoted { until(text, from, ['"', '\'']) } else { word(text, from) };
    let worded = matches!(name, "token" | "credential");
    let plain =
        worded && !quoted && sign.len() > opened.len() && text[from..to].bytes().all(|byte| byte.is_ascii_alphabetic());
    (!plain && to > from).then_some((from, to))
}

fn until(text: &str, from: usize, ends: [char; 2]) -> (usize, usize) {
    let rest = &text[from..];
    let length = rest.find(ends).unwrap_or(rest.len());
    (from, from + rest[..length].trim_end_matches('\\').len())
}

fn word(text: &str, from: usize) -> (usize, usize) {
    let rest = &text[from..];
    let ends =
        |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | ',' | ';' | '&' | ')' | '}' | '`');
    (from, from + rest.find(ends).unwrap_or(rest.len()))
}

/// The password of an address whose scheme ends at `at`.
fn password(text: &str, at: usize) -> Option<(usize, usize)> {
    let (_, end) = word(text, at);
    let place = text[at..end].split('/').next()?;
    let (who, _) = place.rsplit_once('@')?;
    let (user, _) = who.split_once(':')?;
    Some((at + user.len() + 1, at + who.len()))
}

/// What stands in quotation marks, unless it is the name of a thing of the database: parsers quote what they were given.
fn quoted(text: Cow<'_, str>) -> Cow<'_, str> {
    const THINGS: [&str; 10] =
        ["constraint", "relation", "column", "table", "index", "function", "type", "schema", "role", "database"];
    let mut cuts = Vec::new();
    let mut at = 0;
    while let Some(from) = text[at..].find('"').map(|found| at + found + 1) {
        let Some(to) = text[from..].find('"').map(|found| from + found) else { break };
        let before = text[..from - 1].trim_end().rsplit(|letter: char| !letter.is_ascii_alphabetic()).next();
        if !before.is_some_and(|word| THINGS.contains(&word)) && to > from {
            cuts.push((from, to));
        }
        at = to + 1;
    }
    // PostgreSQL says which row: `Key (email)=(ada@example.org) already exists`.
    let rows = text.match_indices(")=(").filter_map(|(at, _)| {
        let from = at + 3;
        text[from..].find(')').map(|length| (from, from + length))
    });
    cuts.extend(rows);
    without(text, cuts)
}

/// Long rows of letters and digits that are no id.
fn tokens(text: Cow<'_, str>) -> Cow<'_, str> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let mut cuts = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (part(letter), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if is_token(&text[from..at]) {
                    cuts.push((from, at));
                }
                start = None;
            }
            _ => {}
        }
    }
    without(text, cuts)
}

fn is_token(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    word.len() >= TOKEN && digits >= 3 && digits < word.len() && uuid::Uuid::try_parse(word).is_err()
}

/// `text` with each of the places replaced; they may overlap.
fn without(text: Cow<'_, str>, mut cuts: Vec<(usize, usize)>) -> Cow<'_, str> {
    if cuts.is_empty() {
        return text;
    }
    cuts.sort_unstable();
    let (mut kept, mut end) = (String::with_capacity(text.len()), 0);
    for (from, to) in cuts {
        if from >= end {
            kept.push_str(&text[end..from]);
            kept.push_str(REDACTED);
        }
        end = end.max(to);
    }
    kept.push_str(&text[end..]);
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_where_secrets_stand_is_taken_out() {
        let cases = [
            ("password=hunter2 next", "password=[redacted] next"),
            ("{\"token\": \"abc\", \"n\": 1}", "{\"token\": \"[redacted]\", \"n\": 1}"),
            ("{\\\"password\\\":\\\"abc\\\"}", "{\\\"password\\\":\\\"[redacted]\\\"}"),
            ("Authorization: Bearer abc123", "Authorization: [redacted] [redacted]"),
            ("at postgres://app:pw@db/x it", "at postgres://app:[redacted]@db/x it"),
            ("session_token: 'x1'", "session_token: '[redacted]'"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn sentences_ids_and_names_stay() {
        for text in [
            "the token: it is too long",
            "no bearer token was given",
            "violates unique constraint \"accounts_username_key\"",
            "src/messages/store.rs:41 of 0190b2a5-7e2c-7a31-8d5c-3f1f6f1b2a10",
            "https://example.org/a@b",
        ] {
            assert_eq!(error(text), text);
        }
    }

    #[test]
    fn errors_do_not_quote_the_input() {
        let cases = [
            ("invalid type: string \"hush now\", expected u32", "invalid type: string \"[redacted]\", expected u32"),
            ("Key (email)=(ada@example.org) already exists.", "Key (email)=([redacted]) already exists."),
            ("it was par_a1b2c3d4e5f6g7h8i9j0k1l2m3n4", "it was [redacted]"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
    }

    #[test]
    fn secrets_of_the_configuration_are_known_by_their_value() {
        keep_secret(["open sesame".to_owned(), "short".to_owned()]);
        assert_eq!(line("say open sesame, in short"), "say [redacted], in short");
    }
}
