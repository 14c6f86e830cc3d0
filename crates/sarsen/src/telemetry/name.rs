//! Names of Operations, made once: what is recorded is kept under a number.

use super::budget::Budget;
use super::operation::OperationKind;
use super::resource;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

/// Most names that one recorder knows; what comes later is called [`OTHERS`].
pub const MAX_NAMES: usize = 2_000;

/// The name of what came when there were [`MAX_NAMES`].
pub const OTHERS: &str = "(others)";

/// The name of an Operation: a route pattern with its method, a kind of job, a command; never a raw path.
///
/// It is a number with its facts beside it, made once by [`Recorder::name`](super::Recorder::name) and free to copy.
#[derive(Clone, Copy)]
pub struct Name(&'static Named);

struct Named {
    kind: OperationKind,
    module: &'static str,
    text: Box<str>,
    index: usize,
    number: resource::Named,
    budget: OnceLock<Budget>,
    /// One of so many, a power of two, is asked for its CPU time; see [`Name::set_cost`].
    sampled: AtomicU64,
}

/// What the kernel takes to tell the CPU time of a thread, in nanoseconds; measured at 500 to 900.
const CPU_READ: u64 = 700;
/// CPU time may be asked for as long as that takes less than one part in so many of the work.
const CPU_SHARE: u64 = 400;

impl Name {
    /// What kind of Operation has it.
    pub fn kind(self) -> OperationKind {
        self.0.kind
    }

    /// The module that does the work; empty when it is the framework.
    pub fn module(self) -> &'static str {
        self.0.module
    }

    /// Its text.
    pub fn as_str(self) -> &'static str {
        &self.0.text
    }

    /// Its place among the names of its recorder, from zero, without gaps.
    pub fn index(self) -> usize {
        self.0.index
    }

    /// Its number in this process, whatever the recorder.
    pub(crate) fn number(self) -> resource::Named {
        self.0.number
    }

    /// What its Operations promise.
    pub fn budget(self) -> Option<&'static Budget> {
        self.0.budget.get()
    }

    /// Whether the Operation with this random number is asked for its CPU time.
    #[inline]
    pub(super) fn is_sampled(self, random: u64) -> bool {
        random & (self.0.sampled.load(Ordering::Relaxed) - 1) == 0
    }

    /// Says what one that was sampled took, so that sampling stays cheap: two reads for each poll, of all that work.
    pub(super) fn set_cost(self, polls: u64, on_cpu: u64) {
        let every = (2 * CPU_READ * CPU_SHARE * polls / on_cpu.max(1)).clamp(1, 4096).next_power_of_two();
        self.0.sampled.store(every, Ordering::Relaxed);
    }

    /// Says what its Operations promise; the first word holds.
    pub fn set_budget(self, budget: Budget) {
        let _ = self.0.budget.set(budget);
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Name {}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.kind.as_str(), self.0.text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// The names of one recorder, bounded.
#[derive(Debug)]
pub(super) struct Names(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    all: Vec<Name>,
    by_text: HashMap<(OperationKind, &'static str, &'static str), Name>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self(RwLock::default())
    }

    /// The name, made when it is new. One past the bound is that of the others of its kind, whose module is not told.
    pub(super) fn get(&self, kind: OperationKind, module: &'static str, text: &str) -> Name {
        if let Some(name) = self.0.read().unwrap_or_else(PoisonError::into_inner).find(kind, module, text) {
            return name;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.find(kind, module, text) {
            return name;
        }
        if known.all.len() < MAX_NAMES {
            return known.add(kind, module, text);
        }
        known.find(kind, "", OTHERS).unwrap_or_else(|| known.add(kind, "", OTHERS))
    }

    /// All of them, in the order of their places.
    pub(super) fn all(&self) -> Vec<Name> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all.clone()
    }
}

impl Known {
    fn find(&self, kind: OperationKind, module: &'static str, text: &str) -> Option<Name> {
        self.by_text.get(&(kind, module, text)).copied()
    }

    /// It is kept as long as the process lives, so that a name is copied without a count; hence the bound.
    fn add(&mut self, kind: OperationKind, module: &'static str, text: &str) -> Name {
        let (index, number) = (self.all.len(), resource::Named::of(kind, text));
        let (budget, sampled) = (OnceLock::new(), AtomicU64::new(1));
        let named = Named { kind, module, text: text.into(), index, number, budget, sampled };
        let name = Name(Box::leak(Box::new(named)));
        self.all.push(name);
        self.by_text.insert((kind, module, name.as_str()), name);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_once_and_the_number_of_names_is_bounded() {
        resource::FULL.set(true);
        let names = Names::new();
        let first = names.get(OperationKind::Request, "shop", "GET /orders");
        assert_eq!(first, names.get(OperationKind::Request, "shop", "GET /orders"));
        assert_ne!(first, names.get(OperationKind::Job, "shop", "GET /orders"));
        for number in 0..MAX_NAMES {
            names.get(OperationKind::Job, "", &format!("job {number}"));
        }
        let late = names.get(OperationKind::Job, "shop", "one more");
        assert_eq!((late.as_str(), late.module()), (OTHERS, ""));
        assert_eq!(late, names.get(OperationKind::Job, "", "and another"));
        assert_eq!(names.all().len(), MAX_NAMES + 1);
        assert!(names.all().iter().enumerate().all(|(place, name)| name.index() == place));
    }
}
