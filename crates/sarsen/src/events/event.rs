//! What an event is, and the form in which it is written down and handed out.

use crate::clock::Timestamp;
use crate::data::Entry;
use crate::error::{Error, Result};
use crate::jobs::MAX_KEY;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Something that happened, told to whoever subscribes.
///
/// ```
/// use sarsen::events::Event;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct MessagePosted { message: uuid::Uuid, channel: uuid::Uuid }
///
/// impl Event for MessagePosted {
///     const NAME: &'static str = "messages.posted";
///     fn key(&self) -> Option<String> {
///         Some(self.channel.to_string())
///     }
/// }
/// ```
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in the log, for ever: `MODULE.happened`.
    const NAME: &'static str;

    /// Its form. Raise it when a field changes its meaning, and say in `upgrade` how old ones are read.
    const VERSION: u32 = 1;

    /// What it is about: events of one key keep their order where a subscriber asks for it. At most 200 bytes.
    fn key(&self) -> Option<String> {
        None
    }

    /// Brings an event of an older `version` to the present form; without it old events must still decode.
    fn upgrade(version: u32, data: Value) -> Result<Value> {
        let _ = version;
        Ok(data)
    }
}

/// An event as the log has it: its outer form, and its data undecoded.
///
/// As JSON it is a CloudEvents 1.0 document with the extensions `schemaversion` and `position`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    specversion: SpecVersion,
    /// Which one.
    pub id: Uuid,
    /// The application that it happened in: `/parley`.
    pub source: String,
    /// Its name.
    #[serde(rename = "type")]
    pub name: String,
    /// When it happened.
    pub time: Timestamp,
    /// Its key; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The form of the data.
    #[serde(rename = "schemaversion")]
    pub version: u32,
    /// Its place in the log.
    #[serde(default)]
    pub position: i64,
    /// The trace that it belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
    /// What happened.
    pub data: Value,
}

/// The version of the specification: `1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SpecVersion {
    #[serde(rename = "1.0")]
    One,
}

/// What the log keeps of an event beside its data.
#[derive(Serialize, Deserialize)]
struct Meta {
    source: String,
    #[serde(default)]
    traceparent: String,
}

impl Recorded {
    /// The outer form of an event that happens now.
    pub(super) fn new<E: Event>(
        event: &E,
        id: Uuid,
        time: Timestamp,
        source: &str,
        traceparent: String,
    ) -> Result<Self> {
        let data = serde_json::to_value(event)
            .map_err(|error| Error::internal(format!("the event `{}` cannot be written", E::NAME)).source(error))?;
        let subject = event.key().unwrap_or_default();
        if subject.len() > MAX_KEY || subject.contains('\0') {
            return Err(Error::invalid(format!(
                "the key of `{}` is longer than {MAX_KEY} bytes, or holds NUL",
                E::NAME
            )));
        }
        Ok(Self {
            specversion: SpecVersion::One,
            id,
            source: source.to_owned(),
            name: E::NAME.to_owned(),
            time,
            subject,
            version: E::VERSION,
            position: 0,
            traceparent,
            data,
        })
    }

    /// As the log keeps it.
    pub(super) fn to_entry(&self) -> Result<crate::data::NewEntry> {
        let unwritable = |error| Error::internal("an event cannot be written").source(error);
        let meta = Meta { source: self.source.clone(), traceparent: self.traceparent.clone() };
        Ok(crate::data::NewEntry {
            id: self.id,
            name: self.name.clone(),
            version: self.version.into(),
            key: self.subject.clone(),
            data: serde_json::to_string(&self.data).map_err(unwritable)?,
            meta: serde_json::to_string(&meta).map_err(unwritable)?,
        })
    }

    /// As the log had it.
    pub(super) fn of_entry(entry: Entry) -> Result<Self> {
        let unreadable =
            |error| Error::internal(format!("the log cannot be read at position {}", entry.pos)).source(error);
        let meta: Meta = serde_json::from_str(&entry.meta).map_err(unreadable)?;
        let data = serde_json::from_str(&entry.data).map_err(unreadable)?;
        Ok(Self {
            specversion: SpecVersion::One,
            id: entry.id,
            source: meta.source,
            name: entry.name,
            time: entry.at,
            subject: entry.key,
            version: u32::try_from(entry.version).unwrap_or(u32::MAX),
            position: entry.pos,
            traceparent: meta.traceparent,
            data,
        })
    }

    /// The event, when it is an `E`; nothing when it is another.
    pub fn read<E: Event>(&self) -> Result<Option<E>> {
        if self.name == E::NAME { self.decode().map(Some) } else { Ok(None) }
    }

    /// The event, which is an `E`. An error is of kind `Invalid`: trying again does not help.
    pub(super) fn decode<E: Event>(&self) -> Result<E> {
        let wrong = |what: String| {
            Error::invalid(format!("event {} (`{}`, version {}) {what}", self.id, self.name, self.version))
                .hint(format!("read the old form in `upgrade` of `{}`", E::NAME))
        };
        if self.version > E::VERSION {
            return Err(wrong(format!("is newer than this build, which knows version {}", E::VERSION)));
        }
        let data = if self.version == E::VERSION {
            self.data.clone()
        } else {
            E::upgrade(self.version, self.data.clone()).map_err(|error| wrong(error.message().to_owned()))?
        };
        serde_json::from_value(data).map_err(|error| wrong(format!("cannot be decoded: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Renamed {
        to: String,
    }

    impl Event for Renamed {
        const NAME: &'static str = "test.renamed";
        const VERSION: u32 = 2;
        fn key(&self) -> Option<String> {
            Some("k".into())
        }
        fn upgrade(_: u32, mut data: Value) -> Result<Value> {
            Ok(serde_json::json!({"to": data["name"].take()}))
        }
    }

    fn recorded() -> Recorded {
        let time = Timestamp::from_micros(1_700_000_000_000_000);
        Recorded::new(&Renamed { to: "x".into() }, Uuid::from_u128(1), time, "/app", String::new()).expect("writes")
    }

    #[test]
    fn its_outer_form_is_a_cloud_event() {
        let json = serde_json::to_value(recorded()).expect("writes");
        let expected = serde_json::json!({"specversion": "1.0", "id": "00000000-0000-0000-0000-000000000001",
            "source": "/app", "type": "test.renamed", "time": "2023-11-14T22:13:20.000000Z", "subject": "k",
            "schemaversion": 2, "position": 0, "data": {"to": "x"}});
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Recorded>(json).expect("reads"), recorded());
    }

    #[test]
    fn old_forms_are_upgraded_and_newer_ones_say_so() {
        let old = Recorded { version: 1, data: serde_json::json!({"name": "y"}), ..recorded() };
        assert_eq!(old.decode::<Renamed>().expect("upgraded"), Renamed { to: "y".into() });
        let newer = Recorded { version: 3, ..recorded() };
        assert!(newer.decode::<Renamed>().expect_err("is newer").message().contains("knows version 2"));
        assert_eq!(Recorded { name: "test.other".into(), ..recorded() }.read::<Renamed>().expect("is another"), None);
    }
}
