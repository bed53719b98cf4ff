//! YAML to JSON values.

use serde_json::Value;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use crate::error::{JsonError, Position};

/// Reads a YAML document; JSON is YAML. Anchors, aliases and merge keys are expanded within the
/// parser's limits; a key given twice is an error.
///
/// # Errors
/// A fault of syntax, by line and column.
pub fn parse_yaml(text: &str) -> Result<Value, JsonError> {
    // The parser's own limits end at some 10,000 clusters. What stands in the text may be as much
    // as the text is long; only what aliases repeat needs a limit, and keeps it.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: text.len().max(1_000_000),
            max_nodes: text.len().max(250_000),
            max_depth: 128,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|err| {
        let position =
            err.location().map(|place| Position { line: place.line(), column: place.column() });
        let reason = UserMessageFormatter.format_message(err.without_snippet()).into_owned();
        JsonError { path: String::new(), position, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_documents_are_read_and_alias_bombs_are_not() {
        let cluster = "{name: a, connect_timeout: 1s, load_assignment: {endpoints: []}}";
        let large = format!("[{}]", vec![cluster; 40_000].join(","));
        let read = parse_yaml(&large).expect("as many nodes as the text has");
        assert_eq!(read.as_array().map(Vec::len), Some(40_000));

        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        parse_yaml(&bomb).expect_err("a billion values from ten lines");
    }
}
