//! The command line of an application: serve, look, migrate, and the application's own commands.
//!
//! ```no_run
//! use sarsen::cli::{NoCommands, Program};
//! use sarsen::{App, Result};
//!
//! struct Hello;
//!
//! impl Program for Hello {
//!     const NAME: &'static str = "hello";
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!     const ABOUT: &'static str = "Greets.";
//!     type Commands = NoCommands;
//!     type Handles = ();
//!
//!     fn mount(_: &mut App) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     sarsen::cli::main::<Hello>()
//! }
//! ```

mod ask;
mod budgets;
mod doctor;
mod events;
mod indexes;
mod jobs;
mod line;
mod show;
mod why;

pub use line::NoCommands;

use crate::app::{App, Running};
use crate::config::{Config, Environ, ProcessSection};
use crate::error::{Error, Kind, Result};
use crate::{export, lifecycle, ops, telemetry};
use clap::Subcommand;
use line::{Exported, Line, Migrate, Ops, Verb};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// An application as a program: how it is put together, and what it can do beside serving.
pub trait Program {
    /// The name of the program and of the application.
    const NAME: &'static str;
    /// Its version: `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;
    /// What it is, in one sentence.
    const ABOUT: &'static str;
    /// Its own commands, beside those that every application has; [`NoCommands`] when there are none.
    type Commands: Subcommand;
    /// What its commands use: the handles that `mount` gave.
    type Handles;

    /// What holds where neither the profile nor the environment says anything.
    fn defaults() -> Config {
        Config::default()
    }

    /// Puts the application together.
    fn mount(app: &mut App) -> Result<Self::Handles>;

    /// Works on the modules before the first request is answered; what it gives is printed below the address.
    fn before_serving(app: &Running, handles: &Self::Handles) -> impl Future<Output = Result<Option<String>>> {
        let _ = (app, handles);
        async { Ok(None) }
    }

    /// Does one of its own commands, as an Operation of its own, while the modules are up and nothing listens.
    fn command(command: Self::Commands, app: &Running, handles: &Self::Handles) -> impl Future<Output = Result<()>> {
        let _ = (command, app, handles);
        async { Err(Error::new(Kind::Unsupported, "this program does not say how to do its command")) }
    }
}

/// Reads the command line and does what it says: 0 when it went well, 1 when it did not, 2 when it was not understood.
pub fn main<P: Program>() -> ExitCode {
    let environ =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    run::<P>(std::env::args_os(), &environ.collect())
}

/// Like [`main`], with the arguments (the first is the program) and the environment given.
pub fn run<P: Program>(arguments: impl IntoIterator<Item = OsString>, environ: &Environ) -> ExitCode {
    let line = match Line::<P::Commands>::read::<P>(arguments) {
        Ok(line) => line,
        Err(error) => {
            // Help and version are errors to clap too; it knows where each goes.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match obey::<P>(line, environ) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn obey<P: Program>(line: Line<P::Commands>, environ: &Environ) -> Result<ExitCode> {
    let config = Config::load(line.profile.as_deref(), environ, &P::defaults());
    let verb = line.verb.unwrap_or(Verb::Serve);
    if let Verb::Doctor { json } = verb {
        let findings = match config.and_then(build::<P>) {
            Ok((app, _)) => runtime(&app.config().process)?.block_on(doctor::examine(&app)),
            Err(error) => vec![doctor::Finding::of_error("configuration", &error)],
        };
        print(&if json { doctor::as_json(&findings) } else { doctor::as_text(&findings) });
        return Ok(if doctor::has_failed(&findings) { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let config = config?;
    let runtime = runtime(&config.process)?;
    let (app, handles) = build::<P>(config)?;
    if let Verb::Config = verb {
        print(&show::config(&app, environ)?);
        return Ok(ExitCode::SUCCESS);
    }
    runtime.block_on(carry_out::<P>(verb, line.path, app, handles))?;
    // Tasks that are left behind do not keep a program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::SUCCESS)
}

fn build<P: Program>(config: Config) -> Result<(App, P::Handles)> {
    let mut app = App::new(P::NAME, P::VERSION, config);
    let handles = P::mount(&mut app)?;
    ops::mount(&mut app);
    Ok((app, handles))
}

async fn carry_out<P: Program>(verb: Verb<P::Commands>, path: String, app: App, handles: P::Handles) -> Result<()> {
    match verb {
        Verb::Serve => {
            telemetry::init_logging(&app.config().log)?;
            let public = app.config().http.public_url.clone();
            let prepare = async |running: &Running| P::before_serving(running, &handles).await;
            app.serve_with(prepare, |address, note: Option<String>| {
                let Some(address) = address else {
                    print(&format!("{} {} works, and listens nowhere\n", P::NAME, P::VERSION));
                    return;
                };
                let url = if public.is_empty() { format!("http://{address}") } else { public };
                print(&format!("{} {} is at {url}\n", P::NAME, P::VERSION));
                print(&note.map_or(String::new(), |note| format!("{note}\n")));
            })
            .await?;
        }
        Verb::Migrate(Migrate::Up) => print(&show::applied(&app.migrate().await?)),
        Verb::Migrate(Migrate::Status) => print(&show::migrations(&app.migration_status().await?)),
        Verb::Routes => print(&show::routes(&app.routes().await?)),
        Verb::Budgets { verb } => {
            let (table, verdict) = budgets::run(app, verb).await?;
            print(&table);
            verdict?;
        }
        Verb::Export { what } => {
            let name = app.name();
            let budgets = app.budgets().await?;
            print(&if what == Exported::Grafana {
                export::dashboard(name, &budgets)
            } else {
                export::alerts(&budgets)
            });
        }
        Verb::Modules { graph: true } => print(&app.mermaid()),
        Verb::Modules { graph: false } => print(&show::modules(&app)),
        Verb::Ops(Ops::Token) => print(&format!("{}\n", app.ops_token()?.expose())),
        Verb::Jobs(verb) => jobs::run(&app, verb).await?,
        Verb::Events(verb) => events::run(&app, verb).await?,
        Verb::Indexes(options) => indexes::run(&app, &options).await?,
        Verb::Why(options) => why::run(&app, &options).await?,
        Verb::Own(command) => own::<P>(command, &path, app, &handles).await?,
        // Both were done before the application was put together.
        Verb::Config | Verb::Doctor { .. } => {}
    }
    Ok(())
}

/// One of the program's own commands; ctrl-c stops the modules before the program ends.
async fn own<P: Program>(command: P::Commands, path: &str, app: App, handles: &P::Handles) -> Result<()> {
    telemetry::init_logging(&app.config().log)?;
    let running = app.start().await?;
    let work = running.command(path, P::command(command, &running, handles));
    let done = tokio::select! {
        done = work => done,
        signal = lifecycle::signal() => Err(Error::unavailable(format!("stopped by {signal}"))),
    };
    running.stop().await;
    done
}

fn runtime(process: &ProcessSection) -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if process.threads > 0 {
        builder.worker_threads(process.threads);
    }
    builder.enable_all().max_blocking_threads(process.blocking_threads.max(1)).thread_name("sarsen");
    builder.build().map_err(|error| Error::internal("the threads of the runtime cannot be started").source(error))
}

/// The one place that writes to standard output. A reader that has gone away (`| head`) is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
