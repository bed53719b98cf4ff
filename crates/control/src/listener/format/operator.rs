//! The operators by name. What each takes is what Envoy 1.40 takes.

use destrier_policy::{
    AddressForm, Blanks, ByteCount, Constant, Escapes, FormatOperator as Op, GrpcStatusForm,
    HeaderKey, HeaderPick, HostHeader, MetadataOf, PathHeader, PathPick, Peer, Query, Span,
    TimeFormat, TimePoint, TimeUnit, Zone,
};

use super::Token;
use crate::proto::Fault;

pub(super) fn operator(token: &Token<'_>) -> Result<Op, Fault> {
    if let Some(operator) = with_argument(token) {
        return operator;
    }
    let (form, name) = address_form(token.name);
    let operator = bare(token.name)
        .or_else(|| duration(token.name))
        .or_else(|| bytes(token.name))
        .or_else(|| address(name, form))
        .or_else(|| constant(token.name).map(Op::Constant))
        .ok_or("an unknown operator")?;
    match operator {
        Op::Address(peer, AddressForm::WithoutPort(_)) => {
            without_length(token)?;
            // Envoy ignores what is no number, and a longer mask than the address is.
            let mask = token.argument.and_then(|mask| mask.parse().ok());
            Ok(Op::Address(peer, AddressForm::WithoutPort(mask)))
        }
        _ if token.argument.is_some() || token.length.is_some() => {
            Err("takes neither argument nor length".into())
        }
        operator => Ok(operator),
    }
}

/// Those that take an argument; `None` for any other name.
fn with_argument(token: &Token<'_>) -> Option<Result<Op, Fault>> {
    Some(match token.name {
        "REQ" | "REQUEST_HEADER" => header(token).map(Op::Request),
        "REQ_WITHOUT_QUERY" => header(token).map(Op::RequestWithoutQuery),
        "RESP" | "RESPONSE_HEADER" => header(token).map(Op::Response),
        "TRAILER" | "RESPONSE_TRAILER" => header(token).map(Op::Trailer),
        "PATH" => path(token).map(Op::Path),
        "QUERY_PARAM" => required(token).map(|name| Op::QueryParam(name.into())),
        "QUERY_PARAMS" => {
            choice(token.argument, &[("ORIG", Escapes::Kept), ("DECODED", Escapes::Decoded)])
                .map(|escapes| Op::QueryParams(escapes.unwrap_or(Escapes::Kept)))
        }
        "START_TIME" => time(token, Zone::Utc).map(Op::StartTime),
        "START_TIME_LOCAL" => time(token, Zone::Local).map(Op::StartTime),
        "EMIT_TIME" => time(token, Zone::Utc).map(Op::EmitTime),
        "EMIT_TIME_LOCAL" => time(token, Zone::Local).map(Op::EmitTime),
        "RESPONSE_CODE_DETAILS" => without_length(token).map(|()| {
            // Envoy takes any other argument for none.
            Op::ResponseCodeDetails(match token.argument {
                Some("ALLOW_WHITESPACES") => Blanks::Kept,
                _ => Blanks::Underscored,
            })
        }),
        "GRPC_STATUS" => grpc_status(token).map(Op::GrpcStatus),
        "COMMON_DURATION" => common_duration(token).map(Op::Duration),
        "REQUESTED_SERVER_NAME" => server_name(token).map(Op::RequestedServerName),
        "ENVIRONMENT" => required(token).map(|name| {
            let value = std::env::var(name).ok().map(Into::into);
            Op::Environment(value)
        }),
        "METADATA" => metadata(token, None),
        "DYNAMIC_METADATA" => metadata(token, Some(MetadataOf::Dynamic)),
        "CLUSTER_METADATA" => metadata(token, Some(MetadataOf::Cluster)),
        "UPSTREAM_METADATA" => metadata(token, Some(MetadataOf::UpstreamHost)),
        "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => filter_state(token),
        "DOWNSTREAM_PEER_CERT_V_START"
        | "DOWNSTREAM_PEER_CERT_V_END"
        | "UPSTREAM_PEER_CERT_V_START"
        | "UPSTREAM_PEER_CERT_V_END" => {
            time(token, Zone::Utc).map(|_| Op::Constant(Constant::Absent))
        }
        "CEL" | "TYPED_CEL" | "COALESCE" => Err("not supported".into()),
        _ => return None,
    })
}

/// Those whose name says all.
fn bare(name: &str) -> Option<Op> {
    Some(match name {
        "PROTOCOL" => Op::Protocol,
        "UPSTREAM_PROTOCOL" => Op::UpstreamProtocol,
        "RESPONSE_CODE" => Op::ResponseCode,
        "RESPONSE_FLAGS" => Op::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Op::ResponseFlagsLong,
        "CONNECTION_TERMINATION_DETAILS" => Op::ConnectionTerminationDetails,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Op::UpstreamTransportFailureReason,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Op::DownstreamTransportFailureReason,
        "UPSTREAM_HOST" => Op::UpstreamHost,
        "UPSTREAM_HOST_NAME" => Op::UpstreamHostName(AddressForm::Whole),
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => Op::UpstreamHostName(AddressForm::WithoutPort(None)),
        "UPSTREAM_HOST_NAMES_ATTEMPTED" => Op::UpstreamHostNamesAttempted(AddressForm::Whole),
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT" => {
            Op::UpstreamHostNamesAttempted(AddressForm::WithoutPort(None))
        }
        "UPSTREAM_HOSTS_ATTEMPTED" => Op::UpstreamHostsAttempted(AddressForm::Whole),
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT" => {
            Op::UpstreamHostsAttempted(AddressForm::WithoutPort(None))
        }
        "UPSTREAM_CLUSTER" => Op::UpstreamCluster,
        "UPSTREAM_CLUSTER_RAW" => Op::UpstreamClusterRaw,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Op::UpstreamRequestAttemptCount,
        "ROUTE_NAME" => Op::RouteName,
        "LISTENER_NAME" => Op::ListenerName,
        "CONNECTION_ID" => Op::ConnectionId,
        "STREAM_ID" => Op::StreamId,
        "UNIQUE_ID" => Op::UniqueId,
        "GRPC_STATUS_NUMBER" => Op::GrpcStatus(GrpcStatusForm::Number),
        "HOSTNAME" => Op::Hostname,
        "ACCESS_LOG_TYPE" => Op::AccessLogType,
        "LOCAL_REPLY_BODY" => Op::LocalReplyBody,
        _ => return None,
    })
}

fn duration(name: &str) -> Option<Op> {
    use TimePoint as At;
    let (from, to) = match name {
        "DURATION" => (At::DownstreamRxBegin, At::End),
        "REQUEST_DURATION" => (At::DownstreamRxBegin, At::DownstreamRxEnd),
        "REQUEST_TX_DURATION" => (At::DownstreamRxBegin, At::UpstreamTxEnd),
        "RESPONSE_DURATION" => (At::DownstreamRxBegin, At::UpstreamRxBegin),
        "RESPONSE_TX_DURATION" => (At::UpstreamRxBegin, At::DownstreamTxEnd),
        // Of QUIC, of TLS, and what the pool does not tell.
        "ROUNDTRIP_DURATION"
        | "DOWNSTREAM_HANDSHAKE_DURATION"
        | "UPSTREAM_CONNECTION_POOL_READY_DURATION" => (At::Never, At::Never),
        _ => return None,
    };
    Some(Op::Duration(Span { from, to, unit: TimeUnit::Milliseconds }))
}

fn bytes(name: &str) -> Option<Op> {
    use ByteCount as Of;
    Some(Op::Bytes(match name {
        "BYTES_RECEIVED" => Of::Received,
        "BYTES_SENT" => Of::Sent,
        "REQUEST_HEADERS_BYTES" => Of::RequestHeaders,
        "RESPONSE_HEADERS_BYTES" => Of::ResponseHeaders,
        "RESPONSE_TRAILERS_BYTES" => Of::ResponseTrailers,
        "DOWNSTREAM_WIRE_BYTES_RECEIVED" => Of::DownstreamWireReceived,
        "DOWNSTREAM_WIRE_BYTES_SENT" => Of::DownstreamWireSent,
        "DOWNSTREAM_HEADER_BYTES_RECEIVED" | "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED" => {
            Of::DownstreamHeaderReceived
        }
        "DOWNSTREAM_HEADER_BYTES_SENT" | "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT" => {
            Of::DownstreamHeaderSent
        }
        "UPSTREAM_WIRE_BYTES_RECEIVED" => Of::UpstreamWireReceived,
        "UPSTREAM_WIRE_BYTES_SENT" => Of::UpstreamWireSent,
        "UPSTREAM_HEADER_BYTES_RECEIVED" | "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED" => {
            Of::UpstreamHeaderReceived
        }
        "UPSTREAM_HEADER_BYTES_SENT" | "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT" => {
            Of::UpstreamHeaderSent
        }
        _ => return None,
    }))
}

/// `X_ADDRESS`, `X_ADDRESS_WITHOUT_PORT` and `X_PORT`, all as `X_ADDRESS`.
fn address_form(name: &str) -> (AddressForm, String) {
    if let Some(peer) = name.strip_suffix("_WITHOUT_PORT") {
        (AddressForm::WithoutPort(None), peer.to_owned())
    } else if let Some(peer) = name.strip_suffix("_PORT") {
        (AddressForm::Port, format!("{peer}_ADDRESS"))
    } else {
        (AddressForm::Whole, name.to_owned())
    }
}

fn address(name: String, form: AddressForm) -> Option<Op> {
    let peer = match name.as_str() {
        "UPSTREAM_LOCAL_ADDRESS" => Peer::UpstreamLocal,
        "UPSTREAM_REMOTE_ADDRESS" => Peer::UpstreamRemote,
        "DOWNSTREAM_LOCAL_ADDRESS" => Peer::DownstreamLocal,
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" => Peer::DownstreamDirectLocal,
        "DOWNSTREAM_REMOTE_ADDRESS" => Peer::DownstreamRemote,
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Peer::DownstreamDirectRemote,
        _ => return None,
    };
    Some(Op::Address(peer, form))
}

fn constant(name: &str) -> Option<Constant> {
    const EMPTY: [&str; 4] = [
        "CUSTOM_FLAGS",
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
        "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    ];
    const ZERO: [&str; 3] = ["BYTES_RETRANSMITTED", "PACKETS_RETRANSMITTED", "DOWNSTREAM_CX_RTT"];
    const ABSENT: [&str; 52] = [
        "DOWNSTREAM_DETECTED_CLOSE_TYPE",
        "DOWNSTREAM_LOCAL_CLOSE_REASON",
        "DOWNSTREAM_LOCAL_DNS_SAN",
        "DOWNSTREAM_LOCAL_EMAIL_SAN",
        "DOWNSTREAM_LOCAL_IP_SAN",
        "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
        "DOWNSTREAM_LOCAL_SUBJECT",
        "DOWNSTREAM_LOCAL_URI_SAN",
        "DOWNSTREAM_PEER_CERT",
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
        "DOWNSTREAM_PEER_CHAIN_SERIALS",
        "DOWNSTREAM_PEER_DNS_SAN",
        "DOWNSTREAM_PEER_EMAIL_SAN",
        "DOWNSTREAM_PEER_FINGERPRINT_1",
        "DOWNSTREAM_PEER_FINGERPRINT_256",
        "DOWNSTREAM_PEER_IP_SAN",
        "DOWNSTREAM_PEER_ISSUER",
        "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
        "DOWNSTREAM_PEER_ISSUER_SERIAL",
        "DOWNSTREAM_PEER_OTHERNAME_SAN",
        "DOWNSTREAM_PEER_SERIAL",
        "DOWNSTREAM_PEER_SUBJECT",
        "DOWNSTREAM_PEER_URI_SAN",
        "DOWNSTREAM_TLS_CIPHER",
        "DOWNSTREAM_TLS_GROUP",
        "DOWNSTREAM_TLS_SESSION_ID",
        "DOWNSTREAM_TLS_VERSION",
        "FILTER_CHAIN_NAME",
        "SPAN_ID",
        "TLS_JA3_FINGERPRINT",
        "TLS_JA4_FINGERPRINT",
        "TRACE_ID",
        "UPSTREAM_CONNECTION_ID",
        "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
        "UPSTREAM_DETECTED_CLOSE_TYPE",
        "UPSTREAM_LOCAL_CLOSE_REASON",
        "UPSTREAM_LOCAL_DNS_SAN",
        "UPSTREAM_LOCAL_IP_SAN",
        "UPSTREAM_LOCAL_URI_SAN",
        "UPSTREAM_PEER_CERT",
        "UPSTREAM_PEER_DNS_SAN",
        "UPSTREAM_PEER_IP_SAN",
        "UPSTREAM_PEER_ISSUER",
        "UPSTREAM_PEER_SUBJECT",
        "UPSTREAM_PEER_URI_SAN",
        "UPSTREAM_SERVER_NAME",
        "UPSTREAM_TLS_CIPHER",
        "UPSTREAM_TLS_GROUP",
        "UPSTREAM_TLS_SESSION_ID",
        "UPSTREAM_TLS_VERSION",
        "VIRTUAL_CLUSTER_NAME",
    ];
    if EMPTY.contains(&name) {
        Some(Constant::Empty)
    } else if ZERO.contains(&name) {
        Some(Constant::Zero)
    } else if ABSENT.contains(&name) {
        Some(Constant::Absent)
    } else {
        None
    }
}

fn required<'a>(token: &Token<'a>) -> Result<&'a str, Fault> {
    token.argument.ok_or_else(|| "an argument must be given in brackets".into())
}

fn without_length(token: &Token<'_>) -> Result<(), Fault> {
    match token.length {
        None => Ok(()),
        Some(_) => Err("takes no length".into()),
    }
}

/// One of several words; nothing for nothing.
fn choice<T: Copy>(text: Option<&str>, choices: &[(&str, T)]) -> Result<Option<T>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| Some(*value)).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", words.join(", "))
    })
}

fn header(token: &Token<'_>) -> Result<HeaderPick, Fault> {
    let argument = required(token)?;
    let key = |name: &str| match HeaderKey::new(name) {
        HeaderKey::Impossible
            if !name.is_empty()
                && name.contains(|c: char| c.is_ascii_whitespace() || c.is_control()) =>
        {
            Err(format!("{name:?} is not the name of a header"))
        }
        key => Ok(key),
    };
    let mut names = argument.split('?');
    let name = key(names.next().unwrap_or_default())?;
    let alternative = names.next().filter(|name| !name.is_empty()).map(key).transpose()?;
    match names.next() {
        None => Ok(HeaderPick { name, alternative }),
        Some(_) => Err("more than one alternative".into()),
    }
}

fn path(token: &Token<'_>) -> Result<PathPick, Fault> {
    let (query, header) = split(token.argument.unwrap_or_default());
    let query = choice(Some(query), &[("WQ", Query::Kept), ("NQ", Query::Cut)])?;
    let header = choice(
        header,
        &[
            ("ORIG", PathHeader::Original),
            ("PATH", PathHeader::Path),
            ("ORIG_OR_PATH", PathHeader::OriginalOrPath),
        ],
    )?;
    Ok(PathPick {
        query: query.unwrap_or(Query::Kept),
        header: header.unwrap_or(PathHeader::OriginalOrPath),
    })
}

fn server_name(token: &Token<'_>) -> Result<Option<HostHeader>, Fault> {
    let (option, host) = split(token.argument.unwrap_or_default());
    let option =
        choice(Some(option), &[("SNI_ONLY", false), ("SNI_FIRST", true), ("HOST_FIRST", true)])?;
    let host = choice(
        host,
        &[
            ("ORIG", HostHeader::Original),
            ("HOST", HostHeader::Authority),
            ("ORIG_OR_HOST", HostHeader::OriginalOrAuthority),
        ],
    )?;
    Ok(option.unwrap_or(false).then(|| host.unwrap_or(HostHeader::OriginalOrAuthority)))
}

fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(first, second)| (first, Some(second)))
}

fn time(token: &Token<'_>, zone: Zone) -> Result<TimeFormat, Fault> {
    without_length(token)?;
    let format = token.argument.unwrap_or_default();
    let newline = format.split('%').skip(1).any(|conversion| {
        conversion
            .trim_start_matches(|c: char| "-_0^#EO".contains(c) || c.is_ascii_digit())
            .starts_with('n')
    });
    if newline {
        return Err("a time must not contain a line feed".into());
    }
    Ok(TimeFormat { format: token.argument.map(Into::into), zone })
}

fn grpc_status(token: &Token<'_>) -> Result<GrpcStatusForm, Fault> {
    without_length(token)?;
    let forms = [
        ("CAMEL_STRING", GrpcStatusForm::Camel),
        ("SNAKE_STRING", GrpcStatusForm::Snake),
        ("NUMBER", GrpcStatusForm::Number),
    ];
    choice(token.argument, &forms).map(Option::unwrap_or_default)
}

fn common_duration(token: &Token<'_>) -> Result<Span, Fault> {
    without_length(token)?;
    let mut words = required(token)?.split(':');
    let (Some(from), Some(to), unit, None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("must be two points in time and perhaps a unit".into());
    };
    let units = [
        ("ms", TimeUnit::Milliseconds),
        ("us", TimeUnit::Microseconds),
        ("ns", TimeUnit::Nanoseconds),
    ];
    let unit = match unit {
        None => TimeUnit::Milliseconds,
        Some(unit) => choice(Some(unit), &units)?.ok_or("the unit is empty")?,
    };
    Ok(Span { from: point(from), to: point(to), unit })
}

/// An unknown point is one that a filter would set.
fn point(name: &str) -> TimePoint {
    match name {
        "DS_RX_BEG" => TimePoint::DownstreamRxBegin,
        "DS_RX_END" => TimePoint::DownstreamRxEnd,
        "US_CX_BEG" => TimePoint::UpstreamConnectBegin,
        "US_CX_END" => TimePoint::UpstreamConnectEnd,
        "US_HS_END" => TimePoint::UpstreamHandshakeEnd,
        "US_TX_BEG" => TimePoint::UpstreamTxBegin,
        "US_TX_END" => TimePoint::UpstreamTxEnd,
        "US_RX_BEG" => TimePoint::UpstreamRxBegin,
        "US_RX_END" => TimePoint::UpstreamRxEnd,
        "DS_TX_BEG" => TimePoint::DownstreamTxBegin,
        "DS_TX_END" => TimePoint::DownstreamTxEnd,
        "DS_CX_BEG" => TimePoint::ConnectionBegin,
        "DS_CX_END" => TimePoint::ConnectionEnd,
        _ => TimePoint::Never,
    }
}

fn metadata(token: &Token<'_>, of: Option<MetadataOf>) -> Result<Op, Fault> {
    let mut words = required(token)?.split(':');
    let of = match of {
        Some(of) => of,
        None => {
            let types = [
                ("DYNAMIC", MetadataOf::Dynamic),
                ("CLUSTER", MetadataOf::Cluster),
                ("ROUTE", MetadataOf::Route),
                ("UPSTREAM_HOST", MetadataOf::UpstreamHost),
                ("LISTENER", MetadataOf::Listener),
                ("LISTENER_FILTER_CHAIN", MetadataOf::ListenerFilterChain),
                ("VIRTUAL_HOST", MetadataOf::VirtualHost),
            ];
            choice(words.next(), &types)?.ok_or("the type of metadata must be named")?
        }
    };
    let namespace = words.next().unwrap_or_default().into();
    Ok(Op::Metadata { of, namespace, path: words.map(Into::into).collect() })
}

fn filter_state(token: &Token<'_>) -> Result<Op, Fault> {
    let (_, form) = split(required(token)?);
    let (form, field) = split(form.unwrap_or_default());
    let is_field = choice(Some(form), &[("PLAIN", false), ("TYPED", false), ("FIELD", true)])?;
    if is_field.unwrap_or(false) != field.is_some() {
        return Err("FIELD, and only FIELD, takes the name of a field".into());
    }
    Ok(Op::Constant(Constant::Absent))
}
