//! What `#[sarsen::api]` builds on: the description of an API, its handle's slot, and what may cross between modules.

use super::call::{CallCount, Counter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is known of a module API without calling it.
#[derive(Debug)]
pub struct ApiDesc {
    /// Its name: `accounts`.
    pub name: &'static str,
    /// Its methods, in the order they are written.
    pub methods: &'static [MethodDesc],
}

/// One method of a module API.
#[derive(Debug)]
pub struct MethodDesc {
    /// Its name.
    pub name: &'static str,
    /// Name, arguments and result as they are written.
    pub signature: &'static str,
    /// Whether calling it twice is as good as once.
    pub idempotent: bool,
    /// How long one call may take, where the author says so.
    pub deadline: Option<Duration>,
}

/// The handle of a module API; `#[sarsen::api]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the handle of a module API",
    label = "not a handle",
    note = "a handle is what `#[sarsen::api(name = …, handle = …)]` generates; database, clock and configuration come with `Init`"
)]
pub trait Api: Clone + Send + Sync + 'static {
    /// The implementation without its type.
    #[doc(hidden)]
    type Dyn: ?Sized + Send + Sync + 'static;

    /// Names, signatures and promises of the methods.
    const DESC: ApiDesc;

    /// A handle that waits for its module to start.
    #[doc(hidden)]
    fn unbound() -> Self;

    /// Where the implementation is put when its module has started.
    #[doc(hidden)]
    fn slot(&self) -> &Slot<Self::Dyn>;

    /// How often each method was called through this handle and its clones, and how that went.
    fn calls(&self) -> Vec<CallCount> {
        self.slot().calls()
    }
}

/// Says that module `M` implements the trait behind this handle; `#[sarsen::api]` implements it.
pub trait ServedBy<M>: Api {
    /// The module without its type.
    #[doc(hidden)]
    fn erase(module: Arc<M>) -> Arc<Self::Dyn>;
}

/// The API of a module that no other module calls.
#[derive(Clone, Debug)]
pub struct NoApi(Arc<Slot<()>>);

impl Api for NoApi {
    type Dyn = ();
    const DESC: ApiDesc = ApiDesc { name: "", methods: &[] };

    fn unbound() -> Self {
        Self(Arc::new(Slot::new(&Self::DESC)))
    }

    fn slot(&self) -> &Slot<()> {
        &self.0
    }
}

impl<M: Send + Sync + 'static> ServedBy<M> for NoApi {
    fn erase(_: Arc<M>) -> Arc<()> {
        Arc::new(())
    }
}

/// Where a handle finds the implementation, and what was called through it.
#[doc(hidden)]
pub struct Slot<D: ?Sized> {
    description: &'static ApiDesc,
    module: OnceLock<Arc<D>>,
    counters: Box<[Counter]>,
}

impl<D: ?Sized> Slot<D> {
    /// A slot without an implementation: calls are answered `NotReady`.
    pub fn new(description: &'static ApiDesc) -> Self {
        let counters = description.methods.iter().map(|_| Counter::default()).collect();
        Self { description, module: OnceLock::new(), counters }
    }

    /// A slot with its implementation.
    pub fn bound_to(description: &'static ApiDesc, module: Arc<D>) -> Self {
        let slot = Self::new(description);
        slot.bind(module);
        slot
    }

    /// Puts the implementation in; the first one stays.
    pub(crate) fn bind(&self, module: Arc<D>) {
        let _ = self.module.set(module);
    }

    #[inline]
    pub(super) fn module(&self) -> Option<&D> {
        self.module.get().map(|module| &**module)
    }

    pub(super) fn name(&self) -> &'static str {
        self.description.name
    }

    pub(super) fn is_bound(&self) -> bool {
        self.module.get().is_some()
    }

    #[inline]
    pub(super) fn method(&self, index: usize) -> (&MethodDesc, &Counter) {
        (&self.description.methods[index], &self.counters[index])
    }

    fn calls(&self) -> Vec<CallCount> {
        let methods = self.description.methods.iter().zip(&self.counters);
        methods.map(|(method, counter)| counter.read(method.name)).collect()
    }
}

impl<D: ?Sized> fmt::Debug for Slot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_bound() { "ready" } else { "not started" };
        write!(f, "{} ({state})", self.description.name)
    }
}

/// What may be an argument, a result or an error of a module API.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used in a module API: it must be able to cross to another process",
    label = "not serializable",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to `{Self}`"
)]
pub trait Crosses: Send + Sized + 'static {}

// Not recommended: what is missing is then said once, in the words above, and not once more for each trait of serde.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Crosses for T {}

/// Where the generated code asks for [`Crosses`], once for each type.
#[doc(hidden)]
pub const fn crosses<T: Crosses>() {}
