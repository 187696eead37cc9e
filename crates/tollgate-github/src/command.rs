//! Workflow commands: lines on standard output that the runner acts on.
//!
//! Escaping follows the runner's own (`ActionCommand.cs`): `%`, carriage return and line feed in data, also `:` and `,`
//! in properties.

/// A message at a place of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Path relative to the workspace root; absent for a message without a place.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Title.
    pub title: String,
    /// Text; may have several lines.
    pub message: String,
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The command that puts an error on the diff.
pub fn annotation(annotation: &Annotation) -> String {
    command("error", annotation)
}

/// The command that puts a warning on the diff.
pub fn warning(annotation: &Annotation) -> String {
    command("warning", annotation)
}

fn command(name: &str, annotation: &Annotation) -> String {
    let mut properties = Vec::new();
    if let Some(file) = &annotation.file {
        properties.push(format!("file={}", property(file)));
    }
    if let Some(line) = annotation.line {
        properties.push(format!("line={line}"));
    }
    properties.push(format!("title={}", property(&annotation.title)));
    format!("::{name} {}::{}", properties.join(","), data(&annotation.message))
}

/// The command that opens a foldable group of the log.
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// The command that closes the group.
pub fn end_group() -> &'static str {
    "::endgroup::"
}

/// The command that lets the runner show nobody this value.
pub fn add_mask(value: &str) -> String {
    format!("::add-mask::{}", data(value))
}

/// Makes text harmless that is not ours: the runner acts on `::` at the start of a line and on `##[` anywhere. To it a
/// carriage return ends a line too.
pub fn neutralise(text: &str) -> String {
    let line = |line: &str| {
        let start = line.len() - line.trim_start().len();
        match line[start..].strip_prefix("::") {
            Some(rest) => format!("{}: :{rest}", &line[..start]),
            None => line.to_owned(),
        }
    };
    text.replace("##[", "## [").split_inclusive(['\n', '\r']).map(line).collect()
}

/// The same for JSON, which means what it meant before.
pub fn neutralise_json(json: &str) -> String {
    json.replace("##[", "#\\u0023[")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn text_can_neither_end_a_command_nor_forge_a_property() {
        let place = Annotation {
            file: Some("src/a,b.rs".into()),
            line: Some(7),
            title: "100 %: bad".into(),
            message: "one\r\ntwo".into(),
        };
        assert_eq!(annotation(&place), "::error file=src/a%2Cb.rs,line=7,title=100 %25%3A bad::one%0D%0Atwo");
        let bare = Annotation { file: None, line: None, title: "t".into(), message: "m".into() };
        assert_eq!(annotation(&bare), "::error title=t::m");
        assert_eq!(warning(&bare), "::warning title=t::m");
        assert_eq!(group("a\nb"), "::group::a%0Ab");
        assert_eq!(end_group(), "::endgroup::");
        assert_eq!(add_mask("a\nb: c"), "::add-mask::a%0Ab: c");
    }

    #[test]
    fn foreign_output_cant_issue_commands() {
        for (line, safe) in [
            ("::set-output name=x::y", ": :set-output name=x::y"),
            ("  ::error::x", "  : :error::x"),
            ("##[group]x", "## [group]x"),
            ("std::process::Command", "std::process::Command"),
            ("one\n\t::error::two\n", "one\n\t: :error::two\n"),
            ("one\r::error::two", "one\r: :error::two"),
            (":: ::", ": : ::"),
        ] {
            assert_eq!(neutralise(line), safe);
        }
        let json = r###"{"a":"##[error]x"}"###;
        let safe = neutralise_json(json);
        assert!(!safe.contains("##["), "{safe}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&safe), read(json));
    }
}
