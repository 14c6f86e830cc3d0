//! Measures a server from outside: what an idle connection takes, what a delivery costs, and how soon a message arrives.

use super::wire::Wire;
use sarsen::{Clock, Error, Result, clock, lifecycle};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Messages a second that are published for a delivery to be measured.
const RATE: u64 = 20;
/// Connections that are opened at once.
const AT_ONCE: usize = 50;

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Sarsen,
    /// A server that gives every text to everybody.
    Plain,
    SocketIo,
}

impl Protocol {
    fn path(self) -> &'static str {
        match self {
            Protocol::Sarsen => "/live",
            Protocol::Plain => "/",
            Protocol::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        }
    }

    async fn open(self, address: &str, topics: &[&str]) -> Result<Wire> {
        let mut wire = Wire::open(address, self.path()).await?;
        match self {
            Protocol::Sarsen => {
                for topic in topics {
                    wire.send(json!({ "t": "sub", "topic": topic }).to_string()).await?;
                    while !wire.next().await?.contains("\"subscribed\"") {}
                }
            }
            Protocol::SocketIo => {
                wire.send("40".into()).await?;
                while !wire.next().await?.starts_with("40") {}
            }
            Protocol::Plain => {}
        }
        Ok(wire)
    }

    fn publish(self, text: &str) -> String {
        match self {
            Protocol::Sarsen => json!({ "t": "pub", "topic": "talk:1", "data": text }).to_string(),
            Protocol::Plain => text.to_owned(),
            Protocol::SocketIo => format!("42{}", json!(["say", text])),
        }
    }
}

/// Measures one case, and says it as JSON.
pub(crate) async fn run(
    case: &str,
    protocol: &str,
    address: &str,
    process: &str,
    count: u64,
    seconds: u64,
) -> Result<()> {
    let protocol = match protocol {
        "sarsen" => Protocol::Sarsen,
        "plain" => Protocol::Plain,
        "socket.io" => Protocol::SocketIo,
        other => return Err(Error::invalid(format!("there is no protocol `{other}`"))),
    };
    let line = match case {
        "idle-connection" => idle(protocol, address, process, count, seconds).await?,
        "delivery" => delivery(protocol, address, process, count, seconds).await?,
        "commit-to-client" => commit_to_client(address, count, seconds).await?,
        other => return Err(Error::invalid(format!("there is no case `{other}`"))),
    };
    println!("{line}");
    Ok(())
}

async fn open_all(protocol: Protocol, address: &str, count: u64, topics: &'static [&'static str]) -> Result<Vec<Wire>> {
    let mut wires = Vec::new();
    while (wires.len() as u64) < count {
        let some = (count - wires.len() as u64).min(AT_ONCE as u64);
        let opening = (0..some).map(|_| protocol.open(address, topics));
        for wire in futures_util::future::join_all(opening).await {
            wires.push(wire?);
        }
    }
    Ok(wires)
}

async fn idle(protocol: Protocol, address: &str, process: &str, count: u64, seconds: u64) -> Result<Value> {
    // What a first connection brings once is not counted.
    let _warm = open_all(protocol, address, 100, &["talk:1", "room:99"]).await?;
    clock::pause(Duration::from_secs(2)).await;
    let before = resident_kib(process)?;
    let wires = open_all(protocol, address, count, &["talk:1", "room:99"]).await?;
    clock::pause(Duration::from_secs(seconds)).await;
    let after = resident_kib(process)?;
    let each = (after as f64 - before as f64) / wires.len() as f64;
    Ok(
        json!({ "connections": count, "kib_before": before, "kib_after": after, "kib_each": (each * 100.0).round() / 100.0 }),
    )
}

async fn delivery(protocol: Protocol, address: &str, process: &str, count: u64, seconds: u64) -> Result<Value> {
    let heard = Arc::new(AtomicU64::new(0));
    let (late, mut latencies) = mpsc::unbounded_channel();
    for (index, wire) in open_all(protocol, address, count, &["talk:1"]).await?.into_iter().enumerate() {
        lifecycle::spawn_background(count_heard(wire, heard.clone(), (index % 20 == 0).then(|| late.clone())));
    }
    let mut publisher = protocol.open(address, &["talk:1"]).await?;
    let (cpu, began) = (cpu_seconds(process)?, clock::monotonic());
    for number in 0..seconds * RATE {
        clock::pause(
            (began + Duration::from_secs(number) / u32::try_from(RATE).unwrap_or(1))
                .saturating_duration_since(clock::monotonic()),
        )
        .await;
        let stamp = format!("{:020}", Clock::real().now().as_micros());
        publisher.send(protocol.publish(&format!("{stamp}{}", "x".repeat(80)))).await?;
    }
    let expected = seconds * RATE * count;
    let until = clock::monotonic() + Duration::from_secs(20);
    while heard.load(Ordering::SeqCst) < expected && clock::monotonic() < until {
        clock::pause(Duration::from_millis(20)).await;
    }
    let (spent, arrived) = (cpu_seconds(process)? - cpu, heard.load(Ordering::SeqCst));
    drop(late);
    let mut all = Vec::new();
    while let Ok(latency) = latencies.try_recv() {
        all.push(latency);
    }
    let each = spent / arrived as f64 * 1e6;
    Ok(json!({
        "subscribers": count, "delivered": arrived, "expected": expected,
        "cpu_s_per_million": (each * 100.0).round() / 100.0, "p50_ms": quantile(&mut all, 0.5), "p99_ms": quantile(&mut all, 0.99),
    }))
}

/// Counts messages; with somebody to tell, also how late each was.
async fn count_heard(mut wire: Wire, heard: Arc<AtomicU64>, late: Option<mpsc::UnboundedSender<f64>>) {
    while let Ok(text) = wire.next().await {
        if text == "2" {
            let _ = wire.send("3".into()).await;
            continue;
        }
        let Some(at) = text.find("xxxx").and_then(|end| text.get(end - 20..end)?.parse::<i64>().ok()) else { continue };
        heard.fetch_add(1, Ordering::Relaxed);
        if let Some(late) = &late {
            let _ = late.send((Clock::real().now().as_micros() - at) as f64 / 1000.0);
        }
    }
}

/// From before the commit begins until a client of another process has it.
async fn commit_to_client(address: &str, count: u64, seconds: u64) -> Result<Value> {
    let (late, mut latencies) = mpsc::unbounded_channel();
    for client in 0..count {
        let topic: &'static [&'static str] = if client % 2 == 0 { &["room:0"] } else { &["room:1"] };
        let (mut wire, late) = (Protocol::Sarsen.open(address, topic).await?, late.clone());
        lifecycle::spawn_background(async move {
            while let Ok(text) = wire.next().await {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                if let Some(at) = message["data"]["at"].as_i64() {
                    let _ = late.send((Clock::real().now().as_micros() - at) as f64 / 1000.0);
                }
            }
        });
    }
    println!("ready");
    clock::pause(Duration::from_secs(seconds)).await;
    let mut all = Vec::new();
    while let Ok(latency) = latencies.try_recv() {
        all.push(latency);
    }
    Ok(
        json!({ "clients": count, "messages": all.len(), "p50_ms": quantile(&mut all, 0.5), "p99_ms": quantile(&mut all, 0.99) }),
    )
}

fn quantile(all: &mut [f64], share: f64) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let at = (all.len() as f64 * share) as usize;
    all.get(at.min(all.len().saturating_sub(1))).map(|value| (value * 100.0).round() / 100.0)
}

fn resident_kib(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| Error::internal("the kernel does not say how much memory the server has"))
}

/// User and system time; a tick is a hundredth of a second on every Linux there is.
fn cpu_seconds(process: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err(Error::internal("the kernel does not say how much time the server took")),
    }
}
