//! What every driver of the cache promises, on each database: alone, and beside other processes.

#![expect(clippy::print_stdout, reason = "a test prints what it proves")]

mod alone;
mod commits;
mod processes;
mod stage;
