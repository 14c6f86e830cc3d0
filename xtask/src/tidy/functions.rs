//! Finds the functions of a Rust file.

use super::lexer::closing;
use super::source::{Source, is_word};

/// A function with a body, from its `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Every function of a view of code, those inside of others too.
pub(super) fn of(code: &str) -> Vec<Function<'_>> {
    Source::words(code, "fn").filter_map(|start| function(code, start)).collect()
}

/// Whether an offset is in a function of this name.
pub(super) fn holds(code: &str, name: &str, at: usize) -> bool {
    of(code).iter().any(|function| function.name == name && (function.start..function.end).contains(&at))
}

fn function(code: &str, start: usize) -> Option<Function<'_>> {
    let after = &code[start + "fn".len()..];
    let name = after.trim_start();
    let length = name.bytes().position(|byte| !is_word(byte)).unwrap_or(name.len());
    // `fn(u8)` is a type.
    let header = code.len() - name.len() + length;
    let end = closing(code, body(code, header).filter(|_| length > 0)?)?;
    Some(Function { name: &name[..length], start, end })
}

/// Where the body opens; `None` for a declaration, which ends with a semicolon.
fn body(code: &str, header: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(header) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_with_their_extent() {
        let code = "fn a<T>(x: [u8; 2]) -> [u8; 2] where T: Copy { if x { fn b() {} } }\ntrait C { fn d(); }\ntype E = fn(u8) -> u8;";
        let found: Vec<_> = of(code).iter().map(|function| (function.name, function.end)).collect();
        assert_eq!(found, [("a", code.find("\ntrait").unwrap() - 1), ("b", code.find("{} }").unwrap() + 1)]);
    }

    #[test]
    fn a_place_is_in_its_function() {
        let code = "fn connect() { x } fn other() { y }";
        assert!(holds(code, "connect", code.find('x').unwrap()));
        assert!(!holds(code, "connect", code.find('y').unwrap()));
    }
}
