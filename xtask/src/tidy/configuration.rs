//! Every key of the configuration is documented.

use super::Problem;
use super::source::{Source, Tree};

const DOCS: &str = "docs/configuration.md";

/// A key as the code has it.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    section: String,
    name: String,
    line: usize,
}

/// Every key of `crates/sarsen/src/config.rs` (or of the files of `config/`) is in `docs/configuration.md`.
///
/// The convention, by text and without a parser: a struct is a section when its doc comment says "Section `[http]`"; each
/// field that starts a line with `pub name:` until the closing brace at the line's start is the key `http.name`. A line with
/// `#[serde(skip)]`, `skip_deserializing` or `#[serde(flatten)]` above a field leaves it out, `rename = "x"` in an attribute above gives it that
/// name, and a field that has a section of its own (`limits` in `[http]` beside a section `[http.limits]`) needs no words.
/// The docs have a heading that contains `[http]`, and below it, before the next heading of its level or higher, the key in
/// backticks: `` `name` `` or `` `name = 3` ``.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let sources: Vec<&Source> = tree.rust_under("crates/sarsen/src/config").collect();
    let keys: Vec<(&Source, Key)> =
        sources.iter().flat_map(|file| keys(&file.text).into_iter().map(|key| (*file, key))).collect();
    let Some(docs) = tree.find(DOCS) else {
        return vec![Problem::new(
            DOCS,
            1,
            "the configuration has no documentation",
            "write the file: a heading for each section",
        )];
    };
    if let (Some(file), true) = (sources.first(), keys.is_empty()) {
        let fix = "say \"Section `[name]`\" in the doc comment of the struct of each section";
        return vec![Problem::new(&file.path, 1, "no struct says which section of the configuration it is", fix)];
    }
    let sections: Vec<&str> = keys.iter().map(|(_, key)| key.section.as_str()).collect();
    let told = keys.iter().filter(|(_, key)| !sections.contains(&format!("{}.{}", key.section, key.name).as_str()));
    told.filter_map(|(file, key)| undocumented(file, key, &docs.text)).collect()
}

fn undocumented(file: &Source, key: &Key, docs: &str) -> Option<Problem> {
    let Key { section, name, line } = key;
    let missing = match below_heading(docs, section) {
        None => format!("{DOCS} has no heading for the section `[{section}]`"),
        Some(text) if !mentions(&text, name) => {
            format!("{DOCS} does not mention `{name}` below the heading `[{section}]`")
        }
        Some(_) => return None,
    };
    let fix = format!("write there what `{name}` does, its default and its limits");
    Some(Problem::new(&file.path, *line, missing, fix))
}

/// The keys of every struct that says its section.
fn keys(text: &str) -> Vec<Key> {
    let (mut keys, mut section, mut attributes) = (Vec::new(), None, String::new());
    let mut inside = false;
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim();
        if let Some(named) = trimmed.strip_prefix("///").and_then(section_of) {
            section = Some(named);
        } else if line.starts_with('}') {
            (section, inside) = (None, false);
        } else if trimmed.starts_with("#[") {
            attributes.push_str(trimmed);
        } else if declares_struct(trimmed) {
            (inside, attributes) = (section.is_some(), String::new());
        } else if let Some(name) = trimmed.strip_prefix("pub ").and_then(field).filter(|_| inside) {
            let name = key_name(name, &std::mem::take(&mut attributes));
            keys.extend(name.zip(section.clone()).map(|(name, section)| Key { section, name, line: number }));
        }
    }
    keys
}

/// `http` of "Section `[http]`".
fn section_of(comment: &str) -> Option<String> {
    let (_, rest) = comment.split_once("Section `[")?;
    rest.split_once("]`").map(|(section, _)| section.to_owned())
}

fn declares_struct(line: &str) -> bool {
    ["pub struct ", "pub(crate) struct ", "struct "].iter().any(|start| line.starts_with(start))
}

fn field(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let is_name = name.chars().all(|character| character.is_alphanumeric() || character == '_' || character == '#');
    is_name.then(|| name.trim_start_matches("r#"))
}

/// The name in the configuration; `None` when serde leaves the field out.
fn key_name(field: &str, attributes: &str) -> Option<String> {
    if ["(skip)", "(skip,", "skip_deserializing", "flatten"].iter().any(|word| attributes.contains(word)) {
        return None;
    }
    let renamed = attributes.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"'));
    Some(renamed.map_or(field, |(name, _)| name).to_owned())
}

/// What stands below the heading with `[section]`, down to the next heading of its level or higher.
fn below_heading(docs: &str, section: &str) -> Option<String> {
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let mut lines = docs.lines().skip_while(|line| level(line) == 0 || !line.contains(&format!("[{section}]")));
    let heading = level(lines.next()?);
    let mut fenced = false;
    let below = lines.take_while(|line| {
        fenced ^= line.trim_start().starts_with("```");
        fenced || level(line) == 0 || level(line) > heading
    });
    Some(below.collect::<Vec<_>>().join("\n"))
}

fn mentions(text: &str, name: &str) -> bool {
    ["`", " ", "="].iter().any(|end| text.contains(&format!("`{name}{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "/// Other.\npub struct Other {\n    pub not_a_key: u8,\n}\n\n/// What listens. Section `[http]`.\n#[derive(Debug)]\n#[serde(default)]\npub struct Http {\n    /// Where.\n    pub listen: String,\n    #[serde(rename = \"type\", skip_serializing_if = \"x\")]\n    pub kind: String,\n    #[serde(skip, default)]\n    pub internal: u8,\n    pub limits: Limits,\n}\n\n/// Section `[http.limits]`.\npub struct Limits {\n    pub body: u64,\n}\n";

    fn whats(docs: Option<&str>) -> Vec<String> {
        let mut files = vec![("crates/sarsen/src/config.rs", CODE)];
        files.extend(docs.map(|docs| (DOCS, docs)));
        check(&Tree::of(&files)).into_iter().map(|problem| format!("{} {}", problem.line, problem.what)).collect()
    }

    #[test]
    fn complete_docs_are_right() {
        let docs = "# Configuration\n## `[http]`\n`listen` is where.\n```toml\n# note\n```\n`type = \"x\"`\n### `[http.limits]`\n`body`\n";
        assert_eq!(whats(Some(docs)), [""; 0]);
    }

    #[test]
    fn a_missing_key_is_found_even_when_another_section_has_it() {
        let docs = "## [http]\n`listen`\n## [http.limits]\n`body` `type`\n";
        assert_eq!(whats(Some(docs)), ["13 docs/configuration.md does not mention `type` below the heading `[http]`"]);
    }

    #[test]
    fn a_missing_section_is_found() {
        let found = whats(Some("## [http]\n`listen` `type`\n"));
        assert_eq!(found, ["21 docs/configuration.md has no heading for the section `[http.limits]`"]);
    }

    #[test]
    fn missing_docs_and_missing_sections_in_the_code_are_found() {
        assert_eq!(whats(None), ["1 the configuration has no documentation"]);
        let tree = Tree::of(&[("crates/sarsen/src/config.rs", "pub struct A {}"), (DOCS, "")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
