//! What every driver of blobs promises, on each database, and files over HTTP.

#![expect(clippy::print_stdout, reason = "a test says what it leaves out")]

mod conformance;
#[path = "../../examples/blobs/files.rs"]
mod files;
mod hostile;
mod http;
mod stage;
mod start;
mod transactions;
