//! What happened in a span of time, kept small; and many of them added up.

use super::error::{ErrorKey, Errors};
use super::row::{CauseRow, NameRow};
use crate::clock::Timestamp;
use crate::telemetry::{Cause, Collected, Held, HolderSpan, Name, OperationKind, ProcessFacts, Stall, WaitKind};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Most names, causes, holders and stalls that one frame keeps: those that took the most time.
const MOST: (usize, usize, usize, usize) = (500, 2_000, 100, 50);

/// The Operations of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct NameKey {
    pub(super) kind: OperationKind,
    pub(super) name: String,
    pub(super) module: String,
}

impl NameKey {
    pub(super) fn of(name: Name) -> Self {
        Self { kind: name.kind(), name: name.as_str().into(), module: name.module().into() }
    }

    pub(super) fn operation(&self) -> (OperationKind, String) {
        (self.kind, self.name.clone())
    }
}

/// One cause of the Operations of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CauseKey {
    pub(super) operation: Arc<NameKey>,
    pub(super) kind: WaitKind,
    /// For a query its fingerprint in hexadecimal digits.
    pub(super) label: String,
    pub(super) site: String,
    pub(super) query: Option<QueryText>,
}

/// The facts about a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct QueryText {
    pub(super) text: String,
    pub(super) tables: Vec<String>,
    pub(super) writes: bool,
}

impl CauseKey {
    fn of(operation: Arc<NameKey>, cause: &Cause) -> Self {
        let kind = cause.kind;
        match &cause.query {
            None => Self { operation, kind, label: cause.label.to_string(), site: String::new(), query: None },
            Some((statement, site)) => {
                let text = QueryText {
                    text: statement.normalised.clone(),
                    tables: statement.tables.clone(),
                    writes: statement.writes,
                };
                let label = format!("{:016x}", statement.fingerprint);
                let site = format!("{}:{}", site.file(), site.line());
                Self { operation, kind, label, site, query: Some(text) }
            }
        }
    }
}

/// Each name and cause once, however many frames speak of it.
#[derive(Debug, Default)]
pub(super) struct Keys {
    names: HashMap<usize, Arc<NameKey>>,
    causes: HashMap<(usize, u64), Arc<CauseKey>>,
}

impl Keys {
    pub(super) fn name(&mut self, name: Name) -> Arc<NameKey> {
        self.names.entry(name.index()).or_insert_with(|| Arc::new(NameKey::of(name))).clone()
    }

    fn cause(&mut self, name: Name, cause: &Cause) -> Arc<CauseKey> {
        if let Some(key) = self.causes.get(&(name.index(), cause.key)) {
            return key.clone();
        }
        let key = Arc::new(CauseKey::of(self.name(name), cause));
        self.causes.insert((name.index(), cause.key), key.clone());
        key
    }

    /// Forgets the causes that no frame speaks of any more.
    pub(super) fn forget(&mut self) {
        self.causes.retain(|_, key| Arc::strong_count(key) > 1);
    }
}

/// What happened in a span.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// How long it was by the clock that is never moved.
    pub(super) span: Duration,
    pub(super) names: Vec<(Arc<NameKey>, Box<[u8]>)>,
    pub(super) causes: Vec<(Arc<CauseKey>, Box<[u8]>)>,
    /// How often each error came.
    pub(super) errors: Vec<(Arc<ErrorKey>, u64)>,
    pub(super) holders: Vec<HolderSpan>,
    pub(super) stalls: Vec<Stall>,
    pub(super) process: ProcessFacts,
    /// About how many bytes it takes.
    pub(super) bytes: usize,
}

impl Frame {
    /// Says how large it is.
    pub(super) fn measured(mut self) -> Self {
        self.bytes = self.size();
        self
    }

    fn size(&self) -> usize {
        let rows = self.names.iter().map(|(_, row)| row.len() + 32).sum::<usize>();
        let causes = self.causes.iter().map(|(_, row)| row.len() + 32).sum::<usize>();
        rows + causes + self.errors.len() * 24 + self.holders.len() * 500 + self.stalls.len() * 200 + 300
    }
}

/// Frames added up.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) span: Duration,
    pub(super) names: HashMap<Arc<NameKey>, NameRow>,
    pub(super) causes: HashMap<Arc<CauseKey>, CauseRow>,
    pub(super) errors: HashMap<Arc<ErrorKey>, u64>,
    pub(super) holders: Vec<HolderSpan>,
    pub(super) stalls: VecDeque<Stall>,
    pub(super) process: ProcessFacts,
}

impl Gathered {
    /// What the recorder gave.
    pub(super) fn of(collected: Collected, keys: &mut Keys, errors: &mut Errors, at: Timestamp) -> Self {
        let mut gathered = Self { to: at, ..Self::default() };
        for delta in collected.names {
            let (all, tail, over, longest) = (delta.all, delta.tail, delta.over, delta.longest);
            let row = NameRow { all, tail, over, longest, slow_after: delta.slow_after, histogram: delta.histogram };
            gathered.names.entry(keys.name(delta.name)).or_default().add(&row);
        }
        for delta in collected.causes {
            let row = CauseRow { values: delta.values, most: delta.most, registers: delta.registers };
            gathered.causes.entry(keys.cause(delta.name, &delta.cause)).or_default().add(&row);
        }
        for delta in collected.errors {
            let (kind, message) = (delta.kind.to_owned(), delta.message);
            let key = errors.see(ErrorKey { operation: keys.name(delta.name), kind, message }, at);
            *gathered.errors.entry(key).or_default() += delta.count;
        }
        gathered
    }

    /// Adds a later frame.
    pub(super) fn add(&mut self, frame: &Frame) {
        if self.span.is_zero() {
            self.from = frame.from;
        }
        for (key, row) in &frame.names {
            self.names.entry(key.clone()).or_default().add(&NameRow::unpack(row));
        }
        for (key, row) in &frame.causes {
            self.causes.entry(key.clone()).or_default().add(&CauseRow::unpack(row));
        }
        for (key, count) in &frame.errors {
            *self.errors.entry(key.clone()).or_default() += count;
        }
        frame.holders.iter().for_each(|holder| add_holder(&mut self.holders, holder));
        self.stalls.extend(frame.stalls.iter().cloned());
        while self.stalls.len() > MOST.3 {
            self.stalls.pop_front();
        }
        add_process(&mut self.process, &frame.process, self.span, frame.span);
        (self.to, self.span) = (frame.to, self.span + frame.span);
    }

    /// Adds how long Operations took in a frame, and nothing else.
    pub(super) fn add_histograms(&mut self, frame: &Frame) {
        for (key, row) in &frame.names {
            self.names.entry(key.clone()).or_default().histogram.add(&NameRow::unpack(row).histogram);
        }
    }

    /// Adds what the machine, the threads and the holders say; what is not the application's own is left out.
    pub(super) fn add_facts(&mut self, (process, stalls, holders): (ProcessFacts, Vec<Stall>, Vec<HolderSpan>)) {
        self.process = process;
        self.stalls.extend(stalls);
        holders
            .iter()
            .filter(|holder| !holder.label.ends_with(", aside"))
            .for_each(|holder| add_holder(&mut self.holders, holder));
    }

    /// What is kept of it.
    pub(super) fn frame(self) -> Frame {
        let mut names: Vec<_> = self.names.into_iter().collect();
        if names.len() > MOST.0 {
            names.sort_by_key(|(_, row)| std::cmp::Reverse(row.wall()));
            names.truncate(MOST.0);
        }
        let mut causes: Vec<_> = self.causes.into_iter().collect();
        if causes.len() > MOST.1 {
            causes.sort_by_key(|(_, row)| std::cmp::Reverse(row.share()));
            causes.truncate(MOST.1);
        }
        let mut errors: Vec<_> = self.errors.into_iter().collect();
        if errors.len() > MOST.0 {
            errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            errors.truncate(MOST.0);
        }
        let frame = Frame {
            from: self.from,
            to: self.to,
            span: self.span,
            names: names.into_iter().map(|(key, row)| (key, row.pack())).collect(),
            causes: causes.into_iter().map(|(key, row)| (key, row.pack())).collect(),
            errors,
            holders: self.holders,
            stalls: self.stalls.into(),
            process: self.process,
            bytes: 0,
        };
        frame.measured()
    }
}

fn add_holder(all: &mut Vec<HolderSpan>, holder: &HolderSpan) {
    let Some(mine) = all.iter_mut().find(|mine| mine.kind == holder.kind && mine.label == holder.label) else {
        if all.len() < MOST.2 {
            all.push(holder.clone());
        }
        return;
    };
    (mine.capacity, mine.in_use, mine.waiting) = (holder.capacity, holder.in_use, holder.waiting);
    mine.waited += holder.waited;
    for held in &holder.held {
        let room = mine.held.len() < MOST.2;
        match mine.held.iter_mut().find(|mine| mine.operation == held.operation) {
            Some(Held { time, times, .. }) => (*time, *times) = (*time + held.time, *times + held.times),
            None if room => mine.held.push(held.clone()),
            None => {}
        }
    }
    mine.held.sort_by_key(|held| std::cmp::Reverse(held.time));
}

/// What is a rate becomes the mean, what is a state the last one, and a peak the highest.
fn add_process(mine: &mut ProcessFacts, later: &ProcessFacts, span: Duration, more: Duration) {
    let (before, after) = (span.as_secs_f64(), more.as_secs_f64());
    let all = (before + after).max(f64::MIN_POSITIVE);
    let mean = |mine: f64, later: f64| (mine * before + later * after) / all;
    *mine = ProcessFacts {
        cpu: mean(mine.cpu, later.cpu),
        machine_cpu: mean(mine.machine_cpu, later.machine_cpu),
        steal: mean(mine.steal, later.steal),
        major_faults: mean(mine.major_faults, later.major_faults),
        written: mean(mine.written, later.written),
        canary_p50: mean(mine.canary_p50 as f64, later.canary_p50 as f64) as u64,
        canary_p99: mine.canary_p99.max(later.canary_p99),
        dropped: mine.dropped + later.dropped,
        ..later.clone()
    };
}
