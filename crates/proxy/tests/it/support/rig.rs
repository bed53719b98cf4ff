//! A proxy with its clusters.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{
    ClusterChoice, ClusterName, ClusterPolicy, ClusterSpec, Endpoint, EndpointSet, ForwardAction,
    HcmPolicy, HealthStatus, Lifecycle, ListenerFilter, ListenerPolicy, Locality,
    LocalityEndpoints, PathMatch, Route, RouteAction, RouteMatch, RouteTable, Snapshot,
    TcpProxyPolicy, UpstreamProtocol, VirtualHost,
};
use destrier_proxy::{NodeIdentity, Proxy, ProxyConfig};
use destrier_upstream::{ClusterManager, StatValue};

use super::Client;

/// A proxy and the manager of its clusters.
pub(crate) struct Rig {
    pub(crate) proxy: Proxy,
    /// Its thread ends with it.
    manager: ClusterManager,
}

/// A rig to be.
pub(crate) struct RigBuilder {
    clusters: BTreeMap<ClusterName, ClusterSpec>,
    filters: Vec<ListenerFilter>,
    concurrency: usize,
    node: NodeIdentity,
}

impl Rig {
    /// Clusters and listeners are added to it.
    pub(crate) fn builder() -> RigBuilder {
        let node = NodeIdentity { address: [10, 9, 8, 7].into(), ..NodeIdentity::default() };
        RigBuilder { clusters: BTreeMap::new(), filters: Vec::new(), concurrency: 1, node }
    }

    /// A listener that sends everything to one cluster.
    pub(crate) async fn to(policy: ClusterPolicy, hosts: &[SocketAddr]) -> Self {
        let name = policy.name.clone();
        let routes = vec![route("/", forward(name.as_str()))];
        Self::builder().cluster(policy, hosts).http(routes, |_| {}).start().await
    }

    /// Where the first listener is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.listeners()[0].address.ip().expect("an IP address")
    }

    /// A connection to the first listener.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// A counter or gauge by its full name; 0 when it is not kept.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let mut found = 0;
        self.proxy.stats().visit(&mut |each, value| {
            if each == name {
                found = match value {
                    StatValue::Counter(value) | StatValue::Gauge(value) => value,
                    StatValue::Histogram(histogram) => histogram.count(),
                };
            }
        });
        found
    }

    /// A counter or gauge of a cluster; 0 when it is not kept.
    pub(crate) fn cluster_stat(&self, cluster: &str, name: &str) -> u64 {
        let mut found = 0;
        let cluster = self.manager.directory().get(cluster).expect("the cluster was added");
        cluster.visit_stats(&mut |each, value| {
            if let (true, StatValue::Counter(value) | StatValue::Gauge(value)) =
                (each == name, value)
            {
                found = value;
            }
        });
        found
    }
}

impl RigBuilder {
    /// Adds a cluster.
    pub(crate) fn cluster(mut self, policy: ClusterPolicy, hosts: &[SocketAddr]) -> Self {
        self.cluster_of(policy, hosts, HealthStatus::Unknown);
        self
    }

    /// Adds a cluster whose hosts are UNHEALTHY.
    pub(crate) fn unhealthy_cluster(mut self, policy: ClusterPolicy, hosts: &[SocketAddr]) -> Self {
        self.cluster_of(policy, hosts, HealthStatus::Unhealthy);
        self
    }

    /// Changes the endpoints of a cluster that was added.
    pub(crate) fn endpoints(mut self, name: &str, change: impl FnOnce(&mut EndpointSet)) -> Self {
        let spec = self.clusters.get_mut(name).expect("the cluster was added");
        change(Arc::make_mut(&mut spec.endpoints));
        self
    }

    fn cluster_of(&mut self, policy: ClusterPolicy, hosts: &[SocketAddr], health: HealthStatus) {
        let endpoint = |address: &SocketAddr| Endpoint {
            address: (*address).into(),
            hostname: "".into(),
            weight: 1,
            health,
            metadata: Arc::default(),
        };
        let locality = LocalityEndpoints {
            locality: Locality::default(),
            priority: 0,
            weight: None,
            endpoints: hosts.iter().map(endpoint).collect(),
        };
        let endpoints = EndpointSet { localities: Box::from([locality]), ..EndpointSet::default() };
        let spec = ClusterSpec {
            policy: Arc::new(policy),
            endpoints: Arc::new(endpoints),
            lifecycle: Lifecycle::Active,
        };
        self.clusters.insert(spec.policy.name.clone(), spec);
    }

    /// Adds an HTTP listener with one virtual host for everything.
    pub(crate) fn http(self, routes: Vec<Route>, change: impl FnOnce(&mut HcmPolicy)) -> Self {
        self.http_hosts(vec![virtual_host("all", &["*"], routes)], change)
    }

    /// Adds an HTTP listener.
    pub(crate) fn http_hosts(
        mut self,
        hosts: Vec<VirtualHost>,
        change: impl FnOnce(&mut HcmPolicy),
    ) -> Self {
        let table = RouteTable::new("routes".into(), hosts.into(), false);
        let table = table.expect("no domain stands twice");
        let mut policy = HcmPolicy::new("in".into(), Arc::new(table));
        change(&mut policy);
        self.filters.push(ListenerFilter::Http(Arc::new(policy)));
        self
    }

    /// Adds a TCP listener.
    pub(crate) fn tcp(
        mut self,
        cluster: ClusterChoice,
        change: impl FnOnce(&mut TcpProxyPolicy),
    ) -> Self {
        let mut policy = TcpProxyPolicy {
            hash: Box::default(),
            metadata_match: None,
            stat_prefix: "in".into(),
            cluster,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_downstream_connection_duration: None,
            max_connect_attempts: 1,
            access_log: Box::default(),
            access_log_options: Default::default(),
        };
        change(&mut policy);
        self.filters.push(ListenerFilter::Tcp(Arc::new(policy)));
        self
    }

    /// Another node than the default one at 10.9.8.7.
    pub(crate) fn node(mut self, node: NodeIdentity) -> Self {
        self.node = node;
        self
    }

    /// More than one worker.
    pub(crate) fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Starts all of it.
    pub(crate) async fn start(self) -> Rig {
        let manager = ClusterManager::start().expect("a thread can be made");
        let snapshot = Snapshot { clusters: self.clusters, warming: Vec::new() };
        manager.publish(Arc::new(snapshot));
        manager.flush().await;
        let listener = |(index, filter): (usize, ListenerFilter)| {
            Arc::new(ListenerPolicy {
                name: format!("listener-{index}").into(),
                address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
                per_connection_buffer_limit: 1 << 20,
                original_dst: false,
                access_log: Box::default(),
                filter,
            })
        };
        let listeners = self.filters.into_iter().enumerate().map(listener).collect();
        let mut config = ProxyConfig::new(listeners, manager.directory().clone());
        config.concurrency = self.concurrency;
        config.node = self.node;
        config.access_log_flush = Duration::from_millis(10);
        let proxy = Proxy::bind(config).expect("port 0 is always free");
        proxy.accept().expect("the port is ours");
        Rig { proxy, manager }
    }
}

/// A cluster that speaks HTTP/1 or HTTP/2.
pub(crate) fn cluster(name: &str, protocol: UpstreamProtocol) -> ClusterPolicy {
    let mut policy = ClusterPolicy::new(name.into());
    policy.http.protocol = protocol;
    policy.connect_timeout = Duration::from_millis(400);
    policy
}

/// A route by prefix.
pub(crate) fn route(prefix: &str, action: RouteAction) -> Route {
    let path = PathMatch::Prefix { value: prefix.into(), ignore_case: false };
    Route::new(RouteMatch::path(path), action)
}

/// What a route to a cluster does by default.
pub(crate) fn forward(cluster: &str) -> RouteAction {
    forward_with(cluster, |_| {})
}

/// A route to a cluster that does something else as well.
pub(crate) fn forward_with(cluster: &str, change: impl FnOnce(&mut ForwardAction)) -> RouteAction {
    let mut action = ForwardAction::new(ClusterChoice::One(cluster.into()));
    change(&mut action);
    RouteAction::Forward(Box::new(action))
}

/// A virtual host.
pub(crate) fn virtual_host(name: &str, domains: &[&str], routes: Vec<Route>) -> VirtualHost {
    let domains = domains.iter().map(|domain| Box::from(*domain)).collect();
    VirtualHost::new(name.into(), domains, routes.into())
}
