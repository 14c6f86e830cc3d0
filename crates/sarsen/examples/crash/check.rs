//! Waits until everything is done, and compares what was done with what had to be.

use super::orders::{Part, expected};
use sarsen::app::Running;
use sarsen::{Db, Error, Result, clock};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long it may take until everything is done.
const LIMIT: Duration = Duration::from_secs(90);
/// Most cases that are described.
const MAX_WORDS: usize = 12;
/// What subscribers do; everything else is done by jobs.
const OF_EVENTS: [&str; 2] = ["heard", "told"];
/// What may happen again.
const AGAIN: &str = "noted";

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    orders: usize,
    acknowledged: usize,
    effects: usize,
    /// Acknowledged orders that are not there, and effects of jobs that never happened.
    lost: usize,
    /// Effects that happened again.
    doubled: usize,
    /// Effects of events that never happened, came in another order than the events of their key, or a projection that
    /// does not say what is true.
    missed: usize,
    /// Jobs that ran before what they had to wait for, and effects that nobody asked for.
    disordered: usize,
    words: Vec<String>,
}

impl Report {
    fn say(&mut self, words: String) {
        if self.words.len() < MAX_WORDS {
            self.words.push(words);
        }
    }
}

/// An effect as it was found: how often it happened, and when the first time.
#[derive(Clone, Copy)]
struct Found {
    times: i64,
    first: i64,
}

type Effects = BTreeMap<(i64, i64), BTreeMap<(String, i64), Found>>;

/// Prints the report as one line of JSON.
pub(crate) async fn run(app: Running, file: &str) -> Result<()> {
    let mut report = Report::default();
    wait(&app, &mut report).await?;
    let db = app.db();
    let orders: Vec<(i64, i64)> = db.query("SELECT customer, number FROM orders LIMIT 10000000").all().await?;
    let orders: BTreeSet<(i64, i64)> = orders.into_iter().collect();
    check_acknowledged(&orders, &std::fs::read_to_string(file).unwrap_or_default(), &mut report);
    let effects = effects(db, &mut report).await?;
    report.orders = orders.len();
    check_effects(&orders, &effects, &mut report);
    for kind in ["in_turn", "told"] {
        check_order(db, kind, &mut report).await?;
    }
    check_projection(db, &orders, &mut report).await?;
    let line = serde_json::to_string(&report);
    println!("{}", line.map_err(|error| Error::internal("the report cannot be written").source(error))?);
    app.stop().await;
    Ok(())
}

/// Waits until no job lives and the projection has read everything. What is stuck is found by its missing effects.
async fn wait(app: &Running, report: &mut Report) -> Result<()> {
    let late = clock::monotonic() + LIMIT;
    loop {
        let live: i64 = app.db().query("SELECT COUNT(*) FROM sarsen_jobs").scalar().await?;
        let states = app.events().projections().await?;
        let read = states.iter().all(|state| state.behind == 0 && state.building.is_none());
        if live == 0 && read {
            return Ok(());
        }
        if clock::monotonic() > late {
            let sql = "SELECT kind, state, COUNT(*) FROM sarsen_jobs GROUP BY kind, state LIMIT 100";
            let left: Vec<(String, i64, i64)> = app.db().query(sql).all().await?;
            report.lost += usize::try_from(live).unwrap_or_default();
            report.missed += usize::from(!read);
            report.say(format!("after {LIMIT:?} there are jobs (kind, state, count) {left:?}, projections {states:?}"));
            return Ok(());
        }
        clock::pause(Duration::from_millis(50)).await;
    }
}

fn check_acknowledged(orders: &BTreeSet<(i64, i64)>, text: &str, report: &mut Report) {
    // A line that was not finished was not acknowledged.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let Some((customer, number)) = line.split_once(' ') else { continue };
        let (Ok(customer), Ok(number)) = (customer.parse(), number.parse()) else { continue };
        report.acknowledged += 1;
        if !orders.contains(&(customer, number)) {
            report.lost += 1;
            report.say(format!("order {number} of customer {customer} was acknowledged, and is not there"));
        }
    }
}

async fn effects(db: &Db, report: &mut Report) -> Result<Effects> {
    let sql = "SELECT kind, customer, number, part, COUNT(*), MIN(id) FROM effects GROUP BY kind, customer, number, part \
               LIMIT 10000000";
    let mut effects = Effects::new();
    for (kind, customer, number, part, times, first) in db.query(sql).all::<(String, i64, i64, i64, i64, i64)>().await?
    {
        report.effects += usize::try_from(times).unwrap_or_default();
        effects.entry((customer, number)).or_default().insert((kind, part), Found { times, first });
    }
    Ok(effects)
}

fn check_effects(orders: &BTreeSet<(i64, i64)>, effects: &Effects, report: &mut Report) {
    let none = BTreeMap::new();
    for order in orders {
        let found = effects.get(order).unwrap_or(&none);
        let expected = expected(&Part::of(order.0, order.1));
        for (kind, part) in &expected {
            check_effect(*order, (kind, *part), found.get(&((*kind).to_owned(), *part)), report);
        }
        check_waits(*order, found, report);
        for ((kind, part), _) in found.iter().filter(|((kind, part), _)| !expected.contains(&(kind.as_str(), *part))) {
            report.disordered += 1;
            report.say(format!("order {order:?}: nobody asked for `{kind}` {part}"));
        }
    }
    for order in effects.keys().filter(|order| !orders.contains(order)) {
        report.disordered += 1;
        report.say(format!("order {order:?} was not placed, and has effects"));
    }
}

fn check_effect(order: (i64, i64), (kind, part): (&str, i64), found: Option<&Found>, report: &mut Report) {
    let times = found.map_or(0, |found| found.times);
    if times == 1 || (times > 1 && kind == AGAIN) {
        return;
    }
    report.say(format!("order {order:?}: `{kind}` {part} happened {times} times"));
    match times {
        0 if OF_EVENTS.contains(&kind) => report.missed += 1,
        0 => report.lost += 1,
        times => report.doubled += usize::try_from(times - 1).unwrap_or_default(),
    }
}

/// The links of a chain come one after another, and what gathers a batch after all of its members.
fn check_waits(order: (i64, i64), found: &BTreeMap<(String, i64), Found>, report: &mut Report) {
    let first = |kind: &str, part| found.get(&(kind.to_owned(), part)).map(|found| found.first);
    let links: Vec<i64> = (0..3).filter_map(|part| first("link", part)).collect();
    let members = found.iter().filter(|((kind, _), _)| kind == "member").map(|(_, found)| found.first).max();
    let gathered = found.iter().find(|((kind, _), _)| kind == "gathered").map(|(_, found)| found.first);
    if !links.is_sorted() || gathered.is_some_and(|gathered| members > Some(gathered)) {
        report.disordered += 1;
        report.say(format!("order {order:?}: a job ran before what it had to wait for"));
    }
}

/// The effects of one key stand in the order of its orders.
async fn check_order(db: &Db, kind: &'static str, report: &mut Report) -> Result<()> {
    let sql = "SELECT customer, number FROM effects WHERE kind = ? ORDER BY id LIMIT 10000000";
    let mut last = BTreeMap::new();
    for (customer, number) in db.query(sql).bind(kind).all::<(i64, i64)>().await? {
        let before = last.insert(customer, number).unwrap_or_default();
        if number <= before {
            *if OF_EVENTS.contains(&kind) { &mut report.missed } else { &mut report.disordered } += 1;
            report.say(format!("`{kind}` of customer {customer}: {number} came after {before}"));
        }
    }
    Ok(())
}

async fn check_projection(db: &Db, orders: &BTreeSet<(i64, i64)>, report: &mut Report) -> Result<()> {
    let mut truth = BTreeMap::<i64, (i64, i64)>::new();
    for (customer, number) in orders {
        let counted = truth.entry(*customer).or_default();
        *counted = (counted.0 + 1, (*number).max(counted.1));
    }
    let sql = "SELECT customer, orders, last, disordered FROM order_sums LIMIT 1000";
    let says: Vec<(i64, i64, i64, i64)> = db.query(sql).all().await?;
    let says: BTreeMap<i64, (i64, i64, i64)> =
        says.into_iter().map(|(customer, orders, last, disordered)| (customer, (orders, last, disordered))).collect();
    let truth: BTreeMap<i64, (i64, i64, i64)> =
        truth.into_iter().map(|(customer, (orders, last))| (customer, (orders, last, 0))).collect();
    if says != truth {
        report.missed += 1;
        report.say(format!("the projection (count, last, out of order) is {says:?}, and should be {truth:?}"));
    }
    Ok(())
}
