//! One answer beside the recorded one.

use serde_json::Value;

use crate::access_log::RECORDED;
use crate::support::Reply;

/// An answer as a client saw it, and the line that was logged of it.
pub(crate) struct Got {
    pub(crate) reply: Reply,
    /// The code of RST_STREAM.
    pub(crate) reset: Option<u32>,
    /// Whether the proxy closed the connection behind it (HTTP/1).
    pub(crate) closed: bool,
    pub(crate) line: Value,
}

/// What differs, by the names of the recorded fields; those of the log are `log.<key>`.
pub(crate) fn differences(wanted: &Value, got: &Got) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut compare = |field: &str, wanted: Value, got: Value| {
        if wanted != got {
            found.push((field.to_owned(), format!("{wanted} was recorded, {got} came")));
        }
    };
    let Got { reply, reset, closed, line } = got;
    let status = Some(reply.status).filter(|status| *status != 0);
    compare("status", wanted["status"].clone(), status.into());
    compare("body", wanted["body"].as_str().unwrap_or_default().into(), reply.text().into());
    if wanted["reason"].is_string() {
        compare("reason", wanted["reason"].clone(), reply.reason.as_str().into());
    }
    compare("headers", recorded(&wanted["headers"]), came(&reply.headers));
    compare("trailers", recorded(&wanted["trailers"]), came(&reply.trailers));
    let reset_wanted = wanted["stream_reset"].clone();
    let cut = wanted["body_cut"] == true || reset_wanted.is_number();
    compare("body_cut", cut.into(), (!reply.whole).into());
    compare("stream_reset", reset_wanted, reset.map_or(Value::Null, Value::from));
    // After `connection: close` our side is closed at once (RFC 9112, 9.6), where Envoy leaves it to the
    // client for up to `delayed_close_timeout`: neither is the other's fault.
    let closing = reply.header("connection") == Some("close");
    if wanted["connection_closed_after"].is_boolean() && !closing {
        compare(
            "connection_closed_after",
            wanted["connection_closed_after"].clone(),
            (*closed).into(),
        );
    }
    let logged = match &wanted["access_log"] {
        Value::Array(lines) => lines[0].clone(),
        line => line.clone(),
    };
    for key in RECORDED {
        let plain = |line: &Value| match (&line[key], key) {
            // `-` stands for none.
            (Value::String(dash), _) if dash == "-" => Value::Null,
            // Ports differ.
            (Value::String(_), "upstream_host") => true.into(),
            (other, _) => other.clone(),
        };
        compare(&format!("log.{key}"), plain(&logged), plain(line));
    }
    found
}

/// The headers, volatile values without them. Only the order of equal names means something.
fn listed<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let volatile = ["date", "x-envoy-upstream-service-time", "x-request-id"];
    let line = |(name, value): (&str, &str)| {
        let value = if volatile.contains(&name) { "volatile" } else { value };
        (name.to_owned(), value.to_owned())
    };
    let mut lines: Vec<_> = headers.map(line).collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines.into_iter().map(|(name, value)| Value::from(format!("{name}: {value}"))).collect()
}

fn recorded(headers: &Value) -> Value {
    let pairs = headers.as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &'_ Value| value.as_str().expect("text").to_owned();
    let pairs: Vec<_> = pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    came(&pairs)
}

fn came(headers: &[(String, String)]) -> Value {
    listed(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}
