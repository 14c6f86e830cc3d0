//! The faults: each is a route that does one thing wrong, and one is right.

use axum::extract::State;
use parley::messages::api::{ImportedMessage, Messages};
use sarsen::clock::id_at;
use sarsen::data::{Db, Value};
use sarsen::http::routing::{get_with, post_with};
use sarsen::http::{Json, Path, Routes};
use sarsen::jobs::{Job, Jobs, Policy, Queue, Run};
use sarsen::telemetry::{self, Lock, WaitKind};
use sarsen::{Clock, Declare, Error, Init, NoApi, Result, clock, resilience};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

/// Orders in the table, and how many customers they belong to.
const ORDERS: i64 = 200_000;
const CUSTOMERS: i64 = 2_000;
/// Queries of the route that asks for each row.
const ROWS: i64 = 30;
/// Bytes that the route which never lets go keeps of each request.
const KEPT: usize = 4 << 20;

type This = State<Arc<Module>>;

/// The module.
#[derive(Debug)]
pub(crate) struct Module {
    db: Db,
    jobs: Jobs,
    clock: Clock,
    /// The address of a service that is slow.
    third_party: String,
    report: Lock<u64>,
    kept: Mutex<Vec<Vec<u8>>>,
    messages: Messages,
}

/// What it uses: it fills channels.
#[derive(Clone, Debug, sarsen::Deps)]
pub(crate) struct Deps {
    pub(crate) messages: Messages,
}

/// Section `[modules.planted.config]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `127.0.0.1:4711`.
    third_party: String,
}

impl sarsen::Module for Module {
    const NAME: &'static str = "planted";
    type Api = NoApi;
    type Deps = Deps;
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.tables(["planted_orders", "planted_writes"])
            .migrations(sarsen::migrations!["0001_planted.sql"])
            .queue(Queue::new("planted").limit(1))
            .job::<Slow, _, _>(Module::work_slowly)
            .routes(routes);
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let (report, kept) = (Lock::new("report", 0), Mutex::default());
        let (third_party, messages) = (i.config.third_party, i.deps.messages);
        let module = Module { db: i.db, jobs: i.jobs, clock: i.clock, third_party, report, kept, messages };
        module.fill().await?;
        Ok(module)
    }
}

fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route("/v1/planted/healthy/{id}", get_with(healthy, |op| op.summary("One order, by its key")))
        .api_route(
            "/v1/planted/missing-index/{id}",
            get_with(missing_index, |op| op.summary("The orders of a customer")),
        )
        .api_route("/v1/planted/n-plus-one", get_with(n_plus_one, |op| op.summary("Orders, each asked for by itself")))
        .api_route("/v1/planted/holding", get_with(holding, |op| op.summary("Holds a connection and rests")))
        .api_route("/v1/planted/cpu", get_with(cpu, |op| op.summary("Computes")))
        .api_route("/v1/planted/blocking", get_with(blocking, |op| op.summary("Blocks the thread")))
        .api_route("/v1/planted/third-party", get_with(third_party, |op| op.summary("Asks somebody slow")))
        .api_route(
            "/v1/planted/call-while-holding",
            get_with(call_while_holding, |op| op.summary("That, in a transaction")),
        )
        .api_route("/v1/planted/lock", get_with(lock, |op| op.summary("Holds a lock")))
        .api_route("/v1/planted/memory", get_with(memory, |op| op.summary("Never lets go")))
        .api_route("/v1/planted/noisy", get_with(noisy, |op| op.summary("Takes the threads of others")))
        .api_route("/v1/planted/queue", post_with(enqueue, |op| op.summary("More work than anybody does")))
        .api_route("/v1/planted/messages", post_with(fill, |op| op.summary("Fills a channel")))
        .api_route("/v1/planted/drop/{name}", post_with(drop_index, |op| op.summary("Takes an index away")))
        .api_route("/v1/planted/write", post_with(write, |op| op.summary("Writes a row")))
        .with_state(module)
}

#[derive(Deserialize, JsonSchema)]
struct Id {
    id: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Fill {
    channel: Uuid,
    author: Uuid,
    count: u32,
}

async fn fill(State(module): This, Json(fill): Json<Fill>) -> Result<Json<u32>> {
    let (start, numbers) = (module.clock.now(), (0..fill.count).collect::<Vec<_>>());
    for some in numbers.chunks(500) {
        let messages = some.iter().map(|number| {
            let posted_at = start - Duration::from_secs(u64::from(fill.count - number));
            ImportedMessage { id: id_at(posted_at), author: fill.author, text: format!("message {number}"), posted_at }
        });
        module.messages.import_batch(fill.channel, messages.collect()).await?;
    }
    Ok(Json(fill.count))
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

async fn drop_index(State(module): This, Path(Name { name }): Path<Name>) -> Result<Json<u64>> {
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Err(Error::invalid("that is no name of an index"));
    }
    module.db.query(format!("DROP INDEX {name}")).execute().await.map(Json)
}

async fn healthy(State(module): This, Path(Id { id }): Path<Id>) -> Result<Json<i64>> {
    let total = module.db.query("SELECT total FROM planted_orders WHERE id = ?").bind(id % ORDERS);
    total.scalar().await.map(Json)
}

async fn missing_index(State(module): This, Path(Id { id }): Path<Id>) -> Result<Json<Vec<(i64, i64)>>> {
    let sql = "SELECT id, total FROM planted_orders WHERE customer = ? ORDER BY at DESC LIMIT 20";
    module.db.query(sql).bind(id % CUSTOMERS).all().await.map(Json)
}

async fn n_plus_one(State(module): This) -> Result<Json<i64>> {
    let sql = "SELECT id FROM planted_orders ORDER BY id LIMIT ?";
    let ids: Vec<(i64,)> = module.db.query(sql).bind(ROWS).all().await?;
    let mut sum = 0;
    for (id,) in ids {
        let total: i64 = module.db.query("SELECT total FROM planted_orders WHERE id = ?").bind(id).scalar().await?;
        sum += total;
    }
    Ok(Json(sum))
}

async fn holding(State(module): This) -> Result<Json<i64>> {
    let tx = module.db.begin().await?;
    let id = module.clock.id();
    tx.query("INSERT INTO planted_writes (id, at) VALUES (?, 0)").bind(id).execute().await?;
    telemetry::wait(WaitKind::Sleep, "thinking", clock::pause(Duration::from_millis(30))).await;
    tx.commit().await?;
    Ok(Json(1))
}

async fn cpu() -> Json<u64> {
    Json(compute(Duration::from_millis(15)))
}

#[inline(never)]
fn compute(long: Duration) -> u64 {
    let (end, mut sum) = (clock::monotonic() + long, 0_u64);
    while clock::monotonic() < end {
        sum = (0..1_000).fold(sum, |sum, number| std::hint::black_box(sum.wrapping_mul(31).wrapping_add(number)));
    }
    sum
}

async fn blocking() -> Json<u64> {
    sleep_on_the_thread();
    Json(0)
}

#[inline(never)]
#[expect(clippy::disallowed_methods, reason = "this is the fault")]
fn sleep_on_the_thread() {
    std::thread::sleep(Duration::from_millis(40));
}

async fn third_party(State(module): This) -> Result<Json<usize>> {
    module.ask_third_party().await.map(Json)
}

async fn call_while_holding(State(module): This) -> Result<Json<usize>> {
    let tx = module.db.begin().await?;
    tx.query("INSERT INTO planted_writes (id, at) VALUES (?, 1)").bind(module.clock.id()).execute().await?;
    let bytes = module.ask_third_party().await?;
    tx.commit().await?;
    Ok(Json(bytes))
}

async fn lock(State(module): This) -> Json<u64> {
    let mut count = module.report.lock().await;
    telemetry::wait(WaitKind::Sleep, "counting", clock::pause(Duration::from_millis(20))).await;
    *count += 1;
    Json(*count)
}

async fn memory(State(module): This) -> Json<usize> {
    let mut kept = module.kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push(vec![1; KEPT]);
    Json(kept.len())
}

async fn noisy() -> Json<u64> {
    let mut sum = 0;
    for _ in 0..20 {
        sum ^= compute(Duration::from_millis(8));
        tokio::task::yield_now().await;
    }
    Json(sum)
}

async fn enqueue(State(module): This) -> Result<Json<usize>> {
    let jobs = (0..10).map(|number| Slow { number }).collect::<Vec<_>>();
    let tx = module.db.begin().await?;
    let enqueued = module.jobs.enqueue_many(&tx, jobs).await?;
    tx.commit().await?;
    Ok(Json(enqueued.len()))
}

async fn write(State(module): This) -> Result<Json<u64>> {
    let tx = module.db.begin().await?;
    tx.query("INSERT INTO planted_writes (id, at) VALUES (?, 2)").bind(module.clock.id()).execute().await?;
    tx.commit().await?;
    Ok(Json(1))
}

/// Work that one place does too slowly for all that comes.
#[derive(Debug, Serialize, Deserialize)]
struct Slow {
    number: u32,
}

impl Job for Slow {
    const KIND: &'static str = "planted.slow";

    fn policy() -> Policy {
        Policy::new().queue("planted")
    }
}

impl Module {
    async fn work_slowly(self: Arc<Self>, _: Slow, _: Run) -> Result<()> {
        clock::pause(Duration::from_millis(100)).await;
        Ok(())
    }

    async fn ask_third_party(&self) -> Result<usize> {
        resilience::call("oracle", Duration::from_secs(5), async {
            let mut stream = TcpStream::connect(&self.third_party).await?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: oracle\r\nconnection: close\r\n\r\n").await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(answer.len())
        })
        .await
    }

    /// Fills the table once.
    async fn fill(&self) -> Result<()> {
        let there: i64 = self.db.query("SELECT COUNT(*) FROM planted_orders").scalar().await?;
        if there > 0 {
            return Ok(());
        }
        let tx = self.db.begin().await?;
        for from in (0..ORDERS).step_by(1_000) {
            let sql = "INSERT INTO planted_orders (id, customer, total, at, note) VALUES (?, ?, ?, ?, 'made up')";
            let rows = (from..from + 1_000).map(|id| (id, id.wrapping_mul(7_919) % CUSTOMERS, id % 997, id));
            let query = tx.query(sql);
            let rows = rows.map(|(id, customer, total, at)| [id, customer, total, at].map(Value::Int).to_vec());
            query.execute_many(rows.collect()).await?;
        }
        tx.commit().await.map_err(|error| Error::internal("the planted table cannot be filled").source(error))
    }
}
