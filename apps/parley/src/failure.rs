//! An error of the framework in a form that can cross a module boundary.

use sarsen::Error;
use sarsen::error::Kind;
use serde::{Deserialize, Serialize};

/// What a [`sarsen::Error`] says, as data: its kind, message, fields and hint survive a call, its source becomes text.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: String,
    message: String,
    fields: Vec<(String, String)>,
    hint: Option<String>,
}

const KINDS: [Kind; 10] = [
    Kind::NotFound,
    Kind::Invalid,
    Kind::Unauthenticated,
    Kind::Forbidden,
    Kind::Conflict,
    Kind::TooMany,
    Kind::Timeout,
    Kind::Unavailable,
    Kind::Unsupported,
    Kind::Internal,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // Nobody but the log sees what an internal error says, so there its causes are kept.
        let message = if error.kind() == Kind::Internal { with_causes(&error) } else { error.to_string() };
        Self {
            kind: error.kind().as_str().to_owned(),
            message,
            fields: error.fields().iter().map(|it| (it.field.clone(), it.message.clone())).collect(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

fn with_causes(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}\n  because: {cause}"))
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == failure.kind).unwrap_or(Kind::Internal);
        let error = Error::new(kind, failure.message);
        let error = failure.fields.into_iter().fold(error, |error, (field, message)| error.field(field, message));
        match failure.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_fields_and_hint_survive() {
        let error = Error::from(Failure::from(Error::invalid_field("name", "is taken").hint("take another")));
        assert_eq!((error.kind(), error.message()), (Kind::Invalid, "name is taken"));
        assert_eq!((error.fields()[0].field.as_str(), error.hint_text()), ("name", Some("take another")));
    }

    #[test]
    fn the_causes_of_a_fault_of_ours_become_text() {
        let error = Error::internal("it broke").source(std::io::Error::other("the disk is full")).hint("make room");
        let failure = Failure::from(error);
        assert_eq!(failure.to_string(), "it broke\n  because: the disk is full");
    }

    #[test]
    fn every_kind_comes_back_as_itself() {
        for kind in KINDS {
            assert_eq!(Error::from(Failure::from(Error::new(kind, "it failed"))).kind(), kind);
        }
    }
}
