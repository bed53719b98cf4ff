//! JSON to message, one recursive walk that knows its path.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage, Value as Field,
};
use serde_json::{Map, Value};

use crate::error::JsonError;
use crate::path::{Path, Step};
use crate::pool::{UnknownFields, UnknownType, type_name};
use crate::{scalar, well_known};

/// Deeper than prost decodes (100 messages), and shallow enough for any stack.
const MAX_DEPTH: usize = 200;

pub(crate) struct Read {
    pub(crate) message: DynamicMessage,
    pub(crate) unknown_types: Vec<UnknownType>,
    pub(crate) ignored_fields: Vec<String>,
}

pub(crate) fn message(
    pool: &DescriptorPool,
    descriptor: &MessageDescriptor,
    value: &Value,
    unknown: UnknownFields,
) -> Result<Read, JsonError> {
    let mut reader = Reader {
        pool,
        unknown,
        path: Path::default(),
        unknown_types: Vec::new(),
        ignored_fields: Vec::new(),
    };
    let message = reader.message(descriptor, value).map_err(|reason| JsonError {
        path: reader.path.render(),
        position: None,
        reason,
    })?;
    let Reader { unknown_types, ignored_fields, .. } = reader;
    Ok(Read { message, unknown_types, ignored_fields })
}

/// On an error the path is left where the fault is, so errors are plain reasons inside.
struct Reader<'a> {
    pool: &'a DescriptorPool,
    unknown: UnknownFields,
    path: Path<'a>,
    unknown_types: Vec<UnknownType>,
    ignored_fields: Vec<String>,
}

impl<'a> Reader<'a> {
    fn at<T>(
        &mut self,
        step: Step<'a>,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        self.path.push(step);
        if self.path.len() > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let value = read(self)?;
        self.path.pop();
        Ok(value)
    }

    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &'a Value,
    ) -> Result<DynamicMessage, String> {
        if descriptor.full_name() == "google.protobuf.Any" {
            return self.any(descriptor, value);
        }
        if let Some(read) = well_known::read(descriptor, value) {
            return read;
        }
        let fields = value.as_object().ok_or_else(|| {
            format!(
                "expected an object ({}), found {}",
                descriptor.full_name(),
                scalar::describe(value)
            )
        })?;
        self.fields(descriptor, fields)
    }

    fn fields(
        &mut self,
        descriptor: &MessageDescriptor,
        fields: &'a Map<String, Value>,
    ) -> Result<DynamicMessage, String> {
        let mut message = DynamicMessage::new(descriptor.clone());
        for (name, value) in fields {
            // `@type` belongs to the Any around this message.
            if name == "@type" {
                continue;
            }
            self.at(Step::Field(name), |reader| reader.field(&mut message, name, value))?;
        }
        Ok(message)
    }

    fn field(
        &mut self,
        message: &mut DynamicMessage,
        name: &str,
        value: &'a Value,
    ) -> Result<(), String> {
        let descriptor = message.descriptor();
        let field =
            descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
        let Some(field) = field else {
            if self.unknown == UnknownFields::Allow {
                self.ignored_fields.push(self.path.render());
                return Ok(());
            }
            return Err(format!("unknown field of {}", descriptor.full_name()));
        };
        if value.is_null() && !takes_null(&field) {
            return Ok(());
        }
        if message.has_field(&field) {
            return Err("given twice, under both of its names".to_owned());
        }
        if let Some(oneof) = field.containing_oneof()
            && let Some(other) = oneof.fields().find(|other| message.has_field(other))
        {
            return Err(format!("excludes {}, which is set too", other.name()));
        }
        let value = if field.is_map() {
            self.map(&field, value)?
        } else if field.is_list() {
            self.list(&field.kind(), value)?
        } else {
            self.single(&field.kind(), value)?
        };
        message.set_field(&field, value);
        Ok(())
    }

    fn list(&mut self, kind: &Kind, value: &'a Value) -> Result<Field, String> {
        let items = value
            .as_array()
            .ok_or_else(|| format!("expected a list, found {}", scalar::describe(value)))?;
        let items = items.iter().enumerate();
        items
            .map(|(index, item)| self.at(Step::Index(index), |reader| reader.single(kind, item)))
            .collect::<Result<Vec<_>, _>>()
            .map(Field::List)
    }

    fn map(&mut self, field: &FieldDescriptor, value: &'a Value) -> Result<Field, String> {
        let kind = field.kind();
        let entry = kind.as_message().expect("a map field has an entry message");
        let (key_kind, value_kind) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let entries = value
            .as_object()
            .ok_or_else(|| format!("expected an object, found {}", scalar::describe(value)))?;
        entries
            .iter()
            .map(|(key, item)| {
                self.at(Step::Key(key), |reader| {
                    Ok((map_key(&key_kind, key)?, reader.single(&value_kind, item)?))
                })
            })
            .collect::<Result<_, _>>()
            .map(Field::Map)
    }

    fn single(&mut self, kind: &Kind, value: &'a Value) -> Result<Field, String> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor, value).map(Field::Message),
            scalar => scalar::read(scalar, value),
        }
    }

    fn any(
        &mut self,
        descriptor: &MessageDescriptor,
        value: &'a Value,
    ) -> Result<DynamicMessage, String> {
        let fields = value.as_object().ok_or_else(|| {
            format!("expected an object with @type, found {}", scalar::describe(value))
        })?;
        let mut any = DynamicMessage::new(descriptor.clone());
        if fields.is_empty() {
            return Ok(any);
        }
        let type_url = match fields.get("@type") {
            Some(Value::String(type_url)) if !type_name(type_url).is_empty() => type_url,
            Some(other) => {
                return Err(format!("@type is no type URL but {}", scalar::describe(other)));
            }
            None => return Err("has no @type, so its type is not known".to_owned()),
        };
        let bytes = match self.pool.get_message_by_name(type_name(type_url)) {
            Some(inner) if well_known::has_own_form(&inner) => {
                let value = fields.get("value").ok_or_else(|| {
                    format!("a {} in an Any stands in its field value", inner.full_name())
                })?;
                self.at(Step::Field("value"), |reader| reader.message(&inner, value))?
                    .encode_to_vec()
            }
            Some(inner) => self.fields(&inner, fields)?.encode_to_vec(),
            None => {
                self.unknown_types
                    .push(UnknownType { path: self.path.render(), type_url: type_url.clone() });
                opaque_bytes(fields)
            }
        };
        any.set_field_by_name("type_url", Field::String(type_url.clone()));
        any.set_field_by_name("value", Field::Bytes(bytes.into()));
        Ok(any)
    }
}

/// Everywhere else null means that the field is not set.
fn takes_null(field: &FieldDescriptor) -> bool {
    if field.is_list() || field.is_map() {
        return false;
    }
    match field.kind() {
        Kind::Message(message) => message.full_name() == "google.protobuf.Value",
        Kind::Enum(kind) => kind.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

fn map_key(kind: &Kind, key: &str) -> Result<MapKey, String> {
    let wrong = |what: &str| format!("the key is no {what}");
    Ok(match kind {
        Kind::String => MapKey::String(key.to_owned()),
        Kind::Bool => MapKey::Bool(key.parse().map_err(|_| wrong("bool"))?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            MapKey::I32(key.parse().map_err(|_| wrong("int32"))?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            MapKey::I64(key.parse().map_err(|_| wrong("int64"))?)
        }
        Kind::Uint32 | Kind::Fixed32 => MapKey::U32(key.parse().map_err(|_| wrong("uint32"))?),
        Kind::Uint64 | Kind::Fixed64 => MapKey::U64(key.parse().map_err(|_| wrong("uint64"))?),
        _ => return Err("maps have no keys of this type".to_owned()),
    })
}

/// What a type that nobody knows holds: the bytes that the other way printed, or its JSON text.
fn opaque_bytes(fields: &Map<String, Value>) -> Vec<u8> {
    if let (2, Some(Value::String(value))) = (fields.len(), fields.get("value"))
        && let Ok(bytes) = STANDARD.decode(value)
    {
        return bytes;
    }
    let mut rest = fields.clone();
    rest.remove("@type");
    Value::Object(rest).to_string().into_bytes()
}
