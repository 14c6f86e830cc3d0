//! What every driver of real time promises, on each database, over real sockets; and clients that break the rules.

#![expect(clippy::print_stdout, reason = "a test prints what it proves")]

mod account;
mod delivery;
mod hostile;
mod limits;
mod presence;
mod processes;
mod stage;
mod streams;
