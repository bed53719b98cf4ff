//! The face over the tables.

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use serde_json::Value;

use crate::error::JsonError;
use crate::{read, table, write};

/// Knows the fields of Envoy's messages: those that a bootstrap, an xDS answer or an admin answer
/// can hold, with every extension of the linked envoy-types that may stand in one, and
/// `TypedStruct`.
///
/// It costs nothing to make: the descriptors are tables in the binary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pool(());

/// What to do with a field that the message does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is an error, as in Envoy for static configuration.
    Reject,
    /// It is left out and named in [`Parsed::ignored_fields`]: `--allow-unknown-static-fields`.
    Allow,
}

/// Whether a field without presence is printed when it has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    /// It is left out, as in Envoy's `/config_dump` and `/clusters`.
    Omit,
    /// It is printed, as in Envoy's `/server_info`, `/memory` and `/certs`. Unset messages and
    /// wrappers are still left out.
    Print,
}

/// A message read from a document, with what was not understood in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<M> {
    /// The message.
    pub message: M,
    /// Each `Any` of a type that is not in the pool, in document order.
    pub unknown_types: Vec<UnknownType>,
    /// The paths of fields that [`UnknownFields::Allow`] let pass, in document order.
    pub ignored_fields: Vec<String>,
}

/// An `Any` whose type the pool does not have. It is kept: with the bytes of its base64 `value`
/// if it has exactly that, otherwise with the JSON text of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownType {
    /// Where it stands in the document.
    pub path: String,
    /// Its `@type`.
    pub type_url: String,
}

impl Pool {
    /// The one pool there is.
    pub const fn new() -> Self {
        Self(())
    }

    /// Reads a message from protobuf JSON: field names in `snake_case` or `camelCase`, durations
    /// as `"1.5s"`, enums by name or number, 64-bit integers as strings or numbers, bytes in
    /// base64, `Any` with its fields beside `@type`.
    ///
    /// # Errors
    /// The first field that is unknown, given twice, or of the wrong type, by its path; a message
    /// type that the pool does not have.
    pub fn from_value<M>(&self, value: Value, unknown: UnknownFields) -> Result<M, JsonError>
    where
        M: Message + Default + Name,
    {
        self.parse(&value, unknown).map(|parsed| parsed.message)
    }

    /// As [`from_value`](Self::from_value), and tells what was kept or left out without being
    /// understood.
    ///
    /// # Errors
    /// As [`from_value`](Self::from_value).
    pub fn parse<M>(&self, value: &Value, unknown: UnknownFields) -> Result<Parsed<M>, JsonError>
    where
        M: Message + Default + Name,
    {
        let whole = |reason: String| JsonError { path: String::new(), position: None, reason };
        let name = M::full_name();
        let kind = table::Message::by_name(&name)
            .ok_or_else(|| whole(format!("the message type {name} is not known")))?;
        let read = read::message(kind, value, unknown)?;
        let message = M::decode(read.bytes.as_slice()).map_err(|err| whole(err.to_string()))?;
        Ok(Parsed {
            message,
            unknown_types: read.unknown_types,
            ignored_fields: read.ignored_fields,
        })
    }

    /// Prints a message as Envoy's admin port does: `snake_case` names, defaults left out, 64-bit
    /// integers as strings, enums by name, `Any` expanded beside its `@type`. What is not known
    /// stays as `{"@type": …, "value": base64}`.
    pub fn to_value<M: Message + Name>(&self, message: &M) -> Value {
        self.to_value_with(message, Defaults::Omit)
    }

    /// As [`to_value`](Self::to_value), with a say over default values.
    pub fn to_value_with<M: Message + Name>(&self, message: &M, defaults: Defaults) -> Value {
        let bytes = message.encode_to_vec();
        table::Message::by_name(&M::full_name())
            .and_then(|kind| write::Writer::new(defaults).message(kind, &bytes).ok())
            .unwrap_or_else(|| write::opaque(&M::type_url(), &bytes))
    }

    /// Prints the content of an `Any` with its `@type`, or in base64 when its type is not known
    /// or its bytes are not of that type.
    pub fn any_to_value(&self, type_url: &str, value: &[u8]) -> Value {
        write::Writer::new(Defaults::Omit).any(type_url, value)
    }

    /// True when the pool has the message that the type URL names.
    pub fn knows(&self, type_url: &str) -> bool {
        table::Message::by_name(type_name(type_url)).is_some()
    }

    /// Reads a resource: an object with `@type` and the fields of that message.
    ///
    /// # Errors
    /// As [`from_value`](Self::from_value); also an object without `@type`.
    pub fn resource(&self, value: &Value, unknown: UnknownFields) -> Result<Any, JsonError> {
        self.parse::<Any>(value, unknown).map(|parsed| parsed.message)
    }
}

/// The message name in a type URL: what follows the last slash.
pub(crate) fn type_name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or(type_url)
}
