//! Job queues side by side, each on the same servers, in processes of their own that are all driven alike.

mod cases;
mod figures;
mod node;
mod peers;
mod process;
mod stores;

pub(super) use node::Node;

use std::time::Duration;

use clap::Args;

use super::report::Report;
use crate::Outcome;
use cases::{Case, Work};
use figures::{Figure, Results};
use peers::{Contender, Peer, Programs};
use stores::{Database, Store, Stores};

const NAME: &str = "jobs";

/// Enqueues, drains and waits for jobs that do nothing, on PostgreSQL, SQLite and Redis.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// Only these queues.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PEER")]
    only: Vec<Peer>,
    /// Only these cases.
    #[arg(long = "case", value_enum, value_delimiter = ',', value_name = "CASE")]
    cases: Vec<Case>,
    /// Only these stores.
    #[arg(long = "store", value_enum, value_delimiter = ',', value_name = "STORE")]
    stores: Vec<Store>,
}

/// Runs `cargo xtask bench jobs`.
pub(super) fn run(options: &Options, quick: bool, report: &Report) -> Outcome<()> {
    let wanted = peers::all()
        .into_iter()
        .filter(|contender| chosen(&options.only, &contender.peer) && chosen(&options.stores, &contender.store));
    let (programs, contenders) = Programs::ready(wanted.collect())?;
    let stores = Stores::start(&contenders)?;
    let bench = Bench { programs, stores, quick, report };
    for store in Store::all() {
        for case in Case::all().filter(|case| chosen(&options.cases, case)) {
            let asked = contenders.iter().filter(|contender| contender.store == store && case.asks(contender));
            bench.case(store, case, &asked.copied().collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// An empty list chooses everything.
fn chosen<T: PartialEq>(list: &[T], one: &T) -> bool {
    list.is_empty() || list.contains(one)
}

/// What all cases share.
struct Bench<'a> {
    programs: Programs,
    stores: Stores,
    quick: bool,
    report: &'a Report,
}

impl Bench<'_> {
    /// Measures one case in rounds: each contender once, then each again. Who fails is not asked another time.
    fn case(&self, store: Store, case: Case, contenders: &[Contender]) -> Outcome<()> {
        let (work, rounds) = (case.work(self.quick), if self.quick { 1 } else { 3 });
        let mut results = Results::new(contenders);
        let mut kept: Vec<Option<Database>> = contenders.iter().map(|_| None).collect();
        for round in 1..=rounds {
            for (contender, kept) in contenders.iter().zip(&mut kept) {
                if results.has_failed(contender) {
                    continue;
                }
                let figure = self.turn(contender, &work, kept)?;
                let said = figure.as_ref().map_or_else(Clone::clone, ToString::to_string);
                eprintln!("{} {}, round {round} of {rounds}: {contender}: {said}", store.name(), case.name());
                results.add(contender, figure);
            }
        }
        results.report(&format!("{} {}", store.name(), case.name()), self.report);
        Ok(())
    }

    /// One contender once: its own failure is a result, a failure of a server ends the bench.
    ///
    /// A million jobs are filled in once, and each round runs the next of them.
    fn turn(&self, who: &Contender, work: &Work, kept: &mut Option<Database>) -> Outcome<Result<Figure, String>> {
        let database = match kept.take() {
            Some(database) => database,
            None => {
                let database = self.stores.database(who.store)?;
                if work.waiting > 0 {
                    if let Err(reason) = self.fill(who, work, &database) {
                        return Ok(Err(format!("could not be filled: {reason}")));
                    }
                    database.settle()?;
                }
                database
            }
        };
        let figure = self.measure(who, work, &database);
        if work.is_shared() {
            *kept = Some(database);
        }
        Ok(figure)
    }

    fn fill(&self, who: &Contender, work: &Work, database: &Database) -> Result<Figure, String> {
        let filling = Work { bench: "enqueue-bulk", count: work.waiting, waiting: 0, ..*work };
        if work.waiting > 50_000 {
            eprintln!("filling in {} jobs for {who}", work.waiting);
        }
        self.measure(who, &filling, database)
    }

    fn measure(&self, who: &Contender, work: &Work, database: &Database) -> Result<Figure, String> {
        let mut command = self.programs.command(who, work, database.url());
        process::figure(&mut command, work.limit())
    }
}

/// What starting and stopping takes beside the work itself, with room for a busy machine.
const AROUND: Duration = Duration::from_secs(120);
