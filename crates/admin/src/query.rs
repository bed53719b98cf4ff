//! The query of an admin request.

use std::collections::HashMap;

use regex::Regex;

use crate::answer::Answer;

/// Parameters by name. One without a value (`?usedonly`) is there and empty.
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    pub(crate) fn new(parameters: HashMap<String, String>) -> Self {
        Self(parameters)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `?filter=`: a regular expression that may match anywhere in a name.
    pub(crate) fn filter(&self) -> Result<Option<Regex>, Answer> {
        let Some(pattern) = self.get("filter").filter(|pattern| !pattern.is_empty()) else {
            return Ok(None);
        };
        Regex::new(pattern).map(Some).map_err(|error| {
            // The last line of the error says what is wrong; those before draw the place.
            let text = error.to_string();
            let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Answer::bad_request(format!("Invalid re2 regex: {cause}\n"))
        })
    }
}
