//! A module of Parley knows the others by their `api` only: what is open to it is what could move to another process.

use super::source::{Source, Tree};
use super::{Problem, paths};

const ROOT: &str = "apps/parley/src";

/// A file under `apps/parley/src/<module>/` names no `crate::<other module>` but `crate::<other module>::api`. A module is
/// a folder whose `mod.rs` has an `impl … Module for`.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let modules: Vec<&str> =
        tree.rust_under(ROOT).filter(|file| implements_module(file)).filter_map(module_of).collect();
    let files = tree.rust_under(ROOT).filter_map(|file| Some((file, module_of(file)?)));
    let inside = files.filter(|(_, own)| modules.contains(own));
    inside.flat_map(|(file, own)| of_file(file, own, &modules)).collect()
}

fn of_file(file: &Source, own: &str, modules: &[&str]) -> Vec<Problem> {
    let foreign = paths::of(file, ROOT).into_iter().filter(|path| {
        let first = path.segments.first().map_or("", String::as_str);
        first != own && modules.contains(&first) && path.segments.get(1).is_none_or(|second| second != "api")
    });
    let problems = foreign.map(|path| {
        let other = &path.segments[0];
        let what = format!(
            "`{own}` reaches into `{other}` (`crate::{}`); only `{other}::api` is open to it",
            path.segments.join("::")
        );
        let fix = format!("add what is needed to the api of `{other}`, or listen to its events");
        Problem::new(&file.path, file.line(path.at), what, fix)
    });
    problems.collect()
}

/// The folder directly under the root.
fn module_of(file: &Source) -> Option<&str> {
    let (folder, _) = file.path.strip_prefix(ROOT)?.strip_prefix('/')?.split_once('/')?;
    Some(folder)
}

fn implements_module(file: &Source) -> bool {
    let is_root = file.path.ends_with("/mod.rs") && file.path.matches('/').count() == ROOT.matches('/').count() + 2;
    let mut headers =
        Source::words(&file.code, "impl").filter_map(|at| file.code[at..].split_once('{')).map(|(head, _)| head);
    is_root && headers.any(|head| head.split_whitespace().collect::<Vec<_>>().join(" ").contains("Module for "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: (&str, &str) = ("apps/parley/src/accounts/mod.rs", "impl sarsen::Module for Module {}");
    const MESSAGES: &str = "impl sarsen::Module\n    for Module {}\n";

    fn whats(path: &str, code: &str) -> Vec<String> {
        let messages = ("apps/parley/src/messages/mod.rs", MESSAGES);
        let files =
            if path == messages.0 { vec![ACCOUNTS, (path, code)] } else { vec![ACCOUNTS, messages, (path, code)] };
        check(&Tree::of(&files)).into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn reaching_into_another_module_is_found() {
        let found = whats("apps/parley/src/messages/http.rs", "use crate::accounts::{api::User, store::Users};");
        let expected =
            "`messages` reaches into `accounts` (`crate::accounts::store::Users`); only `accounts::api` is open to it";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn the_way_around_by_super_or_by_the_module_itself_is_found() {
        let code = format!("{MESSAGES} use super::accounts::Config; use crate::accounts;");
        assert_eq!(whats("apps/parley/src/messages/mod.rs", &code).len(), 2);
    }

    #[test]
    fn the_api_the_own_module_and_what_is_no_module_are_open() {
        let code = "use crate::accounts::api::{self, Accounts}; use crate::messages::store; use crate::pages::page;";
        assert_eq!(whats("apps/parley/src/messages/http.rs", code), [""; 0]);
        assert_eq!(whats("apps/parley/src/main.rs", "use crate::accounts::Module;"), [""; 0]);
    }
}
