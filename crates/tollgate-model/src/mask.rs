//! Secrets, kept out of everything that is written.

use std::{borrow::Cow, fmt, sync::Arc};

/// Ends of a word in the name of a variable that make its value a secret: `DB_PASSWORD`, `PGPASSWORD`, `SECRET_KEY_BASE`.
const ENDS: [&str; 9] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRETS", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS"];

/// Last words of such a name: `SIGNING_KEY`, `MYSQL_PWD`. Alone they mean other things.
const LAST: [&str; 5] = ["KEY", "PASS", "PWD", "AUTH", "PAT"];

/// Shorter values are no secrets, and would be found in other words.
const SHORTEST: usize = 8;

/// What stands in place of a secret.
const STARS: &str = "***";

/// The secrets among the variables that the caller gave, in every form in which they may be written.
///
/// A variable is secret by a word of its name: `DATABASE_PASSWORD`, `API_KEY`, `GITHUB_TOKEN`. Files of variables (`.env`,
/// `env_file`) are often kept out of a repository for such values, so they count as the caller's; what stands in the
/// workspace's other files for all to read is no secret. Only texts are masked, never names, keys or numbers: a record whose
/// tests had other names would be worth nothing.
#[derive(Clone, Default)]
pub struct Masks {
    /// The longest first, so that no part of one is left where another is contained in it.
    forms: Arc<[String]>,
}

impl Masks {
    /// The secrets among these variables. A value of several lines is also masked line by line, since output is.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let secrets = variables.into_iter().filter(|(name, _)| is_secret(name));
        let mut forms: Vec<String> = secrets.flat_map(|(_, value)| forms(&value)).collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms: forms.into() }
    }

    /// Every form in which a secret may be written.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.forms.iter().map(String::as_str)
    }

    /// The text with stars in place of every secret.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for form in self.forms.iter() {
            if text.contains(form.as_str()) {
                text = Cow::Owned(text.replace(form.as_str(), STARS));
            }
        }
        text
    }

    /// Puts stars in place of every secret.
    pub fn clean(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.apply(text) {
            *text = masked;
        }
    }

    /// XML with stars in place of every secret in texts and in the attribute `message`; names and numbers stay what they are.
    pub fn apply_to_xml(&self, xml: &str) -> String {
        let mut result = String::with_capacity(xml.len());
        for piece in xml.split_inclusive('>') {
            let (text, tag) = piece.split_at(piece.rfind('<').unwrap_or(piece.len()));
            result.push_str(&self.apply(text));
            let (before, value) = tag.split_once(" message=\"").unwrap_or((tag, ""));
            // A value with a raw `>` goes on in the next piece, as a text, with its quote.
            let (value, after) = value.split_at(value.find('"').unwrap_or(value.len()));
            result.push_str(before);
            if tag.len() > before.len() {
                result.extend([" message=\"", &*self.apply(value), after]);
            }
        }
        result
    }

    /// The bytes with stars in place of every secret; where there is one, what is no UTF-8 becomes a replacement
    /// character.
    pub fn apply_to_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.forms.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        match self.apply(&text) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(masked) => Cow::Owned(masked.into_bytes()),
        }
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks({})", self.forms.len())
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let ends = |word: &str| ENDS.iter().any(|end| word.ends_with(end));
    name.split('_').any(ends) || name.rsplit_once('_').is_some_and(|(_, last)| LAST.contains(&last))
}

/// A value and its lines as they are, as JSON and Rust's `Debug` have them, as XML has them, and each of these in a file of
/// either kind.
fn forms(value: &str) -> Vec<String> {
    let parts = std::iter::once(value.trim()).chain(value.lines().map(str::trim));
    let secret = parts.filter(|part| part.len() >= SHORTEST && !is_word(part));
    let written = |part: String| [in_json(&part), in_xml(&part), part];
    secret.flat_map(|part| written(part.to_owned())).flat_map(written).collect()
}

/// `POSTGRES_PASSWORD=postgres` protects nothing, and masking it would take the names of services and tests out of the records.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn in_json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t")
}

fn in_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&apos;")
}

#[cfg(test)]
mod unit {
    use super::*;

    fn masks(variables: &[(&str, &str)]) -> Masks {
        Masks::of(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn a_secret_is_known_by_a_word_of_its_name() {
        for name in ["DB_PASSWORD", "PGPASSWORD", "token", "API_KEY", "SECRET_KEY_BASE", "MYSQL_PWD", "x_credentials"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PATH", "PWD", "OLDPWD", "KEYBOARD", "TOKENIZER_PATH", "A_MONKEY", "KEY_ID", ""] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn every_form_of_a_secret_is_masked_and_nothing_else() {
        let masks = masks(&[("A_TOKEN", "open\"sesame&"), ("B_KEY", "open\"sesame& me"), ("PIN_SECRET", "1234567")]);
        for (text, masked) in [
            ("is open\"sesame&!", "is ***!"),
            (r#"{"v":"open\"sesame&"}"#, r#"{"v":"***"}"#),
            ("<v>open&quot;sesame&amp; me</v>", "<v>***</v>"),
            (r"<v>open\&quot;sesame&amp;</v>", "<v>***</v>"),
            ("1234567", "1234567"),
        ] {
            assert_eq!(masks.apply(text), masked);
            assert_eq!(masks.apply_to_bytes(text.as_bytes()), masked.as_bytes());
        }
        assert_eq!(masks.apply_to_bytes(b"\xff"), b"\xff".as_slice());
        assert!(!format!("{masks:?}").contains("sesame"));
    }

    #[test]
    fn a_plain_word_is_no_secret_since_names_are_made_of_them() {
        let masks = masks(&[("POSTGRES_PASSWORD", "postgres"), ("B_TOKEN", "postgres7")]);
        assert_eq!(masks.apply("service postgres: postgres7"), "service postgres: ***");
    }

    #[test]
    fn names_and_numbers_in_xml_are_no_text() {
        let masks = masks(&[("A_TOKEN", "sesame12")]);
        let xml = "<suite name=\"sesame12\"><case name=\"a::sesame12\" time=\"1\">\n<failure message=\"it is sesame12\" type=\"sesame12\">\
                   so sesame12 &gt; b</failure></case></suite>";
        let expect = "<suite name=\"sesame12\"><case name=\"a::sesame12\" time=\"1\">\n<failure message=\"it is ***\" type=\"sesame12\">\
                      so *** &gt; b</failure></case></suite>";
        assert_eq!(masks.apply_to_xml(xml), expect);
    }

    #[test]
    fn an_attribute_with_a_raw_bracket_is_masked_and_stays_one() {
        let xml = r#"<case name="a"><failure message="sesame12 -> sesame12 > b" type="x"/></case>"#;
        let expect = r#"<case name="a"><failure message="*** -> *** > b" type="x"/></case>"#;
        assert_eq!(masks(&[("A_TOKEN", "sesame12")]).apply_to_xml(xml), expect);
        assert_eq!(masks(&[]).apply_to_xml(xml), xml);
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_line_by_line() {
        let masks = masks(&[("SIGNING_KEY", "-- begin --\nQUJDREVGRw\nshort\n")]);
        assert_eq!(masks.apply("x QUJDREVGRw y"), "x *** y");
        assert_eq!(masks.apply("a short line"), "a short line");
    }
}
