//! The user's configuration.

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;

use crate::error::JsonError;
use crate::{Parsed, Pool, UnknownFields, merge, parse_yaml};

/// Reads a bootstrap from YAML or JSON texts, each laid over those before it as Envoy lays
/// `--config-yaml` over the file of `--config-path`. No text, or an empty one, is an empty
/// bootstrap.
///
/// # Errors
/// A fault of syntax by line and column, or the first field that is unknown or of the wrong type
/// by its path. The number of the text that has it comes with it, counted from 0, so that the
/// caller can name the file or flag.
pub fn parse_bootstrap(
    texts: &[&str],
    unknown: UnknownFields,
) -> Result<Parsed<Bootstrap>, (usize, JsonError)> {
    let mut whole = Parsed {
        message: Bootstrap::default(),
        unknown_types: Vec::new(),
        ignored_fields: Vec::new(),
    };
    for (number, text) in texts.iter().enumerate() {
        lay_over(&mut whole, text, unknown).map_err(|err| (number, err))?;
    }
    Ok(whole)
}

fn lay_over(
    whole: &mut Parsed<Bootstrap>,
    text: &str,
    unknown: UnknownFields,
) -> Result<(), JsonError> {
    let value = parse_yaml(text)?;
    if value.is_null() {
        return Ok(());
    }
    let Parsed { message, unknown_types, ignored_fields } = Pool::new().parse(&value, unknown)?;
    merge(&mut whole.message, &message).map_err(|err| JsonError {
        path: String::new(),
        position: None,
        reason: err.to_string(),
    })?;
    whole.unknown_types.extend(unknown_types);
    whole.ignored_fields.extend(ignored_fields);
    Ok(())
}
