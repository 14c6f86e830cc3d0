//! Finds the programs of the services, and installs them from the distribution where that is possible.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::account;
use super::postgres::Programs;
use crate::{Outcome, command};

const POSTGRES_FOLDERS: &str = "/usr/lib/postgresql";
const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const BROWSER_PACKAGES: &[&str] = &["chromium", "chromium-driver", "fonts-dejavu-core"];
const PROMTOOL: &str = "/usr/bin/promtool";
const PROMETHEUS: &str = "/usr/bin/prometheus";
pub(super) const REDIS: &str = "/usr/bin/redis-server";
/// Debian's switch: with it, a package that brings a server does not start it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The newest PostgreSQL that the distribution has put here, after installing one when there is none.
pub(super) fn postgres() -> Outcome<Programs> {
    if let Some(programs) = newest_postgres(Path::new(POSTGRES_FOLDERS)) {
        return Ok(programs);
    }
    apt(&["postgresql-15"]).or_else(|_| apt(&["postgresql"]))?;
    newest_postgres(Path::new(POSTGRES_FOLDERS))
        .ok_or_else(|| format!("was installed, but {POSTGRES_FOLDERS}/*/bin has no initdb and postgres"))
}

/// The browser and its driver, as the variables that tests read.
pub(super) fn browser() -> Outcome<[(&'static str, String); 2]> {
    let present = || Path::new(CHROMIUM).exists() && Path::new(CHROMEDRIVER).exists();
    if !present() {
        apt(BROWSER_PACKAGES)?;
    }
    if !present() {
        return Err(format!("was installed, but {CHROMIUM} or {CHROMEDRIVER} is not there"));
    }
    Ok([("SARSEN_TEST_CHROMIUM", CHROMIUM.to_owned()), ("SARSEN_TEST_CHROMEDRIVER", CHROMEDRIVER.to_owned())])
}

/// Prometheus and its tool, as the variables that tests read.
pub(super) fn prometheus() -> Outcome<[(&'static str, String); 2]> {
    let present = || Path::new(PROMTOOL).exists() && Path::new(PROMETHEUS).exists();
    if !present() {
        apt(&["prometheus"])?;
    }
    if !present() {
        return Err(format!("was installed, but {PROMTOOL} or {PROMETHEUS} is not there"));
    }
    Ok([("SARSEN_TEST_PROMTOOL", PROMTOOL.to_owned()), ("SARSEN_TEST_PROMETHEUS", PROMETHEUS.to_owned())])
}

/// Redis at the place where the distribution puts it.
pub(super) fn redis() -> Outcome<()> {
    if !Path::new(REDIS).exists() {
        apt(&["redis-server"])?;
    }
    if Path::new(REDIS).exists() { Ok(()) } else { Err(format!("was installed, but {REDIS} is not there")) }
}

/// Node.js and npm, wherever PATH finds them.
pub(crate) fn node() -> Outcome<()> {
    let present = || ["node", "npm"].iter().all(|name| command::succeeds(Command::new(name).arg("--version")));
    if !present() {
        apt(&["nodejs", "npm"])?;
    }
    if present() { Ok(()) } else { Err("was installed, but PATH has no node or no npm".to_owned()) }
}

/// A new environment of Python in a folder of its own.
pub(super) fn python_environment(place: &Path) -> Outcome<()> {
    let make = || command::succeeds(Command::new("python3").args(["-m", "venv"]).arg(place));
    if make() {
        return Ok(());
    }
    apt(&["python3", "python3-venv"])?;
    if make() { Ok(()) } else { Err("was installed, but python3 makes no environment with `-m venv`".to_owned()) }
}

/// Looks only where the distribution's packages put PostgreSQL: what PATH calls `postgres` may be anything.
fn newest_postgres(folders: &Path) -> Option<Programs> {
    let versions = fs::read_dir(folders).ok()?.filter_map(Result::ok);
    let complete = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let bin = entry.path().join("bin");
        ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).is_file()).then_some((version, bin))
    });
    complete.max().map(|(_, bin)| Programs { bin })
}

/// Installs packages as root, or says what somebody else has to install.
fn apt(packages: &[&str]) -> Outcome<()> {
    let wish = format!("install it: apt-get install --no-install-recommends {}", packages.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!(
            "is not installed and this system has no apt-get; {wish} (or what your system calls them)"
        ));
    }
    let root =
        as_root().ok_or_else(|| format!("is not installed and xtask is neither root nor may it sudo; {wish}"))?;
    forbid_starting(&root)?;
    apt_get(&root, &["update"]).map_err(|problem| format!("{problem}; {wish}"))?;
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    apt_get(&root, &install).map_err(|problem| format!("{problem}; {wish}"))
}

fn apt_get(root: &[&str], arguments: &[&str]) -> Outcome<()> {
    let words =
        [root, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"], arguments]
            .concat();
    let mut apt_get = Command::new(words[0]);
    // Its output is news, not the environment that a shell may want to read from standard output.
    command::run(apt_get.args(&words[1..]).stdin(Stdio::null()).stdout(std::io::stderr()))
}

/// The words before a command that make it root's: none when we are root already.
fn as_root() -> Option<Vec<&'static str>> {
    if account::is_root() {
        return Some(Vec::new());
    }
    command::succeeds(Command::new("sudo").args(["-n", "true"])).then(|| vec!["sudo", "-n"])
}

/// Keeps the packages' own servers from starting on their default ports.
fn forbid_starting(root: &[&str]) -> Outcome<()> {
    if Path::new(POLICY).exists() {
        return Ok(());
    }
    let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
    let words = [root, &["sh", "-c", &script]].concat();
    command::run(Command::new(words[0]).args(&words[1..]))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::folder;
    use super::*;

    #[test]
    fn the_newest_complete_postgres_wins() {
        let versions = folder::private("versions").unwrap();
        for version in ["9", "15", "17"] {
            fs::create_dir_all(versions.join(version).join("bin")).unwrap();
        }
        for program in
            ["9/bin/initdb", "9/bin/postgres", "9/bin/psql", "15/bin/initdb", "15/bin/postgres", "15/bin/psql"]
        {
            symlink("/bin/sh", versions.join(program)).unwrap();
        }
        let found = newest_postgres(&versions).map(|programs| programs.bin);
        fs::remove_dir_all(&versions).unwrap();
        assert_eq!(found, Some(versions.join("15/bin")), "17 has no programs, and 9 is older though it sorts last");
    }
}
