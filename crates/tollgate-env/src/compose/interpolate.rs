//! Variables in values: `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${VAR:+other}` and `$$`.

use std::collections::BTreeMap;

/// Puts variables into a text. Names for which `keep` holds stay as they are written.
///
/// # Errors
/// What is wrong, as often as something is.
pub(crate) fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
    keep: &dyn Fn(&str) -> bool,
) -> Result<String, Vec<String>> {
    let mut problems = Vec::new();
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        rest = match expand(rest, variables, keep) {
            Ok((value, rest)) => {
                result.push_str(&value);
                rest
            }
            Err(mistakes) => {
                problems.extend(mistakes);
                behind(rest)
            }
        };
    }
    result.push_str(rest);
    if problems.is_empty() { Ok(result) } else { Err(problems) }
}

/// What follows a broken expression: what is behind its brace or its name.
fn behind(rest: &str) -> &str {
    if rest.starts_with('{') {
        return closing(rest).map_or("", |end| &rest[end + 1..]);
    }
    &rest[name_of(rest).len()..]
}

type Expanded<'a> = Result<(String, &'a str), Vec<String>>;

/// Expands what stands behind a `$`; returns the value and the text behind the expression.
fn expand<'a>(rest: &'a str, variables: &BTreeMap<String, String>, keep: &dyn Fn(&str) -> bool) -> Expanded<'a> {
    if let Some(rest) = rest.strip_prefix('$') {
        return Ok(("$".to_owned(), rest));
    }
    if rest.starts_with('{') {
        let end = closing(rest).ok_or_else(|| vec![format!("`${rest}` has no closing brace")])?;
        let (inside, after) = (&rest[1..end], &rest[end + 1..]);
        return Ok((braced(inside, variables, keep)?, after));
    }
    let name = name_of(rest);
    if name.is_empty() {
        return Err(vec!["a single `$` has no meaning here; write `$$` for the character".to_owned()]);
    }
    let value = variables.get(name).cloned().ok_or_else(|| vec![not_set(name)])?;
    Ok((value, &rest[name.len()..]))
}

/// Position of the brace that closes the one at the start of `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (position, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(position),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn braced(
    inside: &str,
    variables: &BTreeMap<String, String>,
    keep: &dyn Fn(&str) -> bool,
) -> Result<String, Vec<String>> {
    let name = name_of(inside);
    if keep(name) {
        return Ok(format!("${{{inside}}}"));
    }
    let given = variables.get(name);
    let filled = given.filter(|value| !value.is_empty());
    let operator = &inside[name.len()..];
    let (value, operand) = match operator.strip_prefix(':') {
        Some(operand) => (filled, operand),
        None => (given, operator),
    };
    match (name, operand.chars().next()) {
        ("", _) => Err(vec![format!("`${{{inside}}}` names no variable")]),
        (_, None) if operator.is_empty() => given.cloned().ok_or_else(|| vec![not_set(name)]),
        (_, Some('-')) => value.cloned().map_or_else(|| interpolate(&operand[1..], variables, keep), Ok),
        (_, Some('+')) if value.is_some() => interpolate(&operand[1..], variables, keep),
        (_, Some('+')) => Ok(String::new()),
        (_, Some('?')) => {
            value.cloned().ok_or_else(|| vec![format!("variable `{name}` is not set: {}", &operand[1..])])
        }
        _ => Err(vec![format!(
            "`${{{inside}}}` is not understood; known are `${{{name}}}` with `:-`, `-`, `:?`, `?`, `:+`, `+`"
        )]),
    }
}

fn not_set(name: &str) -> String {
    format!("variable `{name}` is not set; give it a default by `${{{name}:-...}}` or set it")
}

/// The variable name that a text begins with.
fn name_of(text: &str) -> &str {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !text.starts_with(first) {
        return "";
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let variables = [("A", "one"), ("EMPTY", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let result = interpolate(text, &BTreeMap::from(variables), &|name| name == "port");
        let result = result.map_err(|problems| problems.join("; "));
        assert_eq!(result.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn variables_are_replaced_in_every_form_compose_knows() {
        check("plain", Ok("plain"));
        check("$A-${A}", Ok("one-one"));
        check("a $$ sign, $${A}", Ok("a $ sign, ${A}"));
        check("${B:-two}/${A:-two}/${EMPTY:-two}/${EMPTY-two}", Ok("two/one/two/"));
        check("${B:-${C:-${A}}}", Ok("one"));
        check("${A:+yes}${B:+yes}${EMPTY+set}", Ok("yesset"));
        check("${A:?needed}", Ok("one"));
        check("127.0.0.1:${port} ${port:8080}", Ok("127.0.0.1:${port} ${port:8080}"));
    }

    #[test]
    fn every_mistake_is_told() {
        check("${B:?give it}", Err("variable `B` is not set: give it"));
        check(
            "$B ${C} ${EMPTY:?full}",
            Err(
                "variable `B` is not set; give it a default by `${B:-...}` or set it; variable `C` is not set; give it a \
                 default by `${C:-...}` or set it; variable `EMPTY` is not set: full",
            ),
        );
        check("${A", Err("`${A` has no closing brace"));
        check("${}", Err("`${}` names no variable"));
        check("cost: 5$", Err("a single `$` has no meaning here; write `$$` for the character"));
        check("${A/x/y}", Err("`${A/x/y}` is not understood; known are `${A}` with `:-`, `-`, `:?`, `?`, `:+`, `+`"));
    }
}
