//! Numbers, strings, bytes and enums, both ways.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{EnumDescriptor, Kind, Value as Field};
use serde_json::Value;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Names a value in an error, shortened when it is long.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the bool {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => describe_text(value),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn describe_text(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("the string {:?}…", &text[..end]),
        None => format!("the string {text:?}"),
    }
}

/// Reads a scalar or enum by the rules of protobuf JSON.
pub(crate) fn read(kind: &Kind, value: &Value) -> Result<Field, String> {
    let expected = |what: &str| format!("expected {what}, found {}", describe(value));
    match kind {
        Kind::Bool => value.as_bool().map(Field::Bool).ok_or_else(|| expected("a bool")),
        Kind::String => value
            .as_str()
            .map(|text| Field::String(text.to_owned()))
            .ok_or_else(|| expected("a string")),
        Kind::Bytes => value
            .as_str()
            .and_then(read_base64)
            .map(|bytes| Field::Bytes(bytes.into()))
            .ok_or_else(|| expected("bytes in base64")),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(value, "int32").map(Field::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(value, "int64").map(Field::I64),
        Kind::Uint32 | Kind::Fixed32 => integer(value, "uint32").map(Field::U32),
        Kind::Uint64 | Kind::Fixed64 => integer(value, "uint64").map(Field::U64),
        Kind::Double => float(value).map(Field::F64).ok_or_else(|| expected("a number")),
        Kind::Float => float(value)
            .map(|value| value as f32)
            .filter(|_| fits_f32(value))
            .map(Field::F32)
            .ok_or_else(|| expected("a number that a float can hold")),
        Kind::Enum(descriptor) => enumeration(descriptor, value),
        Kind::Message(_) => Err(expected("a scalar")),
    }
}

fn enumeration(descriptor: &EnumDescriptor, value: &Value) -> Result<Field, String> {
    let number = match value {
        Value::Null if descriptor.full_name() == "google.protobuf.NullValue" => 0,
        Value::String(name) => match descriptor.get_value_by_name(name) {
            Some(value) => value.number(),
            None => {
                let names: Vec<_> =
                    descriptor.values().map(|value| value.name().to_owned()).collect();
                return Err(format!(
                    "{} is no {}: it has {}",
                    describe_text(name),
                    descriptor.name(),
                    names.join(", ")
                ));
            }
        },
        // Enums of proto3 are open: a number without a name is kept.
        _ => integer(value, descriptor.name())?,
    };
    Ok(Field::EnumNumber(number))
}

fn integer<T: TryFrom<i128>>(value: &Value, name: &str) -> Result<T, String> {
    let number: Option<i128> = match value {
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            .or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.parse().ok().or_else(|| text.parse().ok().and_then(whole)),
        _ => None,
    };
    let number =
        number.ok_or_else(|| format!("expected an integer ({name}), found {}", describe(value)))?;
    T::try_from(number).map_err(|_| format!("{number} is out of the range of {name}"))
}

/// `1e3` and `8080.0` are integers in JSON.
fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0).then_some(number as i128)
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok().filter(|number: &f64| number.is_finite()),
        },
        _ => None,
    }
}

fn fits_f32(value: &Value) -> bool {
    float(value).is_some_and(|wide| !wide.is_finite() || (wide as f32).is_finite())
}

fn read_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// Bytes in base64.
pub(crate) fn write_base64(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// A double, without a fraction when it has none, as Envoy prints it.
pub(crate) fn write_f64(number: f64) -> Value {
    /// The largest integer below which a double holds all integers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    if number.fract() == 0.0 && number.abs() < EXACT {
        return (number as i64).into();
    }
    number.into()
}

/// A float by its shortest text: 0.1, not 0.10000000149011612.
pub(crate) fn write_f32(number: f32) -> Value {
    let wide = number.to_string().parse().unwrap_or_else(|_| f64::from(number));
    write_f64(wide)
}

/// An enum by name, or by number when the number has no name.
pub(crate) fn write_enum(descriptor: &EnumDescriptor, number: i32) -> Value {
    if descriptor.full_name() == "google.protobuf.NullValue" {
        return Value::Null;
    }
    match descriptor.get_value(number) {
        Some(value) => value.name().into(),
        None => number.into(),
    }
}
