//! What may stand in `host` and in the authority of a target (RFC 3986, section 3.2).

/// A host with an optional port, or nothing at all. No user information.
pub(crate) fn is_host(value: &[u8]) -> bool {
    if value.is_empty() {
        return true;
    }
    let (host_is_good, rest) = match value.strip_prefix(b"[") {
        Some(inner) => match inner.iter().position(|&byte| byte == b']') {
            Some(end) => {
                let literal = &inner[..end];
                let good = !literal.is_empty()
                    && literal.iter().all(|&byte| IP_LITERAL[usize::from(byte)]);
                (good, &inner[end + 1..])
            }
            None => return false,
        },
        None => {
            let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
            let (host, rest) = value.split_at(end);
            (!host.is_empty() && host.iter().all(|&byte| REG_NAME[usize::from(byte)]), rest)
        }
    };
    host_is_good && is_port_suffix(rest)
}

/// Nothing, or a colon and up to five digits.
fn is_port_suffix(rest: &[u8]) -> bool {
    match rest.strip_prefix(b":") {
        Some(port) => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        None => rest.is_empty(),
    }
}

const REG_NAME: [bool; 256] = letters_digits_and(b"-._~%!$&'()*+,;=");
const IP_LITERAL: [bool; 256] = letters_digits_and(b":.%-_~");

const fn letters_digits_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn hosts_with_and_without_ports_are_accepted() {
        for good in ["", "a", "a.b", "a:80", "a:", "10.0.0.1:8080", "[::1]", "[::1]:80", "a_b", "*"]
        {
            assert!(is_host(good.as_bytes()), "{good:?} is a host");
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for bad in [
            "a b", "a/b", "u@a", ":80", "a:x", "a:1:2", "a:123456", "[::1", "[]", "[::1]x", "a?b",
            "a#b", "a\\b", "[a b]", "a:80/", "http://a", "\u{e9}",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?} is not a host");
        }
    }
}
