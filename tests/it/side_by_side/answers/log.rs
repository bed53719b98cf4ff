//! What both proxies log of a case.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Fields by name: the operators. Of a duration is told whether there is one.
const FIELDS: &[(&str, &str)] = &[
    ("protocol", "%PROTOCOL%"),
    ("code", "%RESPONSE_CODE%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("long flags", "%RESPONSE_FLAGS_LONG%"),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    ("termination", "%CONNECTION_TERMINATION_DETAILS%"),
    ("failure", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("received", "%BYTES_RECEIVED%"),
    ("sent", "%BYTES_SENT%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("forwarded", "%REQ(X-FORWARDED-FOR)%"),
    ("content type", "%RESP(CONTENT-TYPE):30%"),
    ("grpc", "%GRPC_STATUS%"),
    ("trailer", "%TRAILER(GRPC-STATUS)%"),
    ("route", "%ROUTE_NAME%"),
    ("cluster", "%UPSTREAM_CLUSTER%"),
    ("host", "%UPSTREAM_HOST%"),
    ("attempted", "%UPSTREAM_HOSTS_ATTEMPTED%"),
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("upstream protocol", "%UPSTREAM_PROTOCOL%"),
    ("upstream local", "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
    ("remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("local", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
    ("server name", "%REQUESTED_SERVER_NAME%"),
    ("duration", "%DURATION%"),
    ("request duration", "%REQUEST_DURATION%"),
    ("response duration", "%RESPONSE_DURATION%"),
];

/// The ports of a listener and of a client: one connection.
pub(super) type Ports = (u16, u16);

/// Lines of a proxy's log, by connection.
pub(super) type Lines = BTreeMap<Ports, Vec<Vec<String>>>;

/// How a connection manager logs to a file.
pub(super) fn to(file: &Path) -> Value {
    let operators: Vec<&str> = FIELDS.iter().map(|(_, operator)| *operator).collect();
    let format = format!(
        "%DOWNSTREAM_LOCAL_PORT%\t%DOWNSTREAM_DIRECT_REMOTE_PORT%\t{}\n",
        operators.join("\t")
    );
    json!([{ "name": "file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": file,
        "log_format": { "text_format_source": { "inline_string": format } },
    } }])
}

/// Waits until the line of a connection is there, and reads all.
pub(super) async fn read(file: &Path, last: Ports) -> Result<Lines> {
    let begin = Instant::now();
    loop {
        let lines = parse(&std::fs::read_to_string(file)?);
        if lines.contains_key(&last) || begin.elapsed() > crate::mesh::PATIENCE {
            return Ok(lines);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn parse(text: &str) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let mut port = || fields.next().and_then(|port| port.parse().ok()).unwrap_or_default();
        let ports = (port(), port());
        let masked = |(index, field): (usize, &str)| {
            let is_time = FIELDS.get(index).is_some_and(|(name, _)| name.ends_with("duration"));
            let timed = is_time && field.parse::<u64>().is_ok();
            if timed { "a time".to_owned() } else { field.to_owned() }
        };
        lines.entry(ports).or_default().push(fields.enumerate().map(masked).collect());
    }
    lines
}

/// Which parts differ: names of fields, or `lines` when there are not as many.
pub(super) fn differences(
    theirs: &[Vec<String>],
    ours: &[Vec<String>],
) -> Vec<(&'static str, String)> {
    if theirs.len() != ours.len() {
        let count = format!("Envoy has {} {theirs:?}, we {} {ours:?}", theirs.len(), ours.len());
        return vec![("lines", count)];
    }
    let mut found = Vec::new();
    for (theirs, ours) in theirs.iter().zip(ours) {
        let pairs = theirs.iter().zip(ours).zip(FIELDS);
        found.extend(
            pairs.filter(|((theirs, ours), _)| theirs != ours).map(
                |((theirs, ours), (name, _))| (*name, format!("Envoy {theirs:?}, we {ours:?}")),
            ),
        );
    }
    found
}
