//! What an error says without what is of the one case: equal faults have equal words, and no value of a user is kept.

use super::operation::Outcome;
use super::record::Record;
use crate::error::Kind;

impl Record {
    /// The kind of what went wrong, and what it says without values.
    pub(crate) fn fault(&self) -> (&'static str, String) {
        match (&self.error, self.error_kind, self.outcome) {
            (Some(error), kind, _) => (kind.map_or("failed", Kind::as_str), squeeze(error)),
            (None, kind, Outcome::Status(status)) => (kind.map_or("status", Kind::as_str), status.to_string()),
            (None, ..) => ("failed", String::new()),
        }
    }
}

/// Most characters that are kept.
const MAX: usize = 300;
/// A longer word is a token or a key.
const LONGEST_WORD: usize = 40;

/// The text with numbers, ids, addresses and what is quoted replaced; at most 300 characters.
///
/// Quotes and brackets hold what came from outside as often as names of ours, so what is in them always goes.
pub(crate) fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX + 8));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if out.len() >= MAX {
            out.push('…');
            break;
        }
        rest = match first {
            '"' | '\'' | '`' | '“' | '«' => quoted(rest, first, out.ends_with(char::is_alphanumeric), &mut out),
            '(' | '[' | '{' if out.ends_with('=') => bracketed(rest, first, &mut out),
            _ if first.is_whitespace() => {
                if !out.ends_with(' ') && !out.is_empty() {
                    out.push(' ');
                }
                rest.trim_start()
            }
            _ => word(rest, &mut out),
        };
    }
    out.truncate(out.trim_end().len());
    out
}

/// A quote that nothing closes, or the apostrophe of a word, is a character.
fn quoted<'a>(rest: &'a str, open: char, in_word: bool, out: &mut String) -> &'a str {
    let close = match open {
        '“' => '”',
        '«' => '»',
        same => same,
    };
    let inner = &rest[open.len_utf8()..];
    match inner.find(close) {
        Some(end) if !(open == '\'' && in_word) => {
            out.push_str("`…`");
            &inner[end + close.len_utf8()..]
        }
        _ => {
            out.push(open);
            inner
        }
    }
}

/// `(name)=(Ada)`: the value behind the sign.
fn bracketed<'a>(rest: &'a str, open: char, out: &mut String) -> &'a str {
    let close = match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    };
    out.push(open);
    match rest.rfind(close) {
        Some(end) => {
            out.push('…');
            &rest[end..]
        }
        None => &rest[1..],
    }
}

/// Up to the next space, quote or bracket.
fn word<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let ends =
        |(at, one): (usize, char)| (at > 0 && (one.is_whitespace() || "\"'`“«([{,;".contains(one))).then_some(at);
    let end = rest.char_indices().find_map(ends).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    let tail = word.ends_with([':', '.', ')', ']', '}']).then(|| &word[word.len() - 1..]);
    if word.contains('@') {
        out.push('@');
    } else if let Some((scheme, place)) = word.split_once("://") {
        let host = place.split(['/', '?', '#']).next().unwrap_or_default();
        out.push_str(scheme);
        out.push_str("://");
        out.push_str(host.trim_end_matches(|one: char| one == ':' || one.is_ascii_digit()));
    } else if word.chars().any(|one| one.is_ascii_digit()) {
        out.push('#');
        out.push_str(tail.unwrap_or_default());
    } else if word.chars().count() > LONGEST_WORD {
        out.push('…');
    } else {
        out.push_str(word);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_faults_have_equal_words() {
        for (text, squeezed) in [
            ("no user 17: gone", "no user #: gone"),
            ("job 018f3c1e-aaaa-7bbb-8ccc-0123456789ab failed after 1.5s", "job # failed after #"),
            ("`tomorrow` is not a time", "`…` is not a time"),
            ("it can't be: \"Ada's\" is taken", "it can't be: `…` is taken"),
            ("Key (email)=(ada@example.org) already exists.", "Key (email)=(…) already exists."),
            ("ada@example.org is unknown", "@ is unknown"),
            ("https://hooks.example.org:8443/T0/secret?x=1 said 500", "https://hooks.example.org said #"),
            ("two\n  lines", "two lines"),
            ("", ""),
        ] {
            assert_eq!(squeeze(text), squeezed, "{text}");
        }
    }

    #[test]
    fn long_words_and_long_texts_are_cut() {
        assert_eq!(squeeze(&format!("token {}", "x".repeat(64))), "token …");
        assert!(squeeze(&"word ".repeat(1_000)).chars().count() <= MAX + 8);
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in ["=(", "a=(b", "'", "“", "é'è'", "=[", "`", "x=(é)", "http://", "=()"] {
            let _ = squeeze(text);
        }
    }
}
