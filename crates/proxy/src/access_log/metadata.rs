//! Metadata as a line shows it.

use destrier_policy::{Metadata, Value as Field};

use super::json;
use super::line::{Value, text};

/// Appends what stands in a namespace at a path; all of the namespace without one.
pub(super) fn write(
    out: &mut Vec<u8>,
    metadata: &Metadata,
    namespace: &str,
    path: &[Box<str>],
) -> Value {
    let Some(fields) = metadata.namespace(namespace) else { return Value::Absent };
    let Some((first, rest)) = path.split_first() else {
        object(out, fields.iter().map(|(key, value)| (key.as_str(), value)));
        return Value::Json;
    };
    let found = rest.iter().try_fold(fields.get(&**first), |found, key| match found {
        Some(Field::Struct(fields)) => Some(fields.get(&**key)),
        _ => None,
    });
    match found.flatten() {
        None | Some(Field::Null) => Value::Absent,
        Some(Field::String(value)) => text(out, value.as_bytes()),
        Some(value) => {
            field(out, value);
            Value::Json
        }
    }
}

fn field(out: &mut Vec<u8>, value: &Field) {
    match value {
        Field::Null => out.extend_from_slice(b"null"),
        Field::Bool(value) => json::boolean(out, *value),
        Field::Number(value) => json::number(out, *value),
        Field::String(value) => json::string(out, value.as_bytes()),
        Field::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                field(out, value);
            }
            out.push(b']');
        }
        Field::Struct(fields) => {
            object(out, fields.iter().map(|(key, value)| (key.as_str(), value)));
        }
    }
}

fn object<'a>(out: &mut Vec<u8>, fields: impl Iterator<Item = (&'a str, &'a Field)>) {
    out.push(b'{');
    for (index, (key, value)) in fields.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::string(out, key.as_bytes());
        out.push(b':');
        field(out, value);
    }
    out.push(b'}');
}
