//! What may stand in text that people send: limits are counted in characters, and NUL is never taken.

use sarsen::{Error, Result};

/// One line, for the document of the API.
pub(crate) const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// One line that is more than white space.
pub(crate) const FULL_LINE: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

/// Lines without NUL.
pub(crate) const LINES: &str = r"^[^\u0000]*$";

/// Lines that are more than white space.
pub(crate) const FULL_LINES: &str = r"^[^\u0000]*[^\s\u0000\u0085][^\u0000]*$";

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line, such as a name: no control characters, and at most `most` characters.
pub(crate) fn check_line(field: &str, line: &str, most: usize) -> Result<()> {
    if line.chars().any(char::is_control) {
        return Err(Error::invalid_field(field, "has control characters"));
    }
    check_length(field, line, most)
}

/// Text of several lines: no NUL, which PostgreSQL cannot store, and at most `most` characters.
pub(crate) fn check_lines(field: &str, text: &str, most: usize) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid_field(field, "has a NUL character"));
    }
    check_length(field, text, most)
}

/// More than white space.
pub(crate) fn check_present(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid_field(field, "is empty"));
    }
    Ok(())
}

fn check_length(field: &str, text: &str, most: usize) -> Result<()> {
    if text.chars().nth(most).is_some() {
        return Err(Error::invalid_field(field, format!("is longer than {most} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(check_line("name", "äöü", 3).is_ok());
        let error = check_line("name", "äöüß", 3).expect_err("four characters");
        assert_eq!(error.message(), "name is longer than 3 characters");
    }

    #[test]
    fn control_characters_and_nul_are_refused() {
        assert!(check_line("name", "a\nb", 9).is_err());
        assert!(check_lines("text", "a\nb\tc", 9).is_ok());
        assert!(check_lines("text", "a\0", 9).is_err());
        assert!(check_present("text", " \n\u{2003}").is_err());
    }
}
