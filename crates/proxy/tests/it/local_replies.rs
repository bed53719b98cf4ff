//! Answers that the proxy makes itself, against those recorded from Envoy 1.40: every name, for every client.

mod compare;
mod hosts;
mod scripts;

use destrier_policy::HcmPolicy;
use futures_util::future::join_all;
use http::{Method, Request};
use serde_json::Value;

pub(crate) use self::compare::{Got, differences};
use self::scripts::{Health, Script, script, waits};
use crate::access_log::Log;
use crate::support::{Client, H2Client, Rig, route, until, virtual_host};

const CLIENTS: [&str; 4] = ["h1", "h1-grpc", "h2", "h2-grpc"];

/// Where we are not like Envoy: the name, or all; the field; why.
const DEPARTING: [(&str, &str, &str); 2] = [
    ("direct-response", "reason", "Envoy has no word for 418"),
    (
        "upgrade-not-configured",
        "log.upstream_cluster",
        "the cluster of a route is looked up when a request goes there",
    ),
];

#[tokio::test]
async fn are_as_recorded() {
    let text = include_str!("../data/local-replies.json");
    let all: Value = serde_json::from_str(text).expect("the data is JSON");
    let replies = all["replies"].as_array().expect("a list");
    let played = join_all(replies.iter().map(play)).await;
    let (mut covered, mut waiting, mut wrong) = (0, Vec::new(), Vec::new());
    let mut departed = Vec::new();
    for outcome in played {
        match outcome {
            Outcome::Waits(name, why) => waiting.push(format!("{name}: waits for {why}")),
            Outcome::NoScript(name) => wrong.push(format!("{name}: has no script")),
            Outcome::Played(name, found) => {
                covered += 1;
                for (client, field, what) in found {
                    let known = |one: &&(&str, &str, &str)| one.0 == name && one.1 == field;
                    match DEPARTING.iter().find(known) {
                        Some(one) => departed.push(one),
                        None => wrong.push(format!("{name}, {client}: {field}: {what}")),
                    }
                }
            }
        }
    }
    println!("{covered} covered");
    println!("{} waiting:\n  {}", waiting.len(), waiting.join("\n  "));
    println!("{} departing:", DEPARTING.len());
    for one in &DEPARTING {
        println!("  {}: {}: {}", one.0, one.1, one.2);
        if !departed.contains(&one) {
            wrong.push(format!("{}: {} does not depart", one.0, one.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

enum Outcome {
    Waits(String, &'static str),
    NoScript(String),
    /// With the differences: client, field, what.
    Played(String, Vec<(&'static str, String, String)>),
}

async fn play(recorded: &Value) -> Outcome {
    let name = recorded["name"].as_str().expect("text").to_owned();
    if let Some(why) = waits(&name) {
        return Outcome::Waits(name, why);
    }
    let Some(script) = script(&name).await else { return Outcome::NoScript(name) };
    let log = Log::new();
    let (rig, blockers) = rig(&script, &log).await;
    let mut found = Vec::new();
    for kind in CLIENTS {
        let wanted = &recorded["answers"][kind];
        if wanted.is_object() {
            let got = ask(&name, kind, wanted, &script, &rig, &log).await;
            let differences = differences(wanted, &got);
            found.extend(differences.into_iter().map(|(field, what)| (kind, field, what)));
        }
    }
    drop(blockers);
    Outcome::Played(name, found)
}

async fn rig(script: &Script, log: &Log) -> (Rig, Vec<Client>) {
    let mut builder = Rig::builder();
    if let Some(policy) = &script.cluster {
        let name = policy.name.as_str().to_owned();
        builder = match script.health {
            Health::Good => builder.cluster(policy.clone(), &script.hosts),
            Health::Bad => builder.unhealthy_cluster(policy.clone(), &script.hosts),
        };
        builder =
            builder.endpoints(&name, |endpoints| endpoints.drop_overload = script.drop.clone());
    }
    let routes = vec![route(script.prefix, script.action.clone())];
    let hosts = vec![virtual_host("v", &[script.domain], routes)];
    let change = |hcm: &mut HcmPolicy| {
        hcm.access_log = log.policies();
        (script.change)(hcm);
    };
    let rig = builder.http_hosts(hosts, change).start().await;
    let mut blockers = Vec::new();
    for _ in 0..script.blocking {
        let mut client = rig.client().await;
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        // The first must be on its connection, not waiting for it, before the next may wait.
        let waiting = blockers.len() as u64;
        let cluster = script.cluster.as_ref().expect("something is held").name.as_str();
        until(|| {
            rig.cluster_stat(cluster, "upstream_rq_active") == 1
                && rig.cluster_stat(cluster, "upstream_rq_pending_active") == waiting
        })
        .await;
        blockers.push(client);
    }
    (rig, blockers)
}

async fn ask(name: &str, kind: &str, wanted: &Value, script: &Script, rig: &Rig, log: &Log) -> Got {
    let method = if kind.ends_with("grpc") { Method::POST } else { Method::GET };
    let mut headers = script.headers.to_vec();
    if kind.ends_with("grpc") {
        headers.push(("content-type", "application/grpc"));
    }
    if kind.starts_with("h2") {
        let mut client = H2Client::connect(rig.address()).await;
        let mut request = Request::builder().method(method).uri("http://h/status/200");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let got = client.call(request.body(()).expect("valid")).await;
        let line = log.next().await;
        return Got { reply: got.reply, reset: got.reset, closed: false, line };
    }
    match name {
        "upgrade-not-configured" => {
            headers.extend([("connection", "upgrade"), ("upgrade", "websocket")]);
        }
        _ if method == Method::POST => headers.push(("content-length", "0")),
        _ => {}
    }
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut client = rig.client().await;
    client.send(format!("{method} /status/200 HTTP/1.1\r\nhost: h\r\n{headers}\r\n")).await;
    let reply = client.reply().await;
    let line = log.next().await;
    let closed = match wanted["connection_closed_after"] == true {
        true => client.closes().await,
        false => client.is_closed(),
    };
    Got { reply, reset: None, closed, line }
}
