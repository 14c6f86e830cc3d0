//! Takes values out of texts that people wrote for a log: what stands in quotes, addresses, keys and long numbers.

/// What stands in the place of a value.
const HIDDEN: &str = "…";
/// Fewest characters of a word with letters and digits in it that is taken for a value.
const LONG: usize = 6;

/// The text without values: the words of the programmer stay, so that one still sees what went wrong.
///
/// Code between backticks stays where it looks like a name (`accounts.token`), because errors name keys and tables so.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'', '`', '“', '‘']) {
        let (before, after) = rest.split_at(at);
        words(before, &mut out);
        let open = after.chars().next().unwrap_or('"');
        let inside = &after[open.len_utf8()..];
        let apostrophe = open == '\'' && before.chars().next_back().is_some_and(char::is_alphanumeric);
        match inside.find(closing(open)).filter(|_| !apostrophe) {
            Some(end) => {
                let quoted = &inside[..end];
                let name = open == '`' && is_name(quoted);
                out.push(open);
                out.push_str(if name { quoted } else { HIDDEN });
                out.push(closing(open));
                rest = &inside[end + closing(open).len_utf8()..];
            }
            None => {
                out.push(open);
                rest = inside;
            }
        }
    }
    words(rest, &mut out);
    out
}

/// A key, a label: a name stays, anything else goes.
pub(super) fn label(label: &str) -> String {
    if label.is_empty() || is_name(label) { label.to_owned() } else { text(label) }
}

fn closing(open: char) -> char {
    match open {
        '“' => '”',
        '‘' => '’',
        same => same,
    }
}

fn is_name(word: &str) -> bool {
    word.len() <= 60 && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:{}[]".contains(c)) && !is_value(word)
}

fn words(text: &str, out: &mut String) {
    let mut word = String::new();
    for c in text.chars() {
        if c.is_whitespace() {
            push(&word, out);
            word.clear();
            out.push(c);
        } else {
            word.push(c);
        }
    }
    push(&word, out);
}

fn push(word: &str, out: &mut String) {
    let core = word.trim_matches(|c: char| "()[]{},.;:!?<>".contains(c));
    if core.is_empty() || !is_value(core) {
        out.push_str(word);
        return;
    }
    let start = word.find(core).unwrap_or_default();
    // `password=hunter2` keeps its name.
    let name = core.split_once(['=', ':']).map_or("", |(name, _)| name);
    let named = !name.is_empty() && !is_value(name) && !core.contains("://");
    out.push_str(&word[..start]);
    if named {
        out.push_str(name);
        out.push('=');
    }
    out.push_str(HIDDEN);
    out.push_str(&word[start + core.len()..]);
}

/// Whether a word looks like somebody's: an address, a key, an id, a number that counts nothing.
fn is_value(word: &str) -> bool {
    if word.contains('@') || word.contains('=') || word.contains("://") {
        return true;
    }
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let letters = word.chars().filter(char::is_ascii_alphabetic).count();
    let length = word.chars().count();
    let mixed = length >= LONG && digits >= 1 && letters >= 2 && !is_place(word);
    mixed || length >= 40 && !word.contains('/') || digits >= 7
}

/// `src/messages/store.rs:41`, `/v1/channels/{id}`.
fn is_place(word: &str) -> bool {
    word.contains(".rs:") || word.starts_with("/v")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_and_words_stay() {
        for (given, expected) in [
            ("duplicate key (email)=(noor@example.org)", "duplicate key (email)=…)"),
            ("the address \"noor at home\" is wrong", "the address \"…\" is wrong"),
            ("module `accounts` has no `hunter2secret99x`", "module `accounts` has no `…`"),
            ("it's not there, don't ask", "it's not there, don't ask"),
            ("token sk_live_4eC39HqLyjWDarjtT1zdp7dc refused", "token … refused"),
            ("the password hunter2 is wrong", "the password … is wrong"),
            ("password=hunter2 is wrong", "password=… is wrong"),
            ("timeout after 30 s at src/a/store.rs:41", "timeout after 30 s at src/a/store.rs:41"),
            ("card 4111111111111111 refused (402)", "card … refused (402)"),
            ("https://user:pass@host/path?key=1 refused", "… refused"),
            ("an open \"quote", "an open \"quote"),
        ] {
            assert_eq!(text(given), expected);
        }
    }

    #[test]
    fn labels_keep_names_only() {
        for (given, expected) in [("mail.send", "mail.send"), ("noor@example.org", "…"), ("example.org", "example.org")]
        {
            assert_eq!(label(given), expected);
        }
    }
}
