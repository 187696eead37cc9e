//! Writes HTML so that only what stands in this program is markup: everything else is escaped.

use crate::report::text::clean;

/// Text that means nothing in HTML and XML, in elements and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

/// A page being written.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup, which can only be a literal of this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0 += markup;
        self
    }

    /// Text from anywhere, escaped.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0 += &escape(text);
        self
    }

    /// A cell with text.
    pub(super) fn cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").text(text).raw("</td>")
    }

    /// A cell with a number.
    pub(super) fn number(&mut self, text: &str) -> &mut Self {
        self.raw("<td class=\"n\">").text(text).raw("</td>")
    }

    /// A table's head; names that begin with `#` are over numbers.
    pub(super) fn head(&mut self, names: &[&'static str]) -> &mut Self {
        self.raw("<div class=\"scroll\"><table><thead><tr>");
        for name in names {
            match name.strip_prefix('#') {
                Some(name) => self.raw("<th class=\"n\">").raw(name).raw("</th>"),
                None => self.raw("<th>").raw(name).raw("</th>"),
            };
        }
        self.raw("</tr></thead><tbody>\n")
    }

    /// A table's end.
    pub(super) fn end_table(&mut self) -> &mut Self {
        self.raw("</tbody></table></div>\n")
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}
