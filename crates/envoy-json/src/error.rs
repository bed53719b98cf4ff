//! One error for text and for messages.

use std::fmt;

/// Why a document is not the message that it should be.
///
/// Prints as one line: `static_resources.clusters[0].connect_timeout: expected a duration …`, or
/// `line 4, column 7: …` for text that is no YAML at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    /// The field, from the top of the document, with the names as they were written; empty for
    /// the document itself.
    pub path: String,
    /// Where in the text; known for faults of syntax only.
    pub position: Option<Position>,
    /// What is wrong and what was expected.
    pub reason: String,
}

/// A place in a text, both numbers counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in the line.
    pub column: u64,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}
