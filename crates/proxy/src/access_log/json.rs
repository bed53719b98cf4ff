//! JSON, written.

use std::io::Write as _;

/// Appends `true` or `false`.
pub(super) fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a number, a whole one without a point.
pub(super) fn number(out: &mut Vec<u8>, value: f64) {
    // A vector takes everything. Beyond 2^53 a double is no longer exact.
    let _ = if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        write!(out, "{}", value as i64)
    } else if value.is_finite() {
        write!(out, "{value:?}")
    } else {
        out.write_all(b"null")
    };
}

/// Appends a string.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    let start = begin_string(out);
    out.extend_from_slice(text);
    end_string(out, start);
}

/// Begins a string: what is appended until [`end_string`] is its content.
pub(super) fn begin_string(out: &mut Vec<u8>) -> usize {
    out.push(b'"');
    out.len()
}

/// Ends the string that began at `start`: escapes what must be, replaces what is not UTF-8.
pub(super) fn end_string(out: &mut Vec<u8>, start: usize) {
    let plain = |byte: &u8| (b' '..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
    // Nearly always nothing is to be done.
    if !out[start..].iter().all(plain) {
        let content = out.split_off(start);
        escape(out, &String::from_utf8_lossy(&content));
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            control if control < ' ' => {
                // A vector takes everything.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
