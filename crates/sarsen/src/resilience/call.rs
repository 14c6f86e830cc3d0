//! The one way out of the process: every call to another service is measured, limited, and ends with its Operation.

use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{self, Operation, WaitKind};
use std::future::Future;
use std::time::Duration;

/// Makes a call to another service: what `future` does is one wait for it, and takes at most `limit`.
///
/// `label` is the kind of what is called (`webhook`, `mail relay`), never its address: the waits of an Operation are kept
/// apart by it, so there should be few. The Operation's deadline holds too, and a call whose Operation has none left is
/// not begun. Either way the error is of [`Kind::Timeout`], which says that trying again may help; what was sent until then
/// may have been received. Everything belongs inside: finding the address, connecting, and reading the answer to its end.
///
/// ```
/// use sarsen::resilience::call;
/// use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answer = call("oracle", Duration::from_secs(2), async { Ok(42) }).await;
/// assert_eq!(answer.expect("in time"), 42);
/// # }
/// ```
pub async fn call<T>(label: &'static str, limit: Duration, future: impl Future<Output = Result<T>>) -> Result<T> {
    call_over(WaitKind::Http, label, limit, future).await
}

/// Like [`call`] to what does not speak HTTP: a mail server.
pub async fn call_over<T>(
    kind: WaitKind,
    label: &'static str,
    limit: Duration,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    telemetry::check_deadline()?;
    let (begun, deadline) = (clock::monotonic(), Operation::with_current(Operation::deadline).flatten());
    let until = deadline.map_or(begun + limit, |deadline| deadline.min(begun + limit));
    match telemetry::wait(kind, label, clock::until(until, future)).await {
        Ok(answer) => answer,
        Err(_) => {
            let waited = clock::monotonic() - begun;
            Err(Error::new(Kind::Timeout, format!("{label}: no complete answer within {} ms", waited.as_millis())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{OperationKind, Recorder};

    const LONG: Duration = Duration::from_secs(60);

    async fn silence() -> Result<()> {
        std::future::pending().await
    }

    #[tokio::test]
    async fn a_call_ends_at_its_limit_and_is_booked() {
        let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
        let error = operation.scope(call("stone", Duration::from_millis(5), silence())).await.expect_err("silent");
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(error.message().starts_with("stone: no complete answer within "), "{error}");
        let waits = operation.record().waits();
        assert_eq!((waits[0].kind, waits[0].label.as_str()), (WaitKind::Http, "stone"));
        assert!(waits[0].total >= Duration::from_millis(5));
    }

    #[tokio::test]
    async fn the_deadline_of_the_operation_is_nearer() {
        let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
        operation.set_deadline(clock::monotonic() + Duration::from_millis(5));
        let error = operation.scope(call("stone", LONG, silence())).await.expect_err("silent");
        assert_eq!(error.kind(), Kind::Timeout);
        let begun = std::cell::Cell::new(false);
        let late = call("stone", LONG, async {
            begun.set(true);
            Ok(())
        });
        assert_eq!(operation.scope(late).await.expect_err("late").kind(), Kind::Timeout);
        assert!(!begun.get(), "it was begun after the deadline");
    }

    #[tokio::test]
    async fn an_answer_and_a_failure_pass_through() {
        assert_eq!(call("echo", LONG, async { Ok(1) }).await.expect("answers"), 1);
        let failed = call::<()>("echo", LONG, async { Err(Error::unavailable("it is down")) }).await;
        assert_eq!(failed.expect_err("fails").message(), "it is down");
    }
}
