//! As much of HPACK (RFC 7541) as a raw peer needs: literals out, a status in.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A header block of literals without index and without Huffman's code: any name and value can be said so,
/// in any order and as often as one likes.
pub fn encode_headers(headers: &[(&str, &str)]) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in headers {
        block.put_u8(0);
        for text in [name, value] {
            put_length(&mut block, text.len());
            block.put_slice(text.as_bytes());
        }
    }
    block.freeze()
}

/// An integer with a prefix of seven bits (5.1).
fn put_length(block: &mut BytesMut, length: usize) {
    const PREFIX: usize = 127;
    let Some(mut rest) = length.checked_sub(PREFIX) else {
        block.put_u8(length as u8);
        return;
    };
    block.put_u8(PREFIX as u8);
    while rest >= 128 {
        block.put_u8((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.put_u8(rest as u8);
}

/// The status, which is the first field of a response. Entries of the dynamic table are not known here.
pub(super) fn status(block: &[u8]) -> Option<u16> {
    // The static table's entries 8 to 14.
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // A block may begin with a new size of the dynamic table.
    let at = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    let (&first, rest) = block[at..].split_first()?;
    if first & 0x80 != 0 {
        return KNOWN.get(usize::from(first & 0x7f).checked_sub(8)?).copied();
    }
    // A literal whose name is one of those entries.
    let name = if first & 0x40 != 0 { first & 0x3f } else { first & 0x0f };
    if !(8..=14).contains(&name) {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let value = rest.get(..usize::from(length & 0x7f))?;
    if length & 0x80 != 0 {
        huffman_digits(value)
    } else {
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

/// Digits in Huffman's code: 0 to 2 have five bits, the others six (appendix B).
fn huffman_digits(coded: &[u8]) -> Option<u16> {
    let mut bits = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut number = 0;
    for _ in 0..3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code << 1 | bits.next()?;
        }
        let digit = if code < 3 {
            code
        } else {
            // 3 is 011001, and so on.
            (code << 1 | bits.next()?).checked_sub(0b01_1001)?.checked_add(3)?
        };
        number = number * 10 + u16::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_every_form() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8d]), Some(404));
        assert_eq!(status(b"\x08\x03503"), Some(503));
        // From RFC 7541, C.6.1 (302) and C.6.2 (307).
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
        assert_eq!(status(&[]), None);
    }

    #[test]
    fn long_values_have_long_lengths() {
        let block = encode_headers(&[("x", &"a".repeat(1337 + 127))]);
        // RFC 7541, C.1.2, with the prefix of seven bits.
        assert_eq!(block[..6], [0, 1, b'x', 127, 0b1011_1001, 0b0000_1010]);
    }
}
