//! Every migration is in the binary.

use super::Problem;
use super::source::{Source, Tree};

/// The name of every `.sql` file of a folder `migrations/` stands in a string of some Rust file beside or below that
/// folder, as `include_str!("migrations/0001_create.sql")` does; or it is named from elsewhere together with its folder,
/// as in the list of the framework's own. One that is forgotten would never run.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let migrations = tree.files().iter().filter_map(|file| Some((file, place(&file.path)?)));
    let forgotten = migrations.filter(|(_, (folder, name))| !tree.rust().any(|file| names(file, folder, name)));
    let problems = forgotten.map(|(file, (folder, name))| {
        let fix = format!("add \"migrations/{name}\" to the module's list of migrations, or remove the file");
        Problem::new(&file.path, 1, format!("no Rust file under {folder} names this migration"), fix)
    });
    problems.collect()
}

/// The folder of the module, with its slash, and the migration's file name.
fn place(path: &str) -> Option<(&str, &str)> {
    let (folder, inside) = path.split_once("migrations/").filter(|_| path.ends_with(".sql"))?;
    let name = inside.rsplit('/').next()?;
    (folder.is_empty() || folder.ends_with('/')).then_some((folder, name))
}

fn names(file: &Source, folder: &str, name: &str) -> bool {
    let last = folder.trim_end_matches('/').rsplit('/').next().filter(|last| !last.is_empty());
    let with_folder = last.is_some_and(|last| file.strings.contains(&format!("../{last}/migrations/{name}")));
    with_folder || file.path.starts_with(folder) && file.strings.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATION: (&str, &str) = ("apps/a/src/m/migrations/0001_create.sql", "CREATE TABLE t (id INTEGER)");

    #[test]
    fn a_migration_that_nothing_names_is_found() {
        let elsewhere = ("apps/a/src/n/mod.rs", "include_str!(\"migrations/0001_create.sql\")");
        let only_said = ("apps/a/src/m/mod.rs", "// migrations/0001_create.sql");
        assert_eq!(check(&Tree::of(&[MIGRATION, elsewhere, only_said])).len(), 1);
    }

    #[test]
    fn a_migration_that_its_module_names_is_right() {
        let module = ("apps/a/src/m/mod.rs", "include_str!(\"migrations/0001_create.sql\")");
        assert_eq!(check(&Tree::of(&[MIGRATION, module, ("docs/a.sql", "")])), []);
        let list = ("apps/a/src/n/mod.rs", "include_str!(\"../m/migrations/0001_create.sql\")");
        assert_eq!(check(&Tree::of(&[MIGRATION, list])), []);
    }
}
