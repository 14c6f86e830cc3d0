//! What a value from the cache costs beside the crates that one would otherwise use: typed, counted, and checked against time, tags
//! and the log each time.

use crate::rounds::{Alone, Contender, Plan, alone, boxed, interleave};
use crate::{Options, Outcome, report};
use futures_util::future::LocalBoxFuture;
use sarsen::cache::{Cache, Keep, Memo, key, tag};
use sarsen::config::{CacheSection, DatabaseSection, Size, Url};
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::Recorder;
use sarsen::{Clock, Db};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const NAME: &str = "cache";
const TTL: Duration = Duration::from_secs(3_600);
/// Entries; four of five reads ask for a fifth of them.
const ENTRIES: usize = 100_000;
const READS: usize = 1 << 16;
/// Hits of a round: about a tenth of a millisecond.
const HITS: usize = 500;
/// Values that one request reads again and again.
const OF_A_REQUEST: usize = 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    id: Uuid,
    name: String,
}

impl Row {
    fn new(id: Uuid) -> Self {
        Self { id, name: "a name of a usual length".to_owned() }
    }
}

/// Runs all cases; the contenders of a case are interleaved.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("bench.db").display());
    hits(&url, options.quick)?;
    again(&url, options.quick)
}

fn hits(url: &str, quick: bool) -> Outcome<()> {
    let ids = ids();
    let names = ["sarsen fetch", "quick_cache, (family, id)", "quick_cache, id", "moka sync, id"];
    let ours = boxed(alone(Ours::new(url, &ids))?);
    let pair = boxed(alone(async { Ok(Pair::new(&ids)) })?);
    let single = boxed(alone(async { Ok(Single::new(&ids)) })?);
    let moka = boxed(alone(async { Ok(Moka::new(&ids)) })?);
    let costs = interleave(Plan::new(2_000, HITS, quick), &mut [ours, pair, single, moka])?;
    report::compare(NAME, "hit", &names, &costs)
}

/// A value that one request reads several times: from the cache each time, and from what the request remembers.
fn again(url: &str, quick: bool) -> Outcome<()> {
    let ids = ids()[..OF_A_REQUEST].to_vec();
    let names = ["sarsen memo", "sarsen fetch"];
    let memo: Alone = boxed(alone(async { Ok(Remembered(Ours::new(url, &ids).await?)) })?);
    let fetch = boxed(alone(Ours::new(url, &ids))?);
    let costs = interleave(Plan::new(2_000, HITS, quick), &mut [memo, fetch])?;
    report::compare(NAME, "again in a request", &names, &costs)
}

fn ids() -> Vec<Uuid> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..ENTRIES).map(|_| Uuid::from_u128(random.u128(..))).collect()
}

/// The ids that are read, one after another.
struct Reads {
    ids: Vec<Uuid>,
    at: usize,
}

impl Reads {
    fn new(ids: &[Uuid]) -> Self {
        let (mut random, few) = (fastrand::Rng::with_seed(11), (ids.len() / 5).max(1));
        let one = |random: &mut fastrand::Rng| if random.u8(0..5) < 4 { random.usize(0..few) } else { random.usize(0..ids.len()) };
        Self { ids: (0..READS).map(|_| ids[one(&mut random)]).collect(), at: 0 }
    }

    fn next(&mut self) -> Uuid {
        self.at = (self.at + 1) % self.ids.len();
        self.ids[self.at]
    }
}

/// The cache of an application, with values that hang on a tag.
struct Ours {
    cache: Cache,
    reads: Reads,
}

impl Ours {
    async fn new(url: &str, ids: &[Uuid]) -> Outcome<Self> {
        let section = DatabaseSection { url: Url::new(url), ..DatabaseSection::default() };
        let db = Db::connect(&section, &Clock::real()).await?;
        db.migrate(&[sarsen::app::own_migrations()]).await?;
        let section = CacheSection { max_bytes: Size(1 << 30), ..CacheSection::default() };
        let cache = Cache::new(&db, &section, &Recorder::off(), &Lifecycle::default())?.for_module("bench");
        for id in ids.iter().copied() {
            let keep = Keep::new(TTL).tag(tag("row", id));
            cache.fetch(key("row").with(id), keep, move || async move { Ok(Row::new(id)) }).await?;
        }
        Ok(Self { cache, reads: Reads::new(ids) })
    }
}

impl Contender for Ours {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            for _ in 0..count {
                let id = self.reads.next();
                let row = self.cache.fetch(key("row").with(id), TTL, move || async move { Ok(Row::new(id)) }).await?;
                black_box::<Arc<Row>>(row);
            }
            Ok(())
        })
    }
}

/// The same through what a request remembers.
struct Remembered(Ours);

impl Contender for Remembered {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            let memo: Memo<'_> = self.0.cache.memo();
            for _ in 0..count {
                let id = self.0.reads.next();
                let row = memo.fetch(key("row").with(id), TTL, move || async move { Ok(Row::new(id)) }).await?;
                black_box::<Arc<Row>>(row);
            }
            Ok(())
        })
    }
}

/// One bounded cache for several kinds of values, as one would write it by hand.
struct Pair {
    cache: quick_cache::sync::Cache<(&'static str, Uuid), Arc<Row>>,
    reads: Reads,
}

impl Pair {
    fn new(ids: &[Uuid]) -> Self {
        let cache = quick_cache::sync::Cache::new(2 * ENTRIES);
        ids.iter().for_each(|id| cache.insert(("bench.row", *id), Arc::new(Row::new(*id))));
        Self { cache, reads: Reads::new(ids) }
    }
}

impl Contender for Pair {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            for _ in 0..count {
                let row = self.cache.get(&("bench.row", self.reads.next()));
                black_box(row);
            }
            Ok(())
        })
    }
}

/// The crate alone, with nothing but the id.
struct Single {
    cache: quick_cache::sync::Cache<Uuid, Arc<Row>>,
    reads: Reads,
}

impl Single {
    fn new(ids: &[Uuid]) -> Self {
        let cache = quick_cache::sync::Cache::new(2 * ENTRIES);
        ids.iter().for_each(|id| cache.insert(*id, Arc::new(Row::new(*id))));
        Self { cache, reads: Reads::new(ids) }
    }
}

impl Contender for Single {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            for _ in 0..count {
                black_box(self.cache.get(&self.reads.next()));
            }
            Ok(())
        })
    }
}

/// Another crate, which keeps time as well.
struct Moka {
    cache: moka::sync::Cache<Uuid, Arc<Row>>,
    reads: Reads,
}

impl Moka {
    fn new(ids: &[Uuid]) -> Self {
        let cache = moka::sync::Cache::builder().max_capacity(2 * ENTRIES as u64).time_to_live(TTL).build();
        ids.iter().for_each(|id| cache.insert(*id, Arc::new(Row::new(*id))));
        Self { cache, reads: Reads::new(ids) }
    }
}

impl Contender for Moka {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            for _ in 0..count {
                black_box(self.cache.get(&self.reads.next()));
            }
            Ok(())
        })
    }
}
