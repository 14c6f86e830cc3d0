//! Finds who a text mentions: `@username`, not inside a word or an address.

use std::collections::HashSet;

/// Most people that one message mentions; more are plain text.
pub(super) const MAX_MENTIONS: usize = 20;

/// Most names looked up for one message: each mention may be read in two ways.
const MAX_CANDIDATES: usize = 2 * MAX_MENTIONS;

/// Longest username.
const MAX_USERNAME: usize = 32;

/// The names that `text` may mention, lowered, each once, in order.
///
/// `@ada.` may be `ada.` or, at the end of a sentence, `ada`: both are candidates, and the accounts say which exists.
pub(super) fn candidates(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let starts = text.match_indices('@').filter(|(at, _)| may_start(&text[..*at]));
    let readings = starts.flat_map(|(at, _)| readings(&text[at + 1..]));
    readings.filter(|name| seen.insert(name.clone())).take(MAX_CANDIDATES).collect()
}

/// Whether a mention may follow `before`: not in the middle of `ada@example.org`.
fn may_start(before: &str) -> bool {
    !before.ends_with(|last: char| last.is_alphanumeric() || "._-@/".contains(last))
}

/// The ways to read the name that `rest` starts with: with and without the punctuation at its end.
fn readings(rest: &str) -> Vec<String> {
    let end = rest.find(|character: char| !is_of_username(character)).unwrap_or(rest.len());
    let (whole, next) = rest.split_at(end);
    // A name that goes on in another alphabet is none of ours.
    if next.starts_with(char::is_alphanumeric) {
        return Vec::new();
    }
    let bare = whole.trim_end_matches(['.', '_', '-']);
    let mut readings: Vec<&str> = vec![whole, bare];
    readings.dedup();
    let is_name = |name: &&str| {
        (2..=MAX_USERNAME).contains(&name.len()) && name.starts_with(|first: char| first.is_ascii_alphanumeric())
    };
    readings.into_iter().filter(is_name).map(str::to_ascii_lowercase).collect()
}

fn is_of_username(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_stand_alone() {
        assert_eq!(candidates("@Ada, ask (@bob_2) and @c.d"), ["ada", "bob_2", "c.d"]);
        assert_eq!(candidates("»@ada« 你好@no"), ["ada"]);
        assert_eq!(candidates("@ada\n@ada @ADA"), ["ada"]);
    }

    #[test]
    fn punctuation_at_the_end_is_read_both_ways() {
        assert_eq!(candidates("ask @ada."), ["ada.", "ada"]);
        assert_eq!(candidates("ask @ada..."), ["ada...", "ada"]);
        assert_eq!(candidates("@ada's"), ["ada"]);
    }

    #[test]
    fn addresses_and_scraps_are_not_mentions() {
        for text in
            ["ada@example.org", "@", "@@ada", "@ ada", "@a", "@.ada", "@äda", "@adaä", "https://x.org/@ada", "@-"]
        {
            assert_eq!(candidates(text), [""; 0], "{text}");
        }
        assert_eq!(candidates(&format!("@{}", "x".repeat(33))), [""; 0]);
    }

    #[test]
    fn many_mentions_are_cut() {
        let text: String = (0..100).map(|number| format!("@user{number} ")).collect();
        assert_eq!(candidates(&text).len(), MAX_CANDIDATES);
    }
}
