//! Format strings of access logs: `%OPERATOR(argument):length%` between literal text.

use destrier_policy::{AccessLogOperator as Operator, AccessLogPart};

use crate::proto::Fault;

/// Envoy's format where none is given.
pub(super) const DEFAULT_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n"
);

/// Parses a format string.
pub(super) fn parse_format(format: &str) -> Result<Box<[AccessLogPart]>, Fault> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let end = operator_end(after)
            .ok_or_else(|| format!("the operator that begins at \"%{after}\" does not end"))?;
        if !literal.is_empty() {
            parts.push(AccessLogPart::Literal(std::mem::take(&mut literal).into()));
        }
        parts.push(operator(&after[..end])?);
        rest = &after[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(AccessLogPart::Literal(literal.into()));
    }
    Ok(parts.into())
}

/// Where the operator ends. A `%` within its argument, as times are written with, does not end it.
fn operator_end(text: &str) -> Option<usize> {
    let mut in_argument = false;
    text.char_indices().find_map(|(at, character)| {
        match character {
            '(' => in_argument = true,
            ')' => in_argument = false,
            '%' if !in_argument => return Some(at),
            _ => {}
        }
        None
    })
}

fn operator(text: &str) -> Result<AccessLogPart, Fault> {
    let fault = |why: &str| format!("%{text}%: {why}");
    let (name, argument, length) = match text.split_once('(') {
        Some((name, rest)) => {
            let (argument, length) =
                rest.rsplit_once(')').ok_or_else(|| fault("the bracket is not closed"))?;
            (name, Some(argument), length)
        }
        None => {
            let at = text.find(':').unwrap_or(text.len());
            (&text[..at], None, &text[at..])
        }
    };
    let length = match length.strip_prefix(':') {
        Some(digits) => Some(digits.parse().map_err(|_| fault("the length is not a number"))?),
        None if length.is_empty() => None,
        None => return Err(fault("something stands behind the bracket")),
    };
    let header = || {
        let argument = argument.filter(|argument| !argument.is_empty());
        let argument = argument.ok_or_else(|| fault("a header must be named"))?;
        let mut names = argument.split('?').map(|name| Box::from(name.to_ascii_lowercase()));
        let first = names.next().unwrap_or_default();
        match (names.next(), names.next()) {
            (alternative, None) => Ok((first, alternative)),
            _ => Err(fault("more than two headers are named")),
        }
    };
    let operator = match name {
        "START_TIME" => {
            Operator::StartTime(argument.filter(|format| !format.is_empty()).map(Box::from))
        }
        "REQ" => header().map(|(name, alternative)| Operator::Request { name, alternative })?,
        "RESP" => header().map(|(name, alternative)| Operator::Response { name, alternative })?,
        "TRAILER" => header().map(|(name, alternative)| Operator::Trailer { name, alternative })?,
        "GRPC_STATUS" if matches!(argument, None | Some("CAMEL_STRING")) => Operator::GrpcStatus,
        _ if argument.is_some() => {
            return Err(fault("an unknown operator, or one without argument"));
        }
        "PROTOCOL" => Operator::Protocol,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlagsLong,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
        "CONNECTION_TERMINATION_DETAILS" => Operator::ConnectionTerminationDetails,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "DURATION" => Operator::Duration,
        "REQUEST_DURATION" => Operator::RequestDuration,
        "RESPONSE_DURATION" => Operator::ResponseDuration,
        "UPSTREAM_HOST" => Operator::UpstreamHost,
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_LOCAL_ADDRESS" => Operator::UpstreamLocalAddress,
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::DownstreamLocalAddress,
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::DownstreamRemoteAddress,
        "REQUESTED_SERVER_NAME" => Operator::RequestedServerName,
        "ROUTE_NAME" => Operator::RouteName,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::UpstreamRequestAttemptCount,
        "HOSTNAME" => Operator::Hostname,
        _ => return Err(fault("an unknown operator")),
    };
    Ok(AccessLogPart::Operator(operator, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(operator: Operator) -> AccessLogPart {
        AccessLogPart::Operator(operator, None)
    }

    #[test]
    fn the_default_format_is_understood() {
        let parts = parse_format(DEFAULT_FORMAT).expect("Envoy's own");
        assert_eq!(parts[0], AccessLogPart::Literal("[".into()));
        assert_eq!(parts[1], op(Operator::StartTime(None)));
        let path = Operator::Request {
            name: "x-envoy-original-path".into(),
            alternative: Some(":path".into()),
        };
        assert!(parts.contains(&op(path)));
        assert_eq!(parts.last(), Some(&AccessLogPart::Literal("\"\n".into())));
    }

    #[test]
    fn arguments_lengths_and_percent_signs() {
        let parts = parse_format("100%% %START_TIME(%Y/%m)% %REQ(X):7%%PROTOCOL%").expect("valid");
        let x = Operator::Request { name: "x".into(), alternative: None };
        assert_eq!(
            *parts,
            [
                AccessLogPart::Literal("100% ".into()),
                op(Operator::StartTime(Some("%Y/%m".into()))),
                AccessLogPart::Literal(" ".into()),
                AccessLogPart::Operator(x, Some(7)),
                op(Operator::Protocol),
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_an_error_that_names_it() {
        for (format, name) in [
            ("%NO_SUCH_THING%", "NO_SUCH_THING"),
            ("%NO_SUCH(A)%", "NO_SUCH(A)"),
            ("%PROTOCOL(A)%", "PROTOCOL(A)"),
            ("%REQ%", "REQ"),
            ("%REQ()%", "REQ()"),
            ("%REQ(A?B?C)%", "REQ(A?B?C)"),
            ("%REQ(A):x%", "REQ(A):x"),
            ("%REQ(A)x%", "REQ(A)x"),
            ("%PROTOCOL", "%PROTOCOL"),
            ("%REQ(A", "%REQ(A"),
        ] {
            let fault = parse_format(format).expect_err(format);
            assert!(fault.contains(name), "{fault}");
        }
    }
}
