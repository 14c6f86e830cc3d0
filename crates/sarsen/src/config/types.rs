//! The types of configuration values: each reads and writes one text form.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How careful to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// On a developer's machine: makes what is missing, shows what is wrong.
    #[default]
    Development,
    /// In tests: what is doubtful is an error.
    Test,
    /// For users: refuses what is only convenient.
    Production,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Never corrupt; a power cut may take the last commits. A killed process loses nothing.
    #[default]
    Normal,
    /// A commit is on the disk before it is answered.
    Full,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the place that uses it, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn redacted(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "[redacted]" }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.redacted())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.redacted())
    }
}

/// A connection string; its password is never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl Url {
    /// From its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The embedded database in the file at `path`.
    pub fn embedded(path: &str) -> Self {
        Self(format!("sqlite:{path}"))
    }

    /// The whole text with its password: for the driver, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon; it chooses the driver. Empty when that is no name.
    pub fn scheme(&self) -> &str {
        let is_name = |scheme: &&str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        self.0.split_once(':').map(|(scheme, _)| scheme).filter(is_name).unwrap_or_default()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            if self.0.is_empty() {
                return Ok(());
            }
            // A path, or a connection string with a mistake in it, which may hold a password anywhere.
            let is_path = matches!(self.scheme(), "sqlite" | "file") && !self.0.contains('@') || self.0.ends_with(':');
            return if is_path { f.write_str(&self.0) } else { write!(f, "{}:[redacted]", self.scheme()) };
        };
        // The last @ first: a password may hold a question mark.
        let (who, place) = rest.rsplit_once('@').map_or((None, rest), |(who, place)| (Some(who), place));
        let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
        write!(f, "{scheme}://")?;
        match who.map(|who| who.split_once(':').ok_or(who)) {
            Some(Ok((user, _))) => write!(f, "{user}:[redacted]@")?,
            Some(Err(user)) => write!(f, "{user}@")?,
            None => {}
        }
        f.write_str(place)?;
        let Some(query) = query else { return Ok(()) };
        let shown = query.split('&').map(|pair| match pair.split_once('=') {
            Some((key, _)) if key.contains("password") => format!("{key}=[redacted]"),
            _ => pair.to_owned(),
        });
        write!(f, "?{}", shown.collect::<Vec<_>>().join("&"))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Url {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A length of time, written `250ms`, `30s`, `5m`, `12h` or `7d`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = |unit: u64| millis >= unit && millis.is_multiple_of(unit);
        let (name, unit) = SPANS.iter().rev().find(|(_, unit)| fits(*unit)).unwrap_or(&SPANS[0]);
        write!(f, "{}{name}", millis / unit)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("`{text}` is not a time such as 250ms, 30s, 5m, 12h or 7d"));
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let unit = SPANS.iter().find(|(name, _)| *name == &text[digits..]).ok_or_else(wrong)?.1;
        let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
        Ok(Self(Duration::from_millis(count.checked_mul(unit).ok_or_else(wrong)?)))
    }
}

/// A number of bytes, written `4096`, `64KB`, `1MB` or `2GB` (of 1024).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

const SIZES: [(&str, u64); 4] = [("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| self.0 >= unit && self.0.is_multiple_of(unit);
        let (name, unit) = SIZES.iter().rev().find(|(_, unit)| fits(*unit)).unwrap_or(&SIZES[0]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Bytes(u64),
            Text(String),
        }
        let text = match Given::deserialize(deserializer)? {
            Given::Bytes(bytes) => return Ok(Self(bytes)),
            Given::Text(text) => text,
        };
        let wrong = || serde::de::Error::custom(format!("`{text}` is not a size such as 4096, 64KB, 1MB or 2GB"));
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let name = if text[digits..].is_empty() { "B" } else { &text[digits..] };
        let unit = SIZES.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?.1;
        let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
        count.checked_mul(unit).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_in_no_form_of_a_url() {
        for (url, shown) in [
            ("postgres://u:pw@h:1/d?sslmode=require", "postgres://u:[redacted]@h:1/d?sslmode=require"),
            ("postgres://u:p?pw@h/d", "postgres://u:[redacted]@h/d"),
            ("postgres://u:p@pw@h/d", "postgres://u:[redacted]@h/d"),
            ("postgres://h/d?user=u&password=pw", "postgres://h/d?user=u&password=[redacted]"),
            ("postgres:/u:pw@h/d", "postgres:[redacted]"),
            ("host=h user=u password=pw", ":[redacted]"),
            ("host=h password=p:pw", ":[redacted]"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("sqlite:data/app.db", "sqlite:data/app.db"),
            ("memory:", "memory:"),
            ("", ""),
        ] {
            assert_eq!(Url::new(url).to_string(), shown);
            assert!(!Url::new(url).scheme().contains("pw"));
        }
    }

    #[test]
    fn spans_and_sizes_read_and_write_the_same_text() {
        for text in ["250ms", "30s", "5m", "12h", "7d"] {
            let span: Span = serde_json::from_value(text.into()).expect("a span");
            assert_eq!(format!("{span:?}"), text);
        }
        for wrong in ["", "5", "s", "5 s", "99999999999999999999s", "-1s"] {
            assert!(serde_json::from_value::<Span>(wrong.into()).is_err(), "{wrong}");
        }
        assert_eq!(serde_json::from_value::<Size>("64KB".into()).expect("a size"), Size(65_536));
    }
}
