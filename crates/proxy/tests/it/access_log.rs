//! Access logs, and what other tests read from them.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use destrier_policy::{
    AccessLogPolicy, AccessLogSink, Blanks, ByteCount, Format, FormatOperator, FormatPart,
    GrpcStatusForm, HeaderKey, HeaderPick, JsonTemplate, UpstreamProtocol,
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
