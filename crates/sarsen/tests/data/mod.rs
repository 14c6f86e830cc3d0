//! The checks of the conformance suite, by what they look at.

pub(crate) mod holders;
pub(crate) mod log;
pub(crate) mod many;
pub(crate) mod reads;
pub(crate) mod schema;
pub(crate) mod values;
pub(crate) mod wakes;
pub(crate) mod writes;
