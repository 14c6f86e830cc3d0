//! Who holds a connection, and for how long, is booked on the Operation that it works for.

use crate::Fresh;
use sarsen::config::Config;
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::{Facts, Held, Operation, OperationKind, Outcome, Recorder, WaitKind};
use std::time::Duration;

/// Does `work` as an Operation of this name.
async fn operation<T>(name: &str, work: impl Future<Output = T>) -> T {
    let operation = Operation::open(OperationKind::Request, name, &Recorder::new(1));
    let done = operation.scope(work).await;
    assert!(!operation.holds_connection(), "after {name}");
    operation.close(Outcome::Done);
    done
}

fn holds() -> bool {
    Operation::with_current(Operation::holds_connection).unwrap()
}

/// What was held of databases since the last time, by whoever.
fn held(facts: &Facts) -> Vec<Held> {
    let (_, _, holders) = facts.read();
    let of_databases = holders.into_iter().filter(|holder| holder.kind == WaitKind::DatabasePool);
    of_databases.flat_map(|holder| holder.held).collect()
}

/// What Operations of this name held, all added up; other tests run beside this one.
fn held_by(held: &[Held], name: &str) -> Held {
    let mine = held.iter().filter(|held| held.operation.1 == name).cloned();
    mine.fold(Held::default(), |sum, held| Held { time: sum.time + held.time, times: sum.times + held.times, ..held })
}

pub(crate) async fn a_transaction_holds_its_connection_from_begin_to_end(fresh: Fresh) {
    let facts = Facts::start(&Config::default(), &Lifecycle::default());
    let name = format!("POST /long in {}", fresh.section.url.scheme());
    operation(&name, async {
        let tx = fresh.db.begin().await.unwrap();
        tx.query("SELECT CAST(1 AS BIGINT)").scalar::<i64>().await.unwrap();
        assert!(holds());
        tokio::time::sleep(Duration::from_millis(40)).await;
        tx.commit().await.unwrap();
        assert!(!holds());
        drop(fresh.db.begin().await.unwrap());
        assert!(!holds(), "nor when it was dropped");
    })
    .await;
    let held = held_by(&held(&facts), &name);
    assert!(held.time >= 40_000_000 && held.times >= 2, "{held:?}");
}

pub(crate) async fn a_statement_is_booked_on_its_own_operation(fresh: Fresh) {
    let facts = Facts::start(&Config::default(), &Lifecycle::default());
    fresh.db.query("CREATE TABLE held (id BIGINT PRIMARY KEY)").execute().await.unwrap();
    let (reads, writes) =
        (format!("GET /{}", fresh.section.url.scheme()), format!("POST /{}", fresh.section.url.scheme()));
    let many = (0..20_i64).map(|number| {
        let db = fresh.db.clone();
        let (reads, writes) = (reads.clone(), writes.clone());
        async move {
            operation(&writes, db.query("INSERT INTO held (id) VALUES (?)").bind(number).execute()).await.unwrap();
            let count = async {
                let count = db.query("SELECT CAST(COUNT(*) AS BIGINT) FROM held").scalar::<i64>().await;
                assert!(!holds(), "one statement is no transaction");
                count
            };
            assert!(operation(&reads, count).await.unwrap() > 0);
        }
    });
    futures_util::future::join_all(many).await;
    let held = held(&facts);
    let (read, written) = (held_by(&held, &reads), held_by(&held, &writes));
    assert!(read.time > 0 && read.times >= 20, "{read:?}");
    // Some may share a commit, and the work of each is still its own.
    assert!(written.time > 0 && written.times > 0, "{written:?}");
}
