//! Takes jobs of a queue with limits: the processes take turns, so that what they count stays true.

use super::bundle;
use super::claim::{Exchange, Exchanged, in_order};
use super::{Claimed, Store, claimed_columns};
use crate::clock::Timestamp;
use crate::data::{On, Tx};
use crate::error::Result;
use crate::jobs::queue::{Queue, Rate};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Most keys that a claim looks at in one go, beside those whose limit is reached.
const MAX_KEYS: usize = 256;
/// Most goes of one claim.
const MAX_PAGES: usize = 8;
/// When the search goes on where a claim has looked at its most, and there are more keys.
const NEXT_PAGES: Duration = Duration::from_millis(20);

/// The key of jobs that have none, in queues that go by key.
pub(crate) const NO_KEY: &str = "-";

impl Store {
    /// Takes the next jobs of a queue with limits, in a transaction in which nobody else takes from it.
    pub(crate) async fn take_limited(&self, queue: &Queue, exchange: &Exchange<'_>) -> Result<Exchanged> {
        On::Db(&self.db).within(async |tx| take(tx, queue, exchange).await).await
    }
}

async fn take(tx: &Tx, queue: &Queue, exchange: &Exchange<'_>) -> Result<Exchanged> {
    let served = lock(tx, queue.name).await?;
    bundle::unfold_queue(tx, queue.name).await?;
    let running = running(tx, queue.name).await?;
    let mut room = exchange.want;
    if let Some(limit) = queue.limit {
        let at_work: i64 = running.values().sum();
        room = room.min(usize::try_from(i64::from(limit) - at_work).unwrap_or(0));
    }
    let now = tx.clock().now();
    let mut bucket = match queue.rate {
        Some(rate) => Some(Bucket::read(tx, queue.name.to_owned(), rate, now).await?),
        None => None,
    };
    let tokens = bucket.as_ref().map_or(usize::MAX, Bucket::whole);
    room = room.min(tokens);
    if room == 0 {
        let again_in = bucket.filter(|_| tokens == 0).map(|bucket| bucket.next_in());
        return Ok(Exchanged { again_in, ..Exchanged::default() });
    }
    let mut found = if queue.by_key() {
        by_key(tx, queue, exchange.worker, room, Turn { served, running }).await?
    } else {
        Exchanged { claimed: claim_next(tx, exchange, room, now).await?, ..Exchanged::default() }
    };
    if let Some(bucket) = &mut bucket {
        bucket.spend(tx, found.claimed.len()).await?;
        found.again_in = soonest(found.again_in, Some(bucket.next_in()).filter(|_| bucket.whole() == 0));
    }
    found.claimed = in_order(found.claimed);
    Ok(found)
}

/// Makes this the only transaction that takes from the queue; gives the key that was served last.
async fn lock(tx: &Tx, queue: &'static str) -> Result<String> {
    let sql = "SELECT served FROM sarsen_job_queues WHERE name = ? FOR UPDATE";
    if let Some((served,)) = tx.own(sql).bind(queue).optional::<(String,)>().await? {
        return Ok(served);
    }
    let insert = "INSERT INTO sarsen_job_queues (name) VALUES (?) ON CONFLICT (name) DO NOTHING";
    tx.own(insert).bind(queue).execute().await?;
    tx.own(sql).bind(queue).scalar().await
}

/// Jobs at work by key, in all processes.
async fn running(tx: &Tx, queue: &'static str) -> Result<HashMap<String, i64>> {
    let sql = "SELECT job_key, COUNT(*) FROM sarsen_jobs WHERE state = 3 AND queue = ? GROUP BY job_key";
    let rows: Vec<(String, i64)> = tx.own(sql).bind(queue).all().await?;
    Ok(rows.into_iter().collect())
}

async fn claim_next(tx: &Tx, exchange: &Exchange<'_>, room: usize, now: Timestamp) -> Result<Vec<Claimed>> {
    let sql = "SELECT id FROM sarsen_jobs WHERE state = 0 AND queue = ? ORDER BY priority, run_at, id LIMIT ? FOR UPDATE SKIP LOCKED";
    let ids: Vec<(Uuid,)> = tx.own(sql).bind(exchange.queue).bind(whole(room)).all().await?;
    mark(tx, exchange.worker, ids.into_iter().map(|(id,)| id).collect(), now).await
}

async fn mark(tx: &Tx, worker: Uuid, ids: Vec<Uuid>, now: Timestamp) -> Result<Vec<Claimed>> {
    const MARK: &str = concat!(
        "UPDATE sarsen_jobs SET state = 3, worker = ?, attempt = attempt + 1, lease = lease + 1, claimed_at = ? \
         WHERE id IN (?) AND state = 0 RETURNING ",
        claimed_columns!()
    );
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.own(MARK).bind(worker).bind(now.as_micros()).bind_list(ids).all().await
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whose turn it is.
struct Turn {
    served: String,
    running: HashMap<String, i64>,
}

/// A key with available jobs.
#[derive(crate::FromRow)]
struct Key {
    name: String,
    /// The only job that may run now, where their order counts.
    head: Option<Uuid>,
}

/// Serves the keys one after another, beginning behind the one that was served last.
async fn by_key(tx: &Tx, queue: &Queue, worker: Uuid, room: usize, turn: Turn) -> Result<Exchanged> {
    let Turn { mut served, mut running } = turn;
    // A key whose limit is reached is passed over, so as many more are looked at.
    let most = room.clamp(16, MAX_KEYS) + running.len();
    let mut taken = Exchanged::default();
    for page in 1..=MAX_PAGES {
        let keys = next_keys(tx, queue, &served, most).await?;
        let is_last = keys.len() < most;
        served = keys.last().map_or(served, |key| key.name.clone());
        let left = room - taken.claimed.len();
        let picked = pick(tx, queue, keys, left, &mut running).await?;
        taken.again_in = soonest(taken.again_in, picked.again_in);
        served = picked.last.unwrap_or(served);
        taken.claimed.extend(mark(tx, worker, picked.ids, tx.clock().now()).await?);
        if is_last || taken.claimed.len() >= room {
            break;
        }
        if page == MAX_PAGES {
            taken.again_in = soonest(taken.again_in, Some(NEXT_PAGES));
        }
    }
    let sql = "UPDATE sarsen_job_queues SET served = ? WHERE name = ?";
    tx.own(sql).bind(served).bind(queue.name).execute().await?;
    Ok(taken)
}

fn soonest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// What the keys give.
#[derive(Default)]
struct Picked {
    ids: Vec<Uuid>,
    again_in: Option<Duration>,
    /// The key at which the room ended.
    last: Option<String>,
}

async fn pick(
    tx: &Tx,
    queue: &Queue,
    keys: Vec<Key>,
    room: usize,
    running: &mut HashMap<String, i64>,
) -> Result<Picked> {
    let mut buckets = match queue.rate_per_key {
        Some(rate) => Bucket::read_keys(tx, queue.name, &keys, rate, tx.clock().now()).await?,
        None => HashMap::new(),
    };
    let mut picked = Picked::default();
    // Each gets its share first, so that one key cannot take all the room; what is left goes round again later.
    let share = if queue.fair { room.div_ceil(keys.len().max(1)) } else { room };
    for key in keys {
        let left = room - picked.ids.len();
        if left == 0 {
            return Ok(picked);
        }
        let mut most = share.min(left);
        let at_work = running.entry(key.name.clone()).or_default();
        if let Some(limit) = queue.limit_per_key {
            most = most.min(usize::try_from(i64::from(limit) - *at_work).unwrap_or(0));
        }
        if let Some(bucket) = buckets.get(&key.name) {
            most = most.min(bucket.whole());
        }
        let ids = if most == 0 { Vec::new() } else { of_key(tx, queue, &key, most).await? };
        if let Some(bucket) = buckets.get_mut(&key.name) {
            bucket.spend(tx, ids.len()).await?;
            let empty = Some(bucket.next_in()).filter(|_| bucket.whole() == 0);
            picked.again_in = soonest(picked.again_in, empty);
        }
        *at_work += whole(ids.len());
        picked.ids.extend(ids);
        picked.last = Some(key.name);
    }
    Ok(picked)
}

/// Keys with available jobs that may run: those behind `served` first, then from the beginning.
async fn next_keys(tx: &Tx, queue: &Queue, served: &str, most: usize) -> Result<Vec<Key>> {
    // Jumps from key to key in the index, however many jobs each has.
    macro_rules! found {
        ($rest:literal) => {
            concat!(
                "WITH RECURSIVE found(k) AS ( \
                 SELECT (SELECT MIN(job_key) FROM sarsen_jobs WHERE state = 0 AND job_key <> '' AND queue = ? AND job_key > ?) \
                 UNION ALL \
                 SELECT (SELECT MIN(job_key) FROM sarsen_jobs WHERE state = 0 AND job_key <> '' AND queue = ? AND job_key > found.k) \
                 FROM found WHERE found.k IS NOT NULL) ",
                $rest
            )
        };
    }
    const ALL: &str = found!("SELECT k AS name, NULL AS head FROM found WHERE k IS NOT NULL LIMIT ?");
    // Where the order counts, the first that lives may run, if it is available; a key that it holds up is passed over.
    const HEADS: &str = found!(
        "SELECT name, head FROM (SELECT k AS name, (SELECT CASE WHEN state = 0 THEN id END FROM sarsen_jobs \
         WHERE queue = ? AND job_key = k AND seq > 0 ORDER BY seq LIMIT 1) AS head FROM found WHERE k IS NOT NULL) heads \
         WHERE head IS NOT NULL LIMIT ?"
    );
    let after = async |served: &str, most: usize| {
        let sql = if queue.ordered { HEADS } else { ALL };
        let query = tx.own(sql).bind(queue.name).bind(served).bind(queue.name);
        let query = if queue.ordered { query.bind(queue.name) } else { query };
        query.bind(whole(most)).all::<Key>().await
    };
    let mut keys = after(served, most).await?;
    if keys.len() < most && !served.is_empty() {
        let from_start = after("", most - keys.len()).await?;
        keys.extend(from_start.into_iter().take_while(|key| key.name.as_str() <= served));
    }
    Ok(keys)
}

/// The next jobs of one key. Where their order counts there is one at most.
async fn of_key(tx: &Tx, queue: &Queue, key: &Key, most: usize) -> Result<Vec<Uuid>> {
    if queue.ordered {
        return Ok(key.head.into_iter().collect());
    }
    let sql = "SELECT id FROM sarsen_jobs WHERE state = 0 AND job_key <> '' AND queue = ? AND job_key = ? \
               ORDER BY priority, run_at, id LIMIT ? FOR UPDATE SKIP LOCKED";
    let ids: Vec<(Uuid,)> = tx.own(sql).bind(queue.name).bind(key.name.as_str()).bind(whole(most)).all().await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// A token bucket: it fills evenly, and holds as many as its rate counts.
struct Bucket {
    name: String,
    rate: Rate,
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn filled(name: String, rate: Rate, row: Option<(f64, i64)>, at: Timestamp) -> Self {
        let full = f64::from(rate.count);
        let tokens = row.map_or(full, |(tokens, filled_at)| {
            let passed = at.since(Timestamp::from_micros(filled_at)).as_secs_f64();
            (tokens + passed * full / rate.per.as_secs_f64().max(1e-6)).min(full)
        });
        Self { name, rate, tokens, at }
    }

    async fn read(tx: &Tx, name: String, rate: Rate, at: Timestamp) -> Result<Self> {
        let sql = "SELECT tokens, filled_at FROM sarsen_job_rates WHERE name = ?";
        let row = tx.own(sql).bind(name.as_str()).optional().await?;
        Ok(Self::filled(name, rate, row, at))
    }

    async fn read_keys(tx: &Tx, queue: &str, keys: &[Key], rate: Rate, at: Timestamp) -> Result<HashMap<String, Self>> {
        let name = |key: &Key| format!("{queue} {}", key.name);
        let sql = "SELECT name, tokens, filled_at FROM sarsen_job_rates WHERE name IN (?)";
        let rows: Vec<(String, f64, i64)> = tx.own(sql).bind_list(keys.iter().map(name)).all().await?;
        let rows: HashMap<String, (f64, i64)> =
            rows.into_iter().map(|(name, tokens, filled_at)| (name, (tokens, filled_at))).collect();
        let bucket = |key: &Key| (key.name.clone(), Self::filled(name(key), rate, rows.get(&name(key)).copied(), at));
        Ok(keys.iter().map(bucket).collect())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between zero and a u32")]
    fn whole(&self) -> usize {
        // What a float loses must not hold a token back for a whole turn.
        (self.tokens + 1e-6).max(0.0) as usize
    }

    /// When there is a token, where there is none now.
    fn next_in(&self) -> Duration {
        let missing = (1.0 - self.tokens).max(0.0);
        self.rate.per.mul_f64((missing / f64::from(self.rate.count.max(1))).min(1.0)) + Duration::from_millis(1)
    }

    #[expect(clippy::cast_precision_loss, reason = "few jobs at once")]
    async fn spend(&mut self, tx: &Tx, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.tokens -= count as f64;
        let sql = "INSERT INTO sarsen_job_rates (name, tokens, filled_at) VALUES (?, ?, ?) \
                   ON CONFLICT (name) DO UPDATE SET tokens = excluded.tokens, filled_at = excluded.filled_at";
        let query = tx.own(sql).bind(self.name.as_str()).bind(self.tokens).bind(self.at.as_micros());
        query.execute().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_evenly_up_to_its_count() {
        let rate = Rate { count: 6, per: Duration::from_secs(60) };
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let bucket = |row, now| Bucket::filled("q".into(), rate, row, at(now));
        assert_eq!(bucket(None, 0).whole(), 6);
        assert_eq!(bucket(Some((0.0, 0)), 9).whole(), 0);
        assert_eq!(bucket(Some((0.0, 0)), 10).whole(), 1);
        assert_eq!(bucket(Some((0.0, 0)), 3600).whole(), 6);
        assert_eq!(bucket(Some((0.0, 100_000_000)), 0).whole(), 0, "a clock that went back gives nothing");
        let next = bucket(Some((0.5, 0)), 0).next_in();
        assert!(next >= Duration::from_secs(5) && next < Duration::from_millis(5_010), "{next:?}");
    }
}
