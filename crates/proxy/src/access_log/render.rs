//! From a format to a line.

use destrier_policy::{Absent, Format, FormatPart, JsonTemplate, Template};

use super::json;
use super::line::{Line, Value};

/// Appends one line, or one body.
pub(crate) fn render(format: &Format, line: &impl Line, out: &mut Vec<u8>) {
    match &format.template {
        Template::Text(parts) => render_parts(parts, format.absent, line, out),
        Template::Json(template) => {
            if !value(template, format.absent, line, out) {
                out.extend_from_slice(b"{}");
            }
            out.push(b'\n');
        }
    }
}

/// Appends a format string.
pub(crate) fn render_parts(
    parts: &[FormatPart],
    absent: Absent,
    line: &impl Line,
    out: &mut Vec<u8>,
) {
    for part in parts {
        match part {
            FormatPart::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
            FormatPart::Operator(operator, longest) => {
                let start = out.len();
                match line.write(operator, out) {
                    Value::Absent if absent == Absent::Shown => out.push(b'-'),
                    Value::Absent => {}
                    Value::Text | Value::Json => shorten(out, start, *longest),
                }
            }
        }
    }
}

/// Whether there was one; nothing is written otherwise.
fn value(template: &JsonTemplate, absent: Absent, line: &impl Line, out: &mut Vec<u8>) -> bool {
    match template {
        JsonTemplate::Object(fields) => {
            let start = out.len();
            for (key, template) in fields {
                let mark = out.len();
                out.push(if mark == start { b'{' } else { b',' });
                json::string(out, key.as_bytes());
                out.push(b':');
                if !value(template, absent, line, out) {
                    out.truncate(mark);
                }
            }
            return close(out, start, b"{}", absent);
        }
        JsonTemplate::List(values) => {
            let start = out.len();
            for template in values {
                let mark = out.len();
                out.push(if mark == start { b'[' } else { b',' });
                if !value(template, absent, line, out) {
                    out.truncate(mark);
                }
            }
            return close(out, start, b"[]", absent);
        }
        JsonTemplate::Text(parts) => match &**parts {
            [FormatPart::Operator(operator, longest)] => {
                let start = out.len();
                match line.write(operator, out) {
                    // What has a structure is never cut.
                    Value::Json => {}
                    Value::Text => {
                        shorten(out, start, *longest);
                        out.insert(start, b'"');
                        json::end_string(out, start + 1);
                    }
                    Value::Absent => return null(absent, out),
                }
            }
            parts => {
                let start = json::begin_string(out);
                render_parts(parts, absent, line, out);
                json::end_string(out, start);
            }
        },
        JsonTemplate::Number(value) => json::number(out, *value),
        JsonTemplate::Bool(value) => json::boolean(out, *value),
        JsonTemplate::Null => return null(absent, out),
    }
    true
}

fn null(absent: Absent, out: &mut Vec<u8>) -> bool {
    if absent == Absent::Shown {
        out.extend_from_slice(b"null");
    }
    absent == Absent::Shown
}

/// Ends an object or a list; one without content is left out where absent values are.
fn close(out: &mut Vec<u8>, start: usize, brackets: &[u8; 2], absent: Absent) -> bool {
    if out.len() > start {
        out.push(brackets[1]);
        return true;
    }
    if absent == Absent::Shown {
        out.extend_from_slice(brackets);
    }
    absent == Absent::Shown
}

/// Cuts what begins at `start` to so many bytes, and not within a character.
fn shorten(out: &mut Vec<u8>, start: usize, longest: Option<usize>) {
    let Some(longest) = longest.filter(|longest| out.len() - start > *longest) else { return };
    // Bytes that continue a UTF-8 character do not begin one.
    let end = (0..=longest).rev().find(|end| out[start + end] & 0xc0 != 0x80);
    out.truncate(start + end.unwrap_or(longest));
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use destrier_policy::{AccessLogType, FormatOperator as Op, HeaderKey, HeaderPick};
    use destrier_upstream::ResponseFlag;

    use super::*;
    use crate::access_log::line::{maybe, number, text};

    struct Fixed;

    impl Line for Fixed {
        fn write(&self, operator: &Op, out: &mut Vec<u8>) -> Value {
            match operator {
                Op::ResponseCode => number(out, 200),
                Op::RouteName => text(out, "ü\"b\"\n".as_bytes()),
                Op::UpstreamCluster => text(out, b"cluster"),
                Op::Metadata { .. } => {
                    out.extend_from_slice(b"{\"a\":1}");
                    Value::Json
                }
                _ => maybe(out, None),
            }
        }

        fn request_header(&self, _: &HeaderKey) -> Option<Cow<'_, [u8]>> {
            None
        }

        fn status(&self) -> u16 {
            200
        }

        fn milliseconds(&self) -> u64 {
            0
        }

        fn flags(&self) -> &[ResponseFlag] {
            &[]
        }

        fn grpc_status(&self) -> Option<u32> {
            None
        }

        fn kind(&self) -> AccessLogType {
            AccessLogType::DownstreamEnd
        }
    }

    fn part(operator: Op, longest: Option<usize>) -> FormatPart {
        FormatPart::Operator(operator, longest)
    }

    fn absent() -> FormatPart {
        let pick = HeaderPick { name: HeaderKey::new("nope"), alternative: None };
        part(Op::Request(pick), None)
    }

    fn literal(text: &str) -> FormatPart {
        FormatPart::Literal(text.into())
    }

    fn metadata(longest: Option<usize>) -> FormatPart {
        let of = destrier_policy::MetadataOf::Cluster;
        part(Op::Metadata { of, namespace: "n".into(), path: Box::default() }, longest)
    }

    fn template(parts: &[FormatPart]) -> JsonTemplate {
        JsonTemplate::Text(parts.into())
    }

    fn object(fields: Vec<(&str, JsonTemplate)>) -> JsonTemplate {
        JsonTemplate::Object(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    fn rendered(mut format: Format, absent: Absent) -> String {
        format.absent = absent;
        let mut out = Vec::new();
        render(&format, &Fixed, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn text_has_a_dash_for_what_is_absent_or_nothing() {
        let parts = || {
            Format::text(Box::from([
                literal("["),
                part(Op::ResponseCode, None),
                literal(" "),
                absent(),
                part(Op::RouteName, Some(3)),
                literal("]\n"),
            ]))
        };
        assert_eq!(rendered(parts(), Absent::Shown), "[200 -ü\"]\n");
        assert_eq!(rendered(parts(), Absent::Omitted), "[200 ü\"]\n");
    }

    #[test]
    fn a_length_is_in_bytes_and_never_splits_a_character() {
        for (longest, text) in
            [(0, ""), (1, ""), (2, "ü"), (3, "ü\""), (6, "ü\"b\"\n"), (99, "ü\"b\"\n")]
        {
            let format = Format::text(Box::from([part(Op::RouteName, Some(longest))]));
            assert_eq!(rendered(format, Absent::Shown), text, "{longest}");
        }
        let cut = Format::text(Box::from([metadata(Some(3))]));
        assert_eq!(rendered(cut, Absent::Shown), "{\"a");
    }

    /// The shape and the values are those of a line of Envoy 1.40.
    fn nested() -> Format {
        let code = || template(&[part(Op::ResponseCode, None)]);
        Format::json(object(vec![
            (
                "a",
                object(vec![
                    ("deep", object(vec![("e", template(&[absent()]))])),
                    ("m", template(&[literal("x"), part(Op::ResponseCode, None)])),
                    ("n", code()),
                    ("no", template(&[absent()])),
                ]),
            ),
            ("b", template(&[metadata(Some(2))])),
            ("empty", template(&[])),
            ("esc", template(&[literal("a\"é\u{1}<&/\n")])),
            (
                "l",
                JsonTemplate::List(Box::from([
                    code(),
                    template(&[absent()]),
                    template(&[literal("lit")]),
                ])),
            ),
            ("mix", template(&[absent(), literal("-"), absent()])),
            ("neg", JsonTemplate::Number(-3.0)),
            ("nul", JsonTemplate::Null),
            ("num", JsonTemplate::Number(5.5)),
            ("r", template(&[part(Op::RouteName, None)])),
            ("t", JsonTemplate::Bool(true)),
        ]))
    }

    #[test]
    fn json_keeps_types() {
        let line = concat!(
            r#"{"a":{"deep":{"e":null},"m":"x200","n":200,"no":null},"b":{"a":1},"empty":"","#,
            r#""esc":"a\"é\u0001<&/\n","l":[200,null,"lit"],"mix":"---","neg":-3,"nul":null,"#,
            r#""num":5.5,"r":"ü\"b\"\n","t":true}"#,
            "\n"
        );
        assert_eq!(rendered(nested(), Absent::Shown), line);
    }

    #[test]
    fn json_leaves_out_what_is_absent_when_asked() {
        let line = concat!(
            r#"{"a":{"m":"x200","n":200},"b":{"a":1},"empty":"","#,
            r#""esc":"a\"é\u0001<&/\n","l":[200,"lit"],"mix":"-","neg":-3,"#,
            r#""num":5.5,"r":"ü\"b\"\n","t":true}"#,
            "\n"
        );
        assert_eq!(rendered(nested(), Absent::Omitted), line);
        let nothing = Format::json(object(vec![("a", template(&[absent()]))]));
        assert_eq!(rendered(nothing, Absent::Omitted), "{}\n");
    }
}
