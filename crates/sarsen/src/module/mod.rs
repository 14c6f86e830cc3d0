//! A bounded part of the application: what it owns, what others may call, and how it lives.

mod api;
mod call;
mod deps;

pub use api::{Api, ApiDesc, Crosses, MethodDesc, NoApi, ServedBy};
#[doc(hidden)]
pub use api::{BoxFuture, Slot, crosses};
#[doc(hidden)]
pub use call::call;
pub use call::{CallCount, CallError, CallFailure};
pub use deps::{Dependency, Deps};
