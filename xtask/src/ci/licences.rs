//! Every package of the lock file has a licence that `deny.toml` allows.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::spdx;
use crate::{Outcome, command, repository};

const LIST: &str = "deny.toml";

/// Asks cargo-deny where it is installed; else reads the packages' licences here, which leaves bans and sources unchecked.
pub(super) fn check() -> Outcome<()> {
    if command::succeeds(Command::new("cargo-deny").arg("--version")) {
        return command::run(&mut repository::cargo(&["deny", "check", "bans", "licenses", "sources"]));
    }
    let list =
        fs::read_to_string(repository::root().join(LIST)).map_err(|error| format!("cannot read {LIST}: {error}"))?;
    let allowed = allowed(&list);
    let metadata = command::output(&mut repository::cargo(&["metadata", "--locked", "--format-version", "1"]))?;
    let packages = packages(&metadata)?;
    let refused: Vec<String> = packages.iter().filter_map(|package| refusal(package, &allowed)).collect();
    println!("cargo-deny is not installed; read the licences of {} packages here", packages.len());
    if refused.is_empty() {
        return Ok(());
    }
    Err(format!("{}; replace the package, or add the licence to {LIST}", refused.join("; ")))
}

/// A package's name with version, and its licence.
type Package = (String, Option<String>);

fn packages(metadata: &str) -> Outcome<Vec<Package>> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| format!("cannot read `cargo metadata`: {error}"))?;
    let packages =
        metadata["packages"].as_array().ok_or("`cargo metadata` lists no packages; is it a cargo of today?")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let named = packages.iter().map(|package| {
        let name =
            format!("{} {}", package["name"].as_str().unwrap_or("?"), package["version"].as_str().unwrap_or("?"));
        (name, text(&package["license"]))
    });
    Ok(named.collect())
}

fn refusal((name, licence): &Package, allowed: &[String]) -> Option<String> {
    let Some(licence) = licence else { return Some(format!("{name} states no licence")) };
    match spdx::satisfied(licence, |one| allowed.iter().any(|name| name == one)) {
        Some(true) => None,
        Some(false) => Some(format!("{name} has the licence `{licence}`")),
        None => Some(format!("{name} states `{licence}`, which is not an SPDX expression")),
    }
}

/// The strings of `allow = [ … ]` in the section `[licenses]`.
fn allowed(list: &str) -> Vec<String> {
    let section = list.lines().map(str::trim).skip_while(|line| *line != "[licenses]").skip(1);
    let section = section.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    let text = section.collect::<Vec<_>>().join("\n");
    let (_, list) = text.split_once("allow = [").unwrap_or_default();
    let (list, _) = list.split_once(']').unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_from_its_section_only() {
        let list = "[bans]\nallow = [\"x\"]\n[licenses]\nconfidence = 1\nallow = [\n  \"MIT\",\n  # \"GPL-3.0\",\n  \"ISC\", # short\n]\n[sources]\n";
        assert_eq!(allowed(list), ["MIT", "ISC"]);
    }

    #[test]
    fn the_repository_allows_something() {
        assert!(allowed(&fs::read_to_string(repository::root().join(LIST)).unwrap()).contains(&"MIT".to_owned()));
    }

    #[test]
    fn a_package_without_an_allowed_licence_is_refused() {
        let metadata = r#"{"packages": [{"name": "a", "version": "1.0.0", "license": "MIT OR GPL-3.0"},
            {"name": "b", "version": "1.0.0", "license": "GPL-3.0"}, {"name": "c", "version": "1.0.0", "license": null}]}"#;
        let packages = packages(metadata).unwrap();
        let refused: Vec<String> =
            packages.iter().filter_map(|package| refusal(package, &["MIT".to_owned()])).collect();
        assert_eq!(refused, ["b 1.0.0 has the licence `GPL-3.0`", "c 1.0.0 states no licence"]);
    }
}
