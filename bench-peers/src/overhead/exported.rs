//! What it adds to send every Operation to a collector by OTLP: an application with one and without, CPU of its thread.

use super::sockets::{Place, REQUESTS, Server, print, settle};
use super::{NUMBER, ours};
use crate::rounds::percentile;
use crate::{Outcome, current_thread, sample, wrong};
use sarsen::config::{Config, Environment, Secret, Span, Url};
use sarsen::{App, Db, Declare, Init, Module, NoApi, clock};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Requests of one measurement, in rounds.
const ROUNDS: usize = 20;
/// By then what was closed has been gathered and sent.
const AFTER: Duration = Duration::from_millis(1_500);
/// Operations, and traces, that wait: more than come in one measurement, so that none is dropped.
const QUEUE: usize = 16_384;

/// Prints the CPU time of a request whose Operation is sent, beside one that is only recorded.
pub(super) fn run(file: &str, quick: bool) -> Outcome<()> {
    let collector = Collector::start()?;
    let read = format!("/messages/{}", sample::id_of(NUMBER));
    for (case, path) in [("hello", "/hello"), ("sqlite point read", &read)] {
        let mut both = [start(file, path, &collector.url)?, start(file, path, "")?];
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..if quick { 2 } else { 7 } {
            for (server, times) in both.iter_mut().zip(&mut times) {
                times.push(measure(server)?);
            }
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let [sent, recorded] = [0, 1].map(|at| percentile(&times[at], 50));
        let case = format!("{case}, CPU over a socket, every Operation sent by OTLP, median");
        print(&case, sent, "ns", "recorded", recorded, recorded / sent)?;
        let asked = ROUNDS * REQUESTS * times[0].len();
        let came = collector.spans.swap(0, Ordering::Relaxed);
        if came < asked {
            return Err(wrong(format!("{case}: of {asked} Operations only {came} spans came to the collector")));
        }
    }
    Ok(())
}

/// Nanoseconds of CPU for each request, with what is done for it later.
fn measure(server: &mut Server) -> Outcome<f64> {
    let before = server.cpu()?;
    for _ in 0..ROUNDS {
        server.ask()?;
    }
    current_thread()?.block_on(clock::pause(AFTER));
    Ok((server.cpu()? - before) as f64 / (ROUNDS * REQUESTS) as f64)
}

fn start(file: &str, path: &str, collector: &str) -> Outcome<Server> {
    let mut config = Config::default();
    config.app.environment = Environment::Production;
    config.app.secret = Secret::new("a secret of a bench that nobody else can reach");
    config.http.listen = "127.0.0.1:0".into();
    config.database.url = Url::new(format!("sqlite:{file}"));
    config.log.queue = QUEUE;
    config.log.operations = false;
    config.process.roles = vec!["web".to_owned()];
    let telemetry = &mut config.telemetry;
    (telemetry.otlp, telemetry.trace_sample, telemetry.queue) = (collector.to_owned(), 1.0, QUEUE);
    // Without what goes on beside requests.
    (telemetry.store, telemetry.metrics) = (String::new(), false);
    (telemetry.canary, telemetry.stall_after) = (Span(Duration::ZERO), Span(Duration::ZERO));
    Server::start(if collector.is_empty() { "recorded" } else { "sent" }, path, move |tell| serve(config, tell))
}

fn serve(config: Config, tell: &Sender<Place>) -> Outcome<()> {
    let schedule = settle()?;
    let mut app = App::new("bench", "0", config);
    app.mount::<Bench>(());
    let serving = |address: Option<_>, ()| drop(address.map(|address| tell.send((address, schedule))));
    Ok(current_thread()?.block_on(app.serve_with(async |_| Ok(()), serving))?)
}

struct Bench(Db);

impl Module for Bench {
    const NAME: &'static str = "bench";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.routes(|bench| ours::routes(bench.0.clone()));
    }

    async fn init(init: Init<Self>) -> sarsen::Result<Self> {
        Ok(Self(init.db))
    }
}

/// Takes everything that is sent to it, and counts the spans.
struct Collector {
    url: String,
    spans: Arc<AtomicUsize>,
}

impl Collector {
    fn start() -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (url, spans) = (format!("http://{}", listener.local_addr()?), Arc::new(AtomicUsize::new(0)));
        let counted = spans.clone();
        std::thread::Builder::new().name("collector".into()).spawn(move || {
            for client in listener.incoming().flatten() {
                if let Err(error) = take_all(client, &counted) {
                    crate::report::progress(&error.to_string());
                }
            }
        })?;
        Ok(Self { url, spans })
    }
}

/// Answers the requests of one connection until it ends.
fn take_all(mut client: TcpStream, spans: &AtomicUsize) -> Outcome<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        spans.fetch_add(String::from_utf8_lossy(&body).matches("\"spanId\"").count(), Ordering::Relaxed);
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")?;
    }
}
