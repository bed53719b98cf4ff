//! What a line is made from, and how its values are written.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use destrier_policy::{AccessLogType, Address, AddressForm, FormatOperator, HeaderKey};
use destrier_upstream::ResponseFlag;
use tokio::time::Instant;

/// The value of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text was written.
    Text,
    /// What was written is a value of JSON as it stands: a number, a list.
    Json,
    /// There is none; nothing was written.
    Absent,
}

/// Something that a line is written about.
pub(crate) trait Line {
    /// Appends the value of an operator.
    fn write(&self, operator: &FormatOperator, out: &mut Vec<u8>) -> Value;

    /// A header of the request; several of its name are joined by commas.
    fn request_header(&self, key: &HeaderKey) -> Option<Cow<'_, [u8]>>;

    /// Of the answer; 0 without one.
    fn status(&self) -> u16;

    /// How long it has lasted.
    fn milliseconds(&self) -> u64;

    /// What went wrong.
    fn flags(&self) -> &[ResponseFlag];

    /// Of gRPC, as a client understands the answer.
    fn grpc_status(&self) -> Option<u32>;

    /// Why the line is written.
    fn kind(&self) -> AccessLogType;
}

/// Appends a text.
pub(super) fn text(out: &mut Vec<u8>, text: &[u8]) -> Value {
    out.extend_from_slice(text);
    Value::Text
}

/// Appends a text if there is one.
pub(super) fn maybe(out: &mut Vec<u8>, value: Option<&[u8]>) -> Value {
    value.map_or(Value::Absent, |value| text(out, value))
}

/// Appends a text unless it is empty.
pub(super) fn unless_empty(out: &mut Vec<u8>, value: &str) -> Value {
    maybe(out, Some(value.as_bytes()).filter(|value| !value.is_empty()))
}

/// Appends a number.
pub(super) fn number(out: &mut Vec<u8>, value: u64) -> Value {
    decimal(out, value);
    Value::Json
}

/// Appends a number if there is one.
pub(super) fn maybe_number(out: &mut Vec<u8>, value: Option<u64>) -> Value {
    value.map_or(Value::Absent, |value| number(out, value))
}

/// Appends the digits of a number. Lines have many, and `write!` takes several times as long.
pub(super) fn decimal(out: &mut Vec<u8>, value: u64) {
    padded(out, value, 1);
}

/// Appends the digits of a number, with zeros before it up to a width of 20 at most.
pub(super) fn padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    // 2^64 has 20 digits.
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[at.min(digits.len() - width.clamp(1, 20))..]);
}

/// Appends milliseconds from one point to another.
pub(super) fn milliseconds(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_millis() as u64
}

/// Appends an address, or a part of it.
pub(super) fn address(out: &mut Vec<u8>, address: &Address, form: AddressForm) -> Value {
    match address {
        Address::Ip(address) => socket_address(out, *address, form),
        Address::Pipe(path) => match form {
            AddressForm::Port => Value::Absent,
            AddressForm::Whole | AddressForm::WithoutPort(_) => {
                text(out, path.as_os_str().as_encoded_bytes())
            }
        },
    }
}

/// Appends an IP address and its port, or a part of it.
pub(super) fn socket_address(out: &mut Vec<u8>, address: SocketAddr, form: AddressForm) -> Value {
    match form {
        AddressForm::Whole => {
            match address.ip() {
                IpAddr::V4(_) => ip(out, address.ip()),
                IpAddr::V6(_) => {
                    out.push(b'[');
                    ip(out, address.ip());
                    out.push(b']');
                }
            }
            out.push(b':');
            decimal(out, address.port().into());
        }
        AddressForm::WithoutPort(None) => ip(out, address.ip()),
        AddressForm::WithoutPort(Some(mask)) => network(out, address.ip(), mask),
        AddressForm::Port => return number(out, address.port().into()),
    }
    Value::Text
}

fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                decimal(out, octet.into());
            }
        }
        IpAddr::V6(ip) => out.extend_from_slice(ip.to_string().as_bytes()),
    }
}

/// `10.1.0.0/16`. A mask that is longer than the address is all of it.
fn network(out: &mut Vec<u8>, address: IpAddr, mask: u8) {
    let (masked, mask) = match address {
        IpAddr::V4(address) => {
            let mask = mask.min(32);
            let bits = u32::MAX.checked_shl(32 - u32::from(mask)).unwrap_or(0);
            (IpAddr::V4((address.to_bits() & bits).into()), mask)
        }
        IpAddr::V6(address) => {
            let mask = mask.min(128);
            let bits = u128::MAX.checked_shl(128 - u32::from(mask)).unwrap_or(0);
            (IpAddr::V6((address.to_bits() & bits).into()), mask)
        }
    };
    ip(out, masked);
    out.push(b'/');
    decimal(out, mask.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 7, 10, 99, 100, 65_535, u64::MAX] {
            assert_eq!(written(|out| decimal(out, value)), value.to_string());
        }
        assert_eq!(written(|out| padded(out, 7, 3)), "007");
        assert_eq!(written(|out| padded(out, 1234, 3)), "1234");
    }

    #[test]
    fn addresses_have_three_forms() {
        use AddressForm::{Port, Whole, WithoutPort};
        for (address, form, expected) in [
            ("10.1.10.23:80", Whole, "10.1.10.23:80"),
            ("10.1.10.23:80", WithoutPort(None), "10.1.10.23"),
            ("10.1.10.23:80", WithoutPort(Some(16)), "10.1.0.0/16"),
            ("10.1.10.23:80", WithoutPort(Some(0)), "0.0.0.0/0"),
            ("10.1.10.23:80", WithoutPort(Some(129)), "10.1.10.23/32"),
            ("10.1.10.23:80", Port, "80"),
            ("[2001:db8:1::5]:443", Whole, "[2001:db8:1::5]:443"),
            ("[2001:db8:1::5]:443", WithoutPort(Some(32)), "2001:db8::/32"),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(
                written(|out| {
                    socket_address(out, address, form);
                }),
                expected
            );
        }
    }
}
