//! The store over restarts, damage and floods.

use super::*;
use crate::insight::Insight;
use crate::insight::frame::Gathered;
use crate::insight::recall::history;
use crate::insight::sample::SampleFilter;
use crate::telemetry::{Operation, OperationKind, Outcome, Recorder, Snapshot};

const START: i64 = 1_767_225_600_000_000;

struct Setup {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Setup {
    fn new() -> Self {
        let clock = Clock::simulated(Timestamp::from_micros(START));
        Self { folder: tempfile::tempdir().expect("a folder"), clock }
    }

    fn place(&self, max_size: u64) -> Place {
        let (path, keep) = (self.folder.path().join("insight.db"), Duration::from_secs(7 * 86_400));
        Place { path, keep, max_size: Size(max_size), roles: "web+worker".into() }
    }

    /// A process that found what an earlier one left.
    async fn process(&self, place: &Place, build: &str) -> (Insight, Recorder, Store) {
        let recorder = Recorder::new(1);
        let insight = Insight::new(&recorder, &self.clock, build);
        let (store, restored) = Store::open(place, build, &self.clock).await.expect("opens");
        insight.restore(store.db().clone(), restored);
        (insight, recorder, store)
    }

    /// So many seconds in which `each` closes Operations, as the collector sees them.
    fn seconds(&self, insight: &Insight, seconds: u64, mut each: impl FnMut(u64)) {
        for second in 0..seconds {
            each(second);
            self.clock.advance(Duration::from_secs(1));
            insight.collect();
        }
    }

    /// Bytes of all files of the store.
    fn size(&self) -> u64 {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder");
        files.map(|file| file.expect("a file").metadata().expect("a size").len()).sum()
    }
}

fn close(recorder: &Recorder, name: &str, error: Option<&str>) {
    let operation = Operation::open(OperationKind::Request, name, recorder);
    if let Some(error) = error {
        operation.set_error(&Error::internal(error.to_owned()));
    }
    operation.close(Outcome::Status(if error.is_some() { 500 } else { 200 }));
}

fn count(snapshot: &Snapshot, name: &str) -> u64 {
    snapshot.operations.iter().filter(|operation| operation.name == name).map(|operation| operation.all.count).sum()
}

#[tokio::test]
async fn a_restart_keeps_the_history_the_samples_and_the_errors() {
    let setup = Setup::new();
    let place = setup.place(50 << 20);
    let (insight, recorder, mut store) = setup.process(&place, "1").await;
    setup.seconds(&insight, 150, |_| {
        close(&recorder, "GET /a", None);
        close(&recorder, "GET /b", Some("no user 7"));
    });
    store.write(insight.take_news(true)).await.expect("writes");
    let before = insight.snapshot(Duration::from_secs(600));
    let id = before.errors[0].sample.clone().expect("a sample");
    store.close().await;

    let (insight, recorder, mut store) = setup.process(&place, "2").await;
    setup.seconds(&insight, 1, |_| close(&recorder, "GET /a", None));
    let after = insight.snapshot(Duration::from_secs(600));
    assert_eq!((count(&after, "GET /a"), count(&after, "GET /b")), (151, 150));
    let group = &after.errors[0];
    assert_eq!((group.message.as_str(), group.count, group.first), ("no user #", 150, before.errors[0].first));
    assert_eq!(insight.sample(&id).await.expect("is kept").error.as_deref(), Some("no user #"));
    let filter = SampleFilter { reason: Some(Reason::Failed), ..SampleFilter::default() };
    assert!(insight.samples(&filter).await.len() >= 5);
    let means = after.before.iter().find(|means| means.operation.1 == "GET /a").expect("was there");
    assert_eq!((means.build.as_str(), means.count), ("1", 150));
    assert!(means.wall > 0.0);
    // The same build again: what was before it stays what was before it.
    store.write(insight.take_news(true)).await.expect("writes");
    store.close().await;
    let (insight, ..) = setup.process(&place, "2").await;
    insight.collect();
    assert_eq!(insight.snapshot(Duration::from_secs(1)).before[0].build, "1");
}

#[tokio::test]
async fn what_was_not_written_is_all_that_is_lost() {
    let setup = Setup::new();
    let place = setup.place(50 << 20);
    let (insight, recorder, mut store) = setup.process(&place, "1").await;
    for _ in 0..7 {
        setup.seconds(&insight, 10, |_| close(&recorder, "GET /a", None));
        store.write(insight.take_news(true)).await.expect("writes");
    }
    setup.seconds(&insight, 9, |_| close(&recorder, "GET /a", None));
    // Neither is closed: the process is gone.
    std::mem::forget((insight, store));
    let (insight, ..) = setup.process(&place, "1").await;
    insight.collect();
    assert_eq!(count(&insight.snapshot(Duration::from_secs(600)), "GET /a"), 70);
}

#[tokio::test]
async fn two_processes_write_to_one_store() {
    let setup = Setup::new();
    let place = setup.place(50 << 20);
    let (web, recorder, mut store) = setup.process(&place, "1").await;
    setup.seconds(&web, 61, |_| close(&recorder, "GET /a", None));
    store.write(web.take_news(true)).await.expect("writes");
    let worker_place = Place { roles: "worker".into(), ..place.clone() };
    let (worker, recorder, mut other) = setup.process(&worker_place, "1").await;
    worker.collect();
    assert_eq!(count(&worker.snapshot(Duration::from_secs(600)), "GET /a"), 0, "that was another's");
    setup.seconds(&worker, 5, |_| close(&recorder, "send", None));
    other.write(worker.take_news(true)).await.expect("writes");
    store.write(web.take_news(true)).await.expect("writes");
    let (seen, _) = history(store.db(), Timestamp::from_micros(START)).await.expect("reads");
    let mut gathered = Gathered::default();
    seen.iter().for_each(|frame| gathered.add(frame));
    let names: Vec<_> = gathered.names.iter().map(|(key, row)| (key.name.as_str(), row.count())).collect();
    assert!(names.contains(&("GET /a", 61)) && names.contains(&("send", 5)), "{names:?}");
}

#[tokio::test]
async fn a_damaged_store_is_set_aside_and_a_new_one_begun() {
    for damage in [b"This is no database, whoever calls it one.".repeat(200), vec![0xff; 9_000]] {
        let setup = Setup::new();
        let place = setup.place(50 << 20);
        std::fs::write(&place.path, &damage).expect("writes");
        let (insight, recorder, mut store) = setup.process(&place, "1").await;
        setup.seconds(&insight, 2, |_| close(&recorder, "GET /a", None));
        store.write(insight.take_news(true)).await.expect("writes");
        store.close().await;
        let aside = setup.folder.path().join("insight.db.broken-20260101T000000");
        assert_eq!(std::fs::read(aside).expect("is there"), damage);
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_found_when_it_is_read() {
    let setup = Setup::new();
    let place = setup.place(50 << 20);
    let (insight, recorder, mut store) = setup.process(&place, "1").await;
    setup.seconds(&insight, 70, |second| close(&recorder, &format!("GET /{second}"), None));
    store.write(insight.take_news(true)).await.expect("writes");
    store.close().await;
    let mut bytes = std::fs::read(&place.path).expect("reads");
    bytes[4_096..].fill(0xa5);
    std::fs::write(&place.path, bytes).expect("writes");
    let (insight, ..) = setup.process(&place, "1").await;
    insight.collect();
    assert!(insight.snapshot(Duration::from_secs(600)).operations.is_empty());
}

#[tokio::test]
async fn a_flood_of_names_queries_and_errors_stays_within_the_bound() {
    crate::telemetry::resource::FULL.set(true);
    let (setup, most) = (Setup::new(), 2 * LEAST.0);
    let place = setup.place(most);
    let (insight, recorder, mut store) = setup.process(&place, "1").await;
    let mut largest = 0;
    for _ in 0..60 {
        setup.seconds(&insight, 10, |_| {
            for number in 0..200 {
                let text: String = (0..20).map(|_| fastrand::alphabetic()).collect();
                close(&recorder, &format!("GET /{text}"), (number % 4 == 0).then_some(&text));
            }
        });
        store.write(insight.take_news(true)).await.expect("writes");
        largest = largest.max(setup.size());
    }
    assert!(largest <= most, "{largest} of {most}");
    store.close().await;
    let (insight, ..) = setup.process(&place, "1").await;
    insight.collect();
    assert!(!insight.snapshot(Duration::from_secs(600)).operations.is_empty(), "the newest is kept");
    // A lower limit gives the space back.
    let lower = setup.place(LEAST.0);
    let (_, _, store) = setup.process(&lower, "1").await;
    store.close().await;
    assert!(setup.size() <= LEAST.0, "{}", setup.size());
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let setup = Setup::new();
    let place = setup.place(50 << 20);
    let (insight, recorder, mut store) = setup.process(&place, "1").await;
    setup.seconds(&insight, 61, |_| close(&recorder, "GET /a", Some("fault")));
    store.write(insight.take_news(true)).await.expect("writes");
    setup.clock.advance(Duration::from_secs(8 * 86_400));
    store.expire(setup.clock.now()).await.expect("expires");
    for table in ["frames", "samples", "errors"] {
        let sql = format!("SELECT COUNT(*) FROM sarsen_insight_{table}");
        assert_eq!(store.db().query(sql).scalar::<i64>().await.expect("counts"), 0, "{table}");
    }
}
