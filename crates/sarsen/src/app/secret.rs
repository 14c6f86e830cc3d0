//! The application's secret, and the keys that are made from it.

use super::App;
use crate::config::{AppSection, Environment, Secret};
use crate::error::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// Fewest characters of a secret.
pub(super) const LEAST: usize = 32;

/// The configured secret. Where there is none, development keeps one in a file and tests make one.
pub(super) fn of_app(section: &AppSection) -> Result<Secret> {
    if !section.secret.expose().is_empty() {
        return Ok(section.secret.clone());
    }
    match section.environment {
        Environment::Production => Err(Error::invalid("app.secret is not set")),
        Environment::Test => random(),
        Environment::Development => kept(Path::new(&section.secret_file)),
    }
}

/// A key for one purpose: keys for two purposes say nothing about each other or about the secret.
pub(super) fn key(secret: &Secret, purpose: &str) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    let mut mac = mac.unwrap_or_else(|_| unreachable!("any length is a key"));
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The token of the operators that is made from the secret.
pub(super) fn operators_token(secret: &Secret) -> Secret {
    let mut text = String::with_capacity(64);
    for byte in key(secret, "ops") {
        let _ = write!(text, "{byte:02x}");
    }
    Secret::new(text)
}

impl App {
    /// Every secret of the configuration, for what must never tell one: those of the framework, and of the modules what
    /// their sections do not show.
    pub(super) fn secrets(&self, secret: &Secret) -> Result<Vec<String>> {
        let config = &self.config;
        let mut secrets = vec![secret.expose().to_owned(), operators_token(secret).expose().to_owned()];
        secrets.push(config.ops.token.expose().to_owned());
        secrets.retain(|secret| !secret.is_empty());
        secrets.extend(config.jobs.encryption_keys.iter().map(|key| key.expose().to_owned()));
        let addresses = [config.database.url.expose(), config.telemetry.sentry_dsn.expose(), config.blobs.url.expose()];
        secrets.extend(addresses.iter().filter_map(|address| credentials(address)));
        for module in &self.modules {
            let shown = toml::Value::Table((module.show_config)(config)?);
            let given = config.modules.get(module.info.name).map(|section| section.config.clone()).unwrap_or_default();
            hidden(&toml::Value::Table(given), Some(&shown), &mut secrets);
        }
        Ok(secrets)
    }
}

/// What stands before the `@` of an address: the password, or the key.
fn credentials(address: &str) -> Option<String> {
    let (who, _) = address.split_once("://")?.1.rsplit_once('@')?;
    Some(who.split_once(':').map_or(who, |(_, password)| password).to_owned())
}

/// The texts that are given and not shown as they are.
fn hidden(given: &toml::Value, shown: Option<&toml::Value>, secrets: &mut Vec<String>) {
    match given {
        toml::Value::Table(table) => {
            table.iter().for_each(|(key, value)| hidden(value, shown.and_then(|shown| shown.get(key)), secrets));
        }
        toml::Value::Array(items) => {
            let shown = |index: usize| shown.and_then(|shown| shown.get(index));
            items.iter().enumerate().for_each(|(index, item)| hidden(item, shown(index), secrets));
        }
        toml::Value::String(text) if shown.is_some_and(|shown| shown.as_str() != Some(text)) => {
            secrets.push(credentials(text).unwrap_or_else(|| text.clone()));
        }
        _ => {}
    }
}

fn random() -> Result<Secret> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal(format!("the system gives no random numbers: {error}")))?;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Secret::new(text))
}

fn kept(path: &Path) -> Result<Secret> {
    let failed = |error: std::io::Error| {
        Error::unavailable(format!("the secret file {} cannot be used: {error}", path.display()))
            .hint("set app.secret, or app.secret_file to a place where this process may write")
    };
    if !path.exists() {
        make(path, &random()?).map_err(failed)?;
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    if text.trim().chars().count() < LEAST {
        let text = format!("the secret file {} holds fewer than {LEAST} characters", path.display());
        return Err(
            Error::invalid(text).hint("remove it, and the next start makes a new one; everybody is signed out then")
        );
    }
    Ok(Secret::new(text.trim()))
}

/// Writes beside the place and links it there, so that two processes that start at once agree on one whole file.
fn make(path: &Path, secret: &Secret) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(&draft)?, "{}", secret.expose())?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_makes_a_secret_once_and_keeps_it_from_others() {
        let folder = std::env::temp_dir().join(format!("sarsen-secret-{}", std::process::id()));
        let file = folder.join("inside/secret.key");
        let section = AppSection { secret_file: file.display().to_string(), ..AppSection::default() };
        let first = of_app(&section).expect("is made");
        assert_eq!(first.expose().len(), 64);
        assert_eq!(of_app(&section).expect("is read"), first);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("is there").permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&file, "short").expect("is written");
        assert!(of_app(&section).expect_err("is too short").message().contains("fewer than 32"));
        std::fs::remove_dir_all(folder).expect("goes");
    }

    #[test]
    fn keys_differ_by_purpose_and_secret() {
        let (one, two) = (Secret::new("one"), Secret::new("two"));
        assert_eq!(key(&one, "cookie"), key(&one, "cookie"));
        assert_ne!(key(&one, "cookie"), key(&one, "cursor"));
        assert_ne!(key(&one, "cookie"), key(&two, "cookie"));
    }
}
