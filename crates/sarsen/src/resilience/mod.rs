//! What keeps this process well when others are not: the one way out of it, with its limit and its deadline.

mod call;

pub use call::call;
