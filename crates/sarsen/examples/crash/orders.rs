//! Orders, and everything that follows from one: jobs of every sort, an event with two subscribers, and a projection.

use sarsen::events::{Delivery, Event, Projection, Recorded, Subscription, View};
use sarsen::jobs::{Job, Jobs, Options, Policy, Queue, Run};
use sarsen::{Db, Declare, Error, Init, Module, NoApi, Result, Tx, clock};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Which part of what follows from which order. The orders of a customer are numbered without gaps, as they commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) customer: i64,
    pub(crate) number: i64,
    pub(crate) part: i64,
}

/// How many jobs are enqueued at once by an order that enqueues many.
const MANY: i64 = 20;
/// How many members a batch has.
const MEMBERS: i64 = 5;

impl Part {
    pub(crate) fn of(customer: i64, number: i64) -> Self {
        Self { customer, number, part: 0 }
    }

    fn parts(&self, count: i64) -> impl Iterator<Item = Part> {
        let order = self.clone();
        (0..count).map(move |part| Part { part, ..order })
    }

    fn is_many(&self) -> bool {
        self.number % 5 == 0
    }

    fn is_batch(&self) -> bool {
        self.number % 3 == 0
    }
}

/// What has to be there once everything that follows from an order is done: the kinds of effects, and their parts.
pub(crate) fn expected(order: &Part) -> Vec<(&'static str, i64)> {
    let one = ["plain", "noted", "failing", "delayed", "in_turn", "heard", "told"];
    let mut expected: Vec<_> = one.into_iter().map(|kind| (kind, 0)).collect();
    expected.extend((0..3).map(|part| ("link", part)));
    if order.is_many() {
        expected.extend((0..MANY).map(|part| ("many", part)));
    }
    if order.is_batch() {
        expected.extend((0..MEMBERS).map(|part| ("member", part)));
        // Its part says how many members it saw.
        expected.push(("gathered", MEMBERS));
    }
    expected
}

/// Processes die of it by the dozen: that must not make a dead letter.
const LASTING: Policy =
    Policy::new().attempts(10_000).crashes(10_000).backoff(Duration::from_millis(50), Duration::from_millis(400));

macro_rules! kinds {
    ($($name:ident $kind:literal $policy:expr;)*) => {$(
        #[derive(Serialize, Deserialize)]
        struct $name(Part);

        impl Job for $name {
            const KIND: &'static str = $kind;
            fn policy() -> Policy {
                $policy
            }
            fn key(&self) -> Option<String> {
                Some(self.0.customer.to_string())
            }
        }
    )*};
}

kinds! {
    Plain "orders.plain" LASTING;
    Noted "orders.noted" LASTING.forget();
    Many "orders.many" LASTING.queue("many");
    Delayed "orders.delayed" LASTING;
    Failing "orders.failing" LASTING;
    InTurn "orders.in_turn" LASTING.queue("in_turn");
    Link "orders.link" LASTING;
    Member "orders.member" LASTING.queue("many");
    Gathered "orders.gathered" LASTING;
}

/// An order was placed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Placed(Part);

impl Event for Placed {
    const NAME: &'static str = "orders.placed";
    fn key(&self) -> Option<String> {
        Some(self.0.customer.to_string())
    }
}

/// Enqueues and publishes all that follows from an order, in its transaction.
pub(crate) async fn follow(tx: &Tx, jobs: &Jobs, events: &sarsen::events::Events, order: &Part) -> Result<()> {
    let delay = |ms: i64| Options::new().delay(Duration::from_millis(ms.unsigned_abs()));
    jobs.enqueue(tx, Plain(order.clone())).await?;
    jobs.enqueue(tx, Noted(order.clone())).await?;
    jobs.enqueue(tx, Failing(order.clone())).await?;
    jobs.enqueue(tx, InTurn(order.clone())).await?;
    jobs.enqueue_with(tx, Delayed(order.clone()), delay(200 + order.number % 300)).await?;
    let mut before = None;
    for link in order.parts(3) {
        let options = before.map_or_else(Options::new, |before| Options::new().after(before));
        before = Some(jobs.enqueue_with(tx, Link(link), options).await?.id);
    }
    if order.is_many() {
        jobs.enqueue_many(tx, order.parts(MANY).map(Many).collect()).await?;
    }
    if order.is_batch() {
        jobs.batch(tx, order.parts(MEMBERS).map(Member).collect(), Gathered(order.clone())).await?;
    }
    events.publish(tx, Placed(order.clone())).await.map(drop)
}

/// The module.
pub(crate) struct Orders {
    db: Db,
}

impl Module for Orders {
    const NAME: &'static str = "orders";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(d: &mut Declare<Self>) {
        d.tables(["customers", "orders", "effects"])
            .migrations(&[("0001_orders.sql", include_str!("orders.sql"))])
            .queue(Queue::new("in_turn").ordered())
            .job(async |module: Arc<Self>, Plain(part), run| module.once("plain", &part, &run).await)
            .job(async |module: Arc<Self>, Many(part), run| module.once("many", &part, &run).await)
            .job(async |module: Arc<Self>, Delayed(part), run| module.once("delayed", &part, &run).await)
            .job(async |module: Arc<Self>, InTurn(part), run| module.once("in_turn", &part, &run).await)
            .job(async |module: Arc<Self>, Link(part), run| module.once("link", &part, &run).await)
            .job(async |module: Arc<Self>, Member(part), run| module.once("member", &part, &run).await)
            .job(Orders::note)
            .job(Orders::fail_at_first)
            .job(Orders::gather)
            .subscribe_with(
                Subscription::new("orders.heard").attempts(10_000).crashes(10_000).backoff(SHORT, SHORT),
                async |module: Arc<Self>, Placed(part), delivery| module.hear("heard", &part, &delivery).await,
            )
            .subscribe_with(
                Subscription::new("orders.told").ordered().attempts(10_000).crashes(10_000).backoff(SHORT, SHORT),
                async |module: Arc<Self>, Placed(part), delivery| module.hear("told", &part, &delivery).await,
            )
            .projection(
                Projection::new("orders.sums").of::<Placed>().table(
                    "order_sums",
                    "CREATE TABLE {table} (customer BIGINT PRIMARY KEY, orders BIGINT NOT NULL, \
                     last BIGINT NOT NULL, disordered BIGINT NOT NULL)",
                ),
                Orders::sum,
            );
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        Ok(Orders { db: i.db })
    }
}

const SHORT: Duration = Duration::from_millis(100);

/// Nothing refuses a second effect: they are counted.
async fn write(tx: &Tx, kind: &'static str, part: &Part) -> Result<()> {
    let query = tx.query("INSERT INTO effects (kind, customer, number, part) VALUES (?, ?, ?, ?)").bind(kind);
    query.bind(part.customer).bind(part.number).bind(part.part).execute().await.map(drop)
}

impl Orders {
    async fn once(&self, kind: &'static str, part: &Part, run: &Run) -> Result<()> {
        clock::pause(Duration::from_millis((part.number % 7).unsigned_abs())).await;
        let tx = self.db.begin().await?;
        write(&tx, kind, part).await?;
        run.complete_in(&tx).await?;
        tx.commit().await
    }

    /// Its effect is not tied to its end, so it may happen again.
    async fn note(self: Arc<Self>, Noted(part): Noted, _: Run) -> Result<()> {
        let tx = self.db.begin().await?;
        write(&tx, "noted", &part).await?;
        tx.commit().await
    }

    async fn fail_at_first(self: Arc<Self>, Failing(part): Failing, run: Run) -> Result<()> {
        if run.attempt() <= 2 {
            return Err(Error::unavailable("not at the first attempts"));
        }
        self.once("failing", &part, &run).await
    }

    async fn gather(self: Arc<Self>, Gathered(order): Gathered, run: Run) -> Result<()> {
        let tx = self.db.begin().await?;
        let sql = "SELECT COUNT(*) FROM effects WHERE kind = 'member' AND customer = ? AND number = ?";
        let part: i64 = tx.query(sql).bind(order.customer).bind(order.number).scalar().await?;
        write(&tx, "gathered", &Part { part, ..order }).await?;
        run.complete_in(&tx).await?;
        tx.commit().await
    }

    async fn hear(&self, kind: &'static str, order: &Part, delivery: &Delivery) -> Result<()> {
        let tx = self.db.begin().await?;
        if !delivery.once(&tx).await? {
            return Ok(());
        }
        write(&tx, kind, order).await?;
        tx.commit().await
    }

    async fn sum(self: Arc<Self>, view: View, events: Vec<Recorded>) -> Result<()> {
        let mut customers = std::collections::BTreeMap::<i64, Vec<i64>>::new();
        for event in events {
            if let Some(Placed(order)) = event.read::<Placed>()? {
                customers.entry(order.customer).or_default().push(order.number);
            }
        }
        for (customer, numbers) in customers {
            let sql = "SELECT orders, last, disordered FROM {order_sums} WHERE customer = ?";
            let found: Option<(i64, i64, i64)> = view.query(sql).bind(customer).optional().await?;
            let (mut orders, mut last, mut disordered) = found.unwrap_or_default();
            for number in numbers {
                (orders, disordered) = (orders + 1, disordered + i64::from(number <= last));
                last = number;
            }
            let sql = "INSERT INTO {order_sums} (customer, orders, last, disordered) VALUES (?, ?, ?, ?) ON CONFLICT \
                       (customer) DO UPDATE SET orders = excluded.orders, last = excluded.last, \
                       disordered = excluded.disordered";
            view.query(sql).bind(customer).bind(orders).bind(last).bind(disordered).execute().await?;
        }
        Ok(())
    }
}
