//! Tells code, comments and strings of a Rust file apart, byte by byte; enough for checks of text, and no parser.

use super::source::is_word;

/// What a byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Comment,
    Text,
    /// Inside of a `#[cfg(test)] mod … { }`.
    Test,
}

/// The kind of every byte.
pub(super) fn kinds(text: &str) -> Vec<Kind> {
    let bytes = text.as_bytes();
    let mut kinds = Vec::with_capacity(bytes.len());
    while kinds.len() < bytes.len() {
        let (kind, length) = token(bytes, kinds.len());
        kinds.resize((kinds.len() + length).min(bytes.len()), kind);
    }
    kinds
}

/// The view that holds one kind only, with spaces for the rest and all the line ends.
pub(super) fn only(text: &str, kinds: &[Kind], wanted: Kind) -> String {
    let kept = text.char_indices().flat_map(|(at, character)| {
        let keep = kinds[at] == wanted || character == '\n';
        let count = if keep { 1 } else { character.len_utf8() };
        std::iter::repeat_n(if keep { character } else { ' ' }, count)
    });
    kept.collect()
}

/// Marks the modules that only tests compile.
pub(super) fn without_test_modules(text: &str, mut kinds: Vec<Kind>) -> Vec<Kind> {
    let code = only(text, &kinds, Kind::Code);
    for (start, _) in code.match_indices("#[cfg(test)]") {
        if let Some(end) = end_of_module(&code, start) {
            kinds[start..end].fill(Kind::Test);
        }
    }
    kinds
}

/// Where the module that follows the attribute at `start` ends; `None` when no `mod … {` follows.
fn end_of_module(code: &str, start: usize) -> Option<usize> {
    let mut rest = code[start..].trim_start();
    while rest.starts_with("#[") {
        rest = rest[rest.find(']')? + 1..].trim_start();
    }
    let open = rest.find(['{', ';']).filter(|at| rest.starts_with("mod ") && rest[*at..].starts_with('{'))?;
    closing(code, code.len() - rest.len() + open).map(|end| end + 1)
}

/// The offset of the brace, bracket or parenthesis that closes the one at `open`.
pub(super) fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' if depth == 1 => return Some(at),
            b'}' | b')' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The kind and the length of what starts at `at`.
fn token(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    let fresh = at == 0 || !is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => (Kind::Comment, position(rest, b'\n')),
        [b'/', b'*', ..] => (Kind::Comment, block_comment(rest)),
        [b'"', ..] => (Kind::Text, string(rest, 1)),
        [b'b' | b'c', b'"', ..] if fresh => (Kind::Text, string(rest, 2)),
        [b'r', ..] if fresh => raw_string(rest, 1),
        [b'b' | b'c', b'r', ..] if fresh => raw_string(rest, 2),
        [b'\'', ..] => character(rest),
        _ => (Kind::Code, 1),
    }
}

fn position(rest: &[u8], wanted: u8) -> usize {
    rest.iter().position(|byte| *byte == wanted).unwrap_or(rest.len())
}

/// Comments nest in Rust.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`; but `r#type` and `return` are code.
fn raw_string(rest: &[u8], start: usize) -> (Kind, usize) {
    let hashes = rest[start..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + hashes;
    if rest.get(open) != Some(&b'"') {
        return (Kind::Code, 1);
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = &rest[open + 1..];
    let length = body.windows(close.len()).position(|window| window == close);
    (Kind::Text, length.map_or(rest.len(), |length| open + 1 + length + close.len()))
}

/// `'a'` is a character, `'a` alone is a lifetime.
fn character(rest: &[u8]) -> (Kind, usize) {
    if rest.get(1) == Some(&b'\\') {
        return (Kind::Text, rest.len().min(3 + position(rest.get(3..).unwrap_or_default(), b'\'') + 1));
    }
    let width = match rest.get(1) {
        Some(0..0x80) | None => 1,
        Some(0x80..0xE0) => 2,
        Some(0xE0..0xF0) => 3,
        Some(_) => 4,
    };
    if rest.get(1 + width) == Some(&b'\'') { (Kind::Text, width + 2) } else { (Kind::Code, 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        only(text, &kinds(text), Kind::Code).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_go() {
        assert_eq!(code("a /* b /* c */ d */ e // f\ng"), "a e g");
    }

    #[test]
    fn strings_go_in_all_their_spellings() {
        assert_eq!(code(r##"a "b\"b" r"c\" r#"d"d"# b"e" br#"f"# c"g" h"##), "a h");
    }

    #[test]
    fn a_raw_name_and_a_lifetime_are_code() {
        assert_eq!(code("r#type <'a> 'b' '\\'' '\\u{1F600}' 'é' return x"), "r#type <'a> return x");
    }

    #[test]
    fn a_comment_in_a_string_is_a_string() {
        assert_eq!(code("f(\"// not\") ; '\"' ; g"), "f( ) ; ; g");
    }

    #[test]
    fn test_modules_go_and_what_follows_stays() {
        let text = "a\n#[cfg(test)]\n#[expect(x)]\nmod tests { fn f() { \"}\" } }\nb #[cfg(test)] fn c() {}";
        let kinds = without_test_modules(text, kinds(text));
        let code = only(text, &kinds, Kind::Code);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), "a b #[cfg(test)] fn c() {}");
    }

    #[test]
    fn an_open_end_is_the_end() {
        for text in ["\"abc", "r#\"abc", "/* abc", "'\\", "'", "'a"] {
            assert_eq!(kinds(text).len(), text.len());
        }
    }
}
