//! What the tests of the data path share: clusters in force, and hosts on loopback that do as told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::{
    Address, ClusterName, ClusterPolicy, ClusterSpec, DropOverload, Endpoint, EndpointSet,
    HealthStatus, Lifecycle, Locality, LocalityEndpoints, Percent, RoutingPriority, Snapshot,
};
use destrier_upstream::{
    Affinity, Body, Cluster, ClusterManager, Downstream, Forward, ForwardError, Limit, StatValue,
    Target, UpstreamInfo,
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One cluster in force, named `test`.
pub(crate) struct Bed {
    manager: ClusterManager,
    name: ClusterName,
    hosts: Vec<SocketAddr>,
}

impl Bed {
    /// With these hosts and a policy changed by `change`.
    pub(crate) async fn new(hosts: &[SocketAddr], change: impl FnOnce(&mut ClusterPolicy)) -> Self {
        let manager = ClusterManager::start().expect("the system gives a thread");
        let bed = Self { manager, name: ClusterName::from("test"), hosts: hosts.to_vec() };
        bed.publish(change).await;
        bed
    }

    /// Puts another policy in force.
    pub(crate) async fn publish(&self, change: impl FnOnce(&mut ClusterPolicy)) {
        self.publish_hosts(&self.hosts, change).await;
    }

    /// Puts other hosts in force.
    pub(crate) async fn publish_hosts(
        &self,
        hosts: &[SocketAddr],
        change: impl FnOnce(&mut ClusterPolicy),
    ) {
        self.publish_endpoints(endpoints(hosts), change).await;
    }

    /// Wants this share of requests dropped.
    pub(crate) async fn publish_dropping(&self, percent: f64) {
        let mut endpoints = endpoints(&self.hosts);
        let share = Percent::new(percent).expect("a percentage");
        endpoints.drop_overload = Some(DropOverload { category: "test".into(), share });
        self.publish_endpoints(endpoints, |_| ()).await;
    }

    async fn publish_endpoints(
        &self,
        endpoints: EndpointSet,
        change: impl FnOnce(&mut ClusterPolicy),
    ) {
        let mut policy = ClusterPolicy::new(self.name.clone());
        change(&mut policy);
        let spec = ClusterSpec {
            policy: Arc::new(policy),
            endpoints: Arc::new(endpoints),
            lifecycle: Lifecycle::Active,
        };
        let clusters = BTreeMap::from([(self.name.clone(), spec)]);
        self.manager.publish(Arc::new(Snapshot { clusters, warming: Vec::new() }));
        self.manager.flush().await;
    }

    /// The data path of one worker.
    pub(crate) fn forward(&self, worker: usize) -> Sender {
        let forward = Forward::new(self.manager.directory().clone(), worker);
        Sender { forward, name: self.name.clone(), priority: RoutingPriority::Default }
    }

    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        self.manager.directory().get("test").expect("it was published")
    }

    /// A statistic of the cluster.
    pub(crate) fn stat(&self, wanted: &str) -> u64 {
        let mut found = None;
        self.cluster().visit_stats(&mut |name, value| {
            if name == wanted {
                found = match value {
                    StatValue::Counter(value) | StatValue::Gauge(value) => Some(value),
                    StatValue::Histogram(_) => None,
                };
            }
        });
        found.unwrap_or(0)
    }

    pub(crate) fn used(&self, limit: Limit) -> u32 {
        self.cluster().state().breakers().usage(RoutingPriority::Default, limit).used
    }

    /// Nothing is held any more but idle connections.
    pub(crate) async fn quiet(&self) {
        let none = || self.used(Limit::Requests) == 0 && self.used(Limit::Pending) == 0;
        eventually("every permit is back", none).await;
        assert_eq!(self.stat("upstream_rq_active"), 0);
        assert_eq!(self.stat("upstream_rq_pending_active"), 0);
    }
}

/// Sends requests to the cluster.
#[derive(Clone)]
pub(crate) struct Sender {
    forward: Forward,
    name: ClusterName,
    priority: RoutingPriority,
}

impl Sender {
    /// The same with high priority.
    pub(crate) fn high(self) -> Self {
        Self { priority: RoutingPriority::High, ..self }
    }

    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Body>, ForwardError> {
        self.send_as(request, Downstream::Http1).await
    }

    pub(crate) async fn send_as(
        &self,
        request: Request<Body>,
        downstream: Downstream,
    ) -> Result<Response<Body>, ForwardError> {
        let target = Target {
            cluster: &self.name,
            priority: self.priority,
            downstream,
            affinity: Affinity::default(),
        };
        let mut info = UpstreamInfo::default();
        let answer = self.forward.send(target, request, &mut info);
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, answer).await.expect("no wait is unbounded")
    }

    /// A GET whose answer is read to its end.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Bytes), ForwardError> {
        read(self.send(get(path)).await?).await
    }

    pub(crate) async fn connect(&self) -> Result<destrier_upstream::TcpLease, ForwardError> {
        self.forward.connect(&self.name, Affinity::default(), &mut UpstreamInfo::default()).await
    }
}

pub(crate) async fn read(response: Response<Body>) -> Result<(u16, Bytes), ForwardError> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("the body is whole");
    Ok((status, body.to_bytes()))
}

pub(crate) fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("host", "test").body(Body::empty());
    request.expect("the parts are valid")
}

pub(crate) fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(path).header("host", "test").body(body).expect("the parts are valid")
}

fn endpoints(hosts: &[SocketAddr]) -> EndpointSet {
    let endpoint = |address: &SocketAddr| Endpoint {
        address: Address::Ip(*address),
        hostname: "".into(),
        weight: 1,
        health: HealthStatus::Healthy,
        metadata: Arc::default(),
    };
    let group = LocalityEndpoints {
        locality: Locality::default(),
        priority: 0,
        weight: None,
        endpoints: hosts.iter().map(endpoint).collect(),
    };
    EndpointSet { localities: Box::from([group]), ..EndpointSet::default() }
}

/// Waits for a condition; says which when it does not come within ten seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("this never came: {what}");
}

/// What a host counts.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    /// The most streams at once on one connection.
    pub(crate) streams: AtomicUsize,
    pub(crate) requests: AtomicUsize,
}

impl Seen {
    pub(crate) fn get(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }
}

/// A host that hands each connection to `serve`.
pub(crate) async fn host<F>(
    serve: impl Fn(TcpStream, Arc<Seen>) -> F + Send + 'static,
) -> (SocketAddr, Arc<Seen>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    let seen = Arc::new(Seen::default());
    let counted = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.connections.fetch_add(1, Ordering::SeqCst);
            let open = counted.open.fetch_add(1, Ordering::SeqCst) + 1;
            counted.peak.fetch_max(open, Ordering::SeqCst);
            let served = serve(stream, counted.clone());
            let counted = counted.clone();
            tokio::spawn(async move {
                served.await;
                counted.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, seen)
}

/// Reads a head; `None` at the end of the connection. What comes after the head stays in `buffer`.
pub(crate) async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            return Some(String::from_utf8(head).expect("a head is text"));
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&more[..count]),
        }
    }
}

/// Answers each request (without a body) with `answer(path)`.
pub(crate) async fn answering(
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> (SocketAddr, Arc<Seen>) {
    let answer = Arc::new(answer);
    host(move |mut stream, seen| {
        let answer = answer.clone();
        async move {
            let mut buffer = Vec::new();
            while let Some(head) = read_head(&mut stream, &mut buffer).await {
                seen.requests.fetch_add(1, Ordering::SeqCst);
                let path = head.split(' ').nth(1).expect("a target").to_owned();
                if stream.write_all(&answer(&path)).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// A plain answer.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
