//! From a format to a line.

use destrier_policy::{AccessLogFormat, AccessLogPart};

use super::line::{Line, Value};

/// Appends one line.
pub(super) fn render(format: &AccessLogFormat, line: &impl Line, out: &mut Vec<u8>) {
    match format {
        AccessLogFormat::Text(parts) => parts.iter().for_each(|part| {
            if write_part(part, line, out) == Value::Absent {
                out.push(b'-');
            }
        }),
        AccessLogFormat::Json(fields) => {
            let mut value = Vec::new();
            for (index, field) in fields.iter().enumerate() {
                out.push(if index == 0 { b'{' } else { b',' });
                quote(field.key.as_bytes(), out);
                out.push(b':');
                value.clear();
                match &*field.value {
                    [part] => match write_part(part, line, &mut value) {
                        Value::Number => out.extend_from_slice(&value),
                        Value::Absent => out.extend_from_slice(b"null"),
                        Value::Text => quote(&value, out),
                    },
                    parts => {
                        for part in parts {
                            if write_part(part, line, &mut value) == Value::Absent {
                                value.push(b'-');
                            }
                        }
                        quote(&value, out);
                    }
                }
            }
            out.extend_from_slice(if fields.is_empty() { b"{}\n" } else { b"}\n" });
        }
    }
}

fn write_part(part: &AccessLogPart, line: &impl Line, out: &mut Vec<u8>) -> Value {
    match part {
        AccessLogPart::Literal(literal) => {
            out.extend_from_slice(literal.as_bytes());
            Value::Text
        }
        AccessLogPart::Operator(operator, longest) => {
            let start = out.len();
            let value = line.write(operator, out);
            if let Some(longest) = longest {
                shorten(out, start, *longest);
            }
            value
        }
    }
}

/// Cuts what begins at `start` to so many characters.
fn shorten(out: &mut Vec<u8>, start: usize, longest: usize) {
    // Bytes that continue a UTF-8 character do not begin one.
    let starts = out[start..].iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80);
    if let Some((end, _)) = { starts }.nth(longest) {
        out.truncate(start + end);
    }
}

/// A JSON string; bytes that are not UTF-8 are replaced.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            control if control < ' ' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use destrier_policy::{AccessLogField, AccessLogOperator};

    use super::*;
    use crate::access_log::line::{maybe, number, text};

    struct Fixed;

    impl Line for Fixed {
        fn write(&self, operator: &AccessLogOperator, out: &mut Vec<u8>) -> Value {
            match operator {
                AccessLogOperator::ResponseCode => number(out, 200),
                AccessLogOperator::RouteName => text(out, "ü\"b\"\n".as_bytes()),
                _ => maybe(out, None),
            }
        }
    }

    fn operator(operator: AccessLogOperator, longest: Option<usize>) -> AccessLogPart {
        AccessLogPart::Operator(operator, longest)
    }

    fn rendered(format: &AccessLogFormat) -> String {
        let mut out = Vec::new();
        render(format, &Fixed, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn text_has_a_dash_for_what_is_absent() {
        let format = AccessLogFormat::Text(Box::from([
            AccessLogPart::Literal("[".into()),
            operator(AccessLogOperator::ResponseCode, None),
            AccessLogPart::Literal(" ".into()),
            operator(AccessLogOperator::UpstreamHost, None),
            operator(AccessLogOperator::RouteName, Some(2)),
            AccessLogPart::Literal("]\n".into()),
        ]));
        assert_eq!(rendered(&format), "[200 -ü\"]\n");
    }

    #[test]
    fn json_keeps_types() {
        let field = |key: &str, value: &[AccessLogPart]| AccessLogField {
            key: key.into(),
            value: value.into(),
        };
        let code = operator(AccessLogOperator::ResponseCode, None);
        let format = AccessLogFormat::Json(Box::from([
            field("code", std::slice::from_ref(&code)),
            field("host", &[operator(AccessLogOperator::UpstreamHost, None)]),
            field("route", &[operator(AccessLogOperator::RouteName, None)]),
            field("both", &[AccessLogPart::Literal("c".into()), code.clone()]),
        ]));
        let line = "{\"code\":200,\"host\":null,\"route\":\"ü\\\"b\\\"\\n\",\"both\":\"c200\"}\n";
        assert_eq!(rendered(&format), line);
    }
}
