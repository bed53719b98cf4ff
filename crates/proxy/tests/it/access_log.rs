//! Access logs, and what other tests read from them.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use destrier_policy::{
    AccessLogFilter, AccessLogPolicy, AccessLogSink, AccessLogType, AddressForm, Blanks, ByteCount,
    ClusterChoice, Comparison, ComparisonOp, Constant, Escapes, Format, FormatOperator, FormatPart,
    GrpcStatusForm, HeaderKey, HeaderPick, HostHeader, JsonTemplate, PathHeader, PathPick, Peer,
    Query, UpstreamProtocol,
};
use serde_json::Value;

use crate::support::{Backend, Rig, cluster, forward, route, soon};

/// Keys of the recorded lines.
pub(crate) const RECORDED: [&str; 14] = [
    "code",
    "flags",
    "flags_long",
    "details",
    "attempts",
    "bytes_received",
    "bytes_sent",
    "protocol",
    "grpc_status",
    "grpc_status_number",
    "upstream_cluster",
    "upstream_host",
    "upstream_failure",
    "method",
];

/// An access log in a file that goes away.
pub(crate) struct Log {
    path: PathBuf,
    read: Mutex<usize>,
}

impl Log {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("destrier-proxy-{}-{number}.log", std::process::id());
        Self { path: std::env::temp_dir().join(name), read: Mutex::new(0) }
    }

    fn sink(&self) -> AccessLogSink {
        AccessLogSink::File(self.path.to_str().expect("a plain path").into())
    }

    /// A log with the keys of the recordings.
    pub(crate) fn policies(&self) -> Box<[AccessLogPolicy]> {
        use FormatOperator as Op;
        let operator = |key: &str| match key {
            "code" => Op::ResponseCode,
            "flags" => Op::ResponseFlags,
            "flags_long" => Op::ResponseFlagsLong,
            "details" => Op::ResponseCodeDetails(Blanks::Underscored),
            "attempts" => Op::UpstreamRequestAttemptCount,
            "bytes_received" => Op::Bytes(ByteCount::Received),
            "bytes_sent" => Op::Bytes(ByteCount::Sent),
            "protocol" => Op::Protocol,
            "grpc_status" => Op::GrpcStatus(GrpcStatusForm::Camel),
            "grpc_status_number" => Op::GrpcStatus(GrpcStatusForm::Number),
            "upstream_cluster" => Op::UpstreamCluster,
            "upstream_failure" => Op::UpstreamTransportFailureReason,
            "upstream_host" => Op::UpstreamHost,
            _ => Op::Request(pick(":METHOD", None)),
        };
        let field = |key: &str| {
            let value = JsonTemplate::Text(Box::from([FormatPart::Operator(operator(key), None)]));
            (key.into(), value)
        };
        let format = Format::json(JsonTemplate::Object(RECORDED.into_iter().map(field).collect()));
        Box::from([AccessLogPolicy { sink: self.sink(), format, filter: None }])
    }

    /// The next line.
    pub(crate) async fn next_text(&self) -> String {
        soon(async {
            loop {
                let text = std::fs::read_to_string(&self.path).unwrap_or_default();
                let read = *self.read.lock().expect("no test panicked with it");
                if let Some((line, _)) = text[read..].split_once('\n') {
                    *self.read.lock().expect("no test panicked with it") += line.len() + 1;
                    return line.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// The next line, which is JSON.
    pub(crate) async fn next(&self) -> Value {
        serde_json::from_str(&self.next_text().await).expect("a line of JSON")
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // It is not there when nothing was logged.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn pick(name: &str, alternative: Option<&str>) -> HeaderPick {
    HeaderPick { name: HeaderKey::new(name), alternative: alternative.map(HeaderKey::new) }
}

#[tokio::test]
async fn text_lines_say_what_was_asked() {
    use FormatOperator as Op;
    let log = Log::new();
    let operators = [
        Op::Request(pick("X-ENVOY-ORIGINAL-PATH", Some(":PATH"))),
        Op::Response(pick("CONTENT-TYPE", None)),
        Op::ResponseCode,
        Op::Bytes(ByteCount::Received),
        Op::Bytes(ByteCount::Sent),
        Op::RouteName,
        Op::RequestedServerName(None),
    ];
    let mut parts = Vec::new();
    for operator in operators {
        parts.push(FormatPart::Operator(operator, None));
        parts.push(FormatPart::Literal("|".into()));
    }
    parts.push(FormatPart::Literal("\n".into()));
    let format = Format::text(parts.into());
    let policy = AccessLogPolicy { sink: log.sink(), format, filter: None };
    let answer = "HTTP/1.1 201 Created\r\ncontent-type: text/x\r\ncontent-length: 4\r\n\r\nbody";
    let backend = Backend::answering(answer).await;
    let mut named = route("/", forward("c"));
    named.name = "the-route".into();
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![named], |hcm| hcm.access_log = Box::from([policy]))
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("POST /a?b HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(client.reply().await.status, 201);
    assert_eq!(log.next_text().await, "/a?b|text/x|201|3|4|the-route|-|");
}

/// A text format of operators with a bar behind each.
fn bars(operators: impl IntoIterator<Item = FormatOperator>) -> Format {
    let mut parts = Vec::new();
    for operator in operators {
        parts.push(FormatPart::Operator(operator, None));
        parts.push(FormatPart::Literal("|".into()));
    }
    parts.push(FormatPart::Literal("\n".into()));
    Format::text(parts.into())
}

/// What the same request gets from Envoy 1.40.
#[tokio::test]
async fn operators_say_what_envoy_says() {
    use FormatOperator as Op;
    let log = Log::new();
    let request = |name| Op::Request(pick(name, None));
    let operators = [
        request("host"),
        request(":scheme"),
        request("a"),
        Op::RequestWithoutQuery(pick(":path", None)),
        Op::Path(PathPick { query: Query::Cut, header: PathHeader::OriginalOrPath }),
        Op::Path(PathPick { query: Query::Kept, header: PathHeader::Original }),
        Op::QueryParam("b".into()),
        Op::QueryParam("e".into()),
        Op::QueryParam("none".into()),
        Op::QueryParams(Escapes::Kept),
        Op::QueryParams(Escapes::Decoded),
        Op::RequestedServerName(Some(HostHeader::OriginalOrAuthority)),
        Op::Response(pick(":status", None)),
        Op::Protocol,
        Op::UpstreamProtocol,
        Op::UpstreamCluster,
        Op::UpstreamClusterRaw,
        Op::Address(Peer::UpstreamRemote, AddressForm::WithoutPort(Some(8))),
        Op::Address(Peer::DownstreamRemote, AddressForm::WithoutPort(None)),
        Op::GrpcStatus(GrpcStatusForm::Number),
        Op::AccessLogType,
        Op::ListenerName,
        Op::Environment(None),
        Op::Constant(Constant::Zero),
        Op::Constant(Constant::Empty),
        Op::Constant(Constant::Absent),
        Op::ResponseCodeDetails(Blanks::Underscored),
        Op::UpstreamRequestAttemptCount,
    ];
    let policy = AccessLogPolicy { sink: log.sink(), format: bars(operators), filter: None };
    let answer = "HTTP/1.1 201 Created\r\ncontent-length: 4\r\n\r\nbody";
    let backend = Backend::answering(answer).await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.access_log = Box::from([policy]))
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("GET /a%20b?a=1&b=x%20y&e= HTTP/1.1\r\nhost: h\r\na: AAA\r\na: B\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 201);
    let line = "h|http|AAA|/a%20b|/a%20b|-|x y||-|a=1&b=x%20y&e=|a=1&b=x y&e=|h|201|HTTP/1.1|\
                HTTP/1.1|c|c|127.0.0.0/8|127.0.0.1|-|DownstreamEnd|listener-0|-|0||-|via_upstream|1|";
    assert_eq!(log.next_text().await, line);
}

#[tokio::test]
async fn filters_choose_and_requests_are_announced() {
    use FormatOperator as Op;
    let log = Log::new();
    let format = || bars([Op::AccessLogType, Op::ResponseCode]);
    let at_least = Comparison { operation: ComparisonOp::AtLeast, value: 400 };
    let policy = AccessLogPolicy {
        sink: log.sink(),
        format: format(),
        filter: Some(AccessLogFilter::Or(Box::from([
            AccessLogFilter::StatusCode(at_least),
            AccessLogFilter::LogType {
                types: Box::from([AccessLogType::DownstreamStart]),
                exclude: false,
            },
        ]))),
    };
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/there", forward("c"))], |hcm| {
            hcm.access_log = Box::from([policy]);
            hcm.access_log_options.at_start = true;
        })
        .start()
        .await;
    let mut client = rig.client().await;
    for path in ["/there", "/nowhere"] {
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        client.reply().await;
    }
    for line in ["DownstreamStart|0|", "DownstreamStart|0|", "DownstreamEnd|404|"] {
        assert_eq!(log.next_text().await, line);
    }
}

#[tokio::test]
async fn tcp_connections_have_lines_at_start_when_connected_and_at_the_end() {
    use FormatOperator as Op;
    let log = Log::new();
    let format = bars([
        Op::AccessLogType,
        Op::ResponseCode,
        Op::UpstreamCluster,
        Op::Bytes(ByteCount::Received),
        Op::Bytes(ByteCount::DownstreamWireSent),
        Op::Protocol,
        Op::UpstreamRequestAttemptCount,
    ]);
    let policy = AccessLogPolicy { sink: log.sink(), format, filter: None };
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let backend = Backend::answering(answer).await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .tcp(ClusterChoice::One("c".into()), |tcp| {
            tcp.access_log = Box::from([policy]);
            tcp.access_log_options.at_start = true;
            tcp.access_log_options.at_connected = true;
        })
        .start()
        .await;
    let mut client = rig.client().await;
    let request = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    client.send(request).await;
    assert_eq!(client.reply().await.status, 200);
    drop(client);
    let end = format!("TcpConnectionEnd|0|c|{}|{}|-|1|", request.len(), answer.len());
    for line in ["TcpConnectionStart|0|-|0|0|-|0|", "TcpUpstreamConnected|0|c|0|0|-|1|", &end] {
        assert_eq!(log.next_text().await, line);
    }
}
