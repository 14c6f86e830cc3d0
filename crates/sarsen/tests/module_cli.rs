//! The command line of an application, run as a program of its own: this file is both the program and its tests.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it expects")]

mod as_program;

use as_program::{failure, output, printed, program};
use sarsen::cli::Program;
use sarsen::{App, Declare, Error, Init, Module, NoApi, Result};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// What the program finds in its environment.
const ENVIRONMENT: &[(&str, &str)] = &[];

struct Greetings;

impl Module for Greetings {
    const NAME: &'static str = "greetings";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare
            .tables(["greetings"])
            .migrations(&[(
                "migrations/0001_create.sql",
                "CREATE TABLE greetings (id UUID PRIMARY KEY, text TEXT NOT NULL);",
            )])
            .routes(|_| {
                let hello = sarsen::http::routing::get(async || "hello");
                sarsen::http::Routes::new().api_route("/v1/hello", hello)
            });
    }
    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Greetings)
    }
}

#[derive(clap::Subcommand)]
enum Commands {
    /// Greet somebody
    Greet {
        /// Whom
        name: String,
    },
}

struct Hello;

impl Program for Hello {
    const NAME: &'static str = "hello";
    const VERSION: &'static str = "1.2.3";
    const ABOUT: &'static str = "Greets.";
    type Commands = Commands;
    type Handles = ();

    fn mount(app: &mut App) -> Result<()> {
        app.mount::<Greetings>(());
        Ok(())
    }

    async fn command(command: Commands, app: &sarsen::app::Running, _: &()) -> Result<()> {
        let Commands::Greet { name } = command;
        if name.is_empty() {
            return Err(Error::invalid("nobody cannot be greeted").hint("name somebody"));
        }
        let sql = "INSERT INTO greetings (id, text) VALUES (?, ?)";
        app.db().query(sql).bind(app.clock().id()).bind(format!("hello {name}")).execute().await.map(drop)
    }
}

fn migrations_are_shown_and_applied(folder: &Path) {
    assert!(printed(folder, &["migrate", "status"]).contains("waits"));
    assert!(printed(folder, &["migrate", "up"]).contains("applied greetings/0001_create\n"));
    assert_eq!(printed(folder, &["migrate", "up"]), "nothing to apply\n");
    assert!(!printed(folder, &["migrate", "status"]).contains("waits"));
}

fn routes_and_modules_are_listed(folder: &Path) {
    assert_eq!(printed(folder, &["routes"]), "METHOD  PATTERN    MODULE\nGET     /v1/hello  greetings\n");
    let modules = "MODULE     METHODS  HTTP  CALLS  TABLES\ngreetings  0        yes   -      greetings\n";
    assert_eq!(printed(folder, &["modules"]), modules);
    assert!(printed(folder, &["modules", "--graph"]).starts_with("graph LR\n  greetings["));
}

fn the_configuration_is_shown_without_secrets(folder: &Path) {
    let mut command = program(folder, &["config"]);
    let output =
        command.env("DATABASE_URL", "postgres://u:hush@h/d").env("SARSEN_APP__SECRET", "hush").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("# from the environment: ") && text.contains("SARSEN_APP__SECRET"), "{text}");
    assert!(text.contains("postgres://u:[redacted]@h/d") && !text.contains("hush"), "{text}");
}

fn a_profile_with_an_unknown_key_names_it(folder: &Path) {
    std::fs::write(folder.join("wrong.toml"), "[http]\nlisen = \"x\"\n").unwrap();
    let (code, text) = failure(folder, &["modules", "--profile", "wrong.toml"]);
    assert_eq!(code, Some(1));
    assert_eq!(text, "error: wrong.toml:2: unknown key `lisen` in [http]\n  hint: did you mean `listen`?\n");
}

fn its_own_commands_run_with_the_modules_up(folder: &Path) {
    printed(folder, &["greet", "world"]);
    let (code, text) = failure(folder, &["greet", ""]);
    assert_eq!(code, Some(1));
    assert!(text.ends_with("error: nobody cannot be greeted\n  hint: name somebody\n"), "{text}");
}

fn what_is_not_understood_is_code_2(folder: &Path) {
    assert_eq!(failure(folder, &["gret"]).0, Some(2));
    assert!(printed(folder, &["--version"]).contains("hello 1.2.3"));
    let help = printed(folder, &["--help"]);
    assert!(help.contains("Greets.") && help.contains("greet") && help.contains("doctor"), "{help}");
}

fn the_doctor_says_what_is_well_and_what_is_not(folder: &Path) {
    let text = printed(folder, &["doctor"]);
    for line in ["ok    configuration: 1 modules, environment development", "ok    database: ", "ok    migrations: all"]
    {
        assert!(text.contains(line), "{text}");
    }
    let production =
        program(folder, &["doctor", "--json"]).env("SARSEN_APP__ENVIRONMENT", "production").output().unwrap();
    assert_eq!(production.status.code(), Some(1));
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&production.stdout).unwrap();
    let failed = findings.iter().find(|finding| finding["level"] == "fail").unwrap();
    assert!(failed["hint"].as_str().unwrap().contains("SARSEN_APP__SECRET"), "{failed}");
    std::fs::write(folder.join("broken.toml"), "[http\n").unwrap();
    let broken = output(folder, &["doctor", "--profile", "broken.toml"]);
    let text = String::from_utf8_lossy(&broken.stdout);
    assert!(text.starts_with("fail  configuration: broken.toml:1: not TOML"), "{text}");
}

/// Ends the program when a check fails before it was asked to stop.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn it_serves_until_it_is_told_to_stop(folder: &Path) {
    let mut command = program(folder, &[]);
    let mut serving = Serving(
        command.env("SARSEN_LOG__LEVEL", "debug").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    let mut lines = BufReader::new(serving.0.stdout.take().unwrap()).lines();
    let address =
        lines.find_map(|line| Some(line.ok()?.strip_prefix("hello 1.2.3 is at http://")?.to_owned())).unwrap();
    let port = address.rsplit_once(':').unwrap().1;
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /v1/hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
    assert!(Command::new("kill").arg(serving.0.id().to_string()).status().unwrap().success());
    assert!(serving.0.wait().unwrap().success());
    let log = std::io::read_to_string(serving.0.stderr.take().unwrap()).unwrap();
    for line in ["serving", "GET /v1/hello", "stopping", "drain greetings", "stop greetings"] {
        assert!(log.contains(line), "{line} is missing:\n{log}");
    }
}

fn main() -> ExitCode {
    as_program::main::<Hello>(&[
        ("migrations_are_shown_and_applied", migrations_are_shown_and_applied),
        ("routes_and_modules_are_listed", routes_and_modules_are_listed),
        ("the_configuration_is_shown_without_secrets", the_configuration_is_shown_without_secrets),
        ("a_profile_with_an_unknown_key_names_it", a_profile_with_an_unknown_key_names_it),
        ("its_own_commands_run_with_the_modules_up", its_own_commands_run_with_the_modules_up),
        ("what_is_not_understood_is_code_2", what_is_not_understood_is_code_2),
        ("the_doctor_says_what_is_well_and_what_is_not", the_doctor_says_what_is_well_and_what_is_not),
        ("it_serves_until_it_is_told_to_stop", it_serves_until_it_is_told_to_stop),
    ])
}
