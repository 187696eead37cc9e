//! JSON Schemas of the configuration files.

use super::file::{File, PolicyFile};
use super::quarantine::QuarantineFile;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The JSON Schema of `ci/tollgate.toml`, as text: `docs/tollgate.schema.json`.
pub fn schema() -> String {
    text(&config_file())
}

/// The JSON Schema of `coverage/policy.toml`, as text: `docs/policy.schema.json`.
pub fn policy_schema() -> String {
    text(&policy_file())
}

/// The JSON Schema of `ci/quarantine.toml`, as text: `docs/quarantine.schema.json`.
pub fn quarantine_schema() -> String {
    text(&quarantine_file())
}

/// The schema of `ci/tollgate.toml`.
pub(super) fn config_file() -> Value {
    schema_of::<File>()
}

/// The schema of `coverage/policy.toml`.
pub(super) fn policy_file() -> Value {
    schema_of::<PolicyFile>()
}

/// The schema of `ci/quarantine.toml`.
pub(super) fn quarantine_file() -> Value {
    schema_of::<QuarantineFile>()
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Inlined: there is no recursion, and neither a reader nor the walk has to follow references.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

/// Removes `null`, which TOML can't write, and number formats of Rust; joins the lines of descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for key in ["anyOf", "oneOf"] {
                without_null(object, key);
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            object.retain(|key, value| !(key == "default" && value.is_null() || key == "format" && is_of_rust(value)));
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Takes the alternative `null` out of a choice; a choice of one becomes what it chooses.
fn without_null(object: &mut Map<String, Value>, key: &str) {
    let Some(Value::Array(choices)) = object.get_mut(key) else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove(key);
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

fn is_of_rust(format: &Value) -> bool {
    format.as_str().is_some_and(|format| format.starts_with("uint") || format.starts_with("int"))
}
