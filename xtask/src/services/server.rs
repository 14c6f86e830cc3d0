//! A server process, with a watchdog that stops it when xtask cannot.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Outcome, wait};

/// A port that was free a moment ago can be taken by another process; then the next one is tried.
const PORT_ATTEMPTS: usize = 5;

/// Waits for the end of its input, which comes when xtask lets go of it or dies, however that happens. Then it stops the
/// process $1 and removes the folder $2. SIGINT is PostgreSQL's fast shutdown and stops Redis in order; what does not obey it within 10 s is killed.
///
/// A number may be taken by another process by then, so it is signalled only while it still works in the folder.
const WATCHDOG: &str = r#"
trap "" INT TERM HUP
cat > /dev/null
runs() {
    [ -e /proc/self/cwd ] || { kill -0 "$1"; return; }
    case "$(readlink "/proc/$1/cwd")" in "$2" | "$2"/*) true ;; *) false ;; esac
}
runs "$1" "$2" && kill -INT "$1"
tries=0
while runs "$1" "$2" && [ "$tries" -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
runs "$1" "$2" && kill -KILL "$1"
rm -rf "$2"
"#;

/// How long the parts of a killed server may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(10);

/// The processes that `parent` started.
fn processes_below(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let below = ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let above = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        above == Some(parent)
    });
    below.collect()
}

/// A running server in a folder of its own; both are gone after the drop.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    watchdog: Child,
    url: String,
}

impl Server {
    /// Starts `command`, which must work in `folder`, and puts the watchdog beside it.
    pub(super) fn start(command: &mut Command, folder: &Path, url: String) -> Outcome<Server> {
        use std::os::unix::process::CommandExt;
        // Groups of their own: ctrl-c is for xtask, and the watchdog then stops the server in order.
        let started = command.stdin(Stdio::null()).process_group(0).spawn();
        let mut process = started.map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let arguments = ["-c", WATCHDOG, "watchdog", &process.id().to_string()];
        let mut watchdog = Command::new("sh");
        watchdog.args(arguments).arg(folder).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null());
        match watchdog.stderr(Stdio::null()).process_group(0).spawn() {
            Ok(watchdog) => Ok(Server { process, watchdog, url }),
            Err(error) => {
                let stopped = process.kill().and_then(|()| process.wait());
                Err(format!("cannot start the watchdog `sh`: {error}; the server was stopped: {stopped:?}"))
            }
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Kills the process, with those that it started, as a crash of the machine's power supply would; the folder stays until
    /// [`Server::dismiss`] or the drop.
    pub(super) fn kill(&mut self) -> Outcome<()> {
        let below = processes_below(self.process.id());
        let killed = self.process.kill().and_then(|()| self.process.wait());
        killed.map_err(|error| format!("cannot kill the server: {error}"))?;
        // Without their parent they end by themselves, but not all at once.
        crate::command::succeeds(Command::new("kill").arg("-KILL").args(below.iter().map(u32::to_string)));
        let gone = || below.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists()).then_some(());
        wait::until(GONE_LIMIT, gone).ok_or_else(|| format!("processes of the server live on: {below:?}"))
    }

    /// Asks the process to stop in order, and waits.
    pub(super) fn stop(&mut self) -> Outcome<()> {
        crate::command::succeeds(Command::new("kill").args(["-INT", &self.process.id().to_string()]));
        self.process.wait().map(drop).map_err(|error| format!("cannot wait for the server: {error}"))
    }

    /// Lets go of a server that has ended and whose folder another uses now.
    pub(super) fn dismiss(mut self) {
        let _ended = self.watchdog.kill().and_then(|()| self.watchdog.wait());
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether the process has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    /// Lets the watchdog do its work, so that there is one way to stop, and waits until it is done.
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // Nothing is left to do about a process that cannot be waited for.
        let _ended = (self.process.wait(), self.watchdog.wait());
    }
}

/// Starts what `attempt` starts on a free port of the loopback.
pub(super) fn some_port(name: &str, mut attempt: impl FnMut(u16) -> Outcome<Server>) -> Outcome<Server> {
    let mut problem = String::new();
    for _ in 0..PORT_ATTEMPTS {
        match attempt(free_port()?) {
            Ok(server) => return Ok(server),
            Err(reason) => problem = reason,
        }
    }
    Err(format!("{name} did not start in {PORT_ATTEMPTS} attempts; the last: {problem}"))
}

pub(super) fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("cannot find a free port on 127.0.0.1: {error}"))
}

/// What a server said last.
pub(super) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    if lines.is_empty() { "(nothing)".to_owned() } else { lines.into_iter().rev().collect::<Vec<_>>().join(" | ") }
}
