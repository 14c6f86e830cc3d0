//! Reads the licence expressions of packages: `MIT OR (Apache-2.0 AND ISC)`.

/// Whether the licences for which `allowed` is true satisfy the expression; `None` when it cannot be read.
///
/// `AND` binds closer than `OR`; the slash of old packages means `OR`; with an exception (`WITH …`) a licence only gives more
/// rights, so the exception needs no permission.
pub(super) fn satisfied(expression: &str, allowed: impl Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = any(&mut rest, &allowed)?;
    rest.is_empty().then_some(answer)
}

fn any(words: &mut &[&str], allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    let mut answer = all(words, allowed)?;
    while take(words, "OR") {
        answer |= all(words, allowed)?;
    }
    Some(answer)
}

fn all(words: &mut &[&str], allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    let mut answer = one(words, allowed)?;
    while take(words, "AND") {
        answer &= one(words, allowed)?;
    }
    Some(answer)
}

fn one(words: &mut &[&str], allowed: &impl Fn(&str) -> bool) -> Option<bool> {
    if take(words, "(") {
        let answer = any(words, allowed)?;
        return take(words, ")").then_some(answer);
    }
    let (licence, rest) = words.split_first().filter(|(word, _)| !["AND", "OR", "WITH", ")"].contains(word))?;
    *words = rest;
    if take(words, "WITH") {
        *words = words.split_first()?.1;
    }
    Some(allowed(licence))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        *words = &words[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_mit_and_isc(expression: &str) -> Option<bool> {
        satisfied(expression, |licence| licence == "MIT" || licence == "ISC")
    }

    #[test]
    fn one_of_or_and_all_of_and() {
        for expression in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "MIT AND ISC",
            "(MIT OR X) AND ISC",
            "MIT WITH E OR X",
            "X AND Y OR MIT",
        ] {
            assert_eq!(with_mit_and_isc(expression), Some(true), "{expression}");
        }
        for expression in ["GPL-3.0", "MIT AND X", "(MIT OR X) AND Y", "X AND (MIT OR ISC)", "X / Y"] {
            assert_eq!(with_mit_and_isc(expression), Some(false), "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_not_guessed() {
        for expression in ["", "MIT OR", "(MIT", "MIT ISC", "AND MIT", "MIT WITH"] {
            assert_eq!(with_mit_and_isc(expression), None, "{expression}");
        }
    }
}
