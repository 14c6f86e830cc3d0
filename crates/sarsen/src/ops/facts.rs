//! The configuration as it may be shown: once more without whatever may be a secret.

use crate::error::{Error, Result};
use toml::{Table, Value};

/// Parts of the names of keys whose values nobody needs to see.
const SECRET: [&str; 9] =
    ["secret", "password", "passphrase", "token", "credential", "private", "_key", "dsn", "encryption"];

const HIDDEN: &str = "(redacted)";

/// The TOML without the values of keys that sound secret, and without what stands before the `@` of an address.
///
/// A module's own section is of the module's own types, so a password may be a plain text there.
pub(super) fn redacted(toml: &str) -> Result<String> {
    let mut table: Table =
        toml.parse().map_err(|error| Error::internal("the configuration is no TOML").source(error))?;
    table.iter_mut().for_each(|(key, value)| hide(key, value));
    toml::to_string_pretty(&table).map_err(|error| Error::internal("the configuration cannot be shown").source(error))
}

fn hide(key: &str, value: &mut Value) {
    let key = key.to_ascii_lowercase();
    match value {
        Value::Table(table) => table.iter_mut().for_each(|(key, value)| hide(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(&key, item)),
        Value::String(text) if !text.is_empty() && is_secret(&key) => *text = HIDDEN.to_owned(),
        Value::String(text) => *text = without_user(text),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    key == "key" || key == "keys" || !key.ends_with("_file") && SECRET.iter().any(|part| key.contains(part))
}

/// `smtp://user:password@host/?key=1` is `smtp://…@host/?…`.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (address, query) = rest.split_once('?').map_or((rest, ""), |(address, _)| (address, "?…"));
    match address.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{query}"),
        None => format!("{scheme}://{address}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_left() {
        let given = "[app]\nsecret = \"abc\"\nsecret_file = \"data/secret.key\"\n[modules.mail.config]\n\
                     smtp = \"smtp://me:hunter2@host:25/x?key=1\"\napi_key = \"k\"\nencryption_keys = [\"one\"]\nport = 25\n";
        let shown = redacted(given).expect("is TOML");
        for gone in ["abc", "hunter2", "\"k\"", "one", "key=1"] {
            assert!(!shown.contains(gone), "{gone} is in {shown}");
        }
        for kept in ["data/secret.key", "smtp://…@host:25/x?…", "port = 25"] {
            assert!(shown.contains(kept), "{kept} is not in {shown}");
        }
    }
}
