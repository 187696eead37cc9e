//! Reads TOML by a JSON Schema: what fits becomes JSON, what doesn't becomes a problem with its place.
//!
//! The subset of JSON Schema is the one that the types of [`mod@super::file`] produce. What doesn't fit is left out of the
//! result, so that the rest can be checked further.

use super::{form, nearest, place::Places, problem::Problem};
use serde_json::{Map, Value};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

/// What was made of a file.
#[derive(Debug)]
pub(super) struct Walked {
    /// Everything in the file that fits.
    pub(super) value: Value,
    /// Where the keys stand, faulty ones too.
    pub(super) places: Places,
}

/// Reads a file; problems are added to the list. A file that isn't TOML gives nothing but its syntax errors.
pub(super) fn walk(file: &str, text: &str, schema: &Value, problems: &mut Vec<Problem>) -> Option<Walked> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            Problem::new(file, text, error.span().unwrap_or(0..0), message)
        };
        problems.extend(errors.iter().map(problem));
        return None;
    }
    let mut walk = Walk { file, text, path: Vec::new(), places: Places::default(), problems };
    let value = walk.table(schema, table.get_ref(), 0..0);
    Some(Walked { value, places: walk.places })
}

struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    path: Vec<String>,
    places: Places,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(self.file, self.text, span, message)
    }

    /// Where a table is, by its header.
    fn place(path: &[String]) -> String {
        match path {
            [] => "at the top of the file".to_owned(),
            [list @ .., index] if index.parse::<usize>().is_ok() => format!("in `[[{}]]`", list.join(".")),
            path => format!("in `[{}]`", path.join(".")),
        }
    }

    fn table(&mut self, schema: &Value, table: &DeTable<'_>, span: Range<usize>) -> Value {
        let mut known = Map::new();
        for (key, value) in table {
            self.path.push(key.get_ref().to_string());
            self.places.insert(&self.path, key.span(), value.span());
            let entry = self.entry(schema, key, value);
            self.path.pop();
            known.extend(entry.map(|value| (key.get_ref().to_string(), value)));
        }
        for missing in texts(&schema["required"]).filter(|name| !is_meant(schema, table, name)) {
            let meaning = schema["properties"][missing]["description"].as_str().unwrap_or_default();
            let problem = self.problem(span.clone(), format!("`{missing}` is missing {}", Self::place(&self.path)));
            self.problems.push(problem.note(format!("`{missing}`: {}", first_sentence(meaning))));
        }
        if schema["minProperties"] == 1 && table.is_empty() {
            let problem = self.problem(span, format!("there is nothing {}", Self::place(&self.path)));
            self.problems.push(problem);
        }
        Value::Object(known)
    }

    /// An entry of a table: a named property, or any key of a map.
    fn entry(
        &mut self,
        schema: &Value,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let name = key.get_ref().as_ref();
        if let Some(property) = schema["properties"].get(name) {
            return self.value(property, value);
        }
        let of_map = &schema["additionalProperties"];
        if !of_map.is_object() {
            let problem = self.unknown_key(schema, name, key.span());
            self.problems.push(problem);
            return None;
        }
        if let Err(misfit) = form::check(schema["propertyNames"]["format"].as_str().unwrap_or_default(), name) {
            let problem = self.problem(key.span(), misfit.message).hint(misfit.hint);
            self.problems.push(problem);
            return None;
        }
        self.value(of_map, value)
    }

    fn unknown_key(&self, schema: &Value, name: &str, span: Range<usize>) -> Problem {
        let known: Vec<&str> = properties(schema).collect();
        let place = Self::place(self.path.split_last().map_or(&[], |(_, table)| table));
        self.problem(span, format!("unknown key `{name}` {place}"))
            .note(format!("known keys: {}", known.join(", ")))
            .meant(nearest(name, known))
    }

    fn value(&mut self, schema: &Value, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let fits = |schema: &&Value| kind_of_schema(schema) == kind_of_value(value.get_ref());
        let Some(schema) = alternatives(schema).into_iter().find(fits) else {
            let problem = self.wrong_kind(schema, value);
            self.problems.push(problem);
            return None;
        };
        match value.get_ref() {
            DeValue::Table(table) => {
                let header = self.places.key(&self.path.iter().map(String::as_str).collect::<Vec<_>>());
                Some(self.table(schema, table, header))
            }
            DeValue::Array(items) => Some(self.array(schema, items, &value.span())),
            DeValue::String(text) => self.string(schema, text, value.span()),
            DeValue::Integer(integer) => self.integer(schema, integer, value.span()),
            DeValue::Boolean(value) => Some(Value::Bool(*value)),
            DeValue::Float(_) | DeValue::Datetime(_) => None,
        }
    }

    /// What a value is called: its key, or the list it is an element of.
    fn named(&self) -> String {
        match self.path.as_slice() {
            [.., list, index] if index.parse::<usize>().is_ok() => format!("an element of `{list}`"),
            path => format!("`{}`", path.last().map_or("", String::as_str)),
        }
    }

    fn wrong_kind(&self, schema: &Value, value: &Spanned<DeValue<'_>>) -> Problem {
        let key = self.path.last().map(String::as_str).unwrap_or_default();
        let expected: Vec<&str> = alternatives(schema).into_iter().map(named_kind).collect();
        let message = format!(
            "{} is {}, and {} was expected",
            self.named(),
            kind_of_value(value.get_ref()),
            expected.join(" or ")
        );
        let problem = self.problem(value.span(), message);
        let written = &self.text[value.span()];
        match value.get_ref() {
            DeValue::Integer(_) if schema["format"] == "span" => {
                problem.hint(format!("a duration has a unit: \"{written}s\", \"{written}ms\""))
            }
            DeValue::String(text) if schema["type"] == "array" => problem.hint(format!("write `{key} = [\"{text}\"]`")),
            DeValue::String(text) if schema["type"] != "string" && !text.is_empty() && is_scalar(schema) => {
                problem.hint(format!("write `{key} = {text}`, without quotes"))
            }
            _ => problem,
        }
    }

    fn array(&mut self, schema: &Value, items: &DeArray<'_>, span: &Range<usize>) -> Value {
        let mut known = Vec::new();
        for item in items {
            // What is left out is not counted, so that an index means the same in the result and in the places.
            self.path.push(known.len().to_string());
            self.places.insert(&self.path, item.span(), item.span());
            let value = self.value(&schema["items"], item);
            self.path.pop();
            let Some(value) = value else { continue };
            if schema["uniqueItems"] == true && known.contains(&value) {
                let problem = self.problem(item.span(), format!("{value} is in the list twice").replace('"', "`"));
                self.problems.push(problem);
            } else {
                known.push(value);
            }
        }
        if items.is_empty() && asks_for_one(schema, "minItems") {
            let key = self.path.last().map(String::as_str).unwrap_or_default();
            let problem = self.problem(span.clone(), format!("`{key}` is an empty list"));
            self.problems.push(problem);
        }
        Value::Array(known)
    }

    fn string(&mut self, schema: &Value, text: &str, span: Range<usize>) -> Option<Value> {
        let choices = choices(schema);
        let problem = if !choices.is_empty() && !choices.contains(&text) {
            self.problem(span, format!("`{text}` is not a choice for {}", self.named()))
                .note(format!("choices: {}", choices.join(", ")))
                .meant(nearest(text, choices))
        } else if asks_for_one(schema, "minLength") && text.trim().is_empty() {
            self.problem(span, format!("{} is empty", self.named()))
        } else {
            match form::check(schema["format"].as_str().unwrap_or_default(), text) {
                Ok(()) => return Some(Value::String(text.to_owned())),
                Err(misfit) => self.problem(span, misfit.message).hint(misfit.hint),
            }
        };
        self.problems.push(problem);
        None
    }

    fn integer(&mut self, schema: &Value, integer: &DeInteger<'_>, span: Range<usize>) -> Option<Value> {
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX);
        let key = self.path.last().map(String::as_str).unwrap_or_default();
        let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let most = schema["maximum"].as_i64().unwrap_or(i64::from(u32::MAX));
        let problem = match schema["const"].as_i64() {
            Some(only) if value != only => {
                self.problem(span, format!("`{key}` is {value}, and this version of tollgate reads {only}"))
            }
            None if value < least || value > most => {
                let written = self.text[span.clone()].to_owned();
                self.problem(span, format!("`{key}` is {written}, and must be from {least} to {most}"))
            }
            _ => return Some(Value::from(value)),
        };
        self.problems.push(problem);
        None
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = &str> {
    schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str)
}

/// Whether a key is there, be it with a slip of the hand, which is a mistake of its own.
fn is_meant(schema: &Value, table: &DeTable<'_>, key: &str) -> bool {
    let known = |name: &str| properties(schema).any(|known| known == name);
    table
        .iter()
        .map(|(name, _)| name.get_ref().as_ref())
        .any(|name: &str| name == key || !known(name) && nearest(name, properties(schema)) == Some(key))
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

/// The forms that a value may have.
fn alternatives(schema: &Value) -> Vec<&Value> {
    schema["anyOf"].as_array().map_or_else(|| vec![schema], |choices| choices.iter().collect())
}

/// The texts that a string may be; none where any will do.
fn choices(schema: &Value) -> Vec<&str> {
    let constants = schema["oneOf"].as_array().into_iter().flatten().filter_map(|choice| choice["const"].as_str());
    texts(&schema["enum"]).chain(constants).collect()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a value is to have a length of at least one.
fn asks_for_one(schema: &Value, key: &str) -> bool {
    // tollgate: no-mutants(`>=`: nothing is asked to have a length of at least none)
    schema[key].as_u64().is_some_and(|least| least > 0)
}

fn is_scalar(schema: &Value) -> bool {
    matches!(schema["type"].as_str(), Some("integer" | "boolean"))
}

fn kind_of_value(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn kind_of_schema(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("integer") => "a whole number",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "a table",
        _ => "a text",
    }
}

/// The kind of a value, closer than TOML knows it.
fn named_kind(schema: &Value) -> &'static str {
    if schema["format"] == "span" { "a duration" } else { kind_of_schema(schema) }
}
