//! The names of Operations as small numbers, so that a poll and a hold can be booked without touching text.

use crate::telemetry::{Operation, OperationKind};
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

/// Most names that are kept apart in a process; what comes after them is booked together. A recorder knows far fewer.
pub(super) const MOST_NAMES: usize = 16_384;

/// The kind and name of Operations, as a number of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named(u16);

#[derive(Default)]
struct Table {
    numbers: HashMap<OperationKind, HashMap<Box<str>, Named>>,
    names: Vec<(OperationKind, Box<str>)>,
}

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(|| RwLock::new(Table::with_reserved()));

impl Table {
    fn with_reserved() -> Self {
        let mut table = Self::default();
        table.add(OperationKind::Command, "(others)");
        table.add(OperationKind::Command, "(no operation)");
        table
    }

    fn add(&mut self, kind: OperationKind, name: &str) -> Named {
        let Some(number) = u16::try_from(self.names.len()).ok().filter(|number| usize::from(*number) < MOST_NAMES)
        else {
            return Named::OTHERS;
        };
        self.names.push((kind, name.into()));
        self.numbers.entry(kind).or_default().insert(name.into(), Named(number));
        Named(number)
    }

    fn find(&self, kind: OperationKind, name: &str) -> Option<Named> {
        self.numbers.get(&kind)?.get(name).copied()
    }
}

#[cfg(test)]
thread_local! {
    /// For this thread the table is full: a test of a flood leaves room for the others.
    pub(crate) static FULL: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Named {
    /// Those that came when 16,384 were known.
    pub const OTHERS: Named = Named(0);
    /// Work outside of any Operation.
    pub const NOBODY: Named = Named(1);

    /// The number of a name. It looks into a table, so ask once for each route or kind of job, not for each Operation.
    pub fn of(kind: OperationKind, name: &str) -> Named {
        let found = TABLE.read().unwrap_or_else(PoisonError::into_inner).find(kind, name);
        found.unwrap_or_else(|| {
            #[cfg(test)]
            if FULL.get() {
                return Self::OTHERS;
            }
            let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
            table.find(kind, name).unwrap_or_else(|| table.add(kind, name))
        })
    }

    /// Whose work the code at hand is.
    #[inline]
    pub(crate) fn at_hand() -> Named {
        Operation::with_current(Operation::named).unwrap_or(Self::NOBODY)
    }

    /// Kind and name.
    pub fn name(self) -> (OperationKind, String) {
        let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
        table.names.get(usize::from(self.0)).map_or_else(Default::default, |(kind, name)| (*kind, name.to_string()))
    }

    /// The number itself, for keeping it in an atomic.
    pub fn number(self) -> u16 {
        self.0
    }

    /// What [`Named::number`] gave.
    pub fn from_number(number: u16) -> Named {
        Self::at(usize::from(number))
    }

    /// Its place in a table of names.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The name at a place; others for a place that no name has.
    pub(super) fn at(index: usize) -> Named {
        u16::try_from(index).ok().filter(|_| index < MOST_NAMES).map_or(Self::OTHERS, Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_kinds_are_apart() {
        let (request, job) = (Named::of(OperationKind::Request, "same"), Named::of(OperationKind::Job, "same"));
        assert_ne!(request, job);
        assert_eq!(Named::of(OperationKind::Request, "same"), request);
        assert_eq!(job.name(), (OperationKind::Job, "same".to_owned()));
        assert_eq!(Named::NOBODY.name().1, "(no operation)");
    }

    #[test]
    fn a_full_table_books_on_the_others() {
        let mut table = Table::with_reserved();
        (0..MOST_NAMES - 2).for_each(|number| _ = table.add(OperationKind::Job, &number.to_string()));
        assert_eq!(table.add(OperationKind::Job, "one more"), Named::OTHERS);
        assert_eq!(table.names.len(), MOST_NAMES);
    }
}
