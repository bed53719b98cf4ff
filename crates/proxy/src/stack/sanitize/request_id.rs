//! `x-request-id`.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderValue;

/// A random UUID (RFC 9562, version 4).
pub(super) fn request_id(random: u128) -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let version_and_variant = random & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let mut text = BytesMut::with_capacity(36);
    for digit in 0..32 {
        if matches!(digit, 8 | 12 | 16 | 20) {
            text.put_u8(b'-');
        }
        text.put_u8(HEX[(version_and_variant >> (124 - 4 * digit) & 0xf) as usize]);
    }
    let text: Bytes = text.freeze();
    HeaderValue::from_maybe_shared(text).expect("hexadecimal digits and dashes are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_form_of_a_uuid() {
        for (random, text) in [
            (0, "00000000-0000-4000-8000-000000000000"),
            (u128::MAX, "ffffffff-ffff-4fff-bfff-ffffffffffff"),
            (0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, "01234567-89ab-4def-8123-456789abcdef"),
        ] {
            assert_eq!(request_id(random), text);
        }
    }
}
