//! Clients whose connections are cut again and again: what reaches each, in which order, and how often.

use super::server::ROOMS;
use super::wire::Wire;
use sarsen::{Error, Result, clock, lifecycle};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Each is cut once in this time, and away for so long.
const EVERY: Duration = Duration::from_secs(10);
const AWAY: Duration = Duration::from_secs(2);
/// After the last message everybody must have everything within this.
const SETTLE: Duration = Duration::from_secs(30);

/// What all clients came to.
#[derive(Default)]
struct Seen {
    ready: AtomicU64,
    heard: AtomicU64,
    cuts: AtomicU64,
    refused: AtomicU64,
    doubled: AtomicU64,
    missed: AtomicU64,
    reloaded: AtomicU64,
    over: AtomicBool,
    last: Mutex<HashMap<u64, i64>>,
}

/// Runs `count` clients for `seconds`, and says as JSON what was lost; the process that started it writes in between.
pub(crate) async fn run(count: u64, seconds: u64, file: &str, addresses: &[&str]) -> Result<()> {
    let seen = Arc::new(Seen::default());
    let addresses: Arc<[String]> = addresses.iter().map(|address| (*address).to_owned()).collect();
    for client in 0..count {
        lifecycle::spawn_background(serve(client, addresses.clone(), seen.clone()));
    }
    while seen.ready.load(Ordering::SeqCst) < count {
        clock::pause(Duration::from_millis(20)).await;
    }
    println!("ready");
    clock::pause(Duration::from_secs(seconds)).await;
    seen.over.store(true, Ordering::SeqCst);
    println!("over");
    let until = clock::monotonic() + SETTLE;
    let mut behind = u64::MAX;
    let mut quiet = 0;
    while clock::monotonic() < until && (behind > 0 || quiet < 10) {
        clock::pause(Duration::from_millis(200)).await;
        behind = seen.behind(&committed(file)?, count);
        quiet = if behind == 0 { quiet + 1 } else { 0 };
    }
    let committed = committed(file)?.values().sum::<i64>();
    let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    println!(
        "{}",
        json!({
            "clients": count, "committed": committed, "heard": read(&seen.heard), "cuts": read(&seen.cuts),
            "refused": read(&seen.refused), "doubled": read(&seen.doubled), "missed": read(&seen.missed),
            "reloaded": read(&seen.reloaded), "behind": behind,
        })
    );
    Ok(())
}

/// The last number of each room that was acknowledged to its writer.
fn committed(file: &str) -> Result<HashMap<u64, i64>> {
    let mut last = HashMap::new();
    for line in std::fs::read_to_string(file)?.lines() {
        if let Some((room, number)) = line.split_once(' ')
            && let (Ok(room), Ok(number)) = (room.parse(), number.parse::<i64>())
        {
            let known = last.entry(room).or_insert(0);
            *known = number.max(*known);
        }
    }
    Ok(last)
}

impl Seen {
    /// How many clients do not have what was committed in their room.
    fn behind(&self, committed: &HashMap<u64, i64>, count: u64) -> u64 {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |client: &u64| last.get(client).copied().unwrap_or(0);
        (0..count).filter(|client| has(client) < committed.get(&(client % ROOMS)).copied().unwrap_or(0)).count() as u64
    }
}

/// Where a client stands.
#[derive(Default)]
struct Place {
    since: Option<Value>,
    number: i64,
}

async fn serve(client: u64, addresses: Arc<[String]>, seen: Arc<Seen>) {
    let (mut place, mut at) = (Place::default(), usize::try_from(client).unwrap_or(0));
    loop {
        at += 1;
        let address = &addresses[at % addresses.len()];
        // Everybody is cut at a moment of their own.
        let cut =
            EVERY.mul_f64(if place.since.is_some() { 0.9 + fastrand::f64() * 0.2 } else { 0.2 + fastrand::f64() });
        let listening = listen(client, address, &mut place, &seen);
        match clock::until(clock::monotonic() + cut - AWAY, listening).await {
            Err(_) if seen.over.load(Ordering::SeqCst) => {}
            Err(_) => {
                seen.cuts.fetch_add(1, Ordering::SeqCst);
                clock::pause(AWAY).await;
            }
            Ok(_) => {
                seen.refused.fetch_add(1, Ordering::SeqCst);
                clock::pause(Duration::from_millis(100).mul_f64(1.0 + fastrand::f64())).await;
            }
        }
    }
}

/// Hears the room until the connection ends; nothing is said before it is cut.
async fn listen(client: u64, address: &str, place: &mut Place, seen: &Seen) -> Result<()> {
    let mut wire = Wire::open(address, "/live").await?;
    let topic = format!("room:{}", client % ROOMS);
    let mut ask = json!({ "t": "sub", "topic": topic });
    if let Some(since) = &place.since {
        ask["since"] = since.clone();
    }
    wire.send(ask.to_string()).await?;
    loop {
        let text = wire.next().await?;
        let message: Value = serde_json::from_str(&text).map_err(|error| Error::internal("no JSON").source(error))?;
        match message["t"].as_str() {
            Some("subscribed") => subscribed(&message, place, seen),
            Some("msg") => heard(client, &message, place, seen),
            Some("error") => return Err(Error::unavailable(text)),
            _ => {}
        }
    }
}

fn subscribed(message: &Value, place: &mut Place, seen: &Seen) {
    match &place.since {
        None => drop(seen.ready.fetch_add(1, Ordering::SeqCst)),
        Some(_) if message["recovered"] == true => return,
        Some(_) => drop(seen.reloaded.fetch_add(1, Ordering::SeqCst)),
    }
    place.since = Some(json!({ "epoch": message["epoch"], "offset": message["offset"] }));
}

fn heard(client: u64, message: &Value, place: &mut Place, seen: &Seen) {
    let number = message["data"]["number"].as_i64().unwrap_or(0);
    seen.heard.fetch_add(1, Ordering::SeqCst);
    if number <= place.number {
        seen.doubled.fetch_add(1, Ordering::SeqCst);
    } else if number > place.number + 1 {
        seen.missed.fetch_add(number.abs_diff(place.number + 1), Ordering::SeqCst);
    }
    place.number = number.max(place.number);
    if let Some(since) = &mut place.since {
        since["offset"] = message["offset"].clone();
    }
    seen.last.lock().unwrap_or_else(PoisonError::into_inner).insert(client, place.number);
}
