//! Random UUIDs (RFC 9562, version 4).

use super::line::{Value, text};

/// Appends one.
pub(super) fn write(out: &mut Vec<u8>) -> Value {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes: [u8; 16] = rand::random();
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
    fn a_uuid_has_its_form_and_is_new_each_time() {
        let mut out = Vec::new();
        super::write(&mut out);
        super::write(&mut out);
        let (first, second) = out.split_at(36);
        assert_ne!(first, second);
        let at = |index: usize| char::from(first[index]);
        assert!([8, 13, 18, 23].iter().all(|index| at(*index) == '-'));
        assert!(at(14) == '4' && "89ab".contains(at(19)));
    }
}
