//! Calls through the handle of a module API: fakes, deadlines, panics, counts.

use sarsen::clock::monotonic;
use sarsen::error::Kind;
use sarsen::module::{Api, MethodDesc};
use sarsen::telemetry::{Operation, OperationKind, Recorder};
use sarsen::{CallError, CallFailure, Error};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum AccountsError {
    NoSuchUser(u64),
}

impl From<AccountsError> for Error {
    fn from(AccountsError::NoSuchUser(id): AccountsError) -> Self {
        Error::not_found(format!("there is no user {id}"))
    }
}

#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    /// One user.
    #[idempotent]
    async fn user(&self, id: u64) -> Result<User, AccountsError>;
    #[idempotent]
    #[deadline("20ms")]
    async fn slow(&self, ids: Vec<u64>, nap_ms: u64) -> Result<Vec<u64>, AccountsError>;
    async fn breaks(&self) -> Result<(), AccountsError>;
}

struct Fake;

impl AccountsApi for Fake {
    async fn user(&self, id: u64) -> Result<User, AccountsError> {
        if id == 0 { Err(AccountsError::NoSuchUser(id)) } else { Ok(User { id, name: format!("user {id}") }) }
    }
    async fn slow(&self, ids: Vec<u64>, nap_ms: u64) -> Result<Vec<u64>, AccountsError> {
        sarsen::clock::pause(Duration::from_millis(nap_ms)).await;
        Ok(ids)
    }
    async fn breaks(&self) -> Result<(), AccountsError> {
        panic!("boom {}", 1)
    }
}

fn failed<T>(result: Result<T, CallError<AccountsError>>) -> CallFailure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        Err(CallError::App(error)) => panic!("the module answered {error:?}"),
        Ok(_) => panic!("the call went well"),
    }
}

#[tokio::test]
async fn a_fake_answers_through_the_handle() {
    let accounts = Accounts::local(Fake);
    assert_eq!(accounts.user(7).await.expect("answers").name, "user 7");
    assert_eq!(accounts.clone().user(0).await, Err(CallError::App(AccountsError::NoSuchUser(0))));
    assert_eq!(format!("{accounts:?}"), "Accounts(accounts (ready))");
}

#[tokio::test]
async fn before_its_module_starts_a_handle_says_so() {
    let failure = failed(Accounts::unbound().user(7).await);
    assert_eq!(failure, CallFailure::NotReady("accounts"));
    assert_eq!(failure.to_string(), "module `accounts` has not started");
}

#[tokio::test]
async fn a_call_ends_at_the_deadline_of_its_method() {
    let accounts = Accounts::local(Fake);
    assert_eq!(accounts.slow(vec![1], 0).await, Ok(vec![1]));
    assert_eq!(failed(accounts.slow(vec![1], 10_000).await), CallFailure::DeadlineExceeded);
}

#[tokio::test]
async fn a_call_does_not_start_after_the_deadline_of_the_operation() {
    let operation = Operation::open(OperationKind::Command, "test", &Recorder::new(1));
    operation.set_deadline(monotonic());
    let accounts = Accounts::local(Fake);
    assert_eq!(failed(operation.scope(accounts.user(1)).await), CallFailure::DeadlineExceeded);
}

#[tokio::test]
async fn a_panic_stays_in_the_module() {
    let failure = failed(Accounts::local(Fake).breaks().await);
    assert_eq!(failure, CallFailure::Panicked("boom 1".into()));
}

#[tokio::test]
async fn calls_are_counted_by_method() {
    let accounts = Accounts::local(Fake);
    for id in [0, 1, 2] {
        let _ = accounts.user(id).await;
    }
    let _ = accounts.slow(vec![], 5).await;
    let counts = accounts.calls();
    assert_eq!((counts[0].method, counts[0].calls, counts[0].errors), ("user", 3, 1));
    assert_eq!((counts[1].calls, counts[2].calls), (1, 0));
    assert!(counts[1].total >= Duration::from_millis(5));
}

#[test]
fn a_question_mark_carries_both_kinds_of_failure() {
    let kind = |error: CallError<AccountsError>| Error::from(error).kind();
    assert_eq!(kind(CallError::App(AccountsError::NoSuchUser(1))), Kind::NotFound);
    assert_eq!(kind(CallError::Failed(CallFailure::NotReady("accounts"))), Kind::Unavailable);
    assert_eq!(kind(CallError::Failed(CallFailure::DeadlineExceeded)), Kind::Timeout);
    assert_eq!(kind(CallError::Failed(CallFailure::Panicked("boom".into()))), Kind::Internal);
}

#[test]
fn the_description_says_what_was_written() {
    let methods: &[MethodDesc] = Accounts::DESC.methods;
    assert_eq!(methods[1].signature, "slow(ids: Vec<u64>, nap_ms: u64) -> Result<Vec<u64>, AccountsError>");
    assert_eq!((methods[1].idempotent, methods[1].deadline), (true, Some(Duration::from_millis(20))));
    assert_eq!((methods[2].idempotent, methods[2].deadline), (false, None));
}
