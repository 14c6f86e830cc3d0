//! `why`: what is slow in the running application, who is to blame, what it is bound by, and what to do.

use super::{ask, print};
use crate::advisor::{Finding, Judgement, Level, judge};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Span;
use crate::error::{Error, Kind, Result};
use crate::insight;
use clap::Args;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::fmt::Write;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct WhyOptions {
    /// Only Operations whose name has this in it: `GET /v1/channels`, `mail.send`
    operation: Option<String>,
    /// Of the last 10s, 1m, 1h …
    #[arg(long, default_value = "1m", value_parser = span)]
    span: Span,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn span(text: &str) -> Result<Span, String> {
    Span::deserialize(StrDeserializer::<ValueError>::new(text)).map_err(|error| error.to_string())
}

/// Asks the running application, and prints what it says.
pub(super) async fn run(app: &App, options: &WhyOptions) -> Result<()> {
    let (judgement, note) = ask_or_read(app, options.span.0).await?;
    let shown = match &options.operation {
        Some(name) => about(judgement, name),
        None => judgement,
    };
    let failed = |error| Error::internal("it cannot be written as JSON").source(error);
    let text = match options.json {
        true => serde_json::to_string_pretty(&shown).map_err(failed)? + "\n",
        false => note + &as_text(&shown, options.operation.is_some()),
    };
    print(&text);
    Ok(())
}

/// What the running application says of itself.
pub(super) async fn ask(app: &App, span: Duration) -> Result<Judgement> {
    ask::ask(app, &format!("/ops/api/why?span={}", span.as_secs().max(1))).await
}

/// What the running application says; where none runs, what follows from what the last one wrote down, with a word about it.
async fn ask_or_read(app: &App, span: Duration) -> Result<(Judgement, String)> {
    let silent = match ask(app, span).await {
        Err(error) if error.kind() == Kind::Unavailable => error,
        answered => return Ok((answered?, String::new())),
    };
    match insight::stored(app.config(), &Clock::real(), span).await {
        Ok(Some(snapshot)) => Ok((judge(&snapshot), format!("{}; this is what it wrote down\n\n", silent.message()))),
        _ => Err(silent),
    }
}

/// What concerns one Operation, or some.
fn about(mut judgement: Judgement, name: &str) -> Judgement {
    let name = name.to_lowercase();
    let concerns = |finding: &Finding| {
        finding.subject().to_lowercase().contains(&name) || finding.culprit.to_lowercase().contains(&name)
    };
    judgement.verdicts.retain(concerns);
    judgement.findings.retain(concerns);
    if let Some(first) = judgement.verdicts.first().or(judgement.findings.first()) {
        judgement.sentence.clone_from(&first.sentence);
    } else {
        judgement.sentence = format!("Nothing is said of `{name}`: it keeps what it promised, or was not seen.");
    }
    judgement
}

/// For people: the sentence, then each verdict, then what else was found. What shows it is written out for one Operation.
fn as_text(judgement: &Judgement, whole: bool) -> String {
    let mut text = format!("{}\n", judgement.sentence);
    for finding in &judgement.verdicts {
        write_finding(&mut text, finding, whole);
    }
    let others: Vec<&Finding> =
        judgement.findings.iter().filter(|finding| whole || finding.level > Level::Note).collect();
    for finding in &others {
        write_finding(&mut text, finding, whole);
    }
    let left = judgement.findings.len() - others.len();
    if left > 0 {
        let _ = writeln!(text, "\nand {left} smaller things: --json shows them, or the name of an Operation");
    }
    text
}

fn write_finding(text: &mut String, finding: &Finding, whole: bool) {
    let seen = format!(
        "{} seen, {:.0} % of their time unknown, {:.2} at any moment",
        finding.count,
        finding.unknown * 100.0,
        finding.impact
    );
    let head = format!("\n{:<4}  {} {}", finding.level.as_str(), finding.word, finding.subject());
    let rule = if finding.rule == "verdict" { String::new() } else { format!("  [{}]", finding.rule) };
    let _ = writeln!(text, "{head}{rule}");
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "      {name:<9}{value}");
        }
    };
    line("culprit", &finding.culprit);
    line("do", &finding.advice);
    line("from", &seen);
    if whole {
        finding.evidence.iter().for_each(|(name, value)| line("", &format!("{name}: {value}")));
        line("samples", &finding.samples.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::Word;
    use crate::telemetry::{Account, Budget, OperationKind, OperationSpan, Over, Snapshot, Sums, WaitKind, ms};

    fn judgement() -> Judgement {
        let time = 300_000_000;
        let mut account = Account { wall: 100 * time, ..Account::default() };
        account.wait[WaitKind::Http as usize] = 100 * time;
        let operation = OperationSpan {
            kind: OperationKind::Request,
            name: "GET /v1/weather".to_owned(),
            all: Sums { count: 100, account, ..Sums::default() },
            p99: time,
            budget: Some(Budget::p99(ms(80))),
            over: Over { time: 100, ..Over::default() },
            ..OperationSpan::default()
        };
        judge(&Snapshot { span: Duration::from_secs(10), operations: vec![operation], ..Snapshot::default() })
    }

    #[test]
    fn people_read_the_sentence_first_and_then_what_to_do() {
        let text = as_text(&judgement(), false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("GET /v1/weather: p99 300 ms of 80 ms; 100 % EXTERNAL"), "{text}");
        assert_eq!(lines[2], "fail  EXTERNAL GET /v1/weather");
        assert_eq!(lines[3], "      culprit  another service");
        assert_eq!(lines[5], "      from     100 seen, 0 % of their time unknown, 3.00 at any moment");
        assert!(as_text(&judgement(), true).contains("where the time goes: EXTERNAL 100 %"));
    }

    #[test]
    fn one_operation_can_be_asked_for() {
        assert_eq!(about(judgement(), "WEATHER").verdicts[0].word, Word::External);
        let other = about(judgement(), "messages");
        assert!(other.verdicts.is_empty() && other.sentence.starts_with("Nothing is said of `messages`"));
    }

    #[test]
    fn a_span_is_written_as_in_the_configuration() {
        assert_eq!(span("5m").expect("is a span").0, Duration::from_secs(300));
        assert!(span("soon").expect_err("is none").contains("30s"));
    }
}
