//! The rules for the names of people, and for what they say of themselves.

use super::api::BOT_SUFFIX;
use crate::text::{check_line, check_lines, check_present};
use sarsen::{Error, Result};
use std::ops::RangeInclusive;

/// How long a username is, in characters.
const USERNAME_LENGTH: RangeInclusive<usize> = 2..=32;

/// Most characters of a display name, of an imported nick, and of the name of a token.
pub(super) const MAX_NAME: usize = 64;

/// Most characters of what a user says of themselves.
const MAX_ABOUT: usize = 500;

/// A username: 2 to 32 ASCII letters, digits, `.`, `_` and `-`, the first a letter or a digit.
///
/// No other alphabets, so that no two usernames look the same; the display name takes any.
pub(super) fn check_username(username: &str) -> Result<()> {
    if !username.chars().all(is_username_character) {
        return Err(Error::invalid_field("username", "has characters other than letters, digits, `.`, `_` and `-`"));
    }
    if !USERNAME_LENGTH.contains(&username.len()) {
        return Err(Error::invalid_field("username", "does not have 2 to 32 characters"));
    }
    if !username.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(Error::invalid_field("username", "does not start with a letter or a digit"));
    }
    Ok(())
}

fn is_username_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

/// What finds a person by username, or nothing if no username is like this.
pub(super) fn handle(username: &str) -> Option<String> {
    check_username(username).ok().map(|()| username.to_ascii_lowercase())
}

/// The display name as it is kept: trimmed, and the username when there is none.
pub(super) fn display_name(wanted: Option<&str>, username: &str) -> Result<String> {
    let name = wanted.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(username);
    check_line("display_name", name, MAX_NAME)?;
    Ok(name.to_owned())
}

/// What a user says of themselves: up to 500 characters in any number of lines.
pub(super) fn check_about(about: &str) -> Result<()> {
    check_lines("about", about, MAX_ABOUT)
}

/// The name of a token.
pub(super) fn check_token_name(name: &str) -> Result<()> {
    check_present("name", name)?;
    check_line("name", name, MAX_NAME)
}

/// The nick of somebody imported: any characters but control characters, 1 to 64.
pub(super) fn check_nick(nick: &str) -> Result<()> {
    check_present("nick", nick)?;
    check_line("nick", nick, MAX_NAME)
}

/// The username of a bot that is shown as `name`: no person's has brackets.
pub(super) fn bot_username(name: &str) -> Result<String> {
    check_present("name", name)?;
    check_line("name", name, MAX_NAME)?;
    let plain = |character: char| if is_username_character(character) { character } else { '-' };
    let plain: String = name.trim().to_lowercase().chars().map(plain).collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let word = if parts.is_empty() { "program".to_owned() } else { parts.join("-") };
    Ok(format!("{word}{BOT_SUFFIX}"))
}

/// The text in which a search looks for a user.
pub(super) fn searched(username: &str, display_name: &str) -> String {
    format!("{username}\n{display_name}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_ascii_and_start_with_a_letter_or_digit() {
        for good in ["ab", "Ada.Lovelace", "7-of_9", &"x".repeat(32)] {
            assert!(check_username(good).is_ok(), "{good}");
        }
        for bad in ["", "a", ".ab", "_ab", "-ab", "a b", "a\0b", "äb", "a@b", &"x".repeat(33)] {
            assert!(check_username(bad).is_err(), "{bad}");
        }
        assert_eq!(handle("Ada").as_deref(), Some("ada"));
        assert_eq!(handle("A\0"), None);
    }

    #[test]
    fn a_display_name_falls_back_to_the_username() {
        assert_eq!(display_name(Some(" Ada  "), "ada").expect("good"), "Ada");
        assert_eq!(display_name(Some("  "), "ada").expect("good"), "ada");
        assert_eq!(display_name(None, "ada").expect("good"), "ada");
        assert!(display_name(Some("a\u{7}b"), "ada").is_err());
    }

    #[test]
    fn the_username_of_a_bot_is_nobody_elses() {
        for (name, username) in
            [("Build Server", "build-server[bot]"), (" Ada ", "ada[bot]"), ("ä→", "program[bot]"), ("a!!b", "a-b[bot]")]
        {
            let found = bot_username(name).expect("good");
            assert_eq!(found, username);
            assert!(check_username(&found).is_err());
        }
        assert!(bot_username(" ").is_err());
    }

    #[test]
    fn nicks_are_any_line() {
        assert!(check_nick("[Ada]`|äö").is_ok());
        assert!(check_nick("a\0").is_err());
        assert!(check_nick(" ").is_err());
    }
}
