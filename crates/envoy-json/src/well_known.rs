//! The messages of `google.protobuf` that have a JSON form of their own.

use crate::table::Message;

/// A JSON form that is not an object of the message's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Any,
    Duration,
    Timestamp,
    FieldMask,
    Struct,
    List,
    Value,
    /// `BoolValue` and its kin: the JSON of their only field.
    Wrapper,
}

/// The own form of a message, if it has one. In an `Any` it stands under `value`.
pub(crate) fn form(message: Message) -> Option<Form> {
    Some(match message.full_name().strip_prefix("google.protobuf.")? {
        "Any" => Form::Any,
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

/// A path of a field mask, from its JSON.
pub(crate) fn to_snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A path of a field mask, for its JSON.
pub(crate) fn to_camel_case(path: &str) -> String {
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
