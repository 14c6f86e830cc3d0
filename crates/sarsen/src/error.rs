//! The one error of Sarsen: a kind, a message, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What `?` carries everywhere in Sarsen.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What the caller can do about an error; nothing else decides status, retry and log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The thing asked for does not exist, or the caller may not know that it does.
    NotFound,
    /// The input is wrong; repeating it will not help.
    Invalid,
    /// Nobody is signed in.
    Unauthenticated,
    /// The one who is signed in may not do this.
    Forbidden,
    /// The state of things does not allow it: a duplicate, a lost race.
    Conflict,
    /// A limit is reached; try later.
    TooMany,
    /// The deadline passed.
    Timeout,
    /// Something this depends on cannot be reached; try again.
    Unavailable,
    /// This build or driver cannot do it.
    Unsupported,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// The kind in lower-case words, as logs and problem documents spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::NotFound => "not-found",
            Kind::Invalid => "invalid",
            Kind::Unauthenticated => "unauthenticated",
            Kind::Forbidden => "forbidden",
            Kind::Conflict => "conflict",
            Kind::TooMany => "too-many",
            Kind::Timeout => "timeout",
            Kind::Unavailable => "unavailable",
            Kind::Unsupported => "unsupported",
            Kind::Internal => "internal",
        }
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_transient(self) -> bool {
        matches!(self, Kind::TooMany | Kind::Timeout | Kind::Unavailable)
    }
}

/// One field of the input, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The name of the field, as the caller wrote it (`address.city`, `items[2]`).
    pub field: String,
    /// What is wrong, as an end of the sentence "FIELD …".
    pub message: String,
}

/// An error with its kind, what failed, and often a hint at the fix.
///
/// ```
/// use sarsen::{Error, error::Kind};
/// let error = Error::invalid("the message cannot be posted").field("text", "is empty");
/// assert_eq!(error.kind(), Kind::Invalid);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    hint: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

impl Error {
    /// An error of `kind`; `message` says what failed and on what.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        let (fields, message) = (Vec::new(), message.into());
        Self(Box::new(Inner { kind, message, fields, hint: None, retry_after: None, source: None }))
    }

    /// The input is wrong.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// One field of the input is wrong: "`field` `message`".
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self::invalid(format!("{field} {message}")).field(field, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Not allowed for this actor.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, message)
    }

    /// Nobody is signed in.
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthenticated, message)
    }

    /// The state of things does not allow it.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// Something needed cannot be reached.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// A fault of ours.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Adds a field and what is wrong with it.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says when trying again may help, where that is known.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Puts what was being done before the message: "`context`: `message`".
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message).into();
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What failed, without the cause and the hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The fields of the input that are wrong.
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// What to do about it, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// How long to wait before trying again, where that is known.
    pub fn wait_time(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Message, causes and hint on lines of their own, for people at a terminal.
    pub fn report(&self) -> String {
        let mut text = self.message().to_owned();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!("\n  because: {error}"));
            cause = error.source();
        }
        if let Some(hint) = self.hint_text() {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.as_str(), self.report())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error.to_string()).source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_shows_causes_and_hint() {
        let error = Error::unavailable("the database does not answer")
            .source(std::io::Error::other("connection refused"))
            .hint("start it")
            .context("migrate");
        assert_eq!(
            error.report(),
            "migrate: the database does not answer\n  because: connection refused\n  hint: start it"
        );
    }
}
