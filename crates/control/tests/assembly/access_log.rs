//! Access logs: sinks, formats and filters.

use destrier_policy::{
    Absent, AccessLogFilter, AccessLogSink, AccessLogType, Comparison, ComparisonOp, Draw,
    FormatPart, JsonTemplate, Template,
};

use crate::listener::{TO_A, hcm, hcm_text, translate};

const FILE: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const OUT: &str = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
const ERR: &str = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog";

fn json(template: &Template) -> &JsonTemplate {
    match template {
        Template::Json(json) => json,
        Template::Text(_) => panic!("JSON was asked for"),
    }
}

#[test]
fn sinks_and_formats_are_translated() {
    let logs = format!(
        r#"access_log: [
          {{ name: x, typed_config: {{ "@type": {FILE}, path: /dev/stdout }} }},
          {{ name: x, typed_config: {{ "@type": {FILE}, path: /tmp/log, log_format: {{
              text_format_source: {{ inline_string: "%PROTOCOL%\n" }} }} }} }},
          {{ name: x, typed_config: {{ "@type": {OUT}, log_format: {{ omit_empty_values: true,
              json_format: {{ b: "%RESPONSE_CODE%", a: {{ d: ["x", true, null, 1.5], c: "%REQ(A?B):3%" }} }} }} }} }},
          {{ name: x, typed_config: {{ "@type": {ERR} }} }},
          {{ name: x, typed_config: {{ "@type": {FILE}, path: /tmp/log, format: "%PROTOCOL%" }} }},
          {{ name: x, typed_config: {{ "@type": {FILE}, path: /tmp/log, json_format: {{ a: "%PROTOCOL%" }} }} }} ],"#
    );
    let manager = hcm(&logs, TO_A);
    let logs = &manager.access_log;
    assert_eq!(logs[0].sink, AccessLogSink::Stdout);
    assert_eq!(logs[1].sink, AccessLogSink::File("/tmp/log".into()));
    let Template::Text(parts) = &logs[1].format.template else { panic!("text was asked for") };
    assert_eq!(parts.len(), 2);
    assert_eq!(logs[2].format.absent, Absent::Omitted);
    let JsonTemplate::Object(fields) = json(&logs[2].format.template) else { panic!("an object") };
    let keys: Vec<_> = fields.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["a", "b"], "keys are sorted");
    let JsonTemplate::Object(inner) = &fields[0].1 else { panic!("an object") };
    let list = JsonTemplate::List(Box::from([
        JsonTemplate::Text(Box::from([FormatPart::Literal("x".into())])),
        JsonTemplate::Bool(true),
        JsonTemplate::Null,
        JsonTemplate::Number(1.5),
    ]));
    assert_eq!(inner[1], ("d".into(), list));
    assert_eq!(logs[3].sink, AccessLogSink::Stderr);
    assert_eq!(logs[3].format, logs[0].format, "both have the default");
    assert!(matches!(logs[4].format.template, Template::Text(_)));
    assert!(matches!(logs[5].format.template, Template::Json(_)));
}

#[test]
fn an_unknown_operator_is_named_with_its_place() {
    for (format, field, reason) in [
        (
            r#"text_format_source: { inline_string: "a %NO_SUCH%" }"#,
            "text_format_source",
            "at byte 2: %NO_SUCH%: an unknown operator",
        ),
        (
            r#"json_format: { a: { b: ["x", "%REQ%"] } }"#,
            "json_format[a][b][1]",
            "at byte 0: %REQ%",
        ),
        (
            r#"text_format: "%CEL(response.code)%""#,
            "text_format",
            "at byte 0: %CEL(response.code)%: not supported",
        ),
        (
            r#"text_format: "a", formatters: [ { name: c, typed_config: {
                "@type": type.googleapis.com/envoy.extensions.formatter.cel.v3.Cel } } ]"#,
            "formatters[0].typed_config",
            "envoy.extensions.formatter.cel.v3.Cel is not supported",
        ),
    ] {
        let log = format!(
            r#"access_log: [ {{ name: x, typed_config: {{
                "@type": {FILE}, path: /tmp/log, log_format: {{ {format} }} }} }} ],"#
        );
        let rejections = translate(&hcm_text(&log, TO_A), "").expect_err("it is refused");
        let path = format!("access_log[0].typed_config.log_format.{field}");
        assert!(rejections[0].field_path.ends_with(&path), "{}", rejections[0]);
        assert!(rejections[0].reason.contains(reason), "{}", rejections[0]);
    }
}

fn filtered(filter: &str) -> String {
    format!(
        r#"access_log: [ {{ name: x, filter: {{ {filter} }},
            typed_config: {{ "@type": {FILE}, path: /tmp/log }} }} ],"#
    )
}

#[test]
fn filters_are_translated() {
    let at_least = |value| Comparison { operation: ComparisonOp::AtLeast, value };
    for (text, expected) in [
        (
            "status_code_filter: { comparison: { op: GE, value: { default_value: 500, runtime_key: k } } }",
            AccessLogFilter::StatusCode(at_least(500)),
        ),
        (
            "duration_filter: { comparison: { op: GE, value: { default_value: 10, runtime_key: k } } }",
            AccessLogFilter::Duration(at_least(10)),
        ),
        ("not_health_check_filter: {}", AccessLogFilter::NotHealthCheck),
        ("traceable_filter: {}", AccessLogFilter::Traceable),
        (
            "runtime_filter: { runtime_key: k, percent_sampled: { numerator: 5, denominator: MILLION } }",
            AccessLogFilter::Share { count: 5, of: 1_000_000, draw: Draw::ByRequestId },
        ),
        (
            "and_filter: { filters: [ { traceable_filter: {} },
               { or_filter: { filters: [ { traceable_filter: {} }, { not_health_check_filter: {} } ] } } ] }",
            AccessLogFilter::And(Box::from([
                AccessLogFilter::Traceable,
                AccessLogFilter::Or(Box::from([
                    AccessLogFilter::Traceable,
                    AccessLogFilter::NotHealthCheck,
                ])),
            ])),
        ),
        (
            "response_flag_filter: { flags: [UH, UF] }",
            AccessLogFilter::ResponseFlags(Box::from(["UH".into(), "UF".into()])),
        ),
        (
            "grpc_status_filter: { statuses: [OK, UNAVAILABLE], exclude: true }",
            AccessLogFilter::GrpcStatus { statuses: Box::from([0, 14]), exclude: true },
        ),
        (
            "log_type_filter: { types: [DownstreamEnd] }",
            AccessLogFilter::LogType {
                types: Box::from([AccessLogType::DownstreamEnd]),
                exclude: false,
            },
        ),
    ] {
        let manager = hcm(&filtered(text), TO_A);
        assert_eq!(manager.access_log[0].filter.as_ref(), Some(&expected), "{text}");
    }
    let header = "header_filter: { header: { name: X-A, string_match: { exact: b } } }";
    let manager = hcm(&filtered(header), TO_A);
    let Some(AccessLogFilter::Header(matcher)) = &manager.access_log[0].filter else {
        panic!("a header filter")
    };
    assert_eq!(&*matcher.name, "x-a");
}

#[test]
fn filters_that_cannot_be_obeyed_are_refused() {
    for (text, field, reason) in [
        ("", "filter", "must say"),
        ("extension_filter: { name: x }", "filter.extension_filter", "not supported"),
        ("metadata_filter: {}", "filter.metadata_filter", "no dynamic metadata"),
        ("response_flag_filter: { flags: [XX] }", "response_flag_filter.flags", "XX"),
        ("and_filter: { filters: [ { traceable_filter: {} } ] }", "and_filter.filters", "two"),
        ("header_filter: {}", "header_filter.header", "must be set"),
        ("runtime_filter: {}", "runtime_filter", "runtime_key"),
        ("status_code_filter: {}", "status_code_filter.comparison", "must be set"),
    ] {
        let refused = translate(&hcm_text(&filtered(text), TO_A), "").expect_err(text);
        assert!(refused[0].field_path.ends_with(field), "{}", refused[0]);
        assert!(refused[0].reason.contains(reason), "{}", refused[0]);
    }
}
