//! Forms of text: what a string may look like beyond being a string. A schema names one by its `format`.

use super::{quarantine::test_id, template};
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tollgate_model::{Milliseconds, TierName};

/// What is wrong with a text, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// What is wrong.
    pub(super) message: String,
    /// The form it should have.
    pub(super) hint: String,
}

fn misfit(message: impl Into<String>, hint: impl Into<String>) -> Misfit {
    Misfit { message: message.into(), hint: hint.into() }
}

/// A duration above zero, written as a whole number with a unit: `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Span(pub(super) Milliseconds);

const UNITS: [(&str, Milliseconds); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const SPAN_HINT: &str = "a duration is a whole number with a unit, above zero: \"500ms\", \"30s\", \"5m\", \"1h\"";

impl Span {
    /// Reads a duration.
    fn parse(text: &str) -> Result<Self, Misfit> {
        let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        let unit = UNITS.iter().find(|(name, _)| *name == &text[digits.len()..]).map(|(_, factor)| *factor);
        let number = digits.parse::<Milliseconds>().ok();
        match number.zip(unit).and_then(|(number, factor)| number.checked_mul(factor)) {
            Some(0) => Err(misfit(format!("`{text}` is no time at all"), SPAN_HINT)),
            Some(ms) => Ok(Self(ms)),
            None => Err(misfit(format!("`{text}` is not a duration"), SPAN_HINT)),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|misfit| misfit.message)
    }
}

impl From<Span> for String {
    fn from(Span(ms): Span) -> Self {
        let (name, factor) = UNITS.iter().rev().find(|(_, factor)| ms % factor == 0).unwrap_or(&UNITS[0]);
        format!("{}{name}", ms / factor)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        // tollgate: no-mutants(a schema that stands where it is used has no name)
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "span", "pattern": "^[1-9][0-9]*(ms|s|m|h)$" })
    }
}

/// Checks a text against the form that a schema names; forms that are not known here hold for any text.
pub(super) fn check(form: &str, text: &str) -> Result<(), Misfit> {
    match form {
        "span" => Span::parse(text).map(|_| ()),
        "name" => name(text),
        "template" => template::check(text).map_err(|(message, hint)| misfit(message, hint)),
        "variable" => variable(text),
        "version-number" => version(text),
        "program" => program(text),
        "package" => package(text),
        "workspace-path" => path(text),
        "day" => day(text),
        "test" => test(text),
        _ => Ok(()),
    }
}

/// Tiers, stages and services share one rule.
fn name(text: &str) -> Result<(), Misfit> {
    TierName::new(text).map(|_| ()).map_err(|error| misfit(format!("`{text}` is not a valid name"), error.rule))
}

fn variable(text: &str) -> Result<(), Misfit> {
    let fits = text.starts_with(|letter: char| letter.is_ascii_uppercase() || letter == '_')
        && text.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
    if !fits {
        return Err(misfit(
            format!("`{text}` is not the name of an environment variable"),
            "A-Z, 0-9 and `_`, no digit first: DATABASE_URL",
        ));
    }
    if text.starts_with("TOLLGATE_") || text.starts_with("NEXTEST") || text == "LLVM_PROFILE_FILE" {
        return Err(misfit(
            format!("`{text}` is set by the run itself"),
            "names that start with TOLLGATE_ or NEXTEST, and LLVM_PROFILE_FILE, can't be exported",
        ));
    }
    Ok(())
}

fn version(text: &str) -> Result<(), Misfit> {
    let numbers: Vec<&str> = text.split('.').collect();
    let fits = numbers.len() == 3
        && numbers.iter().all(|number| number.parse::<u64>().is_ok_and(|value| value.to_string() == **number));
    let hint = "three numbers, since a range would make two runs use two versions: \"0.9.143\"";
    if fits { Ok(()) } else { Err(misfit(format!("`{text}` is not an exact version"), hint)) }
}

fn program(text: &str) -> Result<(), Misfit> {
    let fits = !text.is_empty() && !text.contains(|letter: char| letter == '/' || letter.is_whitespace());
    let hint = "the name that PATH is searched for: `curl`";
    if fits { Ok(()) } else { Err(misfit(format!("`{text}` is not the name of a program"), hint)) }
}

/// A text that apt-get takes for nothing but a package, which an option, a path or a removal (`curl-`) would be.
fn package(text: &str) -> Result<(), Misfit> {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "+-.".contains(letter);
    let fits = text.len() > 1
        && text.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        && !text.ends_with('-')
        && text.chars().all(inner);
    let hint = "lower case letters, digits, `+`, `-` and `.`, as Debian names packages: \"procps\"";
    if fits { Ok(()) } else { Err(misfit(format!("`{text}` is not the name of a package"), hint)) }
}

fn path(text: &str) -> Result<(), Misfit> {
    let inside = !text.is_empty()
        && !text.starts_with('/')
        && !text.contains('\\')
        && text.split('/').all(|part| part != ".." && part != ".");
    let hint = "a path starts at the root of the workspace and is written with `/`: \"ci/compose.yaml\"";
    if inside { Ok(()) } else { Err(misfit(format!("`{text}` is not a path inside the workspace"), hint)) }
}

fn day(text: &str) -> Result<(), Misfit> {
    let fits = text.parse::<Date>().is_ok_and(|day| day.to_string() == text);
    let hint = "a day is written year, month, day: \"2026-12-01\"";
    if fits { Ok(()) } else { Err(misfit(format!("`{text}` is not a day"), hint)) }
}

fn test(text: &str) -> Result<(), Misfit> {
    let hint = "binary and name, as reports write it: \"identity::integration login::works\"";
    if test_id(text).is_some() { Ok(()) } else { Err(misfit(format!("`{text}` is not a test"), hint)) }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check_all(form: &str, good: &[&str], bad: &[(&str, &str)]) {
        for text in good {
            assert_eq!(check(form, text), Ok(()), "{form} {text}");
        }
        for (text, message) in bad {
            assert_eq!(check(form, text).map_err(|misfit| misfit.message), Err((*message).to_owned()), "{form} {text}");
        }
    }

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit_above_zero() {
        let read = |text: &str| Span::try_from(text.to_owned()).map(|Span(ms)| ms);
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)] {
            assert_eq!(read(text), Ok(ms));
            assert_eq!(String::from(Span(ms)), text);
        }
        let bad = [
            ("0s", "`0s` is no time at all"),
            ("30", "`30` is not a duration"),
            ("s", "`s` is not a duration"),
            ("1.5s", "`1.5s` is not a duration"),
            ("-1s", "`-1s` is not a duration"),
            ("30 s", "`30 s` is not a duration"),
            ("99999999999999999h", "`99999999999999999h` is not a duration"),
            ("30é", "`30é` is not a duration"),
        ];
        check_all("span", &["1ms"], &bad);
    }

    #[test]
    fn other_forms_accept_what_they_are_for_and_nothing_else() {
        check_all("name", &["e2e"], &[("E2E", "`E2E` is not a valid name")]);
        check_all("template", &["${a.host}"], &[("${a}", "`${a}` is not a placeholder")]);
        let variables = [
            ("database_url", "`database_url` is not the name of an environment variable"),
            ("1A", "`1A` is not the name of an environment variable"),
            ("", "`` is not the name of an environment variable"),
            ("TOLLGATE_RUN_DIR", "`TOLLGATE_RUN_DIR` is set by the run itself"),
            ("LLVM_PROFILE_FILE", "`LLVM_PROFILE_FILE` is set by the run itself"),
        ];
        check_all("variable", &["DATABASE_URL", "_A1"], &variables);
        let versions = [
            ("0.9", "`0.9` is not an exact version"),
            ("0.9.x", "`0.9.x` is not an exact version"),
            ("^0.9.1", "`^0.9.1` is not an exact version"),
            ("0.9.+1", "`0.9.+1` is not an exact version"),
        ];
        check_all("version-number", &["0.9.143"], &versions);
        let programs = ["/bin/ps", "p s", ""].map(|text| (text, format!("`{text}` is not the name of a program")));
        check_all("program", &["ps", "g++"], &programs.each_ref().map(|(text, message)| (*text, message.as_str())));
        let packages = ["-y", "a/b", "Curl", "curl-", "c", "", "a b", "a_b"];
        let packages = packages.map(|text| (text, format!("`{text}` is not the name of a package")));
        let names = ["procps", "g++", "libc6-dev", "7zip"];
        check_all("package", &names, &packages.each_ref().map(|(text, message)| (*text, message.as_str())));
        let outside = "is not a path inside the workspace";
        let paths = ["/etc/x", "../x", "a\\b", "a/./b", ""].map(|text| (text, format!("`{text}` {outside}")));
        check_all(
            "workspace-path",
            &["ci/compose.yaml"],
            &paths.each_ref().map(|(text, message)| (*text, message.as_str())),
        );
        let days = ["2026-13-01", "2026-2-1", "20261201", "2026-12-01T00:00", ""];
        let days = days.map(|text| (text, format!("`{text}` is not a day")));
        check_all("day", &["2026-12-01"], &days.each_ref().map(|(text, message)| (*text, message.as_str())));
        check_all(
            "test",
            &["core a::b", "core with space"],
            &[("core", "`core` is not a test"), (" a", "` a` is not a test")],
        );
        check_all("uint32", &["anything"], &[]);
    }
}
