//! Numbers, strings, bytes and enums, both ways.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::table::{Enum, Kind};
use crate::wire::{self, Malformed, Payload, WireType};

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

/// A value ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    Varint(u64),
    Fixed64(u64),
    Bytes(Vec<u8>),
    Fixed32(u32),
}

impl Scalar {
    pub(crate) fn is_default(&self) -> bool {
        match self {
            Self::Varint(value) | Self::Fixed64(value) => *value == 0,
            Self::Fixed32(value) => *value == 0,
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }

    /// Without a tag, as in a packed list.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Varint(value) => wire::write_varint(*value, out),
            Self::Fixed64(value) => out.extend(value.to_le_bytes()),
            Self::Fixed32(value) => out.extend(value.to_le_bytes()),
            Self::Bytes(bytes) => wire::write_bytes(bytes, out),
        }
    }
}

/// How a kind stands on the wire.
pub(crate) fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Bytes,
        _ => WireType::Varint,
    }
}

/// Reads a scalar or enum by the rules of protobuf JSON.
pub(crate) fn read(kind: Kind, value: &Value) -> Result<Scalar, String> {
    let expected = |what: &str| format!("expected {what}, found {}", describe(value));
    let signed = |value: i64| Scalar::Varint(value as u64);
    Ok(match kind {
        Kind::Bool => {
            let value = value.as_bool().ok_or_else(|| expected("a bool"))?;
            Scalar::Varint(u64::from(value))
        }
        Kind::String => {
            let text = value.as_str().ok_or_else(|| expected("a string"))?;
            Scalar::Bytes(text.as_bytes().to_vec())
        }
        Kind::Bytes => {
            let bytes = value.as_str().and_then(read_base64);
            Scalar::Bytes(bytes.ok_or_else(|| expected("bytes in base64"))?)
        }
        Kind::Int32 => signed(integer::<i32>(value, "int32")?.into()),
        Kind::Int64 => signed(integer(value, "int64")?),
        Kind::Uint32 => Scalar::Varint(integer::<u32>(value, "uint32")?.into()),
        Kind::Uint64 => Scalar::Varint(integer(value, "uint64")?),
        Kind::Sint32 => Scalar::Varint(wire::zigzag(integer::<i32>(value, "sint32")?.into())),
        Kind::Sint64 => Scalar::Varint(wire::zigzag(integer(value, "sint64")?)),
        Kind::Fixed32 => Scalar::Fixed32(integer(value, "fixed32")?),
        Kind::Fixed64 => Scalar::Fixed64(integer(value, "fixed64")?),
        Kind::Sfixed32 => Scalar::Fixed32(integer::<i32>(value, "sfixed32")? as u32),
        Kind::Sfixed64 => Scalar::Fixed64(integer::<i64>(value, "sfixed64")? as u64),
        Kind::Double => {
            Scalar::Fixed64(float(value).ok_or_else(|| expected("a number"))?.to_bits())
        }
        Kind::Float => {
            let wide = float(value).ok_or_else(|| expected("a number"))?;
            let narrow = wide as f32;
            if wide.is_finite() && !narrow.is_finite() {
                return Err(expected("a number that a float can hold"));
            }
            Scalar::Fixed32(narrow.to_bits())
        }
        Kind::Enum(kind) => signed(enumeration(kind, value)?.into()),
        Kind::Message(_) => return Err(expected("a scalar")),
    })
}

fn enumeration(kind: Enum, value: &Value) -> Result<i32, String> {
    match value {
        Value::Null if kind.full_name() == "google.protobuf.NullValue" => Ok(0),
        Value::String(text) => {
            let found = kind.values().find(|(name, _)| name == text);
            found.map(|(_, number)| number).ok_or_else(|| {
                let names: Vec<_> = kind.values().map(|(name, _)| name).collect();
                let (text, kind) = (describe_text(text), kind.name());
                format!("{text} is no {kind}: it has {}", names.join(", "))
            })
        }
        // Enums of proto3 are open: a number without a name is kept.
        _ => integer(value, kind.name()),
    }
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

fn read_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// Bytes in base64.
pub(crate) fn write_base64(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// A double, without a fraction when it has none, as Envoy prints it.
fn write_f64(number: f64) -> Value {
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
fn write_f32(number: f32) -> Value {
    let wide = number.to_string().parse().unwrap_or_else(|_| f64::from(number));
    write_f64(wide)
}

/// Prints a scalar or enum from the wire.
pub(crate) fn write(kind: Kind, payload: Payload<'_>) -> Result<Value, Malformed> {
    Ok(match (kind, payload) {
        (Kind::Bool, Payload::Varint(value)) => (value != 0).into(),
        (Kind::Int32, Payload::Varint(value)) => (value as i32).into(),
        (Kind::Int64, Payload::Varint(value)) => (value as i64).to_string().into(),
        (Kind::Uint32, Payload::Varint(value)) => (value as u32).into(),
        (Kind::Uint64, Payload::Varint(value)) => value.to_string().into(),
        (Kind::Sint32, Payload::Varint(value)) => (wire::unzigzag(value) as i32).into(),
        (Kind::Sint64, Payload::Varint(value)) => wire::unzigzag(value).to_string().into(),
        (Kind::Enum(kind), Payload::Varint(value)) => write_enum(kind, value as i32),
        (Kind::Fixed32, Payload::Fixed32(value)) => value.into(),
        (Kind::Sfixed32, Payload::Fixed32(value)) => (value as i32).into(),
        (Kind::Float, Payload::Fixed32(value)) => write_f32(f32::from_bits(value)),
        (Kind::Fixed64, Payload::Fixed64(value)) => value.to_string().into(),
        (Kind::Sfixed64, Payload::Fixed64(value)) => (value as i64).to_string().into(),
        (Kind::Double, Payload::Fixed64(value)) => write_f64(f64::from_bits(value)),
        (Kind::Bytes, Payload::Bytes(bytes)) => write_base64(bytes),
        (Kind::String, Payload::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map_err(|_| Malformed)?.into()
        }
        _ => return Err(Malformed),
    })
}

/// By name, or by number when the number has no name.
fn write_enum(kind: Enum, number: i32) -> Value {
    if kind.full_name() == "google.protobuf.NullValue" {
        return Value::Null;
    }
    match kind.values().find(|(_, of_name)| *of_name == number) {
        Some((name, _)) => name.into(),
        None => number.into(),
    }
}
