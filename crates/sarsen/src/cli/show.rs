//! What the commands print: plain tables, one line a thing, so that `grep` and `column` work on them.

use crate::app::{App, Route};
use crate::config::Environ;
use crate::data::{MigrationReport, MigrationState};
use crate::error::Result;

/// The configuration, and which variables of the environment had a say in it.
pub(super) fn config(app: &App, environ: &Environ) -> Result<String> {
    let file = app.config().file.as_ref().map_or("none".to_owned(), |file| file.display().to_string());
    let names = environ.iter().map(|(name, _)| name.as_str());
    let speaks = |name: &&str| {
        let own = name.starts_with("SARSEN_") && !name.starts_with("SARSEN_TEST_") && *name != "SARSEN_PROFILE";
        own || ["DATABASE_URL", "PORT"].contains(name)
    };
    let names: Vec<&str> = names.filter(speaks).collect();
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Ok(format!("# profile: {file}\n# from the environment: {names}\n\n{}", app.shown_config()?))
}

pub(super) fn applied(report: &MigrationReport) -> String {
    match report.applied.as_slice() {
        [] => "nothing to apply\n".to_owned(),
        applied => applied.iter().map(|name| format!("applied {name}\n")).collect(),
    }
}

pub(super) fn migrations(states: &[MigrationState]) -> String {
    let row = |state: &MigrationState| {
        let at = state.applied_at.map_or("waits".to_owned(), |at| at.to_string());
        [state.module.clone(), state.name.clone(), at]
    };
    table(["MODULE", "MIGRATION", "APPLIED"], states.iter().map(row))
}

pub(super) fn routes(routes: &[Route]) -> String {
    let row = |route: &Route| [route.method.clone(), route.pattern.clone(), route.module.to_owned()];
    table(["METHOD", "PATTERN", "MODULE"], routes.iter().map(row))
}

pub(super) fn modules(app: &App) -> String {
    let rows = app.modules().map(|module| {
        let calls: Vec<&str> = module.dependencies.iter().map(|on| app.serving(on.api)).collect();
        let http = if module.serves_http { "yes" } else { "no" };
        let listed = |names: &[&str]| if names.is_empty() { "-".to_owned() } else { names.join(",") };
        let methods = module.api.methods.len().to_string();
        [module.name.to_owned(), methods, http.to_owned(), listed(&calls), listed(&module.tables)]
    });
    table(["MODULE", "METHODS", "HTTP", "CALLS", "TABLES"], rows)
}

pub(super) fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let all: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let text = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", text.trim_end())
    };
    all.iter().map(line).collect()
}
