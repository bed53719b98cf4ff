//! Format strings: `%OPERATOR(argument):length%` between literal text.

mod operator;
mod substitution;
#[cfg(test)]
mod tests;

use destrier_policy::FormatPart;

use crate::proto::Fault;

pub(super) use substitution::{default_format, json_template, substitution_format, text_format};

/// Envoy's format where none is given.
const DEFAULT_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n"
);

/// Parses a format string. This is the entry point of the fuzz target `format`: whatever the text, it
/// returns parts or a fault.
///
/// # Errors
/// What is wrong, with the position in bytes and the operator.
pub fn parse_format(format: &str) -> Result<Box<[FormatPart]>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = format[at..].find('%') {
        literal.push_str(&format[at..at + found]);
        at += found;
        let after = &format[at + 1..];
        if after.starts_with('%') {
            literal.push('%');
            at += 2;
            continue;
        }
        let fault = |why: Fault| format!("at byte {at}: {why}");
        let token = Token::read(after).map_err(fault)?;
        if !literal.is_empty() {
            parts.push(FormatPart::Literal(std::mem::take(&mut literal).into()));
        }
        let operator = operator::operator(&token)
            .map_err(|why| fault(format!("%{}%: {why}", &after[..token.bytes])))?;
        parts.push(FormatPart::Operator(operator, token.length));
        at += token.bytes + 2;
    }
    literal.push_str(&format[at..]);
    if !literal.is_empty() {
        parts.push(FormatPart::Literal(literal.into()));
    }
    Ok(parts.into())
}

/// What stands between two percent signs.
struct Token<'a> {
    name: &'a str,
    /// In brackets; empty brackets are none.
    argument: Option<&'a str>,
    /// Behind a colon.
    length: Option<usize>,
    /// Bytes of all this, without the percent signs.
    bytes: usize,
}

impl<'a> Token<'a> {
    /// Reads up to the percent sign that ends the operator. One within the brackets, as times are written
    /// with, does not end it.
    fn read(text: &'a str) -> Result<Self, Fault> {
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let name_end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(name_end);
        let shown = || -> String { text.chars().take(40).collect() };
        if name.is_empty() {
            return Err(format!(
                "no operator begins at \"%{}\" (a percent sign is written %%)",
                shown()
            ));
        }
        let mut argument = None;
        if let Some(inside) = rest.strip_prefix('(') {
            let (found, behind) = inside
                .split_once(')')
                .ok_or_else(|| format!("\"%{}\": the bracket is not closed", shown()))?;
            argument = Some(found).filter(|found| !found.is_empty());
            rest = behind;
        }
        let mut length = None;
        if let Some(behind) = rest.strip_prefix(':') {
            let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            let digits = &behind[..end];
            length =
                Some(digits.parse().map_err(|_| format!("%{name}%: no length behind the colon"))?);
            rest = &behind[end..];
        }
        if !rest.starts_with('%') {
            return Err(format!("the operator that begins at \"%{}\" does not end", shown()));
        }
        Ok(Self { name, argument, length, bytes: text.len() - rest.len() })
    }
}
