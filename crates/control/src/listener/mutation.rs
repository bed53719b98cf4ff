//! `request_headers_to_add` and its kin, at each level of a route table.

use std::sync::Arc;

use destrier_policy::{
    AppendAction, FormatPart, HeaderAddition, HeaderFormat, HeaderMutation, HeaderMutations,
};
use envoy_types::pb::envoy::config::core::v3::{
    HeaderValueOption, header_value_option::HeaderAppendAction,
};
use http::{HeaderName, HeaderValue};

use super::format::parse_format;
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// The four fields of a level.
pub(super) struct LevelFields<'a> {
    pub(super) request_add: &'a [HeaderValueOption],
    pub(super) request_remove: &'a [String],
    pub(super) response_add: &'a [HeaderValueOption],
    pub(super) response_remove: &'a [String],
}

/// The fields of a message that is a level.
macro_rules! level_fields {
    ($message:expr) => {
        $crate::listener::mutation::LevelFields {
            request_add: &$message.request_headers_to_add,
            request_remove: &$message.request_headers_to_remove,
            response_add: &$message.response_headers_to_add,
            response_remove: &$message.response_headers_to_remove,
        }
    };
}

pub(super) use level_fields;

/// What a level asks for, if anything.
#[derive(Default)]
pub(super) struct Level {
    request: Option<Arc<HeaderMutation>>,
    response: Option<Arc<HeaderMutation>>,
}

impl Level {
    /// What is faulty is refused and left out.
    pub(super) fn read(
        fields: LevelFields<'_>,
        path: &FieldPath<'_>,
        report: &mut Report<'_>,
    ) -> Self {
        let mut read = |add: (&str, &[HeaderValueOption]), remove: (&str, &[String])| {
            let mutation = HeaderMutation {
                remove: removals(remove.1, &path.field(remove.0), report),
                add: additions(add.1, &path.field(add.0), report),
            };
            let asked = !mutation.remove.is_empty() || !mutation.add.is_empty();
            asked.then(|| Arc::new(mutation))
        };
        Self {
            request: read(
                ("request_headers_to_add", fields.request_add),
                ("request_headers_to_remove", fields.request_remove),
            ),
            response: read(
                ("response_headers_to_add", fields.response_add),
                ("response_headers_to_remove", fields.response_remove),
            ),
        }
    }
}

/// All levels, in the order in which they are applied.
pub(super) fn join<const N: usize>(levels: [&Level; N]) -> Option<Box<HeaderMutations>> {
    let request = levels.iter().filter_map(|level| level.request.clone()).collect();
    let response = levels.iter().filter_map(|level| level.response.clone()).collect();
    HeaderMutations::new(request, response).map(Box::new)
}

fn removals(names: &[String], path: &FieldPath<'_>, report: &mut Report<'_>) -> Box<[HeaderName]> {
    let names = names.iter().enumerate();
    names.filter_map(|(index, name)| report.check(&path.index(index), changeable(name))).collect()
}

pub(super) fn additions(
    options: &[HeaderValueOption],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Box<[HeaderAddition]> {
    let options = options.iter().enumerate();
    options.filter_map(|(index, option)| addition(option, &path.index(index), report)).collect()
}

fn addition(
    option: &HeaderValueOption,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<HeaderAddition> {
    let header_path = path.field("header");
    let Some(header) = &option.header else {
        report.refuse(&header_path, "must be set");
        return None;
    };
    let name = report.check(&header_path.field("key"), changeable(&header.key));
    let value = match (header.value.as_str(), &*header.raw_value) {
        (text, []) => report.check(&header_path.field("value"), header_format(text)),
        ("", raw) => {
            let text = std::str::from_utf8(raw).map_err(|_| Fault::from("is not UTF-8"));
            let format = text.and_then(header_format);
            report.check(&header_path.field("raw_value"), format)
        }
        _ => {
            report.refuse(&header_path, "has both value and raw_value");
            None
        }
    };
    let action = append_action(option, path, report);
    Some(HeaderAddition {
        name: name?,
        value: value?,
        action: action?,
        keep_empty: option.keep_empty_value,
    })
}

#[expect(deprecated, reason = "the older form of append_action is still in use")]
fn append_action(
    option: &HeaderValueOption,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AppendAction> {
    let action_path = path.field("append_action");
    let action = report.check(&action_path, proto::enumeration(option.append_action))?;
    match (&option.append, action) {
        (None, HeaderAppendAction::AppendIfExistsOrAdd) => Some(AppendAction::Append),
        (None, HeaderAppendAction::AddIfAbsent) => Some(AppendAction::AddIfAbsent),
        (None, HeaderAppendAction::OverwriteIfExistsOrAdd) => Some(AppendAction::Overwrite),
        (None, HeaderAppendAction::OverwriteIfExists) => Some(AppendAction::OverwriteIfExists),
        (Some(append), HeaderAppendAction::AppendIfExistsOrAdd) => {
            Some(if append.value { AppendAction::Append } else { AppendAction::Overwrite })
        }
        (Some(_), _) => {
            report.refuse(&action_path, "must not be set together with append");
            None
        }
    }
}

/// A header that a route may change: what says where a request goes is rewritten by fields of its own.
fn changeable(name: &str) -> Result<HeaderName, Fault> {
    if name.is_empty() {
        return Err("must not be empty".into());
    }
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return Err(format!("{name:?}: pseudo-headers and host cannot be changed like this"));
    }
    HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header's name"))
}

fn header_format(text: &str) -> Result<HeaderFormat, Fault> {
    let parts = parse_format(text)?;
    let literal = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| format!("{text:?} cannot stand in a header"))
    };
    match &*parts {
        [] => Ok(HeaderFormat::Literal(HeaderValue::from_static(""))),
        [FormatPart::Literal(text)] => literal(text).map(HeaderFormat::Literal),
        parts => {
            for part in parts {
                if let FormatPart::Literal(text) = part {
                    literal(text)?;
                }
            }
            Ok(HeaderFormat::Parts(parts.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_operators_is_made_once() {
        let literal = |text| HeaderFormat::Literal(HeaderValue::from_static(text));
        assert_eq!(header_format("a%%b"), Ok(literal("a%b")));
        assert_eq!(header_format(""), Ok(literal("")));
        assert!(matches!(header_format("a-%PROTOCOL%"), Ok(HeaderFormat::Parts(_))));
        for wrong in ["a\nb", "%PROTOCOL%\n", "%NO_SUCH%", "%"] {
            assert!(header_format(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_says_where_a_request_goes_is_not_changed_so() {
        assert!(changeable("X-Any").is_ok_and(|name| name == "x-any"));
        for wrong in ["", ":path", "Host", "a b"] {
            assert!(changeable(wrong).is_err(), "{wrong:?}");
        }
    }
}
