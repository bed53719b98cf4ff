//! JSON as Envoy prints it: indented by one space a level; whole, or written value by value.

use std::fmt::Write as _;

use serde_json::Value;

use crate::stream::{Gone, Out};

/// The value on lines of its own, its first line not indented; those that follow stand `depth` deep.
pub(crate) fn pretty(value: &Value, depth: usize, into: &mut String) {
    let mut bytes = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, indent);
    serde::Serialize::serialize(value, &mut writer).expect("a JSON value can be written to memory");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    // A line feed within a string is escaped: each of these ends a line.
    let mut lines = text.split('\n');
    into.push_str(lines.next().unwrap_or_default());
    for line in lines {
        let _ = write!(into, "\n{:depth$}{line}", "");
    }
}

/// Writes one document in steps. Every list and object that is opened has to be closed, and gets a member
/// at least: what is empty is left out.
pub(crate) struct JsonPage {
    out: Out,
    /// Of each open list or object, whether it has a member.
    open: Vec<bool>,
}

impl JsonPage {
    pub(crate) fn new(out: Out) -> Self {
        Self { out, open: Vec::new() }
    }

    /// Begins a list or an object as the next member.
    pub(crate) fn open(&mut self, name: Option<&str>, bracket: char) {
        self.member(name);
        self.out.text().push(bracket);
        self.open.push(false);
    }

    pub(crate) fn close(&mut self, bracket: char) {
        self.open.pop();
        let depth = self.open.len();
        let _ = write!(self.out.text(), "\n{:depth$}{bracket}", "");
    }

    /// The next member, whole.
    pub(crate) async fn value(&mut self, name: Option<&str>, value: &Value) -> Result<(), Gone> {
        self.member(name);
        pretty(value, self.open.len(), self.out.text());
        self.out.step().await
    }

    /// Ends the document, with a line feed.
    pub(crate) fn finish(mut self) -> Out {
        self.out.text().push('\n');
        self.out
    }

    fn member(&mut self, name: Option<&str>) {
        let depth = self.open.len();
        let text = self.out.text();
        if let Some(has_member) = self.open.last_mut() {
            text.push_str(if std::mem::replace(has_member, true) { ",\n" } else { "\n" });
            let _ = write!(text, "{:depth$}", "");
        }
        if let Some(name) = name {
            let _ = write!(text, "{}: ", Value::from(name));
        }
    }
}
