//! What a program has inherited from cargo: `cargo run` gives it the variables of `[env]` in the configuration, and those of the
//! change are none of its base's.

use camino::Utf8Path;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The variables that a file of cargo's configuration gives to programs, with their values; none where it can't be read. A value
/// that is `relative` is a path from `directory`, which has the file's `.cargo`.
pub fn cargo_variables(text: &str, directory: &Utf8Path) -> BTreeMap<String, String> {
    let mut table: Table = toml::from_str(text).unwrap_or_default();
    let Some(Value::Table(variables)) = table.remove("env") else { return BTreeMap::new() };
    let value = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Table(mut table) => {
            let is_relative = table.get("relative").and_then(Value::as_bool).unwrap_or(false);
            let Some(Value::String(text)) = table.remove("value") else { return None };
            Some(if is_relative { directory.join(text).into_string() } else { text })
        }
        _ => None,
    };
    variables.into_iter().filter_map(|(name, given)| Some((name, value(given)?))).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_variable_has_its_value_in_every_form_that_cargo_knows() {
        let text = r#"
            build.rustflags = ["-C", "debuginfo=0"]
            [env]
            PLAIN = "1"
            FORCED = { value = "2", force = true }
            HERE = { value = "data/a", relative = true }
            MISTAKEN = 3
        "#;
        let read = cargo_variables(text, "/w".into());
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("FORCED", "2"), ("HERE", "/w/data/a"), ("PLAIN", "1")]);
        for none in ["", "[env", "env = 1"] {
            assert!(cargo_variables(none, "/w".into()).is_empty(), "{none}");
        }
    }
}
