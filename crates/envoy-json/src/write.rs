//! Message to JSON.

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value as Field,
};
use serde_json::{Map, Value, json};

use crate::pool::{Defaults, type_name};
use crate::{scalar, well_known};

/// Decoding bounds the depth of each message, but an `Any` starts anew: bounds those in each
/// other.
const MAX_NESTED_ANY: usize = 16;

/// Prints one document.
pub(crate) struct Writer<'a> {
    pool: &'a DescriptorPool,
    defaults: Defaults,
    nested_any: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(pool: &'a DescriptorPool, defaults: Defaults) -> Self {
        Self { pool, defaults, nested_any: 0 }
    }

    pub(crate) fn message(&mut self, message: &DynamicMessage) -> Value {
        if message.descriptor().full_name() == "google.protobuf.Any" {
            let type_url = message.get_field_by_name("type_url");
            let value = message.get_field_by_name("value");
            let type_url = type_url.as_deref().and_then(Field::as_str).unwrap_or_default();
            let value = value.as_deref().and_then(Field::as_bytes).map(AsRef::as_ref);
            return self.any(type_url, value.unwrap_or_default());
        }
        well_known::write(message).unwrap_or_else(|| Value::Object(self.fields(message)))
    }

    pub(crate) fn any(&mut self, type_url: &str, value: &[u8]) -> Value {
        if type_url.is_empty() && value.is_empty() {
            return json!({});
        }
        let known = self.pool.get_message_by_name(type_name(type_url));
        let message = known.and_then(|known| DynamicMessage::decode(known, value).ok());
        let Some(message) = message.filter(|_| self.nested_any < MAX_NESTED_ANY) else {
            return opaque(type_url, value);
        };
        let mut fields = Map::from_iter([("@type".to_owned(), type_url.into())]);
        self.nested_any += 1;
        if well_known::has_own_form(&message.descriptor()) {
            fields.insert("value".to_owned(), self.message(&message));
        } else {
            fields.extend(self.fields(&message));
        }
        self.nested_any -= 1;
        Value::Object(fields)
    }

    fn fields(&mut self, message: &DynamicMessage) -> Map<String, Value> {
        match self.defaults {
            Defaults::Omit => message
                .fields()
                .map(|(field, value)| (field.name().to_owned(), self.field(&field, value)))
                .collect(),
            Defaults::Print => message
                .descriptor()
                .fields()
                .filter(|field| !field.supports_presence() || message.has_field(field))
                .map(|field| {
                    (field.name().to_owned(), self.field(&field, &message.get_field(&field)))
                })
                .collect(),
        }
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Field) -> Value {
        let kind = field.kind();
        match value {
            Field::List(items) => items.iter().map(|item| self.single(&kind, item)).collect(),
            Field::Map(entries) => {
                let entry = kind.as_message().expect("a map field has an entry message");
                let kind = entry.map_entry_value_field().kind();
                let entries =
                    entries.iter().map(|(key, value)| (key_text(key), self.single(&kind, value)));
                Value::Object(entries.collect())
            }
            single => self.single(&kind, single),
        }
    }

    fn single(&mut self, kind: &Kind, value: &Field) -> Value {
        match value {
            Field::Message(message) => self.message(message),
            scalar => well_known::write_scalar(kind, scalar),
        }
    }
}

/// An `Any` that cannot be shown by its fields.
pub(crate) fn opaque(type_url: &str, value: &[u8]) -> Value {
    json!({ "@type": type_url, "value": scalar::write_base64(value) })
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
