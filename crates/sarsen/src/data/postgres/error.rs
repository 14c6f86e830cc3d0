//! What the server's errors mean to a caller.

use crate::error::{Error, Kind};
use tokio_postgres::error::SqlState;

/// The prepared statement is not the server's any more.
pub(super) fn is_stale(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::INVALID_SQL_STATEMENT_NAME)
}

pub(super) fn explain(error: &tokio_postgres::Error, what: &str) -> Error {
    let Some(code) = error.code() else {
        let kind = if error.is_closed()
            || std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
        {
            Kind::Unavailable
        } else {
            Kind::Internal
        };
        let says =
            if kind == Kind::Unavailable { "the database does not answer" } else { "the statement cannot be sent" };
        return Error::new(kind, says).source(format!("{} in: {what}", chain(error)));
    };
    let (kind, says) = match code {
        code if *code == SqlState::UNIQUE_VIOLATION => (Kind::Conflict, "it exists already"),
        code if *code == SqlState::FOREIGN_KEY_VIOLATION => {
            (Kind::Conflict, "what it refers to does not exist, or is still referred to")
        }
        code if *code == SqlState::QUERY_CANCELED => (Kind::Timeout, "the statement ran until its deadline"),
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
            (Kind::Unavailable, "another transaction was in the way")
        }
        code => match &code.code()[..2] {
            "23" => (Kind::Invalid, "a constraint of the table refuses it"),
            "22" => (Kind::Invalid, "a value does not fit"),
            "54" => (Kind::Invalid, "a value is too large"),
            "08" | "53" | "57" | "58" => (Kind::Unavailable, "the database does not answer"),
            _ => (Kind::Internal, "the database refused the statement"),
        },
    };
    Error::new(kind, says).source(format!("{} in: {what}", chain(error)))
}

/// The driver's errors say only where they happened; their causes say what.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
