//! `ConfigSource` as far as it names a file.

use std::path::Path;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{
    ConfigSource, config_source::ConfigSourceSpecifier,
};

use crate::proto::Fault;

/// The file of `path_config_source`, or of the deprecated `path`; `None` for any other source.
/// `watched_directory` needs nothing: files are looked at through their whole path, links and all.
///
/// # Errors
/// The name of the field, and why it names no file that can be read.
#[expect(deprecated, reason = "bootstraps still say `path`")]
pub(crate) fn file(source: &ConfigSource) -> Result<Option<Arc<Path>>, (&'static str, Fault)> {
    let (field, path) = match &source.config_source_specifier {
        Some(ConfigSourceSpecifier::Path(path)) => ("path", path),
        Some(ConfigSourceSpecifier::PathConfigSource(source)) => {
            if source.poll_interval.is_some() && source.watched_directory.is_some() {
                let reason = "cannot be set together with watched_directory";
                return Err(("path_config_source.poll_interval", reason.into()));
            }
            ("path_config_source.path", &source.path)
        }
        _ => return Ok(None),
    };
    if path.is_empty() {
        return Err((field, "must not be empty".into()));
    }
    if path.ends_with(".pb_text") {
        let reason = "the text format of protobuf is not read; write JSON, YAML or .pb";
        return Err((field, reason.into()));
    }
    Ok(Some(Path::new(path).into()))
}
