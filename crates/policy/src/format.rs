//! Format strings with command operators (`substitution_format_string.proto`): one vocabulary for the lines
//! of access logs, for values of headers that are added, and for bodies of local replies.

use std::sync::Arc;

use http::HeaderName;

/// A `SubstitutionFormatString`, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// What is written.
    pub template: Template,
    /// What stands for an operator without a value.
    pub absent: Absent,
    /// `content_type` of a local reply; of no use in a log. `None` is `text/plain`, or
    /// `application/json` where the template is JSON.
    pub content_type: Option<Arc<str>>,
}

/// `omit_empty_values`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// `-` in text, `null` as a whole value of JSON. The default.
    #[default]
    Shown,
    /// Nothing in text; the key or element of JSON is left out.
    Omitted,
}

/// `format` of a `SubstitutionFormatString`.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// `text_format` or `text_format_source`; a line feed at its end is part of it.
    Text(Box<[FormatPart]>),
    /// `json_format`: an object and a line feed.
    Json(JsonTemplate),
}

/// A value of a `json_format`.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// Keys in the order in which they are written.
    Object(Box<[(Box<str>, JsonTemplate)]>),
    /// Elements in order.
    List(Box<[JsonTemplate]>),
    /// A format string. One operator alone keeps the type of its value; all else is a string.
    Text(Box<[FormatPart]>),
    /// A number as it stands.
    Number(f64),
    /// `true` or `false` as it stands.
    Bool(bool),
    /// `null`.
    Null,
}

impl Format {
    /// A text without further settings.
    pub fn text(parts: Box<[FormatPart]>) -> Self {
        Self { template: Template::Text(parts), absent: Absent::Shown, content_type: None }
    }

    /// A JSON object without further settings.
    pub fn json(value: JsonTemplate) -> Self {
        Self { template: Template::Json(value), absent: Absent::Shown, content_type: None }
    }

    /// Calls `visit` with every operator.
    pub fn operators(&self, visit: &mut dyn FnMut(&FormatOperator)) {
        match &self.template {
            Template::Text(parts) => operators(parts, visit),
            Template::Json(value) => value.operators(visit),
        }
    }
}

impl JsonTemplate {
    fn operators(&self, visit: &mut dyn FnMut(&FormatOperator)) {
        match self {
            Self::Object(fields) => fields.iter().for_each(|(_, value)| value.operators(visit)),
            Self::List(values) => values.iter().for_each(|value| value.operators(visit)),
            Self::Text(parts) => operators(parts, visit),
            Self::Number(_) | Self::Bool(_) | Self::Null => {}
        }
    }
}

fn operators(parts: &[FormatPart], visit: &mut dyn FnMut(&FormatOperator)) {
    parts.iter().for_each(|part| match part {
        FormatPart::Literal(_) => {}
        FormatPart::Operator(operator, _) => visit(operator),
    });
}

/// A piece of a format string.
#[derive(Clone, Debug, PartialEq)]
pub enum FormatPart {
    /// As it stands.
    Literal(Box<str>),
    /// `%OPERATOR%`, with `:Z` the longest length in bytes.
    Operator(FormatOperator, Option<usize>),
}

/// A command operator. An unknown one is an error at start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's operator of the same name")]
pub enum FormatOperator {
    /// `%START_TIME(format)%`, `%START_TIME_LOCAL(format)%`.
    StartTime(TimeFormat),
    /// `%EMIT_TIME(format)%`, `%EMIT_TIME_LOCAL(format)%`: when the line is made.
    EmitTime(TimeFormat),
    /// `%REQ(name?alternative)%`.
    Request(HeaderPick),
    /// `%REQ_WITHOUT_QUERY(name?alternative)%`.
    RequestWithoutQuery(HeaderPick),
    /// `%RESP(name?alternative)%`.
    Response(HeaderPick),
    /// `%TRAILER(name?alternative)%`, of the response.
    Trailer(HeaderPick),
    /// `%PATH(query:header)%`.
    Path(PathPick),
    /// `%QUERY_PARAM(name)%`, decoded.
    QueryParam(Box<str>),
    /// `%QUERY_PARAMS(ORIG)%`: the query without its question mark.
    QueryParams(Escapes),
    Protocol,
    UpstreamProtocol,
    ResponseCode,
    ResponseFlags,
    ResponseFlagsLong,
    /// `%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%`: whether blanks become underscores.
    ResponseCodeDetails(Blanks),
    ConnectionTerminationDetails,
    UpstreamTransportFailureReason,
    DownstreamTransportFailureReason,
    /// Bytes of both messages and of their heads.
    Bytes(ByteCount),
    /// `%DURATION%` and its kin, `%COMMON_DURATION(from:to:unit)%`.
    Duration(Span),
    /// `%UPSTREAM_LOCAL_ADDRESS%`, `%DOWNSTREAM_REMOTE_PORT%`, ...
    Address(Peer, AddressForm),
    UpstreamHost,
    /// `%UPSTREAM_HOST_NAME%` and its `_WITHOUT_PORT`.
    UpstreamHostName(AddressForm),
    /// `%UPSTREAM_HOST_NAMES_ATTEMPTED%` and its `_WITHOUT_PORT`.
    UpstreamHostNamesAttempted(AddressForm),
    /// `%UPSTREAM_CLUSTER%`: the observability name.
    UpstreamCluster,
    /// `%UPSTREAM_CLUSTER_RAW%`: the name.
    UpstreamClusterRaw,
    UpstreamRequestAttemptCount,
    /// `%UPSTREAM_HOSTS_ATTEMPTED%` and its `_WITHOUT_PORT`.
    UpstreamHostsAttempted(AddressForm),
    /// `%REQUESTED_SERVER_NAME(option:host)%`: of TLS, which is not there yet; `None` asks for it alone, else
    /// the host that stands in for it.
    RequestedServerName(Option<HostHeader>),
    RouteName,
    ListenerName,
    ConnectionId,
    StreamId,
    /// `%UNIQUE_ID%`: a UUID of the line.
    UniqueId,
    GrpcStatus(GrpcStatusForm),
    Hostname,
    /// `%ENVIRONMENT(X)%`, read when the format is.
    Environment(Option<Box<str>>),
    /// `%METADATA(TYPE:namespace:key...)%`, `%CLUSTER_METADATA(...)%`, `%UPSTREAM_METADATA(...)%`.
    Metadata {
        of: MetadataOf,
        namespace: Box<str>,
        path: Box<[Box<str>]>,
    },
    AccessLogType,
    /// `%LOCAL_REPLY_BODY%`: what a local reply would have said without a format of its own.
    LocalReplyBody,
    /// One of Envoy's operators that says the same of everything here.
    Constant(Constant),
}

/// Which header, and which other when it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPick {
    /// The header.
    pub name: HeaderKey,
    /// After the question mark.
    pub alternative: Option<HeaderKey>,
}

/// A header, or a pseudo-header, whatever the version of HTTP is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderKey {
    /// `:method`.
    Method,
    /// `:scheme`.
    Scheme,
    /// `:authority`, also as `host`.
    Authority,
    /// `:path`.
    Path,
    /// `:status`.
    Status,
    /// Any other.
    Name(HeaderName),
    /// What no header can be called; it is never found.
    Impossible,
}

impl HeaderKey {
    /// The header of a name, in either case.
    pub fn new(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":scheme" => Self::Scheme,
            ":authority" | "host" => Self::Authority,
            ":path" => Self::Path,
            ":status" => Self::Status,
            name => HeaderName::try_from(name).map_or(Self::Impossible, Self::Name),
        }
    }
}

/// `%PATH(query:header)%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPick {
    /// `WQ` keeps the query, `NQ` cuts it.
    pub query: Query,
    /// Which path.
    pub header: PathHeader,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// It stays.
    Kept,
    /// It is cut, with its question mark.
    Cut,
}

/// Which path `%PATH%` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathHeader {
    /// `ORIG`: `x-envoy-original-path` alone.
    Original,
    /// `PATH`: `:path` alone.
    Path,
    /// `ORIG_OR_PATH`: the first that is there. The default.
    OriginalOrPath,
}

/// Which host stands in for a server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// `ORIG`: `x-envoy-original-host` alone.
    Original,
    /// `HOST`: `:authority` alone.
    Authority,
    /// `ORIG_OR_HOST`: the first that is there. The default.
    OriginalOrAuthority,
}

/// What becomes of `%XX` and `+` in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// `ORIG`: they stay. The default.
    Kept,
    /// `DECODED`.
    Decoded,
}

/// The value of an operator whose subject does not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// None: of TLS, which is not there yet, of filter state, of traces.
    Absent,
    /// An empty string: `%CUSTOM_FLAGS%`, endpoint ids of internal addresses.
    Empty,
    /// 0: what QUIC sends again.
    Zero,
}

/// What becomes of blanks in `%RESPONSE_CODE_DETAILS%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blanks {
    /// Each becomes an underscore. The default.
    #[default]
    Underscored,
    /// `ALLOW_WHITESPACES`.
    Kept,
}

/// A time as `strftime` writes it, with `%f`, `%3f` to `%9f` for fractions of a second and `%s`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeFormat {
    /// `None` is `%Y-%m-%dT%H:%M:%S.%3fZ`.
    pub format: Option<Box<str>>,
    /// In which time zone.
    pub zone: Zone,
}

/// A time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// UTC.
    #[default]
    Utc,
    /// The machine's own.
    Local,
}

/// What is counted in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's operator of the same name")]
pub enum ByteCount {
    Received,
    Sent,
    RequestHeaders,
    ResponseHeaders,
    ResponseTrailers,
    DownstreamWireReceived,
    DownstreamWireSent,
    DownstreamHeaderReceived,
    DownstreamHeaderSent,
    UpstreamWireReceived,
    UpstreamWireSent,
    UpstreamHeaderReceived,
    UpstreamHeaderSent,
}

/// A time between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From.
    pub from: TimePoint,
    /// To.
    pub to: TimePoint,
    /// In which unit, cut to a whole number.
    pub unit: TimeUnit,
}

/// A point in the life of a request, under Envoy's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// `DS_RX_BEG`: its first byte.
    DownstreamRxBegin,
    /// `DS_RX_END`: its last byte.
    DownstreamRxEnd,
    /// `US_CX_BEG`: a connection to the host was begun.
    UpstreamConnectBegin,
    /// `US_CX_END`: it stood.
    UpstreamConnectEnd,
    /// `US_HS_END`: its TLS handshake was over.
    UpstreamHandshakeEnd,
    /// `US_TX_BEG`: the first byte to the host.
    UpstreamTxBegin,
    /// `US_TX_END`: the last byte to the host.
    UpstreamTxEnd,
    /// `US_RX_BEG`: the first byte from the host.
    UpstreamRxBegin,
    /// `US_RX_END`: the last byte from the host.
    UpstreamRxEnd,
    /// `DS_TX_BEG`: the first byte of the answer.
    DownstreamTxBegin,
    /// `DS_TX_END`: the last byte of the answer.
    DownstreamTxEnd,
    /// `DS_CX_BEG`: a TCP connection was accepted.
    ConnectionBegin,
    /// `DS_CX_END`: it ended.
    ConnectionEnd,
    /// The end of the request or connection, whichever it was.
    End,
    /// A point that is known by name and never comes here.
    Never,
}

/// Unit of a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// `ms`. The default.
    #[default]
    Milliseconds,
    /// `us`.
    Microseconds,
    /// `ns`.
    Nanoseconds,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each begins Envoy's operators of the same name")]
pub enum Peer {
    UpstreamLocal,
    UpstreamRemote,
    DownstreamLocal,
    DownstreamDirectLocal,
    DownstreamRemote,
    DownstreamDirectRemote,
}

/// What of an address is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressForm {
    /// Address and port.
    #[default]
    Whole,
    /// `_WITHOUT_PORT`: the address alone; with a mask length, of its network: `10.1.0.0/16`.
    WithoutPort(Option<u8>),
    /// `_PORT`: a number.
    Port,
}

/// How a gRPC status is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrpcStatusForm {
    /// `CAMEL_STRING`: `InvalidArgument`. The default.
    #[default]
    Camel,
    /// `SNAKE_STRING`: `INVALID_ARGUMENT`.
    Snake,
    /// `NUMBER`, and `%GRPC_STATUS_NUMBER%`.
    Number,
}

/// Whose metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataOf {
    /// Of the request (`DYNAMIC`): no filter sets any.
    Dynamic,
    /// Of the route.
    Route,
    /// Of the cluster.
    Cluster,
    /// Of the host.
    UpstreamHost,
    /// Of the listener.
    Listener,
    /// Of the virtual host.
    VirtualHost,
    /// Of the filter chain.
    ListenerFilterChain,
}
