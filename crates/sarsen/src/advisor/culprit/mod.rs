//! Who or what is to blame for the time that an Operation spends on a word, and what to do about it.

mod database;
pub(super) mod outside;
pub(super) mod pool;
mod runtime;

use super::Word;
use super::shares::Basis;
use super::view::Name;
use crate::telemetry::{CauseSpan, OperationSpan, Snapshot};

/// What is to blame.
#[derive(Clone, Debug, Default)]
pub(super) struct Culprit {
    /// Which rule says so; empty when it is only the word's.
    pub(super) rule: &'static str,
    /// The word for what is behind it, where that is not the wait.
    pub(super) word: Option<Word>,
    pub(super) what: String,
    pub(super) advice: String,
    pub(super) evidence: Vec<(String, String)>,
    /// The Operations that do it to this one.
    pub(super) guilty: Option<Name>,
}

impl Culprit {
    fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), ..Self::default() }
    }

    fn shows(mut self, name: &str, value: impl Into<String>) -> Self {
        self.evidence.push((name.to_owned(), value.into()));
        self
    }

    fn done_by(mut self, guilty: Option<Name>) -> Self {
        self.guilty = guilty;
        self
    }
}

/// One case of a word: who suffers, and on what it was decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) operation: &'a OperationSpan,
    pub(super) basis: Basis,
}

impl<'a> Case<'a> {
    /// The cause among those that `fits` that took most of the time.
    pub(super) fn greatest(&self, fits: impl Fn(&CauseSpan) -> bool) -> Option<&'a CauseSpan> {
        let name = self.operation.id();
        let own = self.snapshot.causes.iter().filter(|cause| cause.operation == name && fits(cause));
        own.max_by_key(|cause| self.time(cause))
    }

    fn time(&self, cause: &CauseSpan) -> u64 {
        if self.basis == Basis::Tail && cause.tail_share > 0 { cause.tail_share } else { cause.share }
    }

    fn subject(&self) -> String {
        super::words::operation(&self.operation.id())
    }
}

/// The culprit for `word`.
pub(super) fn of(case: Case<'_>, word: Word) -> Culprit {
    match word {
        Word::Cpu => runtime::cpu(case),
        Word::Blocking => runtime::blocking(case),
        Word::Runtime => runtime::runtime(case),
        Word::Host => runtime::host(case),
        Word::Db => database::query(case),
        Word::Disk => database::disk(case),
        Word::DbPool => pool::pool(case),
        Word::Lock => pool::lock(case),
        Word::External => outside::external(case),
        Word::Queue => outside::queue(case),
        Word::Cache | Word::File => outside::named(case, word),
        Word::Memory => outside::memory(case),
        Word::Client => outside::client(case),
        Word::Unknown | Word::Healthy | Word::TooFew => outside::unknown(case),
    }
}
