//! CPU time of a request over a socket, recorded and not: what the kernel says the server's thread took, whatever else runs.

use super::NAME;
use super::ours::Stacked;
use crate::report::Measurement;
use crate::rounds::percentile;
use crate::{Outcome, current_thread, sample, wrong};
use sarsen::config::HttpSection;
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::Recorder;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

/// Requests of a round.
const REQUESTS: usize = 200;

/// Prints the CPU time of a request, recorded beside not.
pub(super) fn run(file: &str, quick: bool) -> Outcome<()> {
    let rounds = if quick { 40 } else { 400 };
    let url = format!("sqlite:{file}");
    for (case, path) in
        [("hello", "/hello".to_owned()), ("sqlite point read", format!("/messages/{}", sample::id_of(sample::NUMBER)))]
    {
        let mut both = [Server::start(&url, &path, true)?, Server::start(&url, &path, false)?];
        let mut ratios = Vec::new();
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds + rounds / 10 {
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut took = [0.0; 2];
            for server in order {
                took[server] = both[server].round()?;
            }
            if round >= rounds / 10 {
                ratios.push(took[0] / took[1]);
                times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
            }
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        ratios.sort_by(f64::total_cmp);
        print(&format!("{case}, CPU over a socket, recorded, p5"), percentile(&times[0], 5), percentile(&times[1], 5))?;
        print(
            &format!("{case}, CPU over a socket, recorded, median"),
            percentile(&times[0], 50),
            percentile(&times[1], 50),
        )?;
        let percent = (percentile(&ratios, 50) - 1.0) * 100.0;
        let case = format!("{case}, CPU that recording adds, median of the rounds");
        let ratio = 1.5 / percent.max(0.01);
        Measurement { bench: NAME, case: &case, value: percent, unit: "%", against: "goal", against_value: 1.5, ratio }
            .print()?;
    }
    Ok(())
}

fn print(case: &str, value: f64, against_value: f64) -> Outcome<()> {
    let ratio = against_value / value;
    Measurement { bench: NAME, case, value, unit: "ns", against: "off", against_value, ratio }.print()
}

/// A server on a thread of its own, and one client.
struct Server {
    client: TcpStream,
    request: Vec<u8>,
    length: usize,
    schedule: PathBuf,
}

impl Server {
    fn start(url: &str, path: &str, on: bool) -> Outcome<Self> {
        let (url, (told, tell)) = (url.to_owned(), {
            let (tell, told) = channel();
            (told, tell)
        });
        // It serves until the process ends.
        std::thread::Builder::new().name("server".to_owned()).spawn(move || {
            if let Err(error) = serve(&url, on, &tell) {
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
        Ok((self.cpu()? - before) as f64 / REQUESTS as f64)
    }

    /// CPU time of the server's thread by the kernel; it sleeps when it has answered, so it is up to date.
    fn cpu(&self) -> Outcome<u64> {
        let text = std::fs::read_to_string(&self.schedule)?;
        Ok(text.split_whitespace().next().ok_or_else(|| wrong("an empty schedstat"))?.parse()?)
    }
}

fn serve(url: &str, on: bool, tell: &Sender<(SocketAddr, PathBuf)>) -> Outcome<()> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    current_thread()?.block_on(async {
        let recorder = if on { Recorder::new(8_192) } else { Recorder::off() };
        let stacked = Stacked::with(&sample::connect(url).await?, recorder)?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        tell.send((listener.local_addr()?, PathBuf::from("/proc").join(thread).join("schedstat")))?;
        sarsen::http::serve(listener, stacked.stack().clone(), &HttpSection::default(), &Lifecycle::default()).await?;
        Ok(())
    })
}
