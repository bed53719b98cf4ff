//! Random UUIDs (RFC 9562, version 4).

use super::line::{Value, text};

/// Appends one made of random bits.
pub(super) fn write(out: &mut Vec<u8>, random: u128) -> Value {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = random.to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut written = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        written[at] = DIGITS[usize::from(byte >> 4)];
        written[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text(out, &written)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_has_its_form() {
        let mut out = Vec::new();
        super::write(&mut out, 0);
        super::write(&mut out, u128::MAX);
        let expected = "00000000-0000-4000-8000-000000000000ffffffff-ffff-4fff-bfff-ffffffffffff";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
