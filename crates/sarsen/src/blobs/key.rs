//! The key of a blob: made by the framework, so that nothing that a client says ever becomes a path.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Longest name of a folder.
const MAX_FOLDER: usize = 40;

/// The name of a blob in its store: `FOLDER/xx/ID`. Clones are cheap.
///
/// The id is new for each upload, and never used again; `xx` are its last two digits, so that no folder holds too much.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Key(Arc<str>);

impl Key {
    pub(super) fn new(folder: &str, id: Uuid) -> Result<Self> {
        check_folder(folder)?;
        let id = id.simple().to_string();
        Ok(Self(format!("{folder}/{}/{id}", &id[30..]).into()))
    }

    /// Reads a key; anything but what [`Key`] writes is an error, so `..`, a slash at the front or a backslash are too.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("that is not the key of a blob");
        let mut parts = text.split('/');
        let (Some(folder), Some(shard), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if id.len() != 32 || !hex(id) || shard != &id[30..] || check_folder(folder).is_err() {
            return Err(wrong());
        }
        Ok(Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it was uploaded to.
    pub fn folder(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

/// A folder is one word of lower-case letters, digits, `-` and `_`.
pub(super) fn check_folder(folder: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if folder.is_empty() || folder.len() > MAX_FOLDER || !folder.bytes().all(plain) {
        let text = format!("`{}` is no folder for blobs", folder.escape_default());
        return Err(Error::invalid(text)
            .hint(format!("use at most {MAX_FOLDER} lower-case letters, digits, `-` and `_`; names of files belong into `UploadOptions::name`")));
    }
    Ok(())
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_key_writes_is_read_as_one() {
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ab);
        let key = Key::new("files", id).expect("a folder");
        assert_eq!(key.as_str(), "files/ab/019000000000700080000000000000ab");
        assert_eq!((Key::parse(key.as_str()).expect("its own text"), key.folder()), (key.clone(), "files"));
        for wrong in [
            "",
            "files",
            "files/ab",
            "../../etc/passwd",
            "/etc/passwd",
            "files/../019000000000700080000000000000ab",
            "files/ab/../../../../etc/passwd",
            "..%2f..%2fetc",
            "files/ab/019000000000700080000000000000AB",
            "files/aa/019000000000700080000000000000ab",
            "files\\ab\\019000000000700080000000000000ab",
            "Files/ab/019000000000700080000000000000ab",
            "files/ab/019000000000700080000000000000ab#1",
            "files/ab/019000000000700080000000000000ab\0",
            "a/files/ab/019000000000700080000000000000ab",
            "/ab/019000000000700080000000000000ab",
            "files/ab/é19000000000700080000000000000a",
        ] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "..", "a/b", "a.b", "A", "a b", "ä", &"a".repeat(41)] {
            assert!(Key::new(wrong, id).is_err(), "{wrong}");
        }
    }
}
