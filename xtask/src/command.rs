//! Running other programs, with errors that name them.

use std::process::{Command, ExitStatus, Output, Stdio};

use crate::Outcome;

/// The command line as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs with the terminal of xtask and answers how it ended.
pub(crate) fn status(command: &mut Command) -> Outcome<ExitStatus> {
    command.status().map_err(|error| cannot_start(command, &error))
}

/// Runs with the terminal of xtask; an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status}); its output is above", shown(command))) }
}

/// Runs silently and answers its standard output; an error, with what it printed, unless it succeeds.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if !status.success() {
        return Err(format!("`{}` failed ({status}): {}", shown(command), String::from_utf8_lossy(&stderr).trim()));
    }
    String::from_utf8(stdout).map_err(|error| format!("`{}` printed what is not UTF-8: {error}", shown(command)))
}

/// Whether the command can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().to_string_lossy();
    format!("cannot start `{program}`: {error}; is it installed and in PATH?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_the_command_and_what_it_said() {
        let problem = output(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(problem.contains("sh -c") && problem.contains("broken"), "{problem}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let problem = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(problem.contains("cannot start `no-such-program`"), "{problem}");
        assert!(!succeeds(&mut Command::new("no-such-program")));
    }
}
