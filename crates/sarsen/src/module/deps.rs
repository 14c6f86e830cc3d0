//! What a module calls: a struct of handles, known to the application.

use super::api::Api;

/// The handles that a module needs, in a struct with `#[derive(sarsen::Deps)]`; `()` when it calls nobody.
pub trait Deps: Send + Sync + 'static {
    /// One entry for each handle.
    fn dependencies(&self) -> Vec<Dependency>;
}

impl Deps for () {
    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }
}

/// One handle that a module holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The name of the API.
    pub api: &'static str,
    /// Whether it has its implementation before the start: a fake has, a module has not.
    pub(crate) bound: bool,
}

impl Dependency {
    /// What `handle` stands for.
    pub fn on<A: Api>(handle: &A) -> Self {
        Self { api: A::DESC.name, bound: handle.slot().is_bound() }
    }
}
