//! The attacks: each takes a good request and makes one thing wrong with it, or everything.

mod address;
mod body;
mod credentials;
mod mixed;
mod query;

pub(crate) use address::{address, routes};
pub(crate) use body::body;
pub(crate) use credentials::credentials;
pub(crate) use mixed::mixed;
pub(crate) use query::query;
