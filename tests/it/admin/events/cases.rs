//! How each recorded event is provoked.

use std::time::Duration;

use anyhow::{Context, Result};
use destrier::demo::local::LocalAgent;
use destrier_testkit::{Behaviour, Fault, Gate, RawConn};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::peers::{Peers, Script};
use crate::admin::exceptions::Why;
use crate::mesh::until;

/// What is behind the cluster of an event.
#[derive(Clone, Copy)]
pub(super) enum Peer {
    /// No endpoint.
    None,
    /// Nobody listens there.
    Refusing,
    /// The same, and EDS says so.
    Unhealthy,
    Backend(fn(&mut Behaviour)),
    Script(Script),
}

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provoked {
    /// One request after the other.
    Requests(&'static str, usize),
    /// A request whose client leaves while the backend works on it.
    Abort,
    /// A request to a host that no virtual host has.
    NoVirtualHost,
    /// A request with these lines in its head.
    With(&'static str),
    /// So many requests are held by the backend, one more is answered at once, then all are let go.
    Overflow(u64),
    /// Two requests, the second of which has to wait for the connection of the first.
    Waits,
}

/// What the route does.
#[derive(Clone, Copy)]
enum Action {
    Forward,
    /// To a cluster that does not exist.
    Nowhere,
    /// To one of several that does not exist.
    WeightedNowhere,
    Direct(u16, &'static str),
    /// Its prefix is another one.
    Elsewhere,
}

pub(super) struct Case {
    pub(super) peer: Peer,
    pub(super) provoked: Provoked,
    action: Action,
}

const PLAIN: Provoked = Provoked::Requests("/", 1);

fn with_peer(peer: Peer) -> Case {
    Case { peer, provoked: PLAIN, action: Action::Forward }
}

fn answering(path: &'static str) -> Case {
    Case { provoked: Provoked::Requests(path, 1), ..with_peer(Peer::Backend(|_| {})) }
}

fn times(count: usize, set: fn(&mut Behaviour)) -> Case {
    Case { provoked: Provoked::Requests("/", count), ..with_peer(Peer::Backend(set)) }
}

fn script(script: Script) -> Case {
    with_peer(Peer::Script(script))
}

fn acting(action: Action) -> Case {
    Case { action, ..with_peer(Peer::None) }
}

fn full(provoked: Provoked) -> Case {
    Case { provoked, ..with_peer(Peer::Backend(|_| {})) }
}

const RETRIES: Why = Why::Waits("retries");
const OUTLIER: Why = Why::Waits("outlier detection");
const TLS: Why = Why::Waits("TLS");
const EDGE: Why = Why::Waits("the HTTP edge: routes and durations");
const BALANCING: Why = Why::Waits("load balancing");

/// The frames of a reset of the first stream with this code.
macro_rules! reset {
    ($code:literal) => {
        script(Script::Frames(&[(3, 0, 1, &[0, 0, 0, $code])]))
    };
}

/// `None` for a name that nobody thought of.
pub(super) fn case(event: &str) -> Option<Result<Case, Why>> {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
    Some(Ok(match event {
        "ok-200" | "ok-200-h2-upstream" => answering("/"),
        "upstream-404" => answering("/status/404"),
        "upstream-500" => answering("/status/500"),
        "upstream-503" => answering("/status/503"),
        "internal-redirect" => answering("/status/302"),
        "connection-close-by-upstream" => times(1, |backend| backend.fault = Fault::CloseAfter),
        "max-requests-per-connection" => times(2, |_| {}),
        "upstream-idle-timeout" => answering("/"),
        "downstream-abort" => full(Provoked::Abort),
        "no-vhost" => Case { provoked: Provoked::NoVirtualHost, ..acting(Action::Forward) },
        "no-route" => acting(Action::Elsewhere),
        "cluster-not-found" | "cluster-not-found-404" => acting(Action::Nowhere),
        "weighted-cluster-not-found" => acting(Action::WeightedNowhere),
        "direct-response" => acting(Action::Direct(418, "short and stout")),
        "direct-response-503" => acting(Action::Direct(503, "")),
        "no-hosts" => with_peer(Peer::None),
        "no-healthy-host" => with_peer(Peer::Unhealthy),
        "connect-refused" | "connect-refused-h2-upstream" => with_peer(Peer::Refusing),
        "close-on-accept" => script(Script::CloseOnAccept),
        "reset-before-headers" => script(Script::Answer(b"")),
        "reset-before-headers-rst" => script(Script::AnswerAndReset(b"")),
        "reset-after-headers" => script(Script::Answer(cut)),
        "reset-after-headers-rst" => script(Script::AnswerAndReset(cut)),
        "h2-rst-stream-cancel" => reset!(8),
        "h2-rst-stream-internal" => reset!(2),
        "h2-rst-stream-no-error" => reset!(0),
        "h2-rst-stream-protocol" => reset!(1),
        "h2-rst-stream-enhance" => reset!(11),
        // `:status: 200`, a piece of the body, a reset.
        "h2-rst-after-headers" => script(Script::Frames(&[
            (1, 4, 1, &[0x88]),
            (0, 0, 1, b"12345"),
            (3, 0, 1, &[0, 0, 0, 2]),
        ])),
        "h2-goaway-error" => {
            script(Script::FramesAndClose(&[(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2])]))
        }
        "h2-close" => script(Script::FramesAndClose(&[])),
        "h2-garbage" => script(Script::AnswerAndStay(b"\xff\xff\xffnonsense nonsense")),
        "h2-to-h1-upstream" => {
            script(Script::AnswerAndStay(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"))
        }
        "h1-to-h2-upstream" => script(Script::AnswerAndStay(&[0, 0, 0, 4, 0, 0, 0, 0, 0])),
        "route-timeout" => answering("/delay/60000"),
        "route-timeout-after-headers" => script(Script::AnswerAndStay(cut)),
        "route-timeout-header" => {
            let lines = "x-envoy-upstream-rq-timeout-ms: 1\r\n";
            Case { provoked: Provoked::With(lines), ..answering("/") }
        }
        "route-idle-timeout" | "upstream-max-stream-duration" => answering("/delay/60000"),
        "overflow-pending" | "overflow-connections-and-pending" => full(Provoked::Overflow(2)),
        "overflow-pending-zero" => answering("/"),
        "overflow-requests" | "overflow-requests-h2" => full(Provoked::Overflow(1)),
        "overflow-connections" => full(Provoked::Waits),
        "drop-overload" => with_peer(Peer::Backend(|_| {})),
        "upstream-garbage" => script(Script::AnswerAndStay(b"nonsense\r\n\r\n")),
        "upstream-bad-header" => {
            script(Script::AnswerAndStay(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"))
        }
        "upstream-cl-te" => script(Script::AnswerAndStay(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        )),
        "upstream-two-content-lengths" => script(Script::AnswerAndStay(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        )),
        "upstream-big-header" => script(Script::Headers(10, 10_000)),
        "upstream-many-headers" => script(Script::Headers(150, 1)),
        "upgrade-not-configured" => {
            let lines = "connection: upgrade\r\nupgrade: websocket\r\n";
            Case { provoked: Provoked::With(lines), ..acting(Action::Forward) }
        }
        other => return why_not(other).map(Err),
    }))
}

fn why_not(event: &str) -> Option<Why> {
    Some(match event {
        "connect-timeout" => {
            Why::Departs("nothing on loopback swallows a SYN; `upstream` tests it")
        }
        "h2-rst-stream-refused" => Why::Departs("a request that was not processed is sent again"),
        "overflow-connection-pools" => Why::Departs("pools are not limited"),
        "grpc-upstream-ok" | "grpc-upstream-unavailable" | "grpc-upstream-trailers-only" => {
            Why::Waits("a gRPC client in these tests")
        }
        "request-mirror"
        | "redirect"
        | "route-timeout-header-internal"
        | "route-timeout-header-private-xff"
        | "max-stream-duration"
        | "grpc-timeout" => EDGE,
        "panic" | "no-healthy-fail-on-panic" | "subset-not-found" | "ring-hash-no-healthy" => {
            BALANCING
        }
        "request-body-too-large-for-retry" => RETRIES,
        _ if event.contains("retr") || event.starts_with("per-try") => RETRIES,
        "upstream-503-overloaded-header" => RETRIES,
        _ if event.starts_with("ejection-") => OUTLIER,
        _ if event.contains("tls") => TLS,
        _ => return None,
    })
}

impl Case {
    /// The prefix of its route.
    pub(super) fn prefix(&self) -> &'static str {
        if let Action::Elsewhere = self.action { "/elsewhere" } else { "/" }
    }

    /// The action of its route.
    pub(super) fn action(&self, event: &str) -> Value {
        match self.action {
            Action::Forward | Action::Elsewhere => json!({ "route": { "cluster": event } }),
            Action::Nowhere => json!({ "route": { "cluster": "nowhere" } }),
            Action::WeightedNowhere => json!({ "route": { "weighted_clusters": {
                "clusters": [{ "name": "nowhere", "weight": 1 }],
            } } }),
            Action::Direct(status, body) => {
                let mut answer = json!({ "status": status });
                if !body.is_empty() {
                    answer["body"] = json!({ "inline_string": body });
                }
                json!({ "direct_response": answer })
            }
        }
    }

    /// Lets it happen; the statuses of the answers in order, the one that was recorded last.
    pub(super) async fn provoke(
        &self,
        agent: &LocalAgent,
        peers: &Peers,
        event: &str,
    ) -> Result<Vec<u16>> {
        let entry = agent.entry();
        match self.provoked {
            Provoked::Requests(path, count) => {
                let mut statuses = Vec::new();
                for _ in 0..count {
                    statuses.push(status(entry, event, path, "").await?);
                }
                Ok(statuses)
            }
            Provoked::With(lines) => Ok(vec![status(entry, event, "/", lines).await?]),
            Provoked::NoVirtualHost => Ok(vec![status(entry, event, "/", "").await?]),
            Provoked::Abort => {
                let gate = Gate::closed();
                let backend = peers.backend(event)?;
                backend.update(|behaviour| behaviour.gate = Some(gate.clone()));
                let mut client = RawConn::connect(entry).await?;
                client.send(head(event, "/", "").as_bytes()).await?;
                until("the request", || backend.counts().requests.active() == 1).await?;
                drop(client);
                Ok(Vec::new())
            }
            Provoked::Overflow(held) => {
                let gate = Gate::closed();
                peers.backend(event)?.update(|behaviour| behaviour.gate = Some(gate.clone()));
                let mut waiting = Vec::new();
                for number in 1..=held {
                    waiting.push(spawn(entry, event));
                    in_flight(agent, event, number).await?;
                }
                let refused = status(entry, event, "/", "").await?;
                gate.open();
                let mut statuses = Vec::new();
                for request in waiting {
                    statuses.push(request.await??);
                }
                statuses.push(refused);
                Ok(statuses)
            }
            Provoked::Waits => {
                let gate = Gate::closed();
                peers.backend(event)?.update(|behaviour| behaviour.gate = Some(gate.clone()));
                let first = spawn(entry, event);
                in_flight(agent, event, 1).await?;
                let second = spawn(entry, event);
                in_flight(agent, event, 2).await?;
                gate.open();
                Ok(vec![first.await??, second.await??])
            }
        }
    }
}

/// Waits until so many requests are with the backend or wait for a connection to it, and all that can be
/// with the backend are.
async fn in_flight(agent: &LocalAgent, event: &str, count: u64) -> Result<()> {
    let page = format!("/stats?format=json&filter=%5Ecluster%5C.{event}%5C.upstream_");
    let of = |page: &Value, name: &str| {
        let name = format!("cluster.{event}.{name}");
        let stats = page["stats"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = stats.iter().find(|stat| stat["name"] == *name);
        found.and_then(|stat| stat["value"].as_u64()).unwrap_or(0)
    };
    agent
        .until("held requests", &page, |page| {
            let (active, pending) =
                (of(page, "upstream_rq_active"), of(page, "upstream_rq_pending_active"));
            active >= 1 && active + pending == count
        })
        .await
}

fn spawn(entry: std::net::SocketAddr, event: &str) -> JoinHandle<Result<u16>> {
    let event = event.to_owned();
    tokio::spawn(async move { status(entry, &event, "/", "").await })
}

fn head(event: &str, path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {event}\r\n{lines}\r\n")
}

/// The status of the answer to one request over a connection of its own. A body may break off.
async fn status(entry: std::net::SocketAddr, event: &str, path: &str, lines: &str) -> Result<u16> {
    let mut client = RawConn::connect(entry).await?;
    client.send(head(event, path, lines).as_bytes()).await?;
    client.set_deadline(Duration::from_secs(5));
    let answer = client.read_head().await?;
    let status = std::str::from_utf8(answer.get(9..12).context("a status line")?)?.parse()?;
    // The body is read, whole or not, before the client leaves.
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    if let Some(length) = length.and_then(|length| length.trim().parse().ok()) {
        let _ = client.read_exact(length).await;
    }
    Ok(status)
}
