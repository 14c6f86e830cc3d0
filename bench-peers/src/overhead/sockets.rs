//! CPU time of a request over a socket, recorded and not: what the kernel says the server's thread took, whatever else runs.

use super::{NAME, exported};
use super::ours::Stacked;
use crate::report::Measurement;
use crate::rounds::percentile;
use crate::{Outcome, current_thread, sample, wrong};
use sarsen::config::HttpSection;
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::Recorder;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

/// Requests of a round.
pub(super) const REQUESTS: usize = 200;
/// The core of the client, and that of the servers: where the kernel puts a thread decides more than what is measured.
const CORES: [usize; 2] = [0, 1];
/// Pairs of servers, one after another: memory lies elsewhere in each.
const PAIRS: usize = 6;

/// Prints the CPU time of a request, recorded beside not.
pub(super) fn run(file: &str, quick: bool) -> Outcome<()> {
    let url = format!("sqlite:{file}");
    let rounds = if quick { 10 } else { 80 };
    let every = sched_getaffinity(None)?;
    stay_on(CORES[0])?;
    let read = format!("/messages/{}", sample::id_of(sample::NUMBER));
    for (case, path) in [("hello", "/hello"), ("sqlite point read", &read)] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..PAIRS {
            pair(&url, path, rounds, &mut times)?;
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        for (figure, percent) in [("p5", 5), ("median", 50)] {
            let [on, off] = [0, 1].map(|at| percentile(&times[at], percent));
            print(&format!("{case}, CPU over a socket, recorded, {figure}"), on, "ns", "off", off, off / on)?;
            let added = (on / off - 1.0) * 100.0;
            let case = format!("{case}, CPU that recording adds, {figure}");
            print(&case, added, "%", "goal", 1.5, 1.5 / added.max(0.01))?;
        }
    }
    exported::run(file, quick)?;
    Ok(sched_setaffinity(None, &every)?)
}

/// Keeps this thread on one core.
fn stay_on(core: usize) -> Outcome<()> {
    let mut one = CpuSet::new();
    one.set(core);
    Ok(sched_setaffinity(None, &one)?)
}

/// Rounds in turns on two fresh servers.
fn pair(url: &str, path: &str, rounds: usize, times: &mut [Vec<f64>; 2]) -> Outcome<()> {
    let start = |on: bool| {
        let url = url.to_owned();
        Server::start(if on { "on" } else { "off" }, path, move |tell| serve(&url, on, tell))
    };
    let mut both = [start(true)?, start(false)?];
    let warm_up = rounds / 10 + 1;
    for round in 0..rounds + warm_up {
        for place in 0..2 {
            let index = if round % 2 == 0 { place } else { 1 - place };
            let took = both[index].round()?;
            if round >= warm_up {
                times[index].push(took);
            }
        }
    }
    Ok(())
}

pub(super) fn print(case: &str, value: f64, unit: &str, against: &str, against_value: f64, ratio: f64) -> Outcome<()> {
    Measurement { bench: NAME, case, value, unit, against, against_value, ratio }.print()
}

/// Where a server is, and where the kernel tells what its thread took.
pub(super) type Place = (SocketAddr, PathBuf);

/// A server on a thread of its own, and one client.
pub(super) struct Server {
    client: TcpStream,
    request: Vec<u8>,
    length: usize,
    schedule: PathBuf,
}

impl Server {
    /// `serve` tells its place once it listens, and serves until the process ends.
    pub(super) fn start(
        name: &str,
        path: &str,
        serve: impl FnOnce(&Sender<Place>) -> Outcome<()> + Send + 'static,
    ) -> Outcome<Self> {
        let (tell, told) = channel();
        std::thread::Builder::new().name(format!("server {name}")).spawn(move || {
            if let Err(error) = serve(&tell) {
                crate::report::progress(&error.to_string());
            }
        })?;
        let (address, schedule) = told.recv()?;
        let client = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\n\r\n").into_bytes();
        let mut server = Self { client, request, length: 0, schedule };
        server.client.write_all(&server.request)?;
        let mut buffer = [0; 65_536];
        server.length = server.client.read(&mut buffer)?;
        if !buffer.starts_with(b"HTTP/1.1 200 ") {
            return Err(wrong("another answer than 200"));
        }
        Ok(server)
    }

    /// Nanoseconds of CPU that the server's thread took for each of the requests.
    fn round(&mut self) -> Outcome<f64> {
        let before = self.cpu()?;
        self.ask()?;
        Ok((self.cpu()? - before) as f64 / REQUESTS as f64)
    }

    /// Asks [`REQUESTS`] times.
    pub(super) fn ask(&mut self) -> Outcome<()> {
        let mut buffer = [0; 65_536];
        for _ in 0..REQUESTS {
            self.client.write_all(&self.request)?;
            let mut read = 0;
            while read < self.length {
                match self.client.read(&mut buffer[read..])? {
                    0 => return Err(wrong("the connection ended")),
                    more => read += more,
                }
            }
        }
        Ok(())
    }

    /// CPU time of the server's thread by the kernel; it sleeps when it has answered, so it is up to date.
    pub(super) fn cpu(&self) -> Outcome<u64> {
        let text = std::fs::read_to_string(&self.schedule)?;
        Ok(text.split_whitespace().next().ok_or_else(|| wrong("an empty schedstat"))?.parse()?)
    }
}

/// Keeps a server's thread on its core; gives where the kernel tells what it took.
pub(super) fn settle() -> Outcome<PathBuf> {
    stay_on(CORES[1])?;
    Ok(PathBuf::from("/proc").join(std::fs::read_link("/proc/thread-self")?).join("schedstat"))
}

fn serve(url: &str, on: bool, tell: &Sender<Place>) -> Outcome<()> {
    let schedule = settle()?;
    current_thread()?.block_on(async {
        let recorder = if on { Recorder::new(8_192) } else { Recorder::off() };
        let stacked = Stacked::with(&sample::connect(url).await?, recorder)?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        tell.send((listener.local_addr()?, schedule))?;
        sarsen::http::serve(listener, stacked.stack().clone(), &HttpSection::default(), &Lifecycle::default()).await?;
        Ok(())
    })
}
