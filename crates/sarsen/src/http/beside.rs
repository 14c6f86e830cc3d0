//! What is known of a request before its handler runs, for the extractors that ask for it.

use super::auth::Auth;
use super::path::PathParts;
use http::request::Parts;
use std::cell::RefCell;
use std::sync::Arc;

/// Who is there, and what the route's pattern names in the path; each where the route asks for it.
///
/// It lies beside the handler while that is polled. A router hands requests on to whatever it likes, so with a router it goes
/// along in the request too; without one that would take the memory of a map for each request.
#[derive(Clone, Default)]
pub(super) struct Beside {
    pub(super) auth: Option<Arc<Auth>>,
    pub(super) path: Option<PathParts>,
}

thread_local! {
    static AT_HAND: RefCell<Beside> = const { RefCell::new(Beside { auth: None, path: None }) };
}

impl Beside {
    /// Does `work`, which does not panic, with this at hand.
    #[inline]
    pub(super) fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        AT_HAND.with_borrow_mut(|at_hand| std::mem::swap(at_hand, self));
        let done = work();
        AT_HAND.with_borrow_mut(|at_hand| std::mem::swap(at_hand, self));
        done
    }

    /// Looks at what lies beside the request with these parts.
    #[inline]
    pub(super) fn look<T>(parts: &Parts, look: impl FnOnce(&Beside) -> T) -> T {
        match parts.extensions.get::<Beside>() {
            Some(beside) => look(beside),
            None => AT_HAND.with_borrow(look),
        }
    }
}
