//! Expressions: paths into contexts, texts, `==`, `&&`, `||`, `fromJSON`, `toJSON` and `always()`.

use serde_json::Value;

/// What expressions can refer to.
#[derive(Debug, Clone)]
pub(super) struct Contexts(Value);

impl Contexts {
    pub(super) fn new(contexts: Value) -> Self {
        Self(contexts)
    }

    /// The `github` context.
    pub(super) fn github(&self) -> Value {
        self.0["github"].clone()
    }

    /// Notes the outputs of a step.
    pub(super) fn step(&mut self, id: &str, outputs: &Value) {
        self.0["steps"][id] = serde_json::json!({ "outputs": outputs });
    }

    /// Whether something with this condition runs, where all before it has worked or not.
    pub(super) fn runs(&self, condition: Option<&str>, worked: bool) -> bool {
        match condition.map(|text| text.trim_start_matches("${{").trim_end_matches("}}").trim()) {
            Some("always()") => true,
            None => worked,
            // Without a function of its own, a condition holds only where everything has worked.
            Some(other) => worked && truth(&self.evaluate(other)),
        }
    }

    /// Every text of a value with its expressions resolved.
    pub(super) fn resolved(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), self.resolved(value))).collect(),
            Value::Null => Value::Object(serde_json::Map::new()),
            other => Value::String(show(other)),
        }
    }

    /// A text with its expressions resolved.
    pub(super) fn text(&self, text: &str) -> String {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (inside, after) = after.split_once("}}").expect("an expression is closed");
            resolved += before;
            resolved += &show(&self.evaluate(inside));
            rest = after;
        }
        resolved + rest
    }

    /// The value of a text that is one expression.
    pub(super) fn value(&self, text: &str) -> Value {
        let inside = text.trim().strip_prefix("${{").and_then(|text| text.strip_suffix("}}")).expect("one expression");
        self.evaluate(inside)
    }

    fn evaluate(&self, expression: &str) -> Value {
        let expression = expression.trim();
        if let Some((left, right)) = expression.split_once("||") {
            let left = self.evaluate(left);
            return if truth(&left) { left } else { self.evaluate(right) };
        }
        if let Some((left, right)) = expression.split_once("&&") {
            let left = self.evaluate(left);
            return if truth(&left) { self.evaluate(right) } else { left };
        }
        if let Some((left, right)) = expression.split_once("==") {
            return Value::Bool(show(&self.evaluate(left)) == show(&self.evaluate(right)));
        }
        if let Some(text) = expression.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Value::String(text.to_owned());
        }
        if let Some(inside) = expression.strip_prefix("fromJSON(").and_then(|text| text.strip_suffix(')')) {
            return serde_json::from_str(&show(&self.evaluate(inside))).expect("JSON");
        }
        if let Some(inside) = expression.strip_prefix("toJSON(").and_then(|text| text.strip_suffix(')')) {
            return Value::String(serde_json::to_string_pretty(&self.evaluate(inside)).expect("JSON"));
        }
        let is_path = expression.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        assert!(is_path, "`{expression}` is not modelled");
        expression.split('.').fold(&self.0, |value, part| &value[part]).clone()
    }
}

/// A text is true unless it is empty, `'0'` as well.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_choice_takes_the_text_behind_what_is_true() {
        let depth = "${{ github.event_name == 'merge_group' && '0' || '2' }}";
        let base = "${{ github.event.merge_group.base_sha || 'HEAD^1' }}";
        let of = |github: Value| {
            let contexts = Contexts::new(serde_json::json!({ "github": github }));
            (contexts.text(depth), contexts.text(base))
        };
        let group =
            serde_json::json!({ "event_name": "merge_group", "event": { "merge_group": { "base_sha": "abc" } } });
        assert_eq!(of(group), ("0".to_owned(), "abc".to_owned()));
        let change = serde_json::json!({ "event_name": "pull_request", "event": { "pull_request": { "number": 9 } } });
        assert_eq!(of(change), ("2".to_owned(), "HEAD^1".to_owned()));
    }
}
