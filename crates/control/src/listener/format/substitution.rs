//! `SubstitutionFormatString`.

use std::sync::OnceLock;

use destrier_policy::{Absent, Format, FormatPart, JsonTemplate, Template};
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, TypedExtensionConfig,
    substitution_format_string::Format as FormatProto,
};
use envoy_types::pb::envoy::extensions::formatter::metadata::v3::Metadata;
use envoy_types::pb::envoy::extensions::formatter::req_without_query::v3::ReqWithoutQuery;
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use prost::Name;

use super::{DEFAULT_FORMAT, parse_format};
use crate::listener::action::inline;
use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;

/// The format of a log that has none.
pub(in crate::listener) fn default_format() -> Format {
    static FORMAT: OnceLock<Format> = OnceLock::new();
    let format = FORMAT.get_or_init(|| {
        Format::text(parse_format(DEFAULT_FORMAT).expect("a test says that it is one"))
    });
    format.clone()
}

/// A line of a log, or the body of a local reply; `None` when it has been refused.
pub(in crate::listener) fn substitution_format(
    format: &SubstitutionFormatString,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Format> {
    let formatters = path.field("formatters");
    for (index, formatter) in format.formatters.iter().enumerate() {
        check_formatter(formatter, &formatters.index(index), report);
    }
    let template = match &format.format {
        #[expect(deprecated, reason = "it is still in use")]
        Some(FormatProto::TextFormat(text)) => {
            text_format(text, &path.field("text_format"), report).map(Template::Text)
        }
        Some(FormatProto::TextFormatSource(source)) => {
            let path = path.field("text_format_source");
            let source = inline(source)
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
            let text = report.check(&path, source)?;
            text_format(&text, &path, report).map(Template::Text)
        }
        Some(FormatProto::JsonFormat(json)) => {
            json_template(json, &path.field("json_format"), report).map(Template::Json)
        }
        None => {
            report.refuse(path, "text_format_source or json_format must be set");
            None
        }
    };
    Some(Format {
        template: template?,
        absent: if format.omit_empty_values { Absent::Omitted } else { Absent::Shown },
        content_type: match format.content_type.as_str() {
            "" => None,
            kind => Some(kind.into()),
        },
    })
}

/// The operators of these two are always known; any other formatter brings operators that are not.
fn check_formatter(
    formatter: &TypedExtensionConfig,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    let path = path.field("typed_config");
    let Some(config) = &formatter.typed_config else {
        report.refuse(&path, "must be set");
        return;
    };
    let Some(type_url) = report.check(&path, proto::type_url(config)) else { return };
    let name = proto::type_name(&type_url);
    if name != Metadata::full_name() && name != ReqWithoutQuery::full_name() {
        report.refuse(&path, format!("the formatter {type_url} is not supported"));
    }
}

/// A format string.
pub(in crate::listener) fn text_format(
    text: &str,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Box<[FormatPart]>> {
    report.check(path, parse_format(text))
}

/// Keys in order: a `Struct` has none of its own, and a line should look like the last.
pub(in crate::listener) fn json_template(
    json: &Struct,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<JsonTemplate> {
    let mut keys: Vec<_> = json.fields.iter().collect();
    keys.sort_by_key(|(key, _)| key.as_str());
    let fields = keys.into_iter().map(|(key, value)| {
        let value = json_value(value, &path.key(key), report)?;
        Some((key.as_str().into(), value))
    });
    // Each is looked at, so that all faults are found.
    let fields: Vec<_> = fields.collect();
    fields.into_iter().collect::<Option<_>>().map(JsonTemplate::Object)
}

fn json_value(
    value: &Value,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<JsonTemplate> {
    Some(match &value.kind {
        None | Some(Kind::NullValue(_)) => JsonTemplate::Null,
        Some(Kind::BoolValue(value)) => JsonTemplate::Bool(*value),
        Some(Kind::NumberValue(value)) => {
            JsonTemplate::Number(report.check(path, proto::finite(*value))?)
        }
        Some(Kind::StringValue(text)) => JsonTemplate::Text(text_format(text, path, report)?),
        Some(Kind::StructValue(inner)) => json_template(inner, path, report)?,
        Some(Kind::ListValue(list)) => {
            let values = list.values.iter().enumerate();
            let values: Vec<_> = values
                .map(|(index, value)| json_value(value, &path.index(index), report))
                .collect();
            JsonTemplate::List(values.into_iter().collect::<Option<_>>()?)
        }
    })
}
