//! YAML to JSON values.

use serde_json::Value;

use crate::error::{JsonError, Position};

/// Reads a YAML document; JSON is YAML. Anchors, aliases and merge keys are expanded within the
/// parser's limits; a key given twice is an error.
///
/// # Errors
/// A fault of syntax, by line and column.
pub fn parse_yaml(text: &str) -> Result<Value, JsonError> {
    serde_saphyr::from_str(text).map_err(|err| {
        let position =
            err.location().map(|place| Position { line: place.line(), column: place.column() });
        let reason = err.without_snippet().to_string();
        JsonError { path: String::new(), position, reason }
    })
}
