//! The rules for channel names and topics, and the key of a direct conversation.

use crate::text::{check_line, hex};
use sarsen::{Error, Result};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Most characters of a name.
const MAX_NAME: usize = 64;

/// Most characters of a topic.
const MAX_TOPIC: usize = 250;

/// A channel name: 1 to 64 lowercase ASCII letters, digits, `-`, `_` and `.`.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid_field("name", "is empty"));
    }
    let allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-_.".contains(character);
    if !name.chars().all(allowed) {
        return Err(Error::invalid_field(
            "name",
            "has characters other than lowercase letters, digits, `-`, `_` and `.`",
        ));
    }
    check_line("name", name, MAX_NAME)
}

/// A topic: one line of up to 250 characters.
pub(super) fn check_topic(topic: &str) -> Result<()> {
    check_line("topic", topic, MAX_TOPIC)
}

/// The same for the same people in any order: a hash, because a list of nine ids is long for an index.
pub(super) fn direct_key(people: &[Uuid]) -> String {
    let mut people = people.to_vec();
    people.sort_unstable();
    people.dedup();
    hex(&Sha256::digest(people.iter().flat_map(|person| *person.as_bytes()).collect::<Vec<u8>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_words() {
        for good in ["a", "rust-lang_2.0", &"x".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a b", "ä", "a\0", "#a", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_key_of_people_has_no_order() {
        let (a, b, c) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        assert_eq!(direct_key(&[a, b]), direct_key(&[b, a, b]));
        assert_ne!(direct_key(&[a, b]), direct_key(&[a, b, c]));
        assert_eq!(direct_key(&[a]).len(), 64);
    }
}
