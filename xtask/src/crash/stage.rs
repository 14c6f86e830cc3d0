//! The processes that are killed: a web, two workers, and the database that they share.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::Database;
use super::plan::Point;
use crate::services::{Mortal, folder};
use crate::{Outcome, command, repository, wait};

/// How long a process may take to end in order, and to place its first order.
const END_LIMIT: Duration = Duration::from_secs(30);
const BEGIN_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take until the next order is placed, where those before it are worked off first.
const WORK_LIMIT: Duration = Duration::from_secs(5);
/// Quick beats, so that a run takes seconds.
const SETTINGS: &[(&str, &str)] = &[
    ("SARSEN_JOBS__BEAT", "200ms"),
    ("SARSEN_JOBS__DEAD_AFTER", "1s"),
    ("SARSEN_JOBS__POLL", "200ms"),
    ("SARSEN_JOBS__CONCURRENCY", "20"),
    // Everything that may be is taken in a bundle.
    ("SARSEN_JOBS__BUNDLE", "1"),
    ("SARSEN_DATABASE__CONNECTIONS", "8"),
    ("SARSEN_HTTP__LISTEN", "127.0.0.1:0"),
    ("SARSEN_APP__ENVIRONMENT", "test"),
    ("SARSEN_LOG__OPERATIONS", "false"),
    ("SARSEN_LOG__LEVEL", "warn"),
    ("SARSEN_LOG__FORMAT", "json"),
];

/// Builds the program that is killed.
pub(super) fn build() -> Outcome<PathBuf> {
    command::run(&mut repository::cargo(&["build", "--locked", "--package", "sarsen", "--example", "crash"]))?;
    Ok(repository::target().join("debug/examples/crash"))
}

/// The points that the program names.
pub(super) fn points(program: &Path) -> Outcome<Vec<Point>> {
    let listed = command::output(Command::new(program).arg("faults"))?;
    let point = |line: &str| {
        let (name, role) = line.split_once(' ')?;
        Some(Point { name: name.to_owned(), role: role.to_owned() })
    };
    Ok(listed.lines().filter_map(point).collect())
}

/// What the program found in the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked {
    pub(super) orders: u64,
    pub(super) effects: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) missed: u64,
    pub(super) disordered: u64,
    pub(super) words: Vec<String>,
}

impl Checked {
    /// Whether nothing is lost, doubled, missed or out of order.
    pub(super) fn is_sound(&self) -> bool {
        self.lost + self.doubled + self.missed + self.disordered == 0
    }

    fn read(line: &str) -> Outcome<Checked> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("no report is `{line}`: {error}"))?;
        let count = |name: &str| value[name].as_u64().unwrap_or(u64::MAX);
        let words = value["words"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Checked {
            orders: count("orders"),
            effects: count("effects"),
            lost: count("lost"),
            doubled: count("doubled"),
            missed: count("missed"),
            disordered: count("disordered"),
            words: words.map(str::to_owned).collect(),
        })
    }
}

/// Lets the processes work.
pub(super) fn pause(milliseconds: u64) {
    let _nothing = wait::until(Duration::from_millis(milliseconds), || None::<()>);
}

/// The places of the processes.
const WEB: usize = 0;
const WORKERS: [usize; 2] = [1, 2];

/// The processes and their database. All end, and what they wrote is removed, when this is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    program: PathBuf,
    folder: PathBuf,
    server: Option<Mortal>,
    url: String,
    group: usize,
    processes: Vec<Option<Child>>,
    exited: usize,
    /// Whether the group at hand has not ended well: what it left is kept for whoever looks into it.
    doubtful: bool,
}

impl Stage {
    /// A folder, and a server where the database is one.
    pub(super) fn new(program: &Path, database: Database) -> Outcome<Stage> {
        let server = if database == Database::Postgres { Some(Mortal::start()?) } else { None };
        let (program, folder) = (program.to_owned(), folder::private("crash")?);
        let processes = vec![None, None, None];
        Ok(Stage { program, folder, server, url: String::new(), group: 0, processes, exited: 0, doubtful: false })
    }

    /// Starts all on an empty database, and waits until the first order is placed.
    pub(super) fn begin(&mut self) -> Outcome<()> {
        self.group += 1;
        self.exited = 0;
        self.doubtful = true;
        self.url = match &self.server {
            Some(server) => server.database(&format!("crash_{}", self.group))?,
            None => format!("sqlite:{}", self.folder.join(format!("crash_{}.db", self.group)).display()),
        };
        for place in 0..self.processes.len() {
            self.start(place, None)?;
        }
        let placed = self.next_order(0, BEGIN_LIMIT);
        if placed { Ok(()) } else { Err(format!("nothing was placed; {}", self.last_words())) }
    }

    /// How much was acknowledged so far.
    fn acknowledged_bytes(&self) -> u64 {
        std::fs::metadata(self.acknowledged()).map_or(0, |file| file.len())
    }

    fn next_order(&self, after: u64, limit: Duration) -> bool {
        wait::until(limit, || (self.acknowledged_bytes() > after).then_some(())).is_some()
    }

    /// Waits until work goes on: a process that has not begun is not worth killing. Should it not go on, it is killed anyway.
    pub(super) fn await_work(&self) {
        let _goes_on = self.next_order(self.acknowledged_bytes(), WORK_LIMIT);
    }

    fn acknowledged(&self) -> PathBuf {
        self.folder.join(format!("acknowledged_{}", self.group))
    }

    /// The log of a process that ran at this place, for people who look into a failure.
    fn last_words(&self) -> String {
        let tail = |place: usize| {
            let text = std::fs::read_to_string(self.folder.join(format!("log_{place}"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(8).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("the logs end:\n{}\n--\n{}\n--\n{}", tail(0), tail(1), tail(2))
    }

    fn command(&self, log: &str) -> Outcome<Command> {
        let path = self.folder.join(log);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).envs(SETTINGS.iter().copied()).env("SARSEN_DATABASE__URL", &self.url);
        command.env("SARSEN_APP__SECRET", "only for crash tests, but long enough for them");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(command)
    }

    fn start(&mut self, place: usize, fault: Option<&str>) -> Outcome<()> {
        let mut command = self.command(&format!("log_{place}"))?;
        if place == WEB {
            command.arg("web").arg(self.acknowledged());
        } else {
            command.arg("worker");
        }
        // The program ends with its input, which ends with xtask, whatever ends that.
        command.stdin(Stdio::piped());
        command.env_remove("SARSEN_TEST_FAULT").envs(fault.map(|fault| ("SARSEN_TEST_FAULT", fault)));
        let started = command.spawn().map_err(|error| format!("cannot start the program: {error}"))?;
        self.processes[place] = Some(started);
        Ok(())
    }

    /// Kills a process as `kill -9` does.
    fn kill(&mut self, place: usize) -> Outcome<()> {
        let Some(mut process) = self.processes[place].take() else { return Ok(()) };
        if let Ok(Some(_)) = process.try_wait() {
            self.exited += 1;
        }
        let killed = process.kill().and_then(|()| process.wait());
        killed.map(drop).map_err(|error| format!("cannot kill a process: {error}"))
    }

    pub(super) fn kill_worker(&mut self, which: usize) -> Outcome<()> {
        let place = WORKERS[which % WORKERS.len()];
        self.kill(place)?;
        self.start(place, None)
    }

    pub(super) fn kill_web(&mut self) -> Outcome<()> {
        self.kill(WEB)?;
        self.start(WEB, None)
    }

    /// Kills the server, and starts it again after `milliseconds`.
    pub(super) fn kill_server(&mut self, milliseconds: u64) -> Outcome<()> {
        self.server.as_mut().map_or(Ok(()), Mortal::kill)?;
        pause(milliseconds);
        self.server.as_mut().map_or(Ok(()), Mortal::start_again)
    }

    /// Lets a process run until it dies at the point; false when it does not.
    pub(super) fn kill_at(&mut self, point: &Point, fault: &str, limit: Duration) -> Outcome<bool> {
        let place = if point.role == "web" { WEB } else { WORKERS[0] };
        self.kill(place)?;
        self.start(place, Some(fault))?;
        if point.is_rescue() {
            pause(700);
            self.kill(WORKERS[1])?;
        }
        let died = wait::until(limit, || self.has_died(place));
        self.kill(place)?;
        self.start(place, None)?;
        if point.is_rescue() {
            self.start(WORKERS[1], None)?;
        }
        Ok(died == Some(true))
    }

    /// Whether it has ended, and if so, by SIGKILL, which nobody but itself has sent.
    fn has_died(&mut self, place: usize) -> Option<bool> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.processes[place].as_mut()?.try_wait().ok()??;
        self.processes[place] = None;
        Some(status.signal() == Some(9))
    }

    /// Starts again what has ended by itself, which it should not have.
    pub(super) fn tend(&mut self) -> Outcome<()> {
        for place in 0..self.processes.len() {
            let ended = self.processes[place].as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)));
            if ended {
                self.exited += 1;
                let words = self.last_words();
                if words.contains("is damaged") {
                    return Err(format!("process {place} found the database damaged; {words}"));
                }
                eprintln!("process {place} has ended by itself; {words}");
                self.start(place, None)?;
            }
        }
        Ok(())
    }

    /// Takes the database away for so long.
    pub(super) fn take_away(&mut self, time: Duration) -> Outcome<()> {
        if let Some(server) = &mut self.server {
            server.stop()?;
            let _nothing = wait::until(time, || None::<()>);
            return server.start_again();
        }
        let mut hold = self.command("log_hold")?;
        command::run(hold.args(["hold", &time.as_secs().to_string()]))
    }

    /// Lets no more orders be placed, lets all be done, and looks; also gives how many processes ended by themselves.
    pub(super) fn finish(&mut self) -> Outcome<(Checked, usize)> {
        self.tend()?;
        self.end(WEB)?;
        let mut check = self.command("log_check")?;
        let line =
            command::output(check.arg("check").arg(self.acknowledged()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let checked = Checked::read(line?.trim())?;
        self.count_exited();
        WORKERS.iter().try_for_each(|place| self.end(*place))?;
        self.doubtful = !checked.is_sound() || self.exited > 0;
        if self.server.is_none() && !self.doubtful {
            for ending in ["db", "db-wal", "db-shm"] {
                let _absent = std::fs::remove_file(self.folder.join(format!("crash_{}.{ending}", self.group)));
            }
        }
        Ok((checked, self.exited))
    }

    fn count_exited(&mut self) {
        for place in WORKERS {
            let process = self.processes[place].as_mut();
            self.exited += usize::from(process.is_none_or(|process| !matches!(process.try_wait(), Ok(None))));
        }
    }

    /// Asks a process to stop, and waits until it has.
    fn end(&mut self, place: usize) -> Outcome<()> {
        let Some(mut process) = self.processes[place].take() else { return Ok(()) };
        command::succeeds(Command::new("kill").args(["-TERM", &process.id().to_string()]));
        let ended = wait::until(END_LIMIT, || matches!(process.try_wait(), Ok(Some(_))).then_some(()));
        if ended.is_none() {
            eprintln!("process {place} does not stop in order, and is killed");
            let _killed = process.kill().and_then(|()| process.wait());
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().flatten() {
            let _killed = process.kill().and_then(|()| process.wait());
        }
        if self.doubtful && self.server.is_none() {
            eprintln!("the database and the logs of the processes are kept in {}", self.folder.display());
            return;
        }
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}
