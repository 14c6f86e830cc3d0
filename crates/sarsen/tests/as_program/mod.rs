//! A test whose file is also the program that it tests: run again with a variable set, it is the program.

use sarsen::cli::{self, Program};
use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// Set where the file is the program.
const AS_PROGRAM: &str = "SARSEN_TEST_AS_PROGRAM";

/// What is seen of the program in a folder; the checks of a file run one after another, in the same one.
pub(crate) type Check = fn(&Path);

/// Is the program `P`, or runs the checks.
pub(crate) fn main<P: Program>(checks: &[(&str, Check)]) -> ExitCode {
    if std::env::var_os(AS_PROGRAM).is_some() {
        return cli::main::<P>();
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, check) in checks {
        check(folder.path());
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// The program with these arguments, in nothing but the environment that its file names.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).current_dir(folder).env_clear().env(AS_PROGRAM, "1").env("PORT", "0");
    command.envs(crate::ENVIRONMENT.iter().copied());
    command
}

/// What it printed, when it went well.
pub(crate) fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = output(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// How it failed: exit code and words.
pub(crate) fn failure(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = output(folder, arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// How it ended, and all that it said.
pub(crate) fn output(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().unwrap()
}
