//! The rules for texts, emoji and nonces.

use super::api::MAX_TEXT;
use super::files::MAX_FILES;
use crate::text::{check_line, check_lines, check_present};
use sarsen::{Error, Result};
use uuid::Uuid;

/// Most characters of an emoji: some are sequences of a dozen code points, and `:names:` are fine too.
const MAX_EMOJI: usize = 32;

/// Most characters of a nonce.
const MAX_NONCE: usize = 64;

/// A text: more than white space, up to 8000 characters.
pub(super) fn check_text(text: &str) -> Result<()> {
    check_present("text", text)?;
    check_lines("text", text, MAX_TEXT)
}

/// A text that may be empty: from elsewhere, where some have said nothing, and beside files, which say enough.
pub(super) fn check_optional(text: &str) -> Result<()> {
    check_lines("text", text, MAX_TEXT)
}

/// Files: at most 10.
pub(super) fn check_files(files: &[Uuid]) -> Result<()> {
    if files.len() > MAX_FILES {
        return Err(Error::invalid_field("files", format!("has more than {MAX_FILES} files")));
    }
    Ok(())
}

/// An emoji: 1 to 32 characters without spaces.
pub(super) fn check_emoji(emoji: &str) -> Result<()> {
    check_present("emoji", emoji)?;
    if emoji.contains(char::is_whitespace) {
        return Err(Error::invalid_field("emoji", "has spaces"));
    }
    check_line("emoji", emoji, MAX_EMOJI)
}

/// A nonce: 1 to 64 characters.
pub(super) fn check_nonce(nonce: &str) -> Result<()> {
    check_present("nonce", nonce)?;
    check_line("nonce", nonce, MAX_NONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_1_to_8000_characters() {
        assert!(check_text(&"ä".repeat(8000)).is_ok());
        let error = check_text(&"ä".repeat(8001)).expect_err("too long");
        assert_eq!(error.message(), "text is longer than 8000 characters");
        for bad in ["", " \n", "a\0b"] {
            assert!(check_text(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn emoji_have_no_spaces() {
        for good in ["👍", "👩‍👩‍👧‍👦", ":tada:", "+1"] {
            assert!(check_emoji(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\u{7}", &"x".repeat(33)] {
            assert!(check_emoji(bad).is_err(), "{bad:?}");
        }
    }
}
