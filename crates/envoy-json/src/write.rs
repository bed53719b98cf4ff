//! The wire format to JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::pool::{Defaults, type_name};
use crate::table::{Field, Kind, Message};
use crate::well_known::{self, Form};
use crate::wire::{Fields, Malformed, Payload, WireType};
use crate::{scalar, time};

/// Messages in each other, those in an `Any` included: as deep as prost decodes.
const MAX_MESSAGES: usize = 100;

/// Prints one document.
pub(crate) struct Writer {
    defaults: Defaults,
    messages: usize,
}

impl Writer {
    pub(crate) fn new(defaults: Defaults) -> Self {
        Self { defaults, messages: 0 }
    }

    pub(crate) fn message(&mut self, kind: Message, bytes: &[u8]) -> Result<Value, Malformed> {
        if self.messages >= MAX_MESSAGES {
            return Err(Malformed);
        }
        self.messages += 1;
        let value = match well_known::form(kind) {
            Some(form) => self.well_known(form, kind, bytes),
            None => self.fields(kind, bytes).map(Value::Object),
        };
        self.messages -= 1;
        value
    }

    /// The content of an `Any`, in base64 if it cannot be shown by its fields.
    pub(crate) fn any(&mut self, type_url: &str, bytes: &[u8]) -> Value {
        if type_url.is_empty() && bytes.is_empty() {
            return json!({});
        }
        let shown = Message::by_name(type_name(type_url)).and_then(|kind| {
            let mut fields = Map::from_iter([("@type".to_owned(), type_url.into())]);
            if well_known::form(kind).is_some() {
                fields.insert("value".to_owned(), self.message(kind, bytes).ok()?);
            } else if let Value::Object(inner) = self.message(kind, bytes).ok()? {
                fields.extend(inner);
            }
            Some(Value::Object(fields))
        });
        shown.unwrap_or_else(|| opaque(type_url, bytes))
    }

    fn fields(&mut self, kind: Message, bytes: &[u8]) -> Result<Map<String, Value>, Malformed> {
        let mut found: BTreeMap<u32, (Field, Vec<Payload<'_>>)> = BTreeMap::new();
        for field in Fields(bytes) {
            let (number, payload) = field?;
            let Some(field) = kind.field_by_number(number) else { continue };
            // Of a oneof the last one counts.
            found.retain(|_, (other, _)| !field.excludes(*other));
            found.entry(number).or_insert_with(|| (field, Vec::new())).1.push(payload);
        }
        if self.defaults == Defaults::Print {
            for field in kind.fields().filter(|field| !field.has_presence()) {
                found.entry(field.number()).or_insert_with(|| (field, Vec::new()));
            }
        }
        let mut fields = Map::new();
        for (field, payloads) in found.into_values() {
            if let Some(value) = self.field(field, &payloads)? {
                fields.insert(field.name().to_owned(), value);
            }
        }
        Ok(fields)
    }

    /// `None` for a default that is the same as unset and is not to be printed.
    fn field(
        &mut self,
        field: Field,
        payloads: &[Payload<'_>],
    ) -> Result<Option<Value>, Malformed> {
        if let Some(entry) = field.map_entry() {
            return self.map(entry, payloads).map(Some);
        }
        if field.is_repeated() {
            return self.list(field.kind(), payloads).map(Some);
        }
        match field.kind() {
            Kind::Message(kind) => {
                let bytes = merged(payloads)?;
                self.message(kind, &bytes).map(Some)
            }
            kind => {
                let unset = default_of(kind);
                let payload = payloads.last().copied().unwrap_or(unset);
                let hidden =
                    payload == unset && !field.has_presence() && self.defaults == Defaults::Omit;
                if hidden { Ok(None) } else { scalar::write(kind, payload).map(Some) }
            }
        }
    }

    fn list(&mut self, kind: Kind, payloads: &[Payload<'_>]) -> Result<Value, Malformed> {
        let mut items = Vec::with_capacity(payloads.len());
        for payload in payloads {
            match *payload {
                Payload::Bytes(bytes) if scalar::wire_type(kind) != WireType::Bytes => {
                    let mut packed = Fields(bytes);
                    while !packed.0.is_empty() {
                        let payload = packed.payload(scalar::wire_type(kind))?;
                        items.push(scalar::write(kind, payload)?);
                    }
                }
                payload => items.push(self.element(kind, payload)?),
            }
        }
        Ok(items.into())
    }

    fn map(&mut self, entry: Message, payloads: &[Payload<'_>]) -> Result<Value, Malformed> {
        let mut columns = entry.fields().map(Field::kind);
        let (key_kind, value_kind) = columns.next().zip(columns.next()).ok_or(Malformed)?;
        let mut entries = Map::new();
        for payload in payloads {
            let Payload::Bytes(bytes) = *payload else { return Err(Malformed) };
            let (mut key, mut value) = (default_of(key_kind), default_of(value_kind));
            for field in Fields(bytes) {
                match field? {
                    (1, payload) => key = payload,
                    (2, payload) => value = payload,
                    _ => {}
                }
            }
            let key = match scalar::write(key_kind, key)? {
                Value::String(key) => key,
                other => other.to_string(),
            };
            entries.insert(key, self.element(value_kind, value)?);
        }
        Ok(Value::Object(entries))
    }

    fn element(&mut self, kind: Kind, payload: Payload<'_>) -> Result<Value, Malformed> {
        match (kind, payload) {
            (Kind::Message(kind), Payload::Bytes(bytes)) => self.message(kind, bytes),
            (kind, payload) => scalar::write(kind, payload),
        }
    }

    fn well_known(&mut self, form: Form, kind: Message, bytes: &[u8]) -> Result<Value, Malformed> {
        Ok(match form {
            Form::Any => {
                let (type_url, value) = read_any(bytes)?;
                self.any(type_url, value)
            }
            Form::Duration => {
                let (seconds, nanos) = read_time(bytes)?;
                time::write_duration(seconds, nanos).into()
            }
            Form::Timestamp => {
                let (seconds, nanos) = read_time(bytes)?;
                time::write_timestamp(seconds, nanos).into()
            }
            Form::FieldMask => {
                let fields = self.fields(kind, bytes)?;
                let paths = fields.get("paths").and_then(Value::as_array).into_iter().flatten();
                let paths = paths.filter_map(Value::as_str).map(well_known::to_camel_case);
                paths.collect::<Vec<_>>().join(",").into()
            }
            Form::Wrapper => {
                let only = kind.field_by_number(1).ok_or(Malformed)?;
                let mut payload = default_of(only.kind());
                for field in Fields(bytes) {
                    if let (1, last) = field? {
                        payload = last;
                    }
                }
                scalar::write(only.kind(), payload)?
            }
            Form::Struct => self.fields(kind, bytes)?.remove("fields").unwrap_or_else(|| json!({})),
            Form::List => self.fields(kind, bytes)?.remove("values").unwrap_or_else(|| json!([])),
            // Of its oneof the only one that is set.
            Form::Value => {
                let fields = self.fields(kind, bytes)?;
                fields.into_iter().next().map_or(Value::Null, |(_, value)| value)
            }
        })
    }
}

/// An `Any` that cannot be shown by its fields.
pub(crate) fn opaque(type_url: &str, bytes: &[u8]) -> Value {
    json!({ "@type": type_url, "value": scalar::write_base64(bytes) })
}

/// A message that stands in several pieces is the merge of them, which is their bytes in a row.
fn merged<'a>(payloads: &[Payload<'a>]) -> Result<Cow<'a, [u8]>, Malformed> {
    let pieces = payloads.iter().map(|payload| match payload {
        Payload::Bytes(bytes) => Ok(*bytes),
        _ => Err(Malformed),
    });
    Ok(match pieces.collect::<Result<Vec<_>, _>>()?.as_slice() {
        [one] => Cow::Borrowed(one),
        several => Cow::Owned(several.concat()),
    })
}

fn default_of(kind: Kind) -> Payload<'static> {
    match scalar::wire_type(kind) {
        WireType::Varint => Payload::Varint(0),
        WireType::Fixed64 => Payload::Fixed64(0),
        WireType::Fixed32 => Payload::Fixed32(0),
        WireType::Bytes => Payload::Bytes(&[]),
    }
}

fn read_time(bytes: &[u8]) -> Result<(i64, i32), Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields(bytes) {
        match field? {
            (1, Payload::Varint(value)) => seconds = value as i64,
            (2, Payload::Varint(value)) => nanos = value as i32,
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

fn read_any(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut type_url, mut value) = ("", [].as_slice());
    for field in Fields(bytes) {
        match field? {
            (1, Payload::Bytes(bytes)) => {
                type_url = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
            }
            (2, Payload::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((type_url, value))
}
