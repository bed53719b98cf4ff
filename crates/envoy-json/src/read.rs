//! JSON to the wire format, one recursive walk that knows its path.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::error::JsonError;
use crate::path::{Path, Step};
use crate::pool::{UnknownFields, UnknownType, type_name};
use crate::scalar::{self, describe};
use crate::table::{Field, Kind, Message};
use crate::time;
use crate::well_known::{self, Form};
use crate::wire::{self, WireType};

/// Steps of a path: enough for every document, and for any stack.
const MAX_STEPS: usize = 200;

/// Messages in each other. Prost decodes 100; an `Any` starts anew.
const MAX_MESSAGES: usize = 95;

pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) unknown_types: Vec<UnknownType>,
    pub(crate) ignored_fields: Vec<String>,
}

pub(crate) fn message(
    kind: Message,
    value: &Value,
    unknown: UnknownFields,
) -> Result<Read, JsonError> {
    let mut reader = Reader {
        unknown,
        path: Path::default(),
        messages: 0,
        unknown_types: Vec::new(),
        ignored_fields: Vec::new(),
    };
    let bytes = reader.message(kind, value).map_err(|reason| JsonError {
        path: reader.path.render(),
        position: None,
        reason,
    })?;
    let Reader { unknown_types, ignored_fields, .. } = reader;
    Ok(Read { bytes, unknown_types, ignored_fields })
}

/// On an error the path is left where the fault is, so errors are plain reasons inside.
struct Reader<'a> {
    unknown: UnknownFields,
    path: Path<'a>,
    messages: usize,
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
        if self.path.len() > MAX_STEPS {
            return Err(format!("nested deeper than {MAX_STEPS} levels"));
        }
        let value = read(self)?;
        self.path.pop();
        Ok(value)
    }

    fn message(&mut self, kind: Message, value: &'a Value) -> Result<Vec<u8>, String> {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(format!("nested deeper than {MAX_MESSAGES} messages"));
        }
        let bytes = match well_known::form(kind) {
            Some(form) => self.well_known(form, kind, value),
            None => match value.as_object() {
                Some(fields) => self.fields(kind, fields),
                None => Err(expected(&format!("an object ({})", kind.full_name()), value)),
            },
        }?;
        self.messages -= 1;
        Ok(bytes)
    }

    fn fields(&mut self, kind: Message, fields: &'a Map<String, Value>) -> Result<Vec<u8>, String> {
        let mut read: Vec<(Field, Vec<u8>)> = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            // `@type` belongs to the Any around this message.
            if name == "@type" {
                continue;
            }
            self.at(Step::Field(name), |reader| {
                let Some(field) = kind.field(name) else {
                    return reader.handle_unknown_field(kind);
                };
                if value.is_null() && !takes_null(field) {
                    return Ok(());
                }
                if read.iter().any(|(other, _)| other.number() == field.number()) {
                    return Err("given twice, under both of its names".to_owned());
                }
                if let Some((other, _)) = read.iter().find(|(other, _)| field.excludes(*other)) {
                    return Err(format!("excludes {}, which is set too", other.name()));
                }
                read.push((field, reader.field(field, value)?));
                Ok(())
            })?;
        }
        read.sort_by_key(|(field, _)| field.number());
        Ok(read.into_iter().flat_map(|(_, bytes)| bytes).collect())
    }

    fn handle_unknown_field(&mut self, kind: Message) -> Result<(), String> {
        match self.unknown {
            UnknownFields::Reject => Err(format!("unknown field of {}", kind.full_name())),
            UnknownFields::Allow => {
                self.ignored_fields.push(self.path.render());
                Ok(())
            }
        }
    }

    /// A field with its tag, or nothing when it has the default that is the same as unset.
    fn field(&mut self, field: Field, value: &'a Value) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        if let Some(entry) = field.map_entry() {
            self.map(field, entry, value, &mut out)?;
        } else if field.is_repeated() {
            self.list(field, value, &mut out)?;
        } else {
            self.single(field, value, &mut out)?;
        }
        Ok(out)
    }

    fn list(&mut self, field: Field, value: &'a Value, out: &mut Vec<u8>) -> Result<(), String> {
        let items = value.as_array().ok_or_else(|| expected("a list", value))?;
        let mut packed = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.at(Step::Index(index), |reader| {
                if field.is_packed() {
                    scalar::read(field.kind(), item)?.write(&mut packed);
                    return Ok(());
                }
                reader.element(field.kind(), field.number(), item, out)
            })?;
        }
        if !packed.is_empty() {
            wire::write_tag(field.number(), WireType::Bytes, out);
            wire::write_bytes(&packed, out);
        }
        Ok(())
    }

    fn map(
        &mut self,
        field: Field,
        entry: Message,
        value: &'a Value,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let entries = value.as_object().ok_or_else(|| expected("an object", value))?;
        let mut columns = entry.fields().map(Field::kind);
        let (Some(key_kind), Some(value_kind)) = (columns.next(), columns.next()) else {
            return Err("is a map without keys or values".to_owned());
        };
        // An entry is a message too.
        self.messages += 1;
        for (key, item) in entries {
            self.at(Step::Key(key), |reader| {
                let mut bytes = Vec::new();
                wire::write_tag(1, scalar::wire_type(key_kind), &mut bytes);
                read_key(key_kind, key)?.write(&mut bytes);
                reader.element(value_kind, 2, item, &mut bytes)?;
                wire::write_tag(field.number(), WireType::Bytes, out);
                wire::write_bytes(&bytes, out);
                Ok(())
            })?;
        }
        self.messages -= 1;
        Ok(())
    }

    fn single(&mut self, field: Field, value: &'a Value, out: &mut Vec<u8>) -> Result<(), String> {
        let scalar = match field.kind() {
            Kind::Message(_) => return self.element(field.kind(), field.number(), value, out),
            kind => scalar::read(kind, value)?,
        };
        if field.has_presence() || !scalar.is_default() {
            wire::write_tag(field.number(), scalar::wire_type(field.kind()), out);
            scalar.write(out);
        }
        Ok(())
    }

    /// A value with its tag, also when it is the default.
    fn element(
        &mut self,
        kind: Kind,
        number: u32,
        value: &'a Value,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        wire::write_tag(number, scalar::wire_type(kind), out);
        match kind {
            Kind::Message(kind) => wire::write_bytes(&self.message(kind, value)?, out),
            kind => scalar::read(kind, value)?.write(out),
        }
        Ok(())
    }

    fn well_known(
        &mut self,
        form: Form,
        kind: Message,
        value: &'a Value,
    ) -> Result<Vec<u8>, String> {
        let text = value.as_str();
        match (form, value) {
            (Form::Any, _) => self.any(value),
            (Form::Duration, _) => text
                .and_then(time::read_duration)
                .map(write_time)
                .ok_or_else(|| expected("a duration such as \"1.5s\"", value)),
            (Form::Timestamp, _) => text
                .and_then(time::read_timestamp)
                .map(write_time)
                .ok_or_else(|| expected("a time such as \"2026-01-31T12:00:00Z\"", value)),
            (Form::FieldMask, _) => {
                text.map(write_paths).ok_or_else(|| expected("a field mask", value))
            }
            (Form::Wrapper, _) => self.only_field(kind, "value", value),
            (Form::Struct, _) => self.only_field(kind, "fields", value),
            (Form::List, _) => self.only_field(kind, "values", value),
            (Form::Value, Value::Null) => self.only_field(kind, "null_value", value),
            (Form::Value, Value::Bool(_)) => self.only_field(kind, "bool_value", value),
            (Form::Value, Value::Number(_)) => self.only_field(kind, "number_value", value),
            (Form::Value, Value::String(_)) => self.only_field(kind, "string_value", value),
            (Form::Value, Value::Array(_)) => self.only_field(kind, "list_value", value),
            (Form::Value, Value::Object(_)) => self.only_field(kind, "struct_value", value),
        }
    }

    fn only_field(
        &mut self,
        kind: Message,
        name: &str,
        value: &'a Value,
    ) -> Result<Vec<u8>, String> {
        let field =
            kind.field(name).ok_or_else(|| format!("{} has no {name}", kind.full_name()))?;
        self.field(field, value)
    }

    fn any(&mut self, value: &'a Value) -> Result<Vec<u8>, String> {
        let fields = value.as_object().ok_or_else(|| expected("an object with @type", value))?;
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let type_url = match fields.get("@type") {
            Some(Value::String(type_url)) if !type_name(type_url).is_empty() => type_url,
            Some(other) => return Err(format!("@type is no type URL but {}", describe(other))),
            None => return Err("has no @type, so its type is not known".to_owned()),
        };
        let outside = std::mem::take(&mut self.messages);
        let content = match Message::by_name(type_name(type_url)) {
            Some(kind) if well_known::form(kind).is_some() => {
                let value = fields.get("value").ok_or_else(|| {
                    format!("a {} in an Any stands in its field value", kind.full_name())
                })?;
                self.at(Step::Field("value"), |reader| reader.message(kind, value))?
            }
            Some(kind) => self.fields(kind, fields)?,
            None => {
                let path = self.path.render();
                self.unknown_types.push(UnknownType { path, type_url: type_url.clone() });
                opaque_bytes(fields)
            }
        };
        self.messages = outside;
        let mut bytes = Vec::new();
        wire::write_tag(1, WireType::Bytes, &mut bytes);
        wire::write_bytes(type_url.as_bytes(), &mut bytes);
        if !content.is_empty() {
            wire::write_tag(2, WireType::Bytes, &mut bytes);
            wire::write_bytes(&content, &mut bytes);
        }
        Ok(bytes)
    }
}

fn expected(what: &str, found: &Value) -> String {
    format!("expected {what}, found {}", describe(found))
}

/// Everywhere else null means that the field is not set.
fn takes_null(field: Field) -> bool {
    match field.kind() {
        _ if field.is_repeated() => false,
        Kind::Message(kind) => well_known::form(kind) == Some(Form::Value),
        Kind::Enum(kind) => kind.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

/// Keys are strings in JSON, whatever they are in the message.
fn read_key(kind: Kind, key: &str) -> Result<scalar::Scalar, String> {
    let value = match kind {
        Kind::Bool => key.parse().map_or_else(|_| key.into(), Value::Bool),
        _ => key.into(),
    };
    scalar::read(kind, &value)
}

/// `Duration` and `Timestamp` have the same two fields.
fn write_time((seconds, nanos): (i64, i32)) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
        if value != 0 {
            wire::write_tag(number, WireType::Varint, &mut bytes);
            wire::write_varint(value as u64, &mut bytes);
        }
    }
    bytes
}

fn write_paths(paths: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths.split(',').filter(|path| !path.is_empty()) {
        wire::write_tag(1, WireType::Bytes, &mut bytes);
        wire::write_bytes(well_known::to_snake_case(path).as_bytes(), &mut bytes);
    }
    bytes
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
