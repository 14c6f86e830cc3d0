//! What every driver of real time promises, on each database, over real sockets; and clients that break the rules.

#![expect(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

mod delivery;
mod hostile;
mod limits;
mod presence;
mod processes;
mod stage;
mod streams;
