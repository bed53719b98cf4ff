//! The messages of `google.protobuf` that have a JSON form of their own.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage, Value as Field,
};
use serde_json::Value;

use crate::{scalar, time};

/// Prost decodes 100 messages in each other, and a level of a `Struct` takes up to three where it
/// counts as two here.
const MAX_STRUCT_DEPTH: usize = 50;

fn form(descriptor: &MessageDescriptor) -> Option<Form> {
    Some(match descriptor.full_name().strip_prefix("google.protobuf.")? {
        "Duration" => Form::Duration,
        "Timestamp" => Form::Timestamp,
        "FieldMask" => Form::FieldMask,
        "Struct" => Form::Struct,
        "ListValue" => Form::List,
        "Value" => Form::Value,
        "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
        | "StringValue" | "UInt32Value" | "UInt64Value" => Form::Wrapper,
        _ => return None,
    })
}

enum Form {
    Duration,
    Timestamp,
    FieldMask,
    Struct,
    List,
    Value,
    Wrapper,
}

/// True for a message whose JSON form is not an object of its fields; in an `Any` it stands under
/// `value`.
pub(crate) fn has_own_form(descriptor: &MessageDescriptor) -> bool {
    form(descriptor).is_some() || descriptor.full_name() == "google.protobuf.Any"
}

/// Reads a message with a form of its own; `None` for all others.
pub(crate) fn read(
    descriptor: &MessageDescriptor,
    value: &Value,
) -> Option<Result<DynamicMessage, String>> {
    let form = form(descriptor)?;
    let expected = |what: &str| format!("expected {what}, found {}", scalar::describe(value));
    let mut message = DynamicMessage::new(descriptor.clone());
    let read = match form {
        Form::Duration => value
            .as_str()
            .and_then(time::read_duration)
            .map(|moment| set_time(&mut message, moment))
            .ok_or_else(|| expected("a duration such as \"1.5s\"")),
        Form::Timestamp => value
            .as_str()
            .and_then(time::read_timestamp)
            .map(|moment| set_time(&mut message, moment))
            .ok_or_else(|| expected("a time such as \"2026-01-31T12:00:00Z\"")),
        Form::FieldMask => value
            .as_str()
            .map(|paths| set_paths(&mut message, paths))
            .ok_or_else(|| expected("a field mask")),
        Form::Wrapper => read_wrapper(&mut message, value),
        Form::Struct | Form::List | Form::Value => {
            return Some(read_dynamic(descriptor, value, 0));
        }
    };
    Some(read.map(|()| message))
}

fn set_time(message: &mut DynamicMessage, (seconds, nanos): (i64, i32)) {
    message.set_field_by_name("seconds", Field::I64(seconds));
    message.set_field_by_name("nanos", Field::I32(nanos));
}

fn set_paths(message: &mut DynamicMessage, paths: &str) {
    let paths = paths.split(',').filter(|path| !path.is_empty());
    let paths = paths.map(|path| Field::String(to_snake_case(path))).collect();
    message.set_field_by_name("paths", Field::List(paths));
}

fn read_wrapper(message: &mut DynamicMessage, value: &Value) -> Result<(), String> {
    let field = message.descriptor().get_field(1).expect("a wrapper has a value");
    let value = scalar::read(&field.kind(), value)?;
    message.set_field(&field, value);
    Ok(())
}

/// `Struct`, `ListValue` and `Value`, which hold any JSON.
fn read_dynamic(
    descriptor: &MessageDescriptor,
    value: &Value,
    depth: usize,
) -> Result<DynamicMessage, String> {
    if depth > MAX_STRUCT_DEPTH {
        return Err(format!("JSON nested deeper than {MAX_STRUCT_DEPTH} levels"));
    }
    let inner = |name: &str| {
        let field = descriptor.get_field_by_name(name).expect("google/protobuf/struct.proto");
        match field.kind() {
            Kind::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
            kind => kind,
        }
    };
    let read_inner = |name: &str, value: &Value| {
        let kind = inner(name);
        let message = kind.as_message().expect("google/protobuf/struct.proto");
        read_dynamic(message, value, depth + 1).map(Field::Message)
    };
    let mut message = DynamicMessage::new(descriptor.clone());
    let (name, field) = match (descriptor.name(), value) {
        ("Struct", Value::Object(fields)) => {
            let fields = fields.iter().map(|(key, value)| {
                Ok((MapKey::String(key.clone()), read_inner("fields", value)?))
            });
            ("fields", Field::Map(fields.collect::<Result<HashMap<_, _>, String>>()?))
        }
        ("ListValue", Value::Array(items)) => {
            let items = items.iter().map(|item| read_inner("values", item));
            ("values", Field::List(items.collect::<Result<_, _>>()?))
        }
        ("Value", Value::Null) => ("null_value", Field::EnumNumber(0)),
        ("Value", Value::Bool(value)) => ("bool_value", Field::Bool(*value)),
        ("Value", Value::Number(_)) => ("number_value", scalar::read(&Kind::Double, value)?),
        ("Value", Value::String(text)) => ("string_value", Field::String(text.clone())),
        ("Value", Value::Array(_)) => ("list_value", read_inner("list_value", value)?),
        ("Value", Value::Object(_)) => ("struct_value", read_inner("struct_value", value)?),
        ("ListValue", _) => {
            return Err(format!("expected a list, found {}", scalar::describe(value)));
        }
        _ => return Err(format!("expected an object, found {}", scalar::describe(value))),
    };
    message.set_field_by_name(name, field);
    Ok(message)
}

/// Prints a message with a form of its own; `None` for all others.
pub(crate) fn write(message: &DynamicMessage) -> Option<Value> {
    let descriptor = message.descriptor();
    Some(match form(&descriptor)? {
        Form::Duration => {
            let (seconds, nanos) = get_time(message);
            time::write_duration(seconds, nanos).into()
        }
        Form::Timestamp => {
            let (seconds, nanos) = get_time(message);
            time::write_timestamp(seconds, nanos).into()
        }
        Form::FieldMask => {
            let paths = message.get_field_by_name("paths")?;
            let paths = paths.as_list()?.iter().filter_map(Field::as_str).map(to_camel_case);
            paths.collect::<Vec<_>>().join(",").into()
        }
        Form::Wrapper => {
            let field = descriptor.get_field(1)?;
            write_scalar(&field.kind(), &message.get_field(&field))
        }
        Form::Struct | Form::List | Form::Value => write_dynamic(message),
    })
}

fn get_time(message: &DynamicMessage) -> (i64, i32) {
    let seconds = message.get_field_by_name("seconds").and_then(|seconds| seconds.as_i64());
    let nanos = message.get_field_by_name("nanos").and_then(|nanos| nanos.as_i32());
    (seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

fn write_dynamic(message: &DynamicMessage) -> Value {
    let write_inner = |value: &Field| value.as_message().map_or(Value::Null, write_dynamic);
    let name = message.descriptor().name().to_owned();
    let mut fields = message.fields();
    match (name.as_str(), fields.next().map(|(_, value)| value)) {
        ("Struct", Some(Field::Map(fields))) => {
            let fields = fields
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), write_inner(value))));
            Value::Object(fields.collect())
        }
        ("ListValue", Some(Field::List(items))) => items.iter().map(write_inner).collect(),
        ("Struct", _) => Value::Object(serde_json::Map::new()),
        ("ListValue", _) => Value::Array(Vec::new()),
        (_, Some(Field::Bool(value))) => (*value).into(),
        (_, Some(Field::F64(number))) => scalar::write_f64(*number),
        (_, Some(Field::String(text))) => text.clone().into(),
        (_, Some(Field::Message(inner))) => write_dynamic(inner),
        _ => Value::Null,
    }
}

/// Prints a scalar or enum.
pub(crate) fn write_scalar(kind: &Kind, value: &Field) -> Value {
    match (kind, value) {
        (Kind::Enum(descriptor), Field::EnumNumber(number)) => {
            scalar::write_enum(descriptor, *number)
        }
        (_, Field::Bool(value)) => (*value).into(),
        (_, Field::I32(value)) => (*value).into(),
        (_, Field::U32(value)) => (*value).into(),
        (_, Field::I64(value)) => value.to_string().into(),
        (_, Field::U64(value)) => value.to_string().into(),
        (_, Field::F32(value)) => scalar::write_f32(*value),
        (_, Field::F64(value)) => scalar::write_f64(*value),
        (_, Field::String(value)) => value.clone().into(),
        (_, Field::Bytes(value)) => scalar::write_base64(value),
        _ => Value::Null,
    }
}

fn to_snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn to_camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut raise = false;
    for letter in path.chars() {
        if letter == '_' {
            raise = true;
        } else {
            camel.push(if raise { letter.to_ascii_uppercase() } else { letter });
            raise = false;
        }
    }
    camel
}
