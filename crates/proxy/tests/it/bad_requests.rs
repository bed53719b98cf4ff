//! What is no request, against what Envoy 1.40 answered to it: every record, over both versions.

use std::time::Duration;

use destrier_policy::{HcmPolicy, UnderscorePolicy, UpstreamProtocol};
use destrier_testkit::h2::{Frame, Outcome, RawH2, flag};
use serde_json::{Value, json};

use crate::access_log::Log;
use crate::local_replies::{Got, differences};
use crate::support::{Backend, H2Client, Rig, cluster, forward, route, virtual_host};

/// HTTP/1 that Envoy forwards and we refuse, with the details that are logged. One that a next hop would
/// read otherwise is a way to smuggle a request.
const STRICTER: [(&str, &str, &str); 3] = [
    ("folded-header", "http1.codec_error", "RFC 9112, 5.2: a server may refuse line folding"),
    ("lf-only", "http1.codec_error", "RFC 9112, 2.2: a bare line feed is read otherwise elsewhere"),
    ("two-hosts", "http1.codec_error", "RFC 9112, 3.2: must be answered with 400"),
];

/// What else differs: the name, the field, why.
const DEPARTING: [(&str, &str, &str); 1] = [(
    "fragment",
    "log.method",
    "the codec finds it here, and keeps nothing of a request at fault",
)];

/// HTTP/2 faults for which Envoy ends the whole connection, and what of ours is so.
const STREAM_ONLY: &str = "a malformed request is an error of its stream (RFC 9113, 8.1.1): other streams of \
                           the connection go on; no request is seen, so none is logged";
const HTTP2: [(&str, Departure, &str); 8] = [
    ("no-path", Departure::Stream, STREAM_ONLY),
    ("no-scheme", Departure::Stream, STREAM_ONLY),
    ("connection-header", Departure::Stream, STREAM_ONLY),
    ("te-other", Departure::Stream, STREAM_ONLY),
    (
        "uppercase-name",
        Departure::Connection,
        "the connection ends, as in Envoy; no request is seen, so none is logged",
    ),
    (
        "unknown-pseudo",
        Departure::Connection,
        "the connection ends, as in Envoy; no request is seen, so none is logged",
    ),
    (
        "header-61k",
        Departure::Status(431),
        "the client is told what was wrong, where Envoy resets the stream",
    ),
    (
        "no-authority",
        Departure::Status(400),
        "answered as in HTTP/1, where Envoy ends the connection",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Departure {
    /// RST_STREAM with PROTOCOL_ERROR.
    Stream,
    /// GOAWAY with PROTOCOL_ERROR.
    Connection,
    Status(u16),
}

fn recorded(section: &str) -> Vec<Value> {
    let text = include_str!("../data/local-replies-bad-requests.json");
    let all: Value = serde_json::from_str(text).expect("the data is JSON");
    all[section].as_array().expect("a list").clone()
}

/// A listener like the recorded one, in front of a backend that answers as the recorded one did.
async fn rig(log: &Log, change: impl FnOnce(&mut HcmPolicy)) -> Rig {
    let backend = Backend::start(|mut peer| async move {
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-length: 14\r\nx-upstream: yes\r\n\r\nupstream body\n";
        while let Some(request) = peer.request().await {
            if !request.contains("/delay") {
                peer.send(answer).await;
            }
        }
    })
    .await;
    let hosts = vec![virtual_host("v", &["ok-200"], vec![route("/", forward("ok-200"))])];
    Rig::builder()
        .cluster(cluster("ok-200", UpstreamProtocol::Http1), &[backend.address])
        .http_hosts(hosts, |hcm| {
            hcm.access_log = log.policies();
            change(hcm);
        })
        .start()
        .await
}

/// The bytes of a record; long ones were shortened.
fn bytes(case: &Value) -> Vec<u8> {
    let text = case["request"].as_str().expect("text");
    let many = || (0..101).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let long = |path: &str, length| {
        format!("GET {path} HTTP/1.1\r\nhost: ok-200\r\nx: {}\r\n\r\n", "a".repeat(length))
    };
    let whole = match case["name"].as_str().expect("text") {
        "101-headers" => format!("GET / HTTP/1.1\r\nhost: ok-200\r\n{}\r\n", many()),
        "grpc-101-headers" => {
            let grpc = "content-type: application/grpc\r\n";
            format!("POST / HTTP/1.1\r\nhost: ok-200\r\n{grpc}{}\r\n", many())
        }
        "header-61k" => long("/", 61_500),
        "header-59k" => long("/status/200", 59_000),
        "max-headers-8k" => long("/", 9_000),
        _ => text.to_owned(),
    };
    if let Some((begin, size)) = text.split_once("... (") {
        assert!(whole.starts_with(begin), "{text}");
        assert_eq!(format!("{} bytes)", whole.len()), size);
    }
    whole.chars().map(|byte| byte as u8).collect()
}

async fn ask(rig: &Rig, log: &Log, case: &Value) -> (Got, bool) {
    let mut client = rig.client().await;
    client.send(bytes(case)).await;
    let mut reply = client.reply().await;
    let informed = reply.status == 100;
    if informed {
        reply = client.reply().await;
    }
    let line = log.next().await;
    (Got { reply, reset: None, closed: client.is_closed(), line }, informed)
}

#[tokio::test]
async fn over_http1() {
    let log = Log::new();
    let rig = rig(&log, |_| {}).await;
    let (mut covered, mut departed, mut wrong) = (0, Vec::new(), Vec::new());
    for mut case in recorded("bad_requests_http1") {
        let name = case["name"].as_str().expect("text").to_owned();
        let (got, informed) = ask(&rig, &log, &case).await;
        assert_eq!(informed, case["informational"].is_array(), "{name}");
        if let Some((_, details, _)) = STRICTER.iter().find(|one| one.0 == name) {
            // As another fault of the codec.
            let garbage = recorded("bad_requests_http1").swap_remove(0);
            assert_eq!(
                case["access_log"][0]["flags"],
                if name == "two-hosts" { "NR" } else { "-" }
            );
            case = garbage;
            case["access_log"][0]["details"] = (*details).into();
        } else {
            covered += 1;
        }
        for (field, what) in differences(&case, &got) {
            match DEPARTING.iter().find(|one| (one.0, one.1) == (&*name, &*field)) {
                Some(one) => departed.push(one.0),
                None => wrong.push(format!("{name}: {field}: {what}")),
            }
        }
    }
    assert_eq!(departed, DEPARTING.map(|one| one.0));
    println!(
        "HTTP/1: {covered} covered, none waiting, {} departing:",
        STRICTER.len() + DEPARTING.len()
    );
    STRICTER.iter().for_each(|(name, _, why)| println!("  {name}: {why}"));
    DEPARTING.iter().for_each(|(name, field, why)| println!("  {name}: {field}: {why}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A bare carriage return in a value: Envoy deletes it and forwards.
#[tokio::test]
async fn a_bare_carriage_return_is_refused() {
    let log = Log::new();
    let rig = rig(&log, |_| {}).await;
    let case =
        json!({ "name": "", "request": "GET / HTTP/1.1\r\nhost: ok-200\r\nx: a\rb\r\n\r\n" });
    let (got, _) = ask(&rig, &log, &case).await;
    assert_eq!((got.reply.status, got.reply.text()), (400, "Bad Request"));
    assert_eq!(got.line["flags"], "DPE");
}

#[tokio::test]
async fn of_a_listener_with_limits() {
    let mut wrong = Vec::new();
    let mut covered = 0;
    for case in recorded("listener_timeouts_and_limits") {
        let name = case["name"].as_str().expect("text");
        let log = Log::new();
        let rig = rig(&log, |hcm| {
            hcm.request_timeout = Some(Duration::from_millis(300));
            hcm.stream_idle_timeout = Some(Duration::from_millis(500));
            hcm.request_headers_timeout = Some(Duration::from_millis(400));
            hcm.max_headers_count = 20;
            hcm.max_request_headers_kb = 8;
            hcm.headers_with_underscores = UnderscorePolicy::RejectRequest;
        })
        .await;
        let (got, _) = ask(&rig, &log, &case).await;
        let found = differences(&case, &got);
        wrong.extend(found.into_iter().map(|(field, what)| format!("{name}: {field}: {what}")));
        covered += 1;
    }
    println!("limits of a listener: {covered} covered, none waiting, none departing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The header list of a record; long ones were shortened, and of one only the answer was kept.
fn header_list(case: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let listed = case["headers"].as_array().expect("a list").iter();
    let mut list: Vec<_> = listed.map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    match case["name"].as_str().expect("text") {
        "101-headers" => list.extend((4..101).map(|n| (format!("x-{n}"), "1".to_owned()))),
        "header-61k" => list[4].1 = "a".repeat(61_500),
        "host-and-authority" => {
            let request = [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "ok-200"),
                (":path", "/status/200"),
                ("host", "other"),
            ];
            list = request.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        }
        _ => {}
    }
    list
}

async fn outcome(rig: &Rig, case: &Value) -> Outcome {
    let list = header_list(case);
    let list: Vec<_> = list.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let whole = Frame::headers(1, &list);
    // A block that is larger than a frame goes on in others.
    let pieces: Vec<_> = whole.payload.chunks(16_000).map(<[u8]>::to_vec).collect();
    let last = pieces.len() - 1;
    let mut frames = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        let kind = if index == 0 { whole.kind } else { destrier_testkit::h2::kind::CONTINUATION };
        let flags = if index == last { flag::END_HEADERS } else { 0 };
        frames.push(Frame::new(kind, flags, 1, piece));
    }
    match case["name"] == "content-length-mismatch" {
        true => frames.push(Frame::data(1, "abc").with(flag::END_STREAM)),
        false => frames[0].flags |= flag::END_STREAM,
    }
    let mut client = RawH2::connect(rig.address()).await.expect("the listener accepts");
    client.send(&frames).await.expect("the connection is open");
    client.outcome(1).await.expect("in time")
}

#[tokio::test]
async fn over_http2() {
    let log = Log::new();
    let rig = rig(&log, |_| {}).await;
    let (mut covered, mut departing) = (0, Vec::new());
    for case in recorded("bad_requests_http2") {
        let name = case["name"].as_str().expect("text");
        let got = outcome(&rig, &case).await;
        if let Some((_, departure, why)) = HTTP2.iter().find(|one| one.0 == name) {
            departing.push(format!("{name}: {why}"));
            match departure {
                Departure::Stream => assert_eq!(got, Outcome::Reset(1, None), "{name}"),
                Departure::Connection => assert_eq!(got, Outcome::GoneAway(1), "{name}"),
                Departure::Status(status) => {
                    assert!(
                        matches!(got, Outcome::Answered(Some(seen), _) if seen == *status),
                        "{name}: {got:?}"
                    );
                    if *status == 400 {
                        // It came as far as a request does.
                        assert_eq!(log.next().await["details"], "missing_host_header");
                    }
                }
            }
            continue;
        }
        covered += 1;
        let line = log.next().await;
        match case["stream_reset"].as_u64() {
            Some(code) => {
                assert_eq!(got, Outcome::Reset(code as u32, None), "{name}");
                let wanted = &case["access_log"][0];
                for key in ["code", "flags", "details", "bytes_received", "bytes_sent", "attempts"]
                {
                    // Bytes of a body at fault are counted until the fault is found.
                    if key != "bytes_received" || name != "content-length-mismatch" {
                        assert_eq!(wanted[key], line[key], "{name}: {key}");
                    }
                }
            }
            None => {
                assert!(matches!(got, Outcome::Answered(Some(200), _)), "{name}: {got:?}");
                // The library reads the headers of the answer.
                let mut client = H2Client::connect(rig.address()).await;
                let got = client.get("http://ok-200/status/200").await;
                let line = log.next().await;
                let got = Got { reply: got.reply, reset: got.reset, closed: false, line };
                assert_eq!(differences(&case, &got), []);
            }
        }
    }
    println!("HTTP/2: {covered} covered, none waiting, {} departing:", departing.len());
    departing.iter().for_each(|line| println!("  {line}"));
}
