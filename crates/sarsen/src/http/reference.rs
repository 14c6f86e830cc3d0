//! Finds where one static file names another, and puts another address there.

/// Longest reference that is looked for.
const MAX_LENGTH: usize = 200;

/// Replaces each reference in `text`, the file at `path`, for which `address` knows one.
///
/// A reference is a quoted text, or what stands in `url(…)`. Modules name each other by `./` or `../`; pages and styles
/// may leave it out. No parser is needed: only what is exactly the name of a known file is touched.
pub(super) fn rewrite<'a>(path: &str, text: &str, mut address: impl FnMut(&str) -> Option<&'a str>) -> String {
    let module = path.ends_with("js");
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut done = String::with_capacity(text.len() + 1024);
    let mut rest = text;
    while let Some(start) = rest.find(['"', '\'', '(']) {
        let (before, after) = rest.split_at(start + 1);
        done.push_str(before);
        rest = after;
        let Some(reference) = candidate(before, after) else { continue };
        let (name, ending) = reference.split_at(reference.find(['#', '?']).unwrap_or(reference.len()));
        let Some(name) = resolve(folder, name, module) else { continue };
        if let Some(address) = address(&name) {
            done.push_str(address);
            done.push_str(ending);
            rest = &after[reference.len()..];
        }
    }
    done.push_str(rest);
    done
}

/// The text up to the mark that ends what was just opened.
fn candidate<'t>(before: &str, after: &'t str) -> Option<&'t str> {
    let end = match before.as_bytes().last()? {
        b'(' if before.ends_with("url(") => ')',
        b'(' => return None,
        quote => char::from(*quote),
    };
    let length = after.find([end, '\n']).filter(|length| (1..=MAX_LENGTH).contains(length))?;
    after[length..].starts_with(end).then(|| &after[..length])
}

/// The name of the file that `reference` means in a file of `folder`.
fn resolve(folder: &str, reference: &str, module: bool) -> Option<String> {
    if let Some(name) = reference.strip_prefix("/assets/") {
        return Some(name.to_owned());
    }
    let relative = reference.starts_with("./") || reference.starts_with("../");
    if reference.starts_with('/') || (module && !relative) || reference.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in reference.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(path: &str, text: &str) -> String {
        rewrite(path, text, |name| match name {
            "a.js" => Some("/assets/a.1.js"),
            "img/b.svg" => Some("/assets/img/b.2.svg"),
            _ => None,
        })
    }

    #[test]
    fn references_are_found_as_each_kind_of_file_writes_them() {
        let module = r#"import { x } from "./a.js"; // don't touch "a.js"
            const lazy = import('./a.js'); f("./other.js");"#;
        let expected = r#"import { x } from "/assets/a.1.js"; // don't touch "a.js"
            const lazy = import('/assets/a.1.js'); f("./other.js");"#;
        assert_eq!(rewritten("main.js", module), expected);
        assert_eq!(rewritten("sub/c.js", "import \"../a.js\""), "import \"/assets/a.1.js\"");
        assert_eq!(
            rewritten("x.css", "a{b:url(img/b.svg#i)} c{d:url('./img/b.svg')}"),
            "a{b:url(/assets/img/b.2.svg#i)} c{d:url('/assets/img/b.2.svg')}"
        );
        assert_eq!(
            rewritten("index.html", r#"<script src="/assets/a.js"></script><img src="img/b.svg">"#),
            r#"<script src="/assets/a.1.js"></script><img src="/assets/img/b.2.svg">"#
        );
        assert_eq!(rewritten("x.js", "\"../../a.js\" 'ü"), "\"../../a.js\" 'ü");
    }
}
