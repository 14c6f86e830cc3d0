//! One process of a peer: bounded in time, ended by its own id, one line of JSON.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::figures::Figure;
use crate::{command, wait};

/// Runs the program to its end and reads its figure; an error is what the peer, or its end, says.
pub(super) fn figure(program: &mut Command, limit: Duration) -> Result<Figure, String> {
    let name = command::shown(program);
    let started = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut process = started.map_err(|error| format!("cannot start `{name}`: {error}"))?;
    let ended = wait::until(limit, || process.try_wait().ok().flatten());
    let Some(status) = ended else {
        end(&mut process);
        return Err(format!("did not end within {limit:?}"));
    };
    // A single line fits into the pipe, so that nobody had to read it meanwhile.
    let mut output = String::new();
    let read = process.stdout.take().map(|mut stdout| stdout.read_to_string(&mut output));
    match (read, output.lines().last()) {
        (Some(Ok(_)), Some(line)) => from_line(line),
        _ => Err(format!("`{name}` ended ({status}) and said nothing")),
    }
}

fn end(process: &mut Child) {
    // It is gone already, or nothing more can be done about it.
    let _killed = process.kill().and_then(|()| process.wait());
}

fn from_line(line: &str) -> Result<Figure, String> {
    let value: Value = serde_json::from_str(line).map_err(|_| format!("said `{line}`, which is no figure"))?;
    if let Some(reason) = value.get("failed").and_then(Value::as_str) {
        return Err(reason.to_owned());
    }
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    match (number("rate"), number("p50"), number("p99")) {
        (Some(rate), _, _) => Ok(Figure::Rate(rate)),
        (_, Some(p50), Some(p99)) => Ok(Figure::Latency { p50, p99 }),
        _ => Err(format!("said `{line}`, which is no figure")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure_or_the_reason_why_there_is_none() {
        assert_eq!(from_line(r#"{"rate":12.5,"ran":7}"#), Ok(Figure::Rate(12.5)));
        assert_eq!(from_line(r#"{"p50":1,"p99":9.5}"#), Ok(Figure::Latency { p50: 1.0, p99: 9.5 }));
        assert_eq!(from_line(r#"{"failed":"stood still"}"#), Err("stood still".to_owned()));
        assert!(from_line("Killed").is_err() && from_line("{}").is_err());
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let hung = figure(Command::new("sleep").arg("600"), Duration::from_millis(50));
        assert_eq!(hung, Err("did not end within 50ms".to_owned()));
    }

    #[test]
    fn a_program_that_says_nothing_is_a_failure() {
        assert!(figure(&mut Command::new("true"), Duration::from_secs(10)).is_err());
    }
}
