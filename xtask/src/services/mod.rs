//! The real servers that tests use: installed when missing, started privately, stopped whatever happens.

mod account;
pub(crate) mod folder;
mod install;
mod postgres;
mod redis;
mod s3;
mod server;

use std::io;
use std::process::{Command, ExitCode, ExitStatus};

use clap::{Args, ValueEnum};

use crate::{Outcome, command};
pub(crate) use install::node;
pub(crate) use postgres::{Durability, Mortal};
use server::Server;

/// Starts the services, runs COMMAND with their environment, stops them and exits as the command did.
///
/// Without a command the environment is printed and the services run until the end of the standard input or ctrl-c.
/// Whatever stops xtask, be it `kill -9`, stops them too.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only these services; postgres, browser, prometheus and s3 when not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Service>,
    /// Keeps fsync on, as crash tests and benchmarks need it.
    #[arg(long)]
    durable: bool,
    /// What to run while the services are up.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What tests can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// A PostgreSQL server: SARSEN_TEST_POSTGRES.
    Postgres,
    /// Chromium and its driver: SARSEN_TEST_CHROMIUM, SARSEN_TEST_CHROMEDRIVER.
    Browser,
    /// The programs of Prometheus: SARSEN_TEST_PROMTOOL checks metrics and rules, SARSEN_TEST_PROMETHEUS scrapes them.
    Prometheus,
    /// A server that speaks S3: SARSEN_TEST_S3.
    S3,
    /// A Redis server, which no test needs yet: SARSEN_TEST_REDIS.
    Redis,
}

/// What runs when nothing was chosen: what the tests need.
const NEEDED: &[Service] = &[Service::Postgres, Service::Browser, Service::Prometheus, Service::S3];

/// The services that run; they stop when this is dropped, or when the process dies.
#[derive(Debug)]
pub(crate) struct Services {
    environment: Vec<(&'static str, String)>,
    skipped: Vec<String>,
    servers: Vec<Server>,
}

impl Services {
    /// Starts what the tests need and can be had; `skipped` says what could not be.
    pub(crate) fn start() -> Outcome<Services> {
        Services::start_with(NEEDED, Durability::Fast)
    }

    /// Starts the services that are wanted, as durable as they have to be.
    pub(crate) fn start_with(wanted: &[Service], durability: Durability) -> Outcome<Services> {
        let mut services = Services { environment: Vec::new(), skipped: Vec::new(), servers: Vec::new() };
        for service in wanted {
            match service {
                Service::Postgres => services.add_postgres(durability)?,
                Service::Browser => services.add_browser(),
                Service::Prometheus => services.add_prometheus(),
                Service::S3 => services.add_s3()?,
                Service::Redis => services.add_redis(durability)?,
            }
        }
        Ok(services)
    }

    /// The variables by which tests find the services.
    pub(crate) fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    /// Why a service is not there, one sentence for each that is missing.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    fn add_postgres(&mut self, durability: Durability) -> Outcome<()> {
        match install::postgres() {
            Ok(programs) => {
                let server = postgres::start(&programs, durability)?;
                self.environment.push(("SARSEN_TEST_POSTGRES", server.url().to_owned()));
                self.servers.push(server);
            }
            Err(reason) => self.skipped.push(format!("postgres: {reason}")),
        }
        Ok(())
    }

    fn add_redis(&mut self, durability: Durability) -> Outcome<()> {
        match install::redis() {
            Ok(()) => {
                let server = redis::start(durability)?;
                self.environment.push(("SARSEN_TEST_REDIS", server.url().to_owned()));
                self.servers.push(server);
            }
            Err(reason) => self.skipped.push(format!("redis: {reason}")),
        }
        Ok(())
    }

    fn add_s3(&mut self) -> Outcome<()> {
        match s3::program() {
            Ok(program) => {
                let server = s3::start(&program)?;
                self.environment.push(("SARSEN_TEST_S3", server.url().to_owned()));
                self.servers.push(server);
            }
            Err(reason) => self.skipped.push(format!("s3: {reason}")),
        }
        Ok(())
    }

    fn add_prometheus(&mut self) {
        match install::prometheus() {
            Ok(programs) => self.environment.extend(programs),
            Err(reason) => self.skipped.push(format!("prometheus: {reason}")),
        }
    }

    fn add_browser(&mut self) {
        match install::browser() {
            Ok(programs) => self.environment.extend(programs),
            Err(reason) => self.skipped.push(format!("browser: {reason}")),
        }
    }
}

/// Runs `cargo xtask services`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    let wanted = if options.only.is_empty() { NEEDED } else { &options.only };
    let durability = if options.durable { Durability::Durable } else { Durability::Fast };
    let services = Services::start_with(wanted, durability)?;
    for reason in services.skipped() {
        eprintln!("skipped {reason}");
    }
    for (name, value) in services.environment() {
        println!("{name}={value}");
    }
    match options.command.split_first() {
        Some((program, arguments)) => run_with(&services, Command::new(program).args(arguments)),
        None => wait_for_the_end(),
    }
}

fn run_with(services: &Services, program: &mut Command) -> Outcome<ExitCode> {
    let variables = services.environment().iter().map(|(name, value)| (name, value));
    let status = command::status(program.envs(variables))?;
    Ok(exit_code(status))
}

fn wait_for_the_end() -> Outcome<ExitCode> {
    eprintln!("running until the end of the input (ctrl-d) or ctrl-c");
    let read = io::copy(&mut io::stdin(), &mut io::sink());
    read.map_err(|error| format!("cannot read the standard input: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The code of a shell: the command's own, or 128 and the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
