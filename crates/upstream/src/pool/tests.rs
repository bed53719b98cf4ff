//! The pool under load, without HTTP: admissions as fast as they go, over real sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use destrier_balance::Preference;
use destrier_policy::{
    Address, ClusterName, ClusterPolicy, ClusterSpec, Endpoint, EndpointSet, HealthStatus,
    Lifecycle, Locality, LocalityEndpoints, RoutingPriority, Snapshot, Thresholds,
};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::{Ask, Check, Granted, Key, Protocol, TransportKey, Wanted, acquire};
use crate::active::Active;
use crate::{Cluster, ClusterManager, ForwardError, Limit};

const THREADS: usize = 32;
const CONNECTIONS: u32 = 8;
const PENDING: u32 = 12;
const REQUESTS: u32 = 6;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the system gives a runtime")
}

/// A host that accepts and keeps quiet, for as long as the runtime is driven.
async fn quiet_host() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            kept.push(accepted);
        }
    });
    address
}

async fn cluster(manager: &ClusterManager, hosts: &[SocketAddr]) -> Arc<Cluster> {
    let mut policy = ClusterPolicy::new(ClusterName::from("test"));
    policy.circuit_breakers.thresholds[0] = Thresholds {
        max_connections: CONNECTIONS,
        max_pending_requests: PENDING,
        max_requests: REQUESTS,
        ..Thresholds::default()
    };
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
    let endpoints = EndpointSet { localities: Box::from([group]), ..EndpointSet::default() };
    let spec = ClusterSpec {
        policy: Arc::new(policy),
        endpoints: Arc::new(endpoints),
        lifecycle: Lifecycle::Active,
    };
    let clusters = BTreeMap::from([(ClusterName::from("test"), spec)]);
    manager.publish(Arc::new(Snapshot { clusters, warming: Vec::new() }));
    manager.flush().await;
    manager.directory().get("test").expect("it was published")
}

/// What the threads see of the limits.
#[derive(Default)]
struct Peaks {
    inside: AtomicU32,
    requests: AtomicU32,
    connections: AtomicU32,
    pending: AtomicU32,
}

impl Peaks {
    fn look(&self, cluster: &Cluster) {
        let used = |limit| cluster.state().breakers().usage(RoutingPriority::Default, limit).used;
        self.connections.fetch_max(used(Limit::Connections), Ordering::Relaxed);
        self.pending.fetch_max(used(Limit::Pending), Ordering::Relaxed);
    }

    fn assert_held(&self) {
        assert_eq!(self.requests.load(Ordering::Relaxed), REQUESTS);
        assert_eq!(self.connections.load(Ordering::Relaxed), CONNECTIONS);
        assert!(self.pending.load(Ordering::Relaxed) <= PENDING);
    }
}

/// What a request does but for the bytes. True when it was admitted.
async fn pass(cluster: &Arc<Cluster>, worker: usize, peaks: &Peaks) -> bool {
    let host = cluster
        .pick(Preference::default(), rand::random())
        .expect("there are hosts")
        .state()
        .clone();
    let key = Key {
        address: host.address().clone(),
        protocol: Protocol::Http1,
        transport: TransportKey::Raw,
    };
    let ask = Ask {
        cluster,
        host: &host,
        key: &key,
        priority: RoutingPriority::Default,
        worker,
        now: Instant::now(),
        wanted: Wanted::Any,
        check: Check::Told,
    };
    let granted = acquire(ask).await;
    peaks.look(cluster);
    let (reader, mut lease) = match granted {
        Ok(Granted::Exclusive(reader, lease)) => (reader, lease),
        Ok(Granted::Stream(_)) => panic!("HTTP/1 has no streams"),
        Err(error) => {
            assert_eq!(error, ForwardError::Overflow(Limit::Pending));
            return false;
        }
    };
    let begun = host.begin_request();
    let Some(active) = Active::admit(cluster.state(), begun, ask.priority, ask.now) else {
        lease.give_back(reader);
        return false;
    };
    lease.begin();
    let inside = peaks.inside.fetch_add(1, Ordering::SeqCst) + 1;
    peaks.requests.fetch_max(inside, Ordering::Relaxed);
    // Others come in between here, as they do while a request is at its host.
    if rand::random_ratio(1, 64) {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
    peaks.inside.fetch_sub(1, Ordering::SeqCst);
    drop(active);
    lease.give_back(reader);
    true
}

/// Every permit is back, and there are as many as before: all that may be are, at once.
async fn assert_nothing_lost(cluster: &Arc<Cluster>) {
    let used = |limit| cluster.state().breakers().usage(RoutingPriority::Default, limit).used;
    while used(Limit::Pending) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(used(Limit::Requests), 0);
    assert!(used(Limit::Connections) <= CONNECTIONS);
    let peaks = Peaks::default();
    for _ in 0..1000 {
        assert!(pass(cluster, 0, &peaks).await);
    }
    assert_eq!(cluster.state().stats().upstream_rq_pending_active.get(), 0);
    assert_eq!(cluster.state().stats().upstream_rq_active.get(), 0);
}

#[test]
fn a_million_admissions_from_32_threads_pass_no_limit() {
    const ADMISSIONS: usize = 1_000_000;
    let hosts = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let hosts = hosts.expect("the system gives a runtime");
    let manager = ClusterManager::start().expect("the system gives a thread");
    let cluster = hosts.block_on(async { cluster(&manager, &[quiet_host().await]).await });
    let (admitted, peaks) = (AtomicUsize::new(0), Peaks::default());
    std::thread::scope(|scope| {
        for worker in 0..THREADS {
            let (cluster, admitted, peaks) = (&cluster, &admitted, &peaks);
            scope.spawn(move || {
                runtime().block_on(async {
                    while admitted.load(Ordering::Relaxed) < ADMISSIONS {
                        if pass(cluster, worker, peaks).await {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        } else {
                            std::thread::yield_now();
                        }
                    }
                });
            });
        }
    });
    peaks.assert_held();
    hosts.block_on(assert_nothing_lost(&cluster));
}

#[test]
fn a_hundred_thousand_cancels_lose_no_permit() {
    const CANCELS: usize = 100_000;
    let hosts = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let hosts = hosts.expect("the system gives a runtime");
    let manager = ClusterManager::start().expect("the system gives a thread");
    let cluster = hosts.block_on(async {
        let addresses = [quiet_host().await, quiet_host().await, quiet_host().await];
        cluster(&manager, &addresses).await
    });
    let (cancelled, peaks) = (AtomicUsize::new(0), Peaks::default());
    std::thread::scope(|scope| {
        for worker in 0..THREADS {
            let (cluster, cancelled, peaks) = (&cluster, &cancelled, &peaks);
            scope.spawn(move || {
                runtime().block_on(async {
                    while cancelled.load(Ordering::Relaxed) < CANCELS {
                        let mut request = pin!(pass(cluster, worker, peaks));
                        // Given up at whichever await it has come to.
                        let mut done = false;
                        for _ in 0..rand::random_range(1..4) {
                            done = futures_util::poll!(&mut request).is_ready();
                            if done {
                                break;
                            }
                            tokio::task::yield_now().await;
                        }
                        cancelled.fetch_add(usize::from(!done), Ordering::Relaxed);
                    }
                });
            });
        }
    });
    assert!(peaks.connections.load(Ordering::Relaxed) <= CONNECTIONS);
    assert!(peaks.pending.load(Ordering::Relaxed) <= PENDING);
    hosts.block_on(assert_nothing_lost(&cluster));
}
