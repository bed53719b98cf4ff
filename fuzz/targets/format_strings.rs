//! A format string is parsed or refused; what is parsed stands between literal text as it stands alone.
#![no_main]

use destrier_control::parse_format;
use destrier_policy::FormatPart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let escaped = text.replace('%', "%%");
    let literal = (!text.is_empty()).then(|| FormatPart::Literal(text.into()));
    let literal: Box<[FormatPart]> = literal.into_iter().collect();
    assert_eq!(parse_format(&escaped), Ok(literal), "doubled percent signs mean themselves");
    let parsed = parse_format(text);
    assert_eq!(parsed, parse_format(text));
    let Ok(parts) = parsed else {
        // No text before a fault mends it.
        assert!(parse_format(&format!("a {text}")).is_err());
        return;
    };
    let adjacent = parts
        .windows(2)
        .any(|pair| matches!(pair, [FormatPart::Literal(_), FormatPart::Literal(_)]));
    assert!(!adjacent, "literal text is one piece");
    let mut around = String::from("<");
    let mut between = Vec::new();
    for part in &parts {
        match part {
            FormatPart::Literal(text) => around.push_str(text),
            operator => {
                between.push(FormatPart::Literal(std::mem::take(&mut around).into()));
                between.push(operator.clone());
            }
        }
    }
    between.push(FormatPart::Literal(format!("{around}>").into()));
    between.retain(|part| !matches!(part, FormatPart::Literal(text) if text.is_empty()));
    assert_eq!(parse_format(&format!("<{text}>")), Ok(between.into()));
});
