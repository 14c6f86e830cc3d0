//! The real program in a test: its binary, a place of its own to run in, and a small client that speaks HTTP to it.

pub(crate) mod client;
pub(crate) mod place;
pub(crate) mod random;
