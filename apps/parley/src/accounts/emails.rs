//! The rules for e-mail addresses: ASCII, in the plain form that every mail server takes.

use sarsen::{Error, Result};

/// Most characters of an address (RFC 5321).
const MAX_EMAIL: usize = 254;

/// Most characters before the `@`, and most of one part of a domain.
const MAX_LOCAL: usize = 64;
const MAX_LABEL: usize = 63;

/// The form of an address, for the document of the API; nothing, too, for none.
pub(super) const FORM: &str = r"^([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$";

/// The address as it is kept: trimmed, and nothing when it is empty.
pub(super) fn given(email: Option<String>) -> Result<Option<String>> {
    let email = email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
    email.as_deref().map_or(Ok(()), check)?;
    Ok(email)
}

/// An address without quotes, comments or letters beyond ASCII; whether somebody reads it only a mail can tell.
fn check(email: &str) -> Result<()> {
    let wrong = |what: &str| Err(Error::invalid_field("email", what));
    if email.len() > MAX_EMAIL {
        return wrong(&format!("is longer than {MAX_EMAIL} characters"));
    }
    let Some((local, domain)) = email.rsplit_once('@') else { return wrong("has no `@`") };
    let local_is_good = local.len() <= MAX_LOCAL && local.split('.').all(is_atom);
    if !local_is_good {
        return wrong("is no address: what stands before the `@` is wrong");
    }
    if !domain.split('.').all(is_label) || domain.split('.').any(|label| label.starts_with("xn--")) {
        return wrong("is no address: what stands after the `@` is wrong");
    }
    Ok(())
}

fn is_atom(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte))
}

fn is_label(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_LABEL).contains(&part.len()) && part.bytes().all(plain) && !part.starts_with('-') && !part.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_ascii() {
        for good in ["ada@example.org", "a.b+c_d@mail.example.co.uk", "o'neil@localhost", "x@127.1"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(65));
        for bad in [
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "a@b@example.org",
            ".a@example.org",
            "a..b@example.org",
            "a@-example.org",
            "a@example..org",
            "ä@example.org",
            "a@exämple.org",
            "a\r\nbcc:x@example.org",
            "\"a\"@b.c",
            "Ada <ada@example.org>",
            "a@[127.0.0.1]",
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn none_and_an_empty_one_are_no_address() {
        assert_eq!(given(None).expect("fine"), None);
        assert_eq!(given(Some("  ".to_owned())).expect("fine"), None);
        assert_eq!(given(Some(" ada@example.org ".to_owned())).expect("fine").as_deref(), Some("ada@example.org"));
    }
}
