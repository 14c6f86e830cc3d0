//! The real binary on a database of its own, a driver for browsers, and people who use the API.

use crate::driver::{Driver, Screen};
use crate::http::{self, Answer};
use crate::process::Process;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Everything a story needs; it ends with this.
pub(crate) struct World {
    server: Process,
    port: u16,
    _driver: Process,
    driver_port: u16,
    chromium: String,
    folder: tempfile::TempDir,
}

impl World {
    /// Starts it; nothing when this machine has no browser to drive.
    pub(crate) fn start() -> Option<World> {
        Self::start_with(&[])
    }

    /// Starts it as it would be in production: nobody is in it, and nothing is open that need not be.
    pub(crate) fn in_production() -> Option<World> {
        Self::start_with(&PRODUCTION)
    }

    fn start_with(variables: &[(&str, &str)]) -> Option<World> {
        let (Ok(driver), Ok(chromium)) =
            (std::env::var("SARSEN_TEST_CHROMEDRIVER"), std::env::var("SARSEN_TEST_CHROMIUM"))
        else {
            let missing = "no SARSEN_TEST_CHROMEDRIVER and SARSEN_TEST_CHROMIUM; `cargo xtask services` sets them";
            assert!(std::env::var("SARSEN_TEST_REQUIRE").as_deref() != Ok("all"), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (driver, driver_port) =
            Process::start(Command::new(driver).arg("--port=0").current_dir(&folder), "successfully on port ");
        let (server, port) = Process::start(server(folder.path()).envs(variables.iter().copied()), "127.0.0.1:");
        Some(World { server, port, _driver: driver, driver_port, chromium, folder })
    }

    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn driver(&self, profile: &Path, screen: Screen) -> Driver {
        Driver::open(self.driver_port, &self.chromium, profile, screen)
    }

    /// What a verb of the program prints, where it runs as in production.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parley"));
        let done = command.args(arguments).envs(PRODUCTION).current_dir(&self.folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// What the server has logged.
    pub(crate) fn said(&self) -> String {
        self.server.said()
    }

    /// Somebody new, who uses the API.
    pub(crate) fn sign_up(&self, username: &str) -> Person {
        let new = json!({"username": username, "password": PASSWORD});
        let answer = http::request(self.port, "POST", "/v1/accounts", "", Some(&new));
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.person(answer)
    }

    /// Somebody of the made-up workspace, who uses the API.
    pub(crate) fn sign_in(&self, username: &str) -> Person {
        let known = json!({"username": username, "password": parley::seed::PASSWORD});
        let answer = http::request(self.port, "POST", "/v1/session", "", Some(&known));
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.person(answer)
    }

    fn person(&self, answer: Answer) -> Person {
        let id = answer.body["id"].as_str().unwrap().to_owned();
        Person { port: self.port, cookie: answer.cookie.expect("a session"), id }
    }
}

/// The password of everybody in the stories.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What production needs to be told.
const PRODUCTION: [(&str, &str); 4] = [
    ("SARSEN_APP__ENVIRONMENT", "production"),
    ("SARSEN_APP__SECRET", "a secret of forty characters for the browser"),
    ("SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP", "smtp://127.0.0.1:9"),
    ("SARSEN_MODULES__WEBHOOKS__CONFIG__ALLOW_PRIVATE", "false"),
];

/// The binary with the made-up workspace, with passwords that are cheap to check, and webhooks that may lead to this
/// machine.
fn server(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parley"));
    command.arg("serve").current_dir(folder);
    command.env("SARSEN_DATABASE__URL", format!("sqlite:{}", folder.join("parley.db").display()));
    command.env("SARSEN_HTTP__LISTEN", "127.0.0.1:0");
    command.env("SARSEN_LOG__OPERATIONS", "false");
    // Shorter than a test waits for anything.
    command.env("SARSEN_REALTIME__PRESENCE_GRACE", "5s");
    command.env("SARSEN_MODULES__ACCOUNTS__CONFIG__PASSWORD_MEMORY_KIB", "64");
    command.env("SARSEN_MODULES__MESSAGES__CONFIG__MAX_FILE", "8MB");
    command.env("SARSEN_MODULES__WEBHOOKS__CONFIG__ALLOW_PRIVATE", "true");
    command
}

/// Somebody who uses the API.
pub(crate) struct Person {
    port: u16,
    cookie: String,
    id: String,
}

impl Person {
    /// Asks for something; gives the status.
    pub(crate) fn get(&self, path: &str) -> u16 {
        http::request(self.port, "GET", path, &format!("cookie: {}\r\n", self.cookie), None).status
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = http::request(self.port, method, path, &format!("cookie: {}\r\n", self.cookie), body);
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        answer.body
    }

    /// Sends something, which has to succeed.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.request("POST", path, Some(body))
    }

    /// The id of a channel that this person has joined.
    pub(crate) fn joined(&self, name: &str) -> String {
        let list = self.request("GET", "/v1/channels", None);
        let found = list["items"].as_array().unwrap().iter().find(|channel| channel["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }

    /// The id of the conversation with another.
    pub(crate) fn direct(&self, other: &Person) -> String {
        self.post("/v1/direct", &json!({"user_ids": [other.id]}))["id"].as_str().unwrap().to_owned()
    }

    /// Makes a public channel; gives its id.
    pub(crate) fn channel(&self, name: &str, topic: &str) -> String {
        let made = self.post("/v1/channels", &json!({"name": name, "topic": topic, "kind": "public"}));
        made["id"].as_str().unwrap().to_owned()
    }

    /// Posts a message; gives its id.
    pub(crate) fn say(&self, channel: &str, text: &str) -> String {
        let posted = self.post(&format!("/v1/channels/{channel}/messages"), &json!({"text": text}));
        posted["id"].as_str().unwrap().to_owned()
    }
}
