//! Laying one message over another.

use prost::{DecodeError, Message};

/// Protobuf's `MergeFrom`, which `--config-yaml` is laid over the file with: messages merge field
/// by field, set scalars replace, lists append, map entries replace by key.
///
/// # Errors
/// When the messages together nest deeper than protobuf allows (100 levels); `base` is then half
/// merged.
pub fn merge<M: Message>(base: &mut M, overlay: &M) -> Result<(), DecodeError> {
    base.merge(overlay.encode_to_vec().as_slice())
}
