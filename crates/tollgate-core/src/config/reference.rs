//! The reference of the configuration files, as markdown: `docs/config.md`.

use super::schema;
use serde_json::{Map, Value};
use std::fmt::Write as _;

const HEAD: &str = "\
<!-- Generated from the types of tollgate-core by its tests; `TOLLGATE_BLESS=1 cargo test -p tollgate-core --test \
integration` writes it anew. -->

# Configuration

Three files say what a run does and what it is judged by. All are TOML, and every mistake in them is reported at once, \
before anything is spent. An editor completes and checks them when their first line names the schema: \
`#:schema ../docs/tollgate.schema.json`, `#:schema ../docs/policy.schema.json` and `#:schema ../docs/quarantine.schema.json`.

A duration is a whole number with a unit: `500ms`, `30s`, `5m`, `1h`.
";

/// The reference of every key of the configuration files: type, default, meaning.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for file in [schema::config_file(), schema::policy_file(), schema::quarantine_file()] {
        let title = file["title"].as_str().unwrap_or_default();
        let _ = write!(text, "\n## {title}\n\n{}\n", description(&file));
        table(&mut text, &file, "");
    }
    text
}

/// A table with its keys, then the tables in it.
fn table(text: &mut String, schema: &Value, path: &str) {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let (tables, values): (Vec<_>, Vec<_>) = properties.iter().partition(|(_, schema)| is_table(schema));
    if !values.is_empty() {
        text.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
    }
    for (key, value) in values {
        let required = schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == key));
        let default = if required { "required".to_owned() } else { default(&value["default"]) };
        let _ = writeln!(text, "| `{key}` | {} | {default} | {} |", kind(value), meaning(value));
    }
    for (key, inner) in tables {
        section(text, inner, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
    }
}

fn section(text: &mut String, schema: &Value, path: &str) {
    let open = &schema["additionalProperties"];
    let name = schema["propertyNames"]["title"].as_str().unwrap_or_default();
    if schema["type"] == "array" {
        let _ = write!(text, "\n### `[[{path}]]`\n\n{}\n", description(schema));
        table(text, &schema["items"], path);
    } else if open["type"] == "object" {
        let _ = write!(text, "\n### `[{path}.<{name}>]`\n\n{}\n", description(schema));
        table(text, open, &format!("{path}.<{name}>"));
    } else if open.is_object() {
        let _ = write!(text, "\n### `[{path}]`\n\n{}\n", description(schema));
        let _ = write!(text, "\n| key | type |\n|---|---|\n| `{name}` | {} |\n", kind(open));
    } else {
        let _ = write!(text, "\n### `[{path}]`\n\n{}\n", description(schema));
        table(text, schema, path);
    }
}

/// Whether a value is written as a table of its own.
fn is_table(schema: &Value) -> bool {
    schema["type"] == "object" || (schema["type"] == "array" && schema["items"]["type"] == "object")
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// The description, with what each choice means.
fn meaning(schema: &Value) -> String {
    let choice = |choice: &Value| Some(format!("`{}`: {}", choice["const"].as_str()?, description(choice)));
    let choices = schema["oneOf"].as_array().into_iter().flatten().filter_map(choice);
    std::iter::once(description(schema).to_owned()).chain(choices).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let limits = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    match (schema["type"].as_str(), schema["format"].as_str(), limits) {
        (_, Some("span"), _) => "duration".to_owned(),
        (_, Some("template"), _) => "text with placeholders".to_owned(),
        (_, Some("version-number"), _) => "version".to_owned(),
        (_, Some("package"), _) => "package".to_owned(),
        (_, Some("workspace-path"), _) => "path".to_owned(),
        (_, Some("name"), _) => "name".to_owned(),
        (_, Some("day"), _) => "day".to_owned(),
        (_, Some("test"), _) => "test".to_owned(),
        (Some("array"), ..) => format!("list of {}s", kind(&schema["items"])),
        (Some("object"), ..) => {
            let keys: Vec<&str> =
                schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
            format!("`{{ {} }}`", keys.join(", "))
        }
        (Some("integer"), _, (Some(least), Some(most))) => format!("whole number, {least} to {most}"),
        (Some("integer"), _, (Some(least), None)) if least > 0 => format!("whole number from {least}"),
        (Some("integer"), ..) => "whole number".to_owned(),
        (Some("boolean"), ..) => "true or false".to_owned(),
        _ if schema["oneOf"].is_array() => "choice".to_owned(),
        _ => "text".to_owned(),
    }
}

fn default(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        value => format!("`{value}`"),
    }
}
