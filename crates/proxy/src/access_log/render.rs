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
