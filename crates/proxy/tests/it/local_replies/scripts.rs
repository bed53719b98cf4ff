//! How each recorded answer is provoked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{
    Cidr, ClusterChoice, ClusterPolicy, ConsistentHashing, DirectResponse, DropOverload,
    ForwardAction, GrpcTimeout, HashFunction, HcmPolicy, LbPolicy, LocalityLb, MetadataMatch,
    Percent, Redirect, RouteAction, StreamDuration, SubsetFallback, SubsetPolicy, SubsetSelector,
    UpstreamProtocol, WeightedCluster,
};
use destrier_testkit::h2::Frame;
use http::StatusCode;

use super::hosts::{End, answering, babbling, frames, late, silent, unanswered};
use crate::support::{cluster, forward};

/// Longer than any wait of the scripts, shorter than the patience of a test.
pub(super) const SHORT: Duration = Duration::from_millis(300);

/// What stands behind a case.
pub(super) struct Script {
    pub(super) cluster: Option<ClusterPolicy>,
    pub(super) hosts: Vec<SocketAddr>,
    pub(super) health: Health,
    pub(super) drop: Option<DropOverload>,
    pub(super) action: RouteAction,
    pub(super) domain: &'static str,
    pub(super) prefix: &'static str,
    pub(super) change: fn(&mut HcmPolicy),
    /// Headers of the request.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Requests that hold what there is, before the one that counts.
    pub(super) blocking: usize,
    /// Ends with the script.
    kept: Vec<Box<dyn std::any::Any + Send>>,
}

/// The health of all hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    Bad,
}

/// Why a case is not played yet: what it needs is another issue's.
pub(super) fn waits(name: &str) -> Option<&'static str> {
    Some(match name {
        "tls-wrong-san" | "tls-wrong-ca" | "tls-no-client-cert" | "tls-to-plaintext" => {
            "TLS towards hosts"
        }
        "connect-refused-retried"
        | "per-try-timeout"
        | "per-try-timeout-no-retry"
        | "per-try-idle-timeout"
        | "overflow-retry-after-5xx" => "retries",
        "overflow-connection-pools" => "max_connection_pools",
        _ => return None,
    })
}

impl Script {
    fn of(name: &str, action: RouteAction) -> Self {
        Self {
            cluster: None,
            hosts: Vec::new(),
            health: Health::Good,
            drop: None,
            action,
            domain: "*",
            prefix: "/",
            change: |_| {},
            headers: &[],
            blocking: 0,
            kept: vec![Box::new(name.to_owned())],
        }
    }

    /// A route to a cluster that is not there.
    fn to_nothing(name: &str) -> Self {
        Self::of(name, forward(name))
    }

    /// A route to a cluster with one host.
    fn to(name: &str, host: SocketAddr) -> Self {
        let mut script = Self::of(name, forward(name));
        script.cluster = Some(cluster(name, UpstreamProtocol::Http1));
        script.hosts.push(host);
        script
    }

    fn route(mut self, change: impl FnOnce(&mut ForwardAction)) -> Self {
        if let RouteAction::Forward(action) = &mut self.action {
            change(action);
        }
        self
    }

    fn policy(mut self, change: impl FnOnce(&mut ClusterPolicy)) -> Self {
        self.cluster.as_mut().map(change);
        self
    }

    fn http2(self) -> Self {
        self.policy(|policy| policy.http.protocol = UpstreamProtocol::Http2)
    }

    fn limits(self, limits: [u32; 3], blocking: usize) -> Self {
        let mut script = self.policy(|policy| {
            let thresholds = &mut policy.circuit_breakers.thresholds[0];
            thresholds.max_connections = limits[0];
            thresholds.max_pending_requests = limits[1];
            thresholds.max_requests = limits[2];
        });
        script.blocking = blocking;
        script
    }

    fn with(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    fn keeping(mut self, kept: impl std::any::Any + Send) -> Self {
        self.kept.push(Box::new(kept));
        self
    }
}

/// The script of a case.
pub(super) async fn script(name: &str) -> Option<Script> {
    let nowhere: SocketAddr = ([127, 0, 0, 1], 1).into();
    Some(match name {
        "no-vhost" => Script { domain: "elsewhere", ..Script::to_nothing(name) },
        "no-route" => Script { prefix: "/elsewhere", ..Script::to_nothing(name) },
        "cluster-not-found" | "upgrade-not-configured" => Script::to_nothing(name),
        "cluster-not-found-404" => Script::to_nothing(name)
            .route(|action| action.cluster_not_found = StatusCode::NOT_FOUND),
        "weighted-cluster-not-found" => Script::to_nothing(name).route(|action| {
            let clusters = Box::from([WeightedCluster::new(name.into(), 1)]);
            action.cluster = ClusterChoice::Weighted { clusters, total: 1 };
        }),
        "direct-response" => Script::of(name, direct(418, "teapot")),
        "direct-response-503" => Script::of(name, direct(503, "")),
        "redirect" => {
            let redirect = Redirect {
                host: Some("other.example".into()),
                scheme: Some("https".into()),
                ..Redirect::default()
            };
            Script::of(name, RouteAction::Redirect(Box::new(redirect)))
        }
        "no-hosts" => Script { hosts: Vec::new(), ..Script::to(name, nowhere) },
        "no-healthy-host" => unhealthy(name, |policy| {
            policy.common_lb.healthy_panic_threshold = Percent::ZERO;
        }),
        "no-healthy-fail-on-panic" => unhealthy(name, |policy| {
            policy.common_lb.locality = LocalityLb::ZoneAware {
                routing_enabled: Percent::HUNDRED,
                min_cluster_size: 6,
                fail_traffic_on_panic: true,
            };
        }),
        "ring-hash-no-healthy" => unhealthy(name, |policy| {
            policy.common_lb.healthy_panic_threshold = Percent::ZERO;
            policy.lb = LbPolicy::RingHash {
                minimum_ring_size: 1024,
                maximum_ring_size: 8 << 20,
                hash_function: HashFunction::XxHash,
                hashing: ConsistentHashing::default(),
            };
        }),
        "subset-not-found" => Script::to(name, nowhere)
            .policy(|policy| {
                let selector = SubsetSelector {
                    keys: Box::from(["v".to_owned()]),
                    fallback: SubsetFallback::NotDefined,
                    single_host_per_subset: false,
                };
                policy.subsets = Some(SubsetPolicy {
                    fallback: SubsetFallback::None,
                    default_subset: BTreeMap::new(),
                    selectors: Box::from([selector]),
                    locality_weight_aware: false,
                    scale_locality_weight: false,
                    panic_mode_any: false,
                    list_as_any: false,
                    metadata_fallback_list: false,
                    allow_redundant_keys: false,
                });
            })
            .route(|action| {
                let wanted = MetadataMatch(Box::from([(
                    "v".into(),
                    destrier_policy::Value::String("9".into()),
                )]));
                action.metadata_match = Some(Arc::new(wanted));
            }),
        "drop-overload" => {
            let drop = DropOverload { category: "c".into(), share: Percent::HUNDRED };
            Script { drop: Some(drop), ..Script::to(name, nowhere) }
        }
        "connect-refused" => {
            Script::to(name, destrier_testkit::refusing().expect("there is a free port"))
        }
        "connect-refused-h2-upstream" => {
            Script::to(name, destrier_testkit::refusing().expect("there is a free port")).http2()
        }
        "connect-timeout" => {
            let (address, kept) = unanswered().await;
            Script::to(name, address).keeping(kept)
        }
        "close-on-accept" => Script::to(name, answering("", End::AtOnce).await),
        // A TLS server finds no ClientHello in a request and closes.
        "reset-before-headers" | "plaintext-to-tls" => {
            Script::to(name, answering("", End::Closes).await)
        }
        "reset-before-headers-rst" => Script::to(name, answering("", End::Resets).await),
        "reset-after-headers" => Script::to(name, answering(CUT, End::Closes).await),
        "reset-after-headers-rst" => Script::to(name, answering(CUT, End::Resets).await),
        "route-timeout" => {
            Script::to(name, silent().await).route(|action| action.timeout = Some(SHORT))
        }
        "route-timeout-after-headers" => {
            let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
            let host = answering(half, End::Stays).await;
            Script::to(name, host).route(|action| action.timeout = Some(SHORT))
        }
        "route-timeout-header" => Script::to(name, late().await).with(&[SHORTER]),
        "route-timeout-header-private-xff" => {
            Script::to(name, late().await).with(&[SHORTER, PRIVATE])
        }
        "route-timeout-header-internal" => Script {
            change: |hcm| {
                let range = Cidr::new([10, 0, 0, 0].into(), 8).expect("an address has 8 bits");
                hcm.internal_addresses.ranges = Box::from([range]);
            },
            ..Script::to(name, silent().await).with(&[SHORTER, PRIVATE])
        },
        "route-idle-timeout" => Script::to(name, silent().await).route(|action| {
            action.idle_timeout = Some(SHORT);
            action.timeout = None;
        }),
        "max-stream-duration" => Script::to(name, silent().await).route(|action| {
            action.stream_duration = Some(StreamDuration { max: Some(SHORT), grpc: None });
            action.timeout = None;
        }),
        "grpc-timeout" => Script::to(name, silent().await)
            .route(|action| {
                let none = Duration::ZERO;
                let grpc = Some(GrpcTimeout { max: none, offset: none });
                action.stream_duration = Some(StreamDuration { max: None, grpc });
                action.timeout = None;
            })
            .with(&[("grpc-timeout", "250m")]),
        "upstream-max-stream-duration" => Script::to(name, silent().await)
            .policy(|policy| policy.http.max_stream_duration = Some(SHORT)),
        "overflow-requests" => Script::to(name, silent().await).limits([1024, 1024, 1], 1),
        "overflow-requests-h2" => Script::to(name, frames(|_| Vec::new(), End::Stays).await)
            .limits([1024, 1024, 1], 1)
            .http2(),
        // The second would be retried, were an overflow ever retried.
        "overflow-pending" | "overflow-connections-and-pending" => {
            Script::to(name, silent().await).limits([1, 1, 1024], 2)
        }
        "overflow-pending-zero" => Script::to(name, silent().await).limits([1024, 0, 1024], 0),
        "h2-rst-stream-cancel" => resetting(name, 8).await,
        "h2-rst-stream-internal" => resetting(name, 2).await,
        "h2-rst-stream-no-error" => resetting(name, 0).await,
        "h2-rst-stream-refused" => resetting(name, 7).await,
        "h2-rst-stream-protocol" => resetting(name, 1).await,
        "h2-rst-stream-enhance" => resetting(name, 11).await,
        "h2-rst-after-headers" => {
            let begun = |stream| {
                let head = Frame::headers(stream, &[(":status", "200")]);
                vec![head, Frame::data(stream, "01234"), Frame::reset(stream, 2)]
            };
            Script::to(name, frames(begun, End::Stays).await).http2()
        }
        "h2-goaway-error" => {
            let leaving = |stream| vec![Frame::go_away(stream, 2)];
            Script::to(name, frames(leaving, End::Closes).await).http2()
        }
        "h2-close" => Script::to(name, frames(|_| Vec::new(), End::Closes).await).http2(),
        "h2-garbage" => {
            Script::to(name, babbling("these bytes are no frames\r\n\r\n").await).http2()
        }
        "h2-to-h1-upstream" => {
            let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            Script::to(name, babbling(refusal).await).http2()
        }
        "h1-to-h2-upstream" => {
            let mut settings = bytes::BytesMut::new();
            Frame::settings(&[]).write(&mut settings);
            Script::to(name, babbling(settings).await)
        }
        _ => Script::to(name, answering(no_http(name)?, End::Stays).await),
    })
}

const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789";
const SHORTER: (&str, &str) = ("x-envoy-upstream-rq-timeout-ms", "250");
const PRIVATE: (&str, &str) = ("x-forwarded-for", "10.0.0.1");

/// What is no answer.
fn no_http(name: &str) -> Option<String> {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\nok");
    Some(match name {
        "upstream-garbage" => "GARBAGE\r\n\r\n".to_owned(),
        "upstream-bad-header" => head("content-length: 2\r\nbad header: 1\r\n"),
        "upstream-cl-te" => head("content-length: 2\r\ntransfer-encoding: chunked\r\n"),
        "upstream-two-content-lengths" => head("content-length: 2\r\ncontent-length: 3\r\n"),
        "upstream-big-header" => head(&format!("x: {}\r\n", "a".repeat(100_000))),
        "upstream-many-headers" => {
            head(&(0..150).map(|n| format!("x-{n}: 1\r\n")).collect::<String>())
        }
        _ => return None,
    })
}

fn direct(status: u16, body: &str) -> RouteAction {
    RouteAction::Direct(DirectResponse {
        status: StatusCode::from_u16(status).expect("a status"),
        body: body.as_bytes().into(),
    })
}

fn unhealthy(name: &str, change: impl FnOnce(&mut ClusterPolicy)) -> Script {
    let script = Script::to(name, ([127, 0, 0, 1], 1).into());
    Script { health: Health::Bad, ..script.policy(change) }
}

async fn resetting(name: &str, code: u32) -> Script {
    Script::to(name, frames(move |stream| vec![Frame::reset(stream, code)], End::Stays).await)
        .http2()
}
