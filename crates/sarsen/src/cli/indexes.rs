//! `indexes`: which index is missing, by the queries that the running application recorded; and its migration.

use super::{budgets, print};
use crate::advisor::index::{Advice, Proposal, advise, recorded};
use crate::app::App;
use crate::data::{ModuleMigrations, Plan};
use crate::error::{Error, Result};
use clap::Args;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of how long queries are looked at.
const SPAN: Duration = Duration::from_secs(3600);
/// Folders that hold no sources, and how deep sources may lie.
const NO_SOURCES: [&str; 3] = ["target", "node_modules", ".git"];
const DEPTH: usize = 8;

#[derive(Debug, Args)]
pub(super) struct IndexesOptions {
    /// Write them as JSON
    #[arg(long)]
    json: bool,
    /// Write a migration for each into the sources below this folder
    #[arg(long)]
    write: bool,
}

/// Asks the running application which queries it ran, and tries indexes for them on a copy of the tables.
pub(super) async fn run(app: &App, options: &IndexesOptions) -> Result<()> {
    let (snapshot, note) = budgets::running(app, SPAN).await?;
    let texts = recorded(&snapshot);
    let db = super::doctor::connect_to_made(app).await?;
    let advice = advise(&db, &texts).await;
    db.close().await;
    let advice = advice?;
    let failed = |error| Error::internal("it cannot be written as JSON").source(error);
    print(&match options.json {
        true => serde_json::to_string_pretty(&advice).map_err(failed)? + "\n",
        false => note + &as_text(&advice, texts.len()),
    });
    if options.write {
        for proposal in &advice.proposals {
            print(&write(app, proposal, Path::new("."))?);
        }
    }
    Ok(())
}

fn as_text(advice: &Advice, queries: usize) -> String {
    let mut text = match advice.proposals.len() {
        0 => format!("No index is missing for the {queries} queries of the last hour.\n"),
        count => format!("{count} would help the {queries} queries of the last hour; each was tried on a copy.\n"),
    };
    for proposal in &advice.proposals {
        let _ = write!(text, "\n{};\n", proposal.sql);
        for tried in &proposal.queries {
            let _ = writeln!(text, "  for  {}", tried.text);
            write_plan(&mut text, "before", &tried.before);
            write_plan(&mut text, "after", &tried.after);
        }
    }
    for (query, why) in &advice.skipped {
        let _ = write!(text, "\nnot tried: {query}\n  because {why}\n");
    }
    text
}

fn write_plan(text: &mut String, name: &str, plan: &Plan) {
    let took = plan.took.map_or(String::new(), |took| format!(", {took:.1?}"));
    let _ = writeln!(text, "    {name:<6} {:.0} rows, cost {:.0}{took}", plan.rows, plan.cost);
    for line in &plan.lines {
        let _ = writeln!(text, "           {line}");
    }
}

/// Writes the next migration of the module that owns the table; says what it wrote, and which line is to be added.
fn write(app: &App, proposal: &Proposal, sources: &Path) -> Result<String> {
    let table = &proposal.index.table;
    let owner = app
        .migrations_of(table)
        .ok_or_else(|| Error::invalid(format!("no module owns the table `{table}`, so nobody migrates it")))?;
    let folder = folder(&owner, sources).ok_or_else(|| {
        Error::not_found(format!("the sources of module `{}` are not below this folder", owner.module))
            .hint("run it in the folder of the workspace that the application was built from")
    })?;
    let name = format!("{:04}_{}.sql", next_number(&owner), proposal.index.name());
    let queries = proposal.queries.iter().map(|tried| format!("-- {}\n", tried.text)).collect::<String>();
    let file = folder.join(&name);
    std::fs::write(&file, format!("-- For these queries:\n{queries}{};\n", proposal.sql))?;
    let (module, shown) = (owner.module, file.display());
    Ok(format!("wrote {shown}\n  add to sarsen::migrations![…] of module `{module}`: \"migrations/{name}\"\n"))
}

fn next_number(owner: &ModuleMigrations) -> u32 {
    let number = |path: &str| path.rsplit('/').next()?.get(..4)?.parse::<u32>().ok();
    owner.files.iter().filter_map(|(path, _)| number(path)).max().unwrap_or(0) + 1
}

/// The folder in which the files of the module lie, word for word.
fn folder(owner: &ModuleMigrations, sources: &Path) -> Option<PathBuf> {
    let (path, text) = owner.files.last()?;
    let name = Path::new(path).file_name()?;
    let same = |folder: &Path| std::fs::read_to_string(folder.join(name)).is_ok_and(|found| found == *text);
    let mut left = vec![(sources.to_owned(), 0)];
    while let Some((folder, depth)) = left.pop() {
        if folder.ends_with("migrations") && same(&folder) {
            return Some(folder);
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let inner = inner.filter(|entry| !NO_SOURCES.iter().any(|name| entry.file_name() == *name));
        left.extend(inner.filter(|_| depth < DEPTH).map(|entry| (entry.path(), depth + 1)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisor::index::Draft;
    use crate::config::Config;
    use crate::{Declare, Init, Module, NoApi};

    const CREATE: &str = "CREATE TABLE notes (id UUID PRIMARY KEY, writer UUID NOT NULL);";

    #[derive(Debug)]
    struct Notes;

    impl Module for Notes {
        const NAME: &'static str = "notes";
        type Api = NoApi;
        type Deps = ();
        type Config = ();

        fn declare(declare: &mut Declare<Self>) {
            declare.tables(["notes"]).migrations(&[("migrations/0001_create.sql", CREATE)]);
        }

        async fn init(_: Init<Self>) -> Result<Self> {
            Ok(Notes)
        }
    }

    fn proposal() -> Proposal {
        let index = Draft { table: "notes".to_owned(), columns: vec!["writer".to_owned()], predicate: String::new() };
        Proposal { sql: index.sql(), index, queries: Vec::new() }
    }

    #[test]
    fn the_migration_stands_beside_those_of_the_module_that_owns_the_table() {
        let mut app = App::new("hello", "1.0.0", Config::default());
        app.mount::<Notes>(());
        let sources = std::env::temp_dir().join(format!("sarsen-indexes-{}", std::process::id()));
        let (right, wrong) = (sources.join("src/notes/migrations"), sources.join("src/other/migrations"));
        for (folder, text) in [(&right, CREATE), (&wrong, "CREATE TABLE other (id UUID PRIMARY KEY);")] {
            std::fs::create_dir_all(folder).expect("is made");
            std::fs::write(folder.join("0001_create.sql"), text).expect("is written");
        }
        let said = write(&app, &proposal(), &sources).expect("is written");
        assert!(said.contains("of module `notes`: \"migrations/0002_notes_writer.sql\""), "{said}");
        let written = std::fs::read_to_string(right.join("0002_notes_writer.sql")).expect("is there");
        assert!(written.ends_with("CREATE INDEX notes_writer ON notes (writer);\n"), "{written}");
        std::fs::remove_dir_all(&sources).expect("goes");
        let error = write(&app, &proposal(), &sources).expect_err("no sources");
        assert!(error.message().contains("module `notes`"), "{error}");
    }

    #[test]
    fn people_read_the_statement_and_both_plans() {
        let plan = |rows, line: &str| Plan { lines: vec![line.to_owned()], rows, cost: rows, took: None };
        let tried = crate::advisor::index::Tried {
            text: "SELECT id FROM notes WHERE writer = ?".to_owned(),
            before: plan(9000.0, "SCAN notes"),
            after: plan(3.0, "SEARCH notes"),
        };
        let advice = Advice { proposals: vec![Proposal { queries: vec![tried], ..proposal() }], skipped: Vec::new() };
        let text = as_text(&advice, 4);
        assert!(text.contains("\nCREATE INDEX notes_writer ON notes (writer);\n  for  SELECT id"), "{text}");
        assert!(text.contains("before 9000 rows, cost 9000\n           SCAN notes\n    after  3 rows"), "{text}");
        assert!(as_text(&Advice::default(), 4).starts_with("No index is missing for the 4 queries"));
    }
}
