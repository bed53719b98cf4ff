//! The data path below the router: admit, pick, acquire, send, observe.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use destrier_balance::Preference;
use destrier_policy::{
    Address, ClusterName, Discovery, OriginalDstOptions, RoutingPriority, UpstreamProtocol,
};
use http::header::UPGRADE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::time::{Instant, sleep};

use crate::active::Active;
use crate::affinity::Affinity;
use crate::cluster::named_host;
use crate::original_dst::{self, Sight};
use crate::payload::Payload;
use crate::pool::{Ask, Check, Granted, Key, Protocol, TransportKey, Wanted, acquire};
use crate::retry::{Again, Failure};
use crate::stats::Caller;
use crate::{
    ActiveRequest, Body, Cluster, Directory, ForwardError, HostState, Limit, Origin, TcpLease, h1,
    h2,
};

/// Sends requests to clusters. One per worker; cheap to clone; always ready.
#[derive(Clone, Debug)]
pub struct Forward {
    directory: Directory,
    worker: usize,
}

/// HTTP version of the client's request: what `use_downstream_protocol_config` follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downstream {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where a request is to go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The cluster that the route chose.
    pub cluster: &'a ClusterName,
    /// Which limits it counts against.
    pub priority: RoutingPriority,
    /// The client's HTTP version.
    pub downstream: Downstream,
    /// Which host is wanted.
    pub affinity: Affinity<'a>,
}

/// What became known about the upstream side, also when the request failed: for the access log and for
/// local answers. The caller makes it, `Forward` fills it in.
#[derive(Debug, Default)]
pub struct UpstreamInfo {
    /// The cluster that was found.
    pub cluster: Option<Arc<Cluster>>,
    /// The host that was tried last.
    pub host: Option<Address>,
    /// Local address of the upstream connection.
    pub local_address: Option<SocketAddr>,
    /// HTTP version of the upstream connection.
    pub version: Option<http::Version>,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`.
    pub transport_failure: Option<String>,
    /// Attempts made. A request that the pool sent again by its own rules is one attempt.
    pub attempts: u32,
    /// By which the host was picked, the same at each attempt.
    pub hash: Option<u64>,
    /// `set-cookie` for the answer, so that the client keeps to its host.
    pub cookies: Vec<HeaderValue>,
}

/// How often a request is sent at most, where an idle connection ended under it. Two may do so in turn
/// when the limit of connections keeps a new one from being opened.
const SENDS: u32 = 3;

impl Forward {
    /// One per worker; `worker` numbers them, so that a request prefers a connection of its own worker.
    pub fn new(directory: Directory, worker: usize) -> Self {
        Self { directory, worker }
    }

    /// The cluster of a name, as it is now. Left in [`UpstreamInfo::cluster`], it is the one that
    /// [`Forward::send`] sends to: a request loads the clusters once.
    pub fn cluster(&self, name: &ClusterName) -> Option<Arc<Cluster>> {
        self.directory.get(name.as_str())
    }

    /// Sends a request and returns at the response's head. The `Host`/`:authority`, path and headers are
    /// sent as they are (hop-by-hop headers were removed by the caller; an allowed upgrade keeps its
    /// `upgrade` header, which is what asks for it; towards HTTP/2 it is dropped and the request is a
    /// plain one). Of the response, hop-by-hop headers are removed, but of a `101`, which carries the
    /// connection: see [`Forward::take_upgrade`]. Dropping the future or the response's body cancels the
    /// request.
    ///
    /// # Errors
    /// [`ForwardError`], already charged to the cluster's statistics.
    pub async fn send(
        &self,
        target: Target<'_>,
        request: Request<Body>,
        info: &mut UpstreamInfo,
    ) -> Result<Response<Body>, ForwardError> {
        // Whoever asked for the cluster before holds the one that this request is to have.
        let asked = info.cluster.take().filter(|asked| asked.name() == target.cluster);
        let cluster = asked.or_else(|| self.cluster(target.cluster));
        let Some(cluster) = cluster else { return Err(ForwardError::NoCluster) };
        info.cluster = Some(cluster.clone());
        let caller = caller(request.headers());
        let result = self.send_to(&cluster, target, request, info).await;
        let stats = cluster.state().stats();
        match &result {
            Ok(response) => stats.record_code(response.status().as_u16(), caller),
            // The client's own fault, or nobody is left to be answered.
            Err(ForwardError::RequestBody(_)) => {}
            Err(error) => stats.record_code(error.status().as_u16(), caller),
        }
        result
    }

    async fn send_to(
        &self,
        cluster: &Arc<Cluster>,
        target: Target<'_>,
        request: Request<Body>,
        info: &mut UpstreamInfo,
    ) -> Result<Response<Body>, ForwardError> {
        if cluster.drop_overload().is_some_and(|drop| drop.share.hits(rand::random())) {
            return Err(ForwardError::DropOverload);
        }
        let now = Instant::now();
        let active_on_host = self.pick(cluster, target.affinity, Some(&request), info)?;
        let host = active_on_host.host().clone();
        let protocol = protocol(cluster, target.downstream);
        let (mut head, body) = request.into_parts();
        if protocol == Protocol::Http2 {
            head.headers.remove(UPGRADE);
        }
        let mut payload = Payload::take(body).await?;
        let key = key(&host, protocol);
        let mut ask = self.ask(cluster, &host, &key, target.priority, now);
        if payload.is_whole_at_hand() && Again::Idempotent.allows(&head.method) {
            ask.check = Check::Told;
        }
        let mut unadmitted = Some(active_on_host);
        let mut active = None;
        let mut sends = 0;
        loop {
            let granted =
                acquire(ask).await.inspect_err(|error| observe_error(&host, error, info))?;
            if let Some(on_host) = unadmitted.take() {
                active = Some(admit(&ask, on_host)?);
            }
            sends += 1;
            let options = &cluster.policy().http;
            // From here on, as in Envoy: the wait for a connection has its own limit.
            let mut overdue = options.max_stream_duration.map(|most| Box::pin(sleep(most)));
            let sent = {
                let mut sending = pin!(async {
                    match granted {
                        Granted::Exclusive(reader, lease) => {
                            info.local_address = lease.local();
                            info.version = Some(http::Version::HTTP_11);
                            h1::exchange(reader, lease, &mut head, &mut payload, options).await
                        }
                        Granted::Stream(lease) => {
                            info.local_address = lease.local;
                            info.version = Some(http::Version::HTTP_2);
                            h2::exchange(lease, &head, &mut payload, options).await
                        }
                    }
                });
                poll_fn(|cx| match (sending.as_mut().poll(cx), &mut overdue) {
                    (Poll::Pending, Some(overdue)) => {
                        let passed = overdue.as_mut().poll(cx);
                        passed.map(|()| Err(ForwardError::MaxDuration.into()))
                    }
                    (sent, _) => sent,
                })
                .await
            };
            match sent {
                Ok(response) => {
                    let response = observe(&host, response, active.take());
                    return Ok(response.map(|body| body.until(overdue)));
                }
                Err(Failure { again, .. })
                    if sends < SENDS && payload.is_whole() && again.allows(&head.method) =>
                {
                    ask.wanted = Wanted::New;
                    ask.check = Check::Asked;
                }
                Err(Failure { error, .. }) => {
                    observe_error(&host, &error, info);
                    count_reset(cluster, &error);
                    return Err(error);
                }
            }
        }
    }

    /// After a `101` (or a 2xx to CONNECT): the connection underneath, with the bytes that were read
    /// beyond the head. The request's permits go with it.
    pub fn take_upgrade(response: &mut Response<Body>) -> Option<TcpLease> {
        response.body_mut().take_tunnel()
    }

    /// A connection of its own to a host of the cluster (TCP proxy). It counts against the limits of
    /// connections and of those who wait for one, of the default priority.
    ///
    /// # Errors
    /// [`ForwardError`], already charged to the cluster's statistics.
    pub async fn connect(
        &self,
        cluster: &ClusterName,
        affinity: Affinity<'_>,
        info: &mut UpstreamInfo,
    ) -> Result<TcpLease, ForwardError> {
        let Some(cluster) = self.directory.get(cluster.as_str()) else {
            return Err(ForwardError::NoCluster);
        };
        info.cluster = Some(cluster.clone());
        let on_host = self.pick::<Body>(&cluster, affinity, None, info)?;
        let host = on_host.host().clone();
        let key = key(&host, Protocol::Tcp);
        let ask = self.ask(&cluster, &host, &key, RoutingPriority::Default, Instant::now());
        match acquire(ask).await.inspect_err(|error| observe_error(&host, error, info))? {
            Granted::Exclusive(reader, lease) => {
                info.local_address = lease.local();
                Ok(TcpLease::opened(reader, lease, on_host))
            }
            // A pool gives what its key asks for.
            Granted::Stream(_) => Err(ForwardError::ConnectionTermination),
        }
    }

    /// The host, on which the request counts from now on.
    fn pick<B>(
        &self,
        cluster: &Cluster,
        affinity: Affinity<'_>,
        request: Option<&Request<B>>,
        info: &mut UpstreamInfo,
    ) -> Result<ActiveRequest, ForwardError> {
        let policy = cluster.policy();
        if info.attempts == 0 {
            let hashed = affinity.hash(&policy.lb, request, rand::random);
            (info.hash, info.cookies) = (hashed.hash, hashed.cookies);
        }
        let host = if let Discovery::OriginalDst(options) = &policy.discovery {
            self.original(cluster, options, affinity, request)
        } else {
            let headers = request.map(Request::headers);
            let named = headers.and_then(|headers| named_host(policy, headers, info.attempts));
            let metadata = affinity.metadata;
            let preference = Preference { hash: info.hash, metadata, host: named.as_ref() };
            let picked = cluster.pick(preference, rand::random());
            picked.ok().map(|host| Arc::clone(host.state()))
        };
        info.attempts += 1;
        let Some(host) = host else {
            cluster.state().stats().upstream_cx_none_healthy.inc();
            return Err(ForwardError::NoHealthyUpstream);
        };
        info.host = Some(host.address().clone());
        Ok(host.begin_request())
    }

    /// The host that the client meant. Behind a transport that is not in force there is none, and never
    /// one in plain text instead.
    fn original<B>(
        &self,
        cluster: &Cluster,
        options: &OriginalDstOptions,
        affinity: Affinity<'_>,
        request: Option<&Request<B>>,
    ) -> Option<Arc<HostState>> {
        if !cluster.policy().transport.is_in_force() {
            return None;
        }
        let count_invalid = || cluster.state().stats().original_dst_host_invalid.inc();
        let original = affinity.original_destination;
        let destination = original_dst::destination(options, request, original, count_invalid)?;
        let (host, sight) = cluster.state().on_demand().host(destination);
        if sight == Sight::First {
            self.directory.note_host(cluster.name());
        }
        Some(host)
    }

    fn ask<'a>(
        &self,
        cluster: &'a Arc<Cluster>,
        host: &'a Arc<HostState>,
        key: &'a Key,
        priority: RoutingPriority,
        now: Instant,
    ) -> Ask<'a> {
        let (worker, wanted, check) = (self.worker, Wanted::Any, Check::Asked);
        Ask { cluster, host, key, priority, worker, now, wanted, check }
    }
}

fn protocol(cluster: &Cluster, downstream: Downstream) -> Protocol {
    match (cluster.policy().http.protocol, downstream) {
        // ALPN needs TLS; without it there is nothing to choose by.
        (UpstreamProtocol::Http1 | UpstreamProtocol::Auto, _) => Protocol::Http1,
        (UpstreamProtocol::UseDownstream, Downstream::Http1) => Protocol::Http1,
        (UpstreamProtocol::Http2, _) => Protocol::Http2,
        (UpstreamProtocol::UseDownstream, Downstream::Http2) => Protocol::Http2,
    }
}

fn key(host: &HostState, protocol: Protocol) -> Key {
    // Hosts behind another transport are not picked.
    Key { address: host.address().clone(), protocol, transport: TransportKey::Raw }
}

/// With a connection at hand the request becomes active, or is refused.
fn admit(ask: &Ask<'_>, on_host: ActiveRequest) -> Result<Active, ForwardError> {
    let state = ask.cluster.state();
    match Active::admit(state, on_host, ask.priority, ask.now) {
        Some(active) => {
            state.stats().upstream_rq_total.inc();
            ask.host.stats().rq_total.inc();
            Ok(active)
        }
        None => {
            state.stats().upstream_rq_active_overflow.inc();
            Err(ForwardError::Overflow(Limit::Requests))
        }
    }
}

/// Counts an answer, and ties what the request holds to its body.
fn observe(host: &HostState, response: Response<Body>, active: Option<Active>) -> Response<Body> {
    let stats = host.stats();
    if response.status().is_server_error() {
        stats.rq_error.inc();
    } else {
        stats.rq_success.inc();
    }
    match active {
        Some(active) => response.map(|body| body.holding(active)),
        None => response,
    }
}

/// Counts a failure against the host, if it was the host's.
fn observe_error(host: &HostState, error: &ForwardError, info: &mut UpstreamInfo) {
    if error.origin() == Origin::Upstream {
        host.stats().rq_error.inc();
    }
    if let ForwardError::ConnectFailed(failure) = error {
        info.transport_failure = Some(failure.clone());
    }
}

fn count_reset(cluster: &Cluster, error: &ForwardError) {
    let stats = cluster.state().stats();
    match error {
        ForwardError::RemoteReset => stats.upstream_rq_rx_reset.inc(),
        ForwardError::RequestBody(_) => stats.upstream_rq_tx_reset.inc(),
        ForwardError::MaxDuration => stats.upstream_rq_max_duration_reached.inc(),
        _ => {}
    }
}

fn caller(headers: &HeaderMap) -> Caller {
    const INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");
    match headers.get(INTERNAL) {
        Some(value) if value == "true" => Caller::Internal,
        _ => Caller::External,
    }
}
