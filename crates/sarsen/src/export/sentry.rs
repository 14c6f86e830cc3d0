//! Errors as envelopes of Sentry (develop.sentry.dev/sdk/envelopes): each kind of error once a minute, and how often it came.

use super::otlp::Service;
use super::sample::Seen;
use super::ship::Receiver;
use crate::clock::{self, Timestamp};
use crate::config::Secret;
use crate::error::{Error, Kind, Result};
use crate::http::client::Address;
use crate::telemetry::OperationKind;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same error is sent no more often.
const QUIET: Duration = Duration::from_secs(60);
/// Most kinds of errors that are kept apart; when there are more, the quiet ones are forgotten.
const MAX_KINDS: usize = 500;
/// Most characters of what an error says.
const MAX_TEXT: usize = 4_000;

/// An error on its way.
#[derive(Clone, Debug)]
pub(super) struct Report {
    seen: Seen,
    fingerprint: String,
    /// How often it came since the last time it was sent, this one included.
    times: u64,
}

/// Which errors were sent lately.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<HashMap<String, Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    kept_back: u64,
}

impl Lately {
    /// The report of this Operation, unless it did not fail, or its like was told a moment ago.
    pub(super) fn report(&self, seen: &Seen) -> Option<Report> {
        let error = seen.error.as_deref().filter(|_| seen.failed)?;
        let fingerprint = format!("{} {}: {}", seen.kind.as_str(), seen.name, without_numbers(error));
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::monotonic();
        if lately.len() >= MAX_KINDS {
            lately.retain(|_, told| now - told.at < QUIET);
        }
        if lately.len() >= MAX_KINDS && !lately.contains_key(&fingerprint) {
            return None;
        }
        let times = match lately.get_mut(&fingerprint) {
            Some(told) if now - told.at < QUIET => {
                told.kept_back += 1;
                return None;
            }
            Some(told) => told.kept_back + 1,
            None => 1,
        };
        lately.insert(fingerprint.clone(), Told { at: now, kept_back: 0 });
        Some(Report { seen: seen.clone(), fingerprint, times })
    }
}

/// The first line, with a sign in place of each number and id.
fn without_numbers(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let words = first.split(' ').map(|word| if word.bytes().any(|byte| byte.is_ascii_digit()) { "#" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

/// The receiver that a DSN names: `https://KEY@host/PROJECT`.
pub(super) fn receiver(dsn: &Secret, timeout: Duration) -> Result<Receiver> {
    // The text of the DSN is not in the error: it holds the key.
    let wrong = || {
        Error::invalid("telemetry.sentry_dsn is no DSN").hint("it is `https://KEY@host/PROJECT`, as Sentry shows it")
    };
    let (scheme, rest) = dsn.expose().split_once("://").ok_or_else(wrong)?;
    let (key, place) = rest.split_once('@').ok_or_else(wrong)?;
    let (place, project) = place.trim_end_matches('/').rsplit_once('/').ok_or_else(wrong)?;
    if key.is_empty() || project.is_empty() || !project.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(wrong());
    }
    // A secret key of old DSNs follows a colon, and nobody needs it.
    let key = key.split(':').next().unwrap_or_default();
    let to = Address::parse(&format!("{scheme}://{place}/api/{project}")).map_err(|_| wrong())?.join("/envelope/");
    let client = concat!("sarsen/", env!("CARGO_PKG_VERSION"));
    let auth = HeaderValue::try_from(format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={key}"));
    let headers = vec![
        (HeaderName::from_static("x-sentry-auth"), auth.map_err(|_| wrong())?),
        (CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope")),
    ];
    Ok(Receiver { label: "sentry", to, headers, timeout })
}

/// One envelope with one event: Sentry takes one event an envelope.
pub(super) fn envelope(service: &Service, report: &Report) -> Bytes {
    let Report { seen, fingerprint, times } = report;
    let id = format!("{:032x}", fastrand::u128(..));
    let at = Timestamp::from_micros(seen.ended).to_string();
    let message: String = seen.error.as_deref().unwrap_or_default().chars().take(MAX_TEXT).collect();
    let kind = seen.error_kind.unwrap_or(Kind::Internal).as_str();
    let operation = if seen.kind == OperationKind::Request { "http.server" } else { "queue.process" };
    let event = json!({
        "event_id": id,
        "timestamp": at,
        "platform": "native",
        "level": "error",
        "logger": "sarsen",
        "transaction": seen.name.as_str(),
        "release": format!("{}@{}", service.name, service.version),
        "environment": service.environment,
        "fingerprint": [fingerprint],
        "exception": {"values": [{"type": kind, "value": message}]},
        "contexts": {"trace": {"trace_id": seen.trace.id(), "span_id": seen.trace.span_id(), "op": operation}},
        "tags": {"kind": seen.kind.as_str(), "module": seen.name.module()},
        "extra": {"times": times},
    });
    let payload = event.to_string();
    let head = json!({"event_id": id, "sent_at": at});
    let item = json!({"type": "event", "length": payload.len(), "content_type": "application/json"});
    Bytes::from(format!("{head}\n{item}\n{payload}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error: &str) -> Seen {
        Seen { failed: true, error: Some(error.to_owned()), ..Seen::for_test("GET /") }
    }

    #[test]
    fn an_error_is_told_once_whatever_its_numbers() {
        let lately = Lately::default();
        let first = lately.report(&failed("no row 17 in it")).expect("is told");
        assert_eq!(first.times, 1);
        assert!(lately.report(&failed("no row 18 in it")).is_none());
        assert!(lately.report(&failed("something else")).is_some());
        assert!(lately.report(&Seen::for_test("GET /")).is_none(), "it did not fail");
    }

    #[test]
    fn a_dsn_names_the_receiver_and_is_in_no_error() {
        let limit = Duration::from_secs(1);
        let receiver = receiver(&Secret::new("https://k3y:old@o1.example/base/42"), limit).expect("is one");
        assert_eq!(format!("{:?}", receiver.to), "o1.example:443");
        assert!(receiver.headers[0].1.to_str().expect("text").ends_with("sentry_key=k3y"));
        for wrong in ["hush", "https://hush/1", "https://hush@host", "ftp://hush@host/1"] {
            let error = super::receiver(&Secret::new(wrong), limit).expect_err(wrong);
            assert!(!error.report().contains("hush"), "{error}");
        }
    }
}
