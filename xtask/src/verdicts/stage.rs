//! Parley with a fault, its database, and somebody who uses it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::Database;
use super::faults::Setting;
use super::load::Client;
use super::third_party::ThirdParty;
use crate::services::{Mortal, folder};
use crate::{Outcome, command, repository, wait};

/// How long the first start may take, with its migrations and the table of orders.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// The operators' token.
const TOKEN: &str = "only for verdicts, but long enough for them";

/// Builds the program, optimised or not.
pub(super) fn build(optimised: bool) -> Outcome<PathBuf> {
    let mut cargo = repository::cargo(&["build", "--locked", "--package", "parley", "--example", "planted"]);
    command::run(if optimised { cargo.arg("--release") } else { &mut cargo })?;
    let folder = if optimised { "release" } else { "debug" };
    Ok(repository::target().join(folder).join("examples/planted"))
}

/// Compiles what makes the disk slow.
pub(super) fn slow_disk(folder: &Path) -> Outcome<PathBuf> {
    let source = repository::root().join("xtask/src/verdicts/slow_disk.c");
    let library = folder.join("slow_disk.so");
    command::output(Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl"))?;
    Ok(library)
}

/// A folder that everybody may read, and that is removed when it is dropped: the server runs as somebody else.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Outcome<Folder> {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder::private("verdicts")?;
        let opened = std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755));
        opened.map_err(|error| format!("cannot open {}: {error}", folder.display()))?;
        Ok(Folder(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// The running program, with what belongs to its fault. All of it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    process: Child,
    log: PathBuf,
    client: Client,
    _third_party: ThirdParty,
    _server: Option<Mortal>,
    _folder: Folder,
}

impl Stage {
    /// Starts the program on an empty database and makes what is read.
    pub(super) fn start(program: &Path, database: Database, setting: &Setting) -> Outcome<Stage> {
        let folder = Folder::new()?;
        let shim = if setting.disk_ms > 0 { Some(slow_disk(folder.path())?) } else { None };
        let slow = |command: &mut Command| {
            if let Some(shim) = &shim {
                command.env("LD_PRELOAD", shim).env("SLOW_DISK_MS", setting.disk_ms.to_string());
            }
        };
        let server = if database == Database::Postgres { Some(Mortal::start_with(&slow)?) } else { None };
        let url = match &server {
            Some(server) => server.database("planted")?,
            None => format!("sqlite:{}", folder.path().join("planted.db").display()),
        };
        let (third_party, address) =
            (ThirdParty::start(Duration::from_millis(setting.third_party_ms))?, free_address()?);
        let log = folder.path().join("log");
        let mut command = environment(program, &folder, &log, setting)?;
        command.env("SARSEN_DATABASE__URL", url).env("SARSEN_HTTP__LISTEN", address.to_string());
        command.env("SARSEN_MODULES__PLANTED__CONFIG__THIRD_PARTY", third_party.address().to_string());
        if server.is_none() {
            slow(&mut command);
        }
        let process = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let client = Client { address, head: String::new(), channel: String::new() };
        let mut stage = Stage { process, log, client, _third_party: third_party, _server: server, _folder: folder };
        stage.await_ready()?;
        stage.prepare(setting)?;
        Ok(stage)
    }

    fn await_ready(&mut self) -> Outcome<()> {
        let ready = wait::until(READY_LIMIT, || match self.process.try_wait() {
            Ok(None) => self.client.ask("GET", "/readyz", "").ok().filter(|answer| answer.status == 200).map(|_| true),
            _ => Some(false),
        });
        if ready == Some(true) { Ok(()) } else { Err(format!("the program did not get ready; {}", self.last_words())) }
    }

    /// Somebody signs up and makes a channel; messages are put in, indexes taken away.
    fn prepare(&mut self, setting: &Setting) -> Outcome<()> {
        let signed_up = self.client.ask("POST", "/v1/accounts", r#"{"username":"ada","password":"correct horse"}"#)?;
        let cookie = signed_up.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| value.split(';').next().unwrap_or_default().trim().to_owned())
        });
        let cookie = cookie.ok_or_else(|| format!("nobody could sign up: {}", signed_up.body))?;
        self.client.head = format!("cookie: {cookie}\r\n");
        let user = field(&signed_up.body, "id")?;
        let channel = self.told("/v1/channels", &json!({"name": "planted", "kind": "public"}))?;
        self.client.channel = field(&channel, "id")?;
        let fill = json!({"channel": self.client.channel, "author": user, "count": setting.messages});
        self.told("/v1/planted/messages", &fill)?;
        for name in setting.dropped {
            self.told(&format!("/v1/planted/drop/{name}"), &json!({}))?;
        }
        Ok(())
    }

    fn told(&self, path: &str, body: &Value) -> Outcome<String> {
        let answer = self.client.ask("POST", path, &body.to_string())?;
        let well = (200..300).contains(&answer.status);
        if well { Ok(answer.body) } else { Err(format!("{path}: {} {}", answer.status, answer.body)) }
    }

    /// Who uses it.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What the application says of itself: what is slow, and why.
    pub(super) fn why(&self) -> Outcome<Value> {
        let operator = Client { head: format!("authorization: Bearer {TOKEN}\r\n"), ..self.client.clone() };
        let answer = operator.ask("GET", "/ops/api/why?span=10", "")?;
        serde_json::from_str(&answer.body)
            .map_err(|error| format!("/ops/api/why answered {} and no JSON: {error}", answer.status))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(8).collect();
        format!("its log ends:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let asked = command::succeeds(Command::new("kill").args(["-TERM", &self.process.id().to_string()]));
        let ended = || matches!(self.process.try_wait(), Ok(Some(_))).then_some(());
        if !asked || wait::until(STOP_LIMIT, ended).is_none() {
            let _killed = self.process.kill().and_then(|()| self.process.wait());
        }
    }
}

/// Production, as operators run it: the pages are closed but for the token.
fn environment(program: &Path, folder: &Folder, log: &Path, setting: &Setting) -> Outcome<Command> {
    let file = File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let mut command = Command::new(program);
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    command.env("SARSEN_APP__ENVIRONMENT", "production").env("SARSEN_APP__SECRET", TOKEN);
    command.env("SARSEN_OPS__TOKEN", TOKEN).env("SARSEN_LOG__OPERATIONS", "false");
    // Each signing up would take long otherwise, and is not what is looked at.
    command.env("SARSEN_MODULES__ACCOUNTS__CONFIG__PASSWORD_MEMORY_KIB", "64");
    // Nobody gave an address, so nobody gets mail.
    command.env("SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP", "smtp://127.0.0.1:9");
    let number = |value: u32| (value > 0).then(|| value.to_string());
    command.envs(number(setting.connections).map(|value| ("SARSEN_DATABASE__CONNECTIONS", value)));
    command.envs(number(setting.threads).map(|value| ("SARSEN_PROCESS__THREADS", value)));
    if setting.memory_mb > 0 {
        command.env("SARSEN_TELEMETRY__MEMORY_LIMIT", format!("{}MB", setting.memory_mb));
    }
    if setting.disk_ms > 0 {
        command.env("SARSEN_DATABASE__DURABILITY", "full");
    }
    Ok(command)
}

fn field(body: &str, name: &str) -> Outcome<String> {
    let value: Value = serde_json::from_str(body).map_err(|error| format!("no JSON is `{body}`: {error}"))?;
    value[name].as_str().map(str::to_owned).ok_or_else(|| format!("`{body}` has no `{name}`"))
}

fn free_address() -> Outcome<SocketAddr> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(|error| format!("no port is free on the loopback: {error}"))
}
