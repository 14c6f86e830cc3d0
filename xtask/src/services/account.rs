//! Who runs the servers: this user, or for root the account `postgres`, because PostgreSQL refuses root.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, command};

const UNPRIVILEGED: &str = "postgres";

/// The user a server runs as.
#[derive(Debug)]
pub(super) struct Account {
    name: String,
    switch: bool,
}

impl Account {
    /// The account for this process, created when root has none to use.
    pub(super) fn choose() -> Outcome<Account> {
        if !is_root() {
            let name = command::output(Command::new("id").arg("-un"))?.trim().to_owned();
            return Ok(Account { name, switch: false });
        }
        if !command::succeeds(Command::new("id").arg(UNPRIVILEGED)) {
            let options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"];
            command::output(Command::new("useradd").args(options).arg(UNPRIVILEGED))?;
        }
        Ok(Account { name: UNPRIVILEGED.to_owned(), switch: true })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs as this account; its process id is the program's own.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        if !self.switch {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        let user = [format!("--reuid={}", self.name), format!("--regid={}", self.name)];
        command.args(user).args(["--init-groups", "--"]).arg(program);
        command
    }

    /// Gives the account a folder and all that is in it.
    pub(super) fn own(&self, folder: &Path) -> Outcome<()> {
        if !self.switch {
            return Ok(());
        }
        let owner = format!("{0}:{0}", self.name);
        command::output(Command::new("chown").args(["-R", &owner]).arg(folder)).map(|_| ())
    }
}

pub(super) fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0")
}
