//! Headers of forwarded messages, against those recorded from Envoy 1.40.

use destrier_policy::UpstreamProtocol;
use serde_json::Value;

use crate::support::{
    Backend, H2Client, Rig, cluster, forward, forward_with, h2, route, virtual_host,
};

/// What a host got, as `name: value`, sorted; values that change are replaced.
fn normal(headers: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut all: Vec<_> = headers
        // Not configured here, and none of the recordings' business.
        .filter(|(name, _)| name != "x-envoy-attempt-count" && name != "content-length")
        .map(|(name, value)| match (name.as_str(), value.as_str()) {
            ("date", _) | ("x-envoy-upstream-service-time", _) => format!("{name}: volatile"),
            ("x-request-id", id) if id.len() == 36 || id == "<uuid>" => format!("{name}: uuid"),
            ("x-forwarded-for", value) => {
                format!("{name}: {}", value.replace("10.9.8.7", "<node-ip>"))
            }
            _ => format!("{name}: {value}"),
        })
        .collect();
    // Several are one, split at will (RFC 9113, 8.2.3).
    let cookies: Vec<_> = all.iter().filter_map(|line| line.strip_prefix("cookie: ")).collect();
    let cookies = format!("cookie: {}", cookies.join("; "));
    all.retain(|line| !line.starts_with("cookie: "));
    all.push(cookies);
    all.sort();
    all
}

fn pairs(value: &Value) -> impl Iterator<Item = (String, String)> + '_ {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let pair = move |pair: &Value| (text(&pair[0]).to_ascii_lowercase(), text(&pair[1]));
    value.as_array().into_iter().flatten().map(pair)
}

async fn rig(variant: &str, protocol: UpstreamProtocol) -> Rig {
    let host = match protocol {
        UpstreamProtocol::Http2 => h2::echo().await,
        _ => Backend::echoing().await.address,
    };
    let timeout = std::time::Duration::from_secs(3);
    let shorter = forward_with("c", |action| {
        action.timeout = Some(timeout);
        action.path_rewrite = Some(destrier_policy::PathRewrite::Prefix("/echo".into()));
    });
    let routes = vec![route("/timeout", shorter), route("/", forward("c"))];
    let hosts = vec![virtual_host("v", &["h1.example", "h2.example"], routes)];
    let change = |policy: &mut destrier_policy::HcmPolicy| match variant {
        "use-remote-address" => policy.use_remote_address = true,
        "server-name" => policy.server_name = "istio-envoy".into(),
        "no-request-id" => policy.generate_request_id = false,
        _ => {}
    };
    Rig::builder().cluster(cluster("c", protocol), &[host]).http_hosts(hosts, change).start().await
}

#[tokio::test]
async fn a_host_gets_what_envoy_would_send() {
    let data: Value =
        serde_json::from_str(include_str!("../data/headers.json")).expect("the data is JSON");
    let mut compared = 0;
    for record in data["records"].as_array().expect("a list") {
        let Some(_) = record["upstream_request_headers"].as_array() else { continue };
        let text = |key: &str| record[key].as_str().expect("text");
        let what =
            format!("{} {} {} to {}", text("case"), text("hcm"), text("client"), text("upstream"));
        let http2 = text("upstream") == "h2";
        let protocol = if http2 { UpstreamProtocol::Http2 } else { UpstreamProtocol::Http1 };
        let rig = rig(text("hcm"), protocol).await;
        let sent: Vec<_> = pairs(&record["sent"]).collect();
        let (path, host) = (text("path"), text("host"));
        let reply = if text("client") == "h1" {
            let mut request = format!("{} {path} HTTP/1.1\r\nhost: {host}\r\n", text("method"));
            for (name, value) in &sent {
                request.push_str(&format!("{name}: {value}\r\n"));
            }
            let mut client = rig.client().await;
            client.send(request + "\r\n").await;
            client.reply().await
        } else {
            let mut request =
                http::Request::builder().method(text("method")).uri(format!("http://{host}{path}"));
            for (name, value) in &sent {
                request = request.header(name, value);
            }
            let mut client = H2Client::connect(rig.address()).await;
            client.call(request.body(()).expect("valid")).await.reply
        };
        assert_eq!(reply.status, 200, "{what}");
        let got: Vec<_> = if http2 {
            let got = reply.headers.iter().filter_map(|(name, value)| {
                let name = name.strip_prefix("got-")?;
                Some((name.to_owned(), value.clone()))
            });
            got.filter(|(name, _)| name != "authority" && name != "path").collect()
        } else {
            let head = reply.text().split("\r\n").skip(1).take_while(|line| !line.is_empty());
            head.filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect()
        };
        let wanted = pairs(&record["upstream_request_headers"]);
        let wanted = normal(wanted.filter(|(name, _)| !name.starts_with(':')));
        assert_eq!(wanted, normal(got.into_iter()), "{what}");
        if let Some(line) = record["upstream_request_line"].as_str() {
            assert!(reply.text().starts_with(line), "{what}: {line}");
        }
        for name in ["server", "date", "x-envoy-upstream-service-time"] {
            let wanted = pairs(&record["response_headers"]).any(|(known, _)| known == name);
            assert_eq!(wanted, reply.header(name).is_some(), "{what}: {name}");
        }
        if text("hcm") == "server-name" {
            assert_eq!(reply.header("server"), Some("istio-envoy"));
        }
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[tokio::test]
async fn what_a_host_says_of_itself() {
    let answer = "HTTP/1.1 200 OK\r\nserver: mine\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                  x-envoy-upstream-service-time: 77777\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                  keep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n";
    let backend = Backend::answering(answer).await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let reply = rig.client().await.get("/").await;
    assert_eq!(reply.header("server"), Some("envoy"));
    assert_eq!(reply.header("date"), Some("Mon, 01 Jan 2024 00:00:00 GMT"));
    assert_ne!(reply.header("x-envoy-upstream-service-time"), Some("77777"));
    assert_eq!(reply.header("x-hop"), Some("1"));
    assert_eq!((reply.header("connection"), reply.header("keep-alive")), (None, None));
}

#[tokio::test]
async fn hop_by_hop_headers_of_a_request_stay_here() {
    let backend = Backend::echoing().await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let mut client = rig.client().await;
    client
        .send(
            "GET http://other/abs?q HTTP/1.1\r\nhost: h\r\nconnection: x-hop, keep-alive\r\n\
             x-hop: 1\r\nkeep-alive: 5\r\nte: gzip\r\nproxy-connection: x\r\n\r\n",
        )
        .await;
    let reply = client.reply().await;
    let seen = reply.text().to_ascii_lowercase();
    assert!(seen.starts_with("get /abs?q http/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: other\r\n"), "{seen}");
    for name in ["connection", "x-hop", "keep-alive", "te:", "proxy-connection"] {
        assert!(!seen.contains(name), "{name} in {seen}");
    }
}
