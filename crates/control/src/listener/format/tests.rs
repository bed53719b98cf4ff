use destrier_policy::{
    AddressForm, Constant, FormatOperator as Op, HeaderKey, HeaderPick, Peer, Span, TimeFormat,
    TimePoint, TimeUnit, Zone,
};

use super::*;

fn op(operator: Op) -> FormatPart {
    FormatPart::Operator(operator, None)
}

fn one(format: &str) -> Op {
    match &*parse_format(format).expect(format) {
        [FormatPart::Operator(operator, _)] => operator.clone(),
        other => panic!("{format}: {other:?}"),
    }
}

#[test]
fn the_default_format_is_understood() {
    let parts = parse_format(DEFAULT_FORMAT).expect("Envoy's own");
    assert_eq!(parts[0], FormatPart::Literal("[".into()));
    assert_eq!(parts[1], op(Op::StartTime(TimeFormat::default())));
    let path = Op::Request(HeaderPick {
        name: HeaderKey::new("x-envoy-original-path"),
        alternative: Some(HeaderKey::Path),
    });
    assert!(parts.contains(&op(path)));
    assert_eq!(parts.last(), Some(&FormatPart::Literal("\"\n".into())));
    assert_eq!(default_format().template, destrier_policy::Template::Text(parts));
}

#[test]
fn arguments_lengths_and_percent_signs() {
    let parts = parse_format("100%% %START_TIME(%Y/%m)% %REQ(X):7%%PROTOCOL%").expect("valid");
    let x = Op::Request(HeaderPick { name: HeaderKey::new("x"), alternative: None });
    let format = TimeFormat { format: Some("%Y/%m".into()), zone: Zone::Utc };
    assert_eq!(
        *parts,
        [
            FormatPart::Literal("100% ".into()),
            op(Op::StartTime(format)),
            FormatPart::Literal(" ".into()),
            FormatPart::Operator(x, Some(7)),
            op(Op::Protocol),
        ]
    );
}

#[test]
fn families_of_operators_are_told_apart() {
    let masked = Op::Address(Peer::UpstreamLocal, AddressForm::WithoutPort(Some(16)));
    let span = |from, to, unit| Op::Duration(Span { from, to, unit });
    use TimePoint::{DownstreamRxBegin, DownstreamTxEnd, Never, UpstreamRxBegin};
    for (format, operator) in [
        ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16)%", masked),
        ("%DOWNSTREAM_REMOTE_PORT%", Op::Address(Peer::DownstreamRemote, AddressForm::Port)),
        (
            "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%",
            Op::Address(Peer::DownstreamDirectLocal, AddressForm::Whole),
        ),
        ("%UPSTREAM_HOST%", Op::UpstreamHost),
        ("%RESPONSE_DURATION%", span(DownstreamRxBegin, UpstreamRxBegin, TimeUnit::Milliseconds)),
        (
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
            span(DownstreamRxBegin, DownstreamTxEnd, TimeUnit::Microseconds),
        ),
        ("%COMMON_DURATION(OWN:OTHER)%", span(Never, Never, TimeUnit::Milliseconds)),
        ("%DOWNSTREAM_TLS_VERSION%", Op::Constant(Constant::Absent)),
        ("%FILTER_STATE(a:PLAIN):3%", Op::Constant(Constant::Absent)),
        ("%PACKETS_RETRANSMITTED%", Op::Constant(Constant::Zero)),
    ] {
        assert_eq!(one(format), operator, "{format}");
    }
}

/// Every format string of this list was put before Envoy 1.40 (`--mode validate`), which said `ok` or not.
#[test]
fn the_same_formats_are_taken_as_by_envoy() {
    // What differs, and why.
    const NOT_HERE: [&str; 3] = ["%CEL(", "%TYPED_CEL(", "%COALESCE("];
    // Envoy wants the formatter to be named in the configuration.
    const ALWAYS_HERE: [&str; 1] = ["%REQ_WITHOUT_QUERY("];
    for line in include_str!("validated.txt").lines() {
        let (format, verdict) = line.split_once("\t").expect("a format and a verdict");
        let taken = match verdict {
            "ok" => !NOT_HERE.iter().any(|start| format.starts_with(start)),
            _ => ALWAYS_HERE.iter().any(|start| format.starts_with(start)),
        };
        assert_eq!(parse_format(format).is_ok(), taken, "{format}: Envoy says {verdict}");
    }
}

#[test]
fn what_is_not_known_is_an_error_that_names_it_and_its_place() {
    for (format, fault) in [
        ("ab%NO_SUCH_THING%", "at byte 2: %NO_SUCH_THING%: an unknown operator"),
        ("%NO_SUCH(A)%", "%NO_SUCH(A)%: an unknown operator"),
        ("%PROTOCOL(A)%", "%PROTOCOL(A)%: takes neither argument nor length"),
        ("%REQ%", "%REQ%: an argument must be given in brackets"),
        ("%REQ(A?B?C)%", "%REQ(A?B?C)%: more than one alternative"),
        ("%REQ(A):x%", "%REQ%: no length behind the colon"),
        ("%REQ(A)x%", "the operator that begins at \"%REQ(A)x%\" does not end"),
        ("é%PROTOCOL", "at byte 2: the operator that begins at \"%PROTOCOL\" does not end"),
        ("%REQ(A", "\"%REQ(A\": the bracket is not closed"),
        ("50% off", "no operator begins at \"% off\""),
        ("%", "no operator begins"),
    ] {
        let found = parse_format(format).expect_err(format);
        assert!(found.contains(fault), "{found}");
    }
}
