//! Queries of paths.

use super::line::{Value, text};

/// The query of a path, without its question mark.
pub(super) fn of(path: &[u8]) -> Option<&[u8]> {
    let at = path.iter().position(|byte| *byte == b'?')?;
    Some(&path[at + 1..])
}

/// Appends the first parameter of a name, decoded.
pub(super) fn parameter(out: &mut Vec<u8>, query: &[u8], name: &[u8]) -> Value {
    let mut pairs = query.split(|byte| *byte == b'&').map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=');
        at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]))
    });
    match pairs.find(|(known, _)| *known == name) {
        Some((_, value)) => decode(out, value),
        None => Value::Absent,
    }
}

/// Appends a text with each `%XX` as the byte that it stands for.
pub(super) fn decode(out: &mut Vec<u8>, mut rest: &[u8]) -> Value {
    while let Some((byte, after)) = rest.split_first() {
        let decoded = (*byte == b'%').then(|| after.get(..2)).flatten().and_then(hex);
        match decoded {
            Some(decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    text(out, b"")
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        for (path, name, value) in [
            ("/a?a=1&b=x%20y&e=", "b", Some("x y")),
            ("/a?a=1&b=x%20y&e=", "e", Some("")),
            ("/a?a=1&a=2", "a", Some("1")),
            ("/a?flag", "flag", Some("")),
            ("/a?a=%zz%4", "a", Some("%zz%4")),
            ("/a?a=1", "b", None),
            ("/a", "a", None),
        ] {
            let mut out = Vec::new();
            let found =
                of(path.as_bytes()).map(|query| parameter(&mut out, query, name.as_bytes()));
            let found = found.filter(|found| *found == Value::Text);
            let found = found.map(|_| String::from_utf8(out).expect("text"));
            assert_eq!(found.as_deref(), value, "{path} {name}");
        }
    }
}
