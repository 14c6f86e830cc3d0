//! What a receiver answered, and what follows from it.

use axum::http::{HeaderMap, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use sarsen::error::Kind;
use sarsen::{Error, Result, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most bytes of an answer that are read.
const MAX_BODY: usize = 64 << 10;

/// Most characters of an answer that its owner is shown.
const MAX_SHOWN: usize = 200;

/// Longest wait that a receiver may ask for.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// An answer, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::webhooks) struct Answer {
    pub(super) status: u16,
    /// How long the receiver wants to be left alone.
    pub(super) wait: Option<Duration>,
    /// The beginning of the body, in one line.
    pub(super) said: String,
}

/// What came of one attempt.
#[derive(Debug)]
pub(in crate::webhooks) enum Verdict {
    /// It was taken.
    Delivered,
    /// It may be taken later.
    Later(Error),
    /// It will never be taken.
    Never(Error),
    /// The receiver wants nothing any more.
    Gone(Error),
}

/// Reads an answer, but never more than [`MAX_BODY`]: its status counts, however much it says.
pub(super) async fn read(response: Response<Incoming>, now: Timestamp) -> Answer {
    let (parts, body) = response.into_parts();
    let mut body = Limited::new(body, MAX_BODY);
    let mut said = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.into_data().unwrap_or_default();
        said.extend_from_slice(&data[..data.len().min(4 * MAX_SHOWN - said.len().min(4 * MAX_SHOWN))]);
    }
    Answer { status: parts.status.as_u16(), wait: wait(&parts.headers, now), said: one_line(&said) }
}

/// Decides by status or error: 2xx is taken; 408, 429, 5xx and what cannot be reached come again; 410 ends the webhook.
pub(in crate::webhooks) fn judge(answer: Result<Answer>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.kind().is_transient() => return Verdict::Later(error),
        Err(error) => return Verdict::Never(error),
    };
    let error = |kind| Error::new(kind, answer.to_string());
    let later = |kind| match answer.wait {
        Some(wait) => error(kind).retry_after(wait),
        None => error(kind),
    };
    match answer.status {
        200..=299 => Verdict::Delivered,
        410 => Verdict::Gone(error(Kind::Invalid)),
        408 | 500..=599 => Verdict::Later(later(Kind::Unavailable)),
        429 => Verdict::Later(later(Kind::TooMany)),
        300..=399 => Verdict::Never(error(Kind::Invalid).context("redirects are not followed")),
        _ => Verdict::Never(error(Kind::Invalid)),
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "answered {}", self.status)?;
        if self.said.is_empty() { Ok(()) } else { write!(f, ": {}", self.said) }
    }
}

/// `retry-after` in seconds or as a date, at most [`MAX_WAIT`].
fn wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => at(httpdate::parse_http_date(text).ok()?)?.since(now),
    };
    Some(wait.min(MAX_WAIT))
}

fn at(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}

/// Text for people: the first characters, without breaks and what does not print.
fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn answered(status: u16) -> &'static str {
        match judge(Ok(Answer { status, wait: None, said: String::new() })) {
            Verdict::Delivered => "delivered",
            Verdict::Later(_) => "later",
            Verdict::Never(_) => "never",
            Verdict::Gone(_) => "gone",
        }
    }

    #[test]
    fn the_status_decides() {
        let cases = [
            (200, "delivered"),
            (204, "delivered"),
            (301, "never"),
            (307, "never"),
            (400, "never"),
            (401, "never"),
            (404, "never"),
            (408, "later"),
            (410, "gone"),
            (422, "never"),
            (429, "later"),
            (500, "later"),
            (503, "later"),
            (999, "never"),
        ];
        for (status, verdict) in cases {
            assert_eq!(answered(status), verdict, "{status}");
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_never_long() {
        let now = Timestamp::from_micros(784_111_777 * 1_000_000);
        let wait_of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
            wait(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait_of("120"), Some(120));
        assert_eq!(wait_of("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(wait_of("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(wait_of("86400"), Some(3600));
        assert_eq!(wait_of("soon"), None);
        assert_eq!(wait(&HeaderMap::new(), now), None);
    }

    #[test]
    fn what_was_said_is_one_short_line() {
        assert_eq!(one_line(b" {\n\t\"no\":\x07 1}\r\n"), "{ \"no\": 1}");
        assert_eq!(one_line(&[b'x'; 1000]).len(), MAX_SHOWN);
        let answer = Answer { status: 500, wait: None, said: "out of tea".to_owned() };
        assert_eq!(answer.to_string(), "answered 500: out of tea");
    }
}
