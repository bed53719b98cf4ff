use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use destrier_policy::{
    Address, ClusterName, ClusterPolicy, Endpoint, EndpointSet, HealthStatus, LbPolicy, Lifecycle,
    Snapshot, TransportSocket, UpstreamProtocol,
};
use proptest::prelude::*;

use super::{Change, Membership, Reconciled, Stale, reconcile};
use crate::cluster::testing::{
    address, endpoint, endpoints, policy, ports, snapshot, surroundings, tls_endpoint,
    with_tls_match,
};
use crate::{ActiveRequest, Cluster, Clusters, HostState};

/// Reconciles `live` with `next` and puts the result in its place, without keeping what was before.
fn step(live: &mut Clusters, next: Snapshot) -> Vec<Change> {
    let Reconciled { clusters, changes } =
        reconcile(live, Arc::new(next), &surroundings(), &Stale::Some(&BTreeSet::new()), &mut || 0);
    *live = clusters;
    changes
}

fn started(next: Snapshot) -> Clusters {
    let mut live = Clusters::default();
    step(&mut live, next);
    live
}

fn get(clusters: &Clusters, name: &str) -> Arc<Cluster> {
    clusters.get(name).expect("the cluster is there").clone()
}

fn host(cluster: &Cluster, port: u16) -> Arc<HostState> {
    let found = cluster.hosts().iter().find(|host| *host.address() == address(port));
    found.expect("the host is there").state().clone()
}

fn retired(changes: &[Change]) -> Vec<Address> {
    let mut retired: Vec<_> = changes.iter().flat_map(|change| change.retired.clone()).collect();
    retired.sort();
    retired
}

#[test]
fn what_did_not_change_is_the_same_object() {
    let first = snapshot([(policy("a"), ports([1])), (policy("b"), ports([2]))]);
    let mut live = started(first.clone());
    let (a, b) = (get(&live, "a"), get(&live, "b"));

    let mut second = first;
    let changed = second.clusters.get_mut("b").expect("there");
    changed.endpoints = ports([2, 3]);
    let changes = step(&mut live, second);
    assert_eq!(changes.len(), 1);
    assert!(Arc::ptr_eq(&a, &get(&live, "a")));
    assert!(!Arc::ptr_eq(&b, &get(&live, "b")));
    assert!(Arc::ptr_eq(b.state(), get(&live, "b").state()));
    assert!(Arc::ptr_eq(&host(&b, 2), &host(&get(&live, "b"), 2)));
}

#[test]
fn equal_values_change_nothing_though_they_are_other_objects() {
    let mut live = started(snapshot([(policy("a"), ports([1]))]));
    let a = get(&live, "a");
    let changes = step(&mut live, snapshot([(policy("a"), ports([1]))]));
    assert!(changes.is_empty());
    assert!(Arc::ptr_eq(&a, &get(&live, "a")));
}

#[test]
fn a_cluster_on_its_way_out_is_the_same_object_and_so_it_is_when_it_comes_back() {
    #[expect(clippy::disallowed_methods, reason = "any moment will do, nothing waits for it")]
    let until = Instant::now() + Duration::from_secs(60);
    let active = snapshot([(policy("a"), ports([1]))]);
    let mut live = started(active.clone());
    let a = get(&live, "a");
    let mut leaving = active.clone();
    leaving.clusters.get_mut("a").expect("there").lifecycle = Lifecycle::Removed { until };
    for next in [leaving, active] {
        assert!(step(&mut live, next).is_empty());
        assert!(Arc::ptr_eq(&a, &get(&live, "a")));
    }
}

/// The table of what a change closes: nothing, unless other bytes would be on the wire.
#[test]
fn limits_timeouts_balancing_weights_and_health_retire_nothing() {
    type Edit = fn(&mut ClusterPolicy);
    let edits: [(&str, Edit); 6] = [
        ("limits", |policy| policy.circuit_breakers.thresholds[0].max_connections = 1),
        ("connect timeout", |policy| policy.connect_timeout = Duration::from_millis(1)),
        ("idle timeout", |policy| policy.http.idle_timeout = None),
        ("requests per connection", |policy| policy.http.max_requests_per_connection = Some(1)),
        ("balancing", |policy| policy.lb = LbPolicy::Random),
        ("outlier detection", |policy| policy.outlier = None),
    ];
    for (what, edit) in edits {
        let mut live = started(snapshot([(policy("a"), ports([1, 2]))]));
        let before = get(&live, "a");
        let mut edited = policy("a");
        edit(&mut edited);
        let changes = step(&mut live, snapshot([(edited, ports([1, 2]))]));
        assert_eq!(retired(&changes), [], "{what}");
        let after = get(&live, "a");
        assert!(Arc::ptr_eq(before.state(), after.state()), "{what}");
        assert!(Arc::ptr_eq(&host(&before, 1), &host(&after, 1)), "{what}");
    }

    let mut live = started(snapshot([(policy("a"), ports([1, 2]))]));
    let other = Endpoint { weight: 5, health: HealthStatus::Unhealthy, ..endpoint(1) };
    let other = endpoints(vec![vec![], vec![endpoint(2), other]]);
    let changes = step(&mut live, snapshot([(policy("a"), other)]));
    assert_eq!(retired(&changes), [], "weight, health, priority, order");
    assert_eq!(changes[0].membership, Membership::Same);
}

#[test]
fn a_host_that_leaves_is_retired() {
    let mut live = started(snapshot([(policy("a"), ports([1, 2]))]));
    let changes = step(&mut live, snapshot([(policy("a"), ports([2, 3]))]));
    assert_eq!(retired(&changes), [address(1)]);
    assert_eq!(changes[0].membership, Membership::Changed);
    let changes = step(&mut live, snapshot([]));
    assert_eq!(retired(&changes), [address(2), address(3)]);
}

#[test]
fn another_transport_retires_the_hosts_that_it_concerns() {
    let mut live = started(snapshot([(policy("a"), ports([1, 2]))]));
    let tls = endpoints(vec![vec![tls_endpoint(1), endpoint(2)]]);
    let changes = step(&mut live, snapshot([(with_tls_match(policy("a")), tls.clone())]));
    assert_eq!(retired(&changes), [address(1)]);
    assert_eq!(get(&live, "a").hosts_in_use().count(), 1);

    let mut all = with_tls_match(policy("a"));
    all.transport = TransportSocket::NotInForce { type_url: "t".into() };
    let changes = step(&mut live, snapshot([(all, tls)]));
    assert_eq!(retired(&changes), [address(2)]);
}

#[test]
fn another_version_of_http_retires_every_host() {
    let mut live = started(snapshot([(policy("a"), ports([1, 2]))]));
    let mut http2 = policy("a");
    http2.http.protocol = UpstreamProtocol::Http2;
    let changes = step(&mut live, snapshot([(http2, ports([1, 2]))]));
    assert_eq!(retired(&changes), [address(1), address(2)]);
}

#[test]
fn a_cluster_that_asks_for_it_closes_all_when_its_membership_changes() {
    let mut close = policy("a");
    close.common_lb.close_connections_on_host_set_change = true;
    let mut live = started(snapshot([(close.clone(), ports([1, 2]))]));
    close.connect_timeout = Duration::from_secs(1);
    let changes = step(&mut live, snapshot([(close.clone(), ports([1, 2]))]));
    assert_eq!(retired(&changes), [], "the same members");
    let changes = step(&mut live, snapshot([(close, ports([1, 2, 3]))]));
    assert_eq!(retired(&changes), [address(1), address(2)]);
}

#[test]
fn a_host_that_comes_back_finds_its_requests_while_they_last() {
    let mut live = started(snapshot([(policy("a"), ports([1, 2]))]));
    let request = host(&get(&live, "a"), 1).begin_request();
    step(&mut live, snapshot([(policy("a"), ports([2]))]));
    // Another change in between must not lose it.
    step(&mut live, snapshot([(policy("a"), ports([2, 3]))]));
    step(&mut live, snapshot([(policy("a"), ports([1, 2]))]));
    assert_eq!(host(&get(&live, "a"), 1).active_requests(), 1);
    drop(request);
    assert_eq!(host(&get(&live, "a"), 1).active_requests(), 0);

    let forgotten = Arc::downgrade(&host(&get(&live, "a"), 1));
    step(&mut live, snapshot([(policy("a"), ports([2]))]));
    assert!(forgotten.upgrade().is_none(), "without requests nothing is kept");
}

#[test]
fn a_cluster_that_comes_back_finds_its_state_while_a_request_holds_it() {
    let mut live = started(snapshot([(policy("a"), ports([1]))]));
    let state = get(&live, "a").state().clone();
    let request = host(&get(&live, "a"), 1).begin_request();
    step(&mut live, snapshot([]));
    assert!(live.get("a").is_none());
    step(&mut live, snapshot([(policy("b"), ports([1]))]));
    step(&mut live, snapshot([(policy("a"), ports([1]))]));
    assert!(Arc::ptr_eq(&state, get(&live, "a").state()));
    assert!(Arc::ptr_eq(request.host(), &host(&get(&live, "a"), 1)));
    drop((request, state));

    let forgotten = Arc::downgrade(get(&live, "a").state());
    step(&mut live, snapshot([]));
    assert!(forgotten.upgrade().is_none(), "without requests nothing is kept");
    step(&mut live, snapshot([]));
    assert!(live.departed.is_empty());
}

#[test]
fn the_rotation_survives_all_but_another_algorithm() {
    let mut live = started(snapshot([(policy("a"), ports([1]))]));
    let lb = get(&live, "a").lb().clone();
    step(&mut live, snapshot([(policy("a"), ports([1, 2]))]));
    assert!(Arc::ptr_eq(&lb, get(&live, "a").lb()));
    let random = ClusterPolicy { lb: LbPolicy::Random, ..policy("a") };
    step(&mut live, snapshot([(random, ports([1, 2]))]));
    assert!(!Arc::ptr_eq(&lb, get(&live, "a").lb()));
}

/// A few clusters, each with some of a few hosts, in any order, and some variety of policy.
fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let health = prop_oneof![Just(HealthStatus::Unknown), Just(HealthStatus::Unhealthy)];
    let host = (1u16..6, 1u32..3, health);
    let cluster = (prop::collection::vec(host, 0..5), 1u32..3, 0usize..2);
    prop::collection::btree_map(0usize..2, cluster, 0..3).prop_map(|clusters| {
        let cluster = |(name, (hosts, limit, version)): (usize, (Vec<_>, u32, usize))| {
            let mut policy = policy(["a", "b"][name]);
            policy.circuit_breakers.thresholds[0].max_requests = limit;
            policy.http.protocol = [UpstreamProtocol::Http1, UpstreamProtocol::Http2][version];
            (policy, set(hosts))
        };
        snapshot(clusters.into_iter().map(cluster))
    })
}

fn set(hosts: Vec<(u16, u32, HealthStatus)>) -> Arc<EndpointSet> {
    let host = |(port, weight, health)| Endpoint { weight, health, ..endpoint(port) };
    endpoints(vec![hosts.into_iter().map(host).collect()])
}

/// All that can be seen of the clusters, apart from identity.
fn seen(clusters: &Clusters) -> Vec<String> {
    let host =
        |host: &crate::Host| format!("{} {} {:?}", host.address(), host.weight(), host.standing());
    let cluster = |cluster: &Arc<Cluster>| {
        let hosts: Vec<_> = cluster.hosts().iter().map(host).collect();
        format!("{:?} {hosts:?}", cluster.policy())
    };
    clusters.iter().map(cluster).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever came before, the last snapshot alone decides what is in force; and requests that were
    /// begun on the way are counted exactly where they are, once.
    #[test]
    fn any_sequence_ends_like_a_fresh_start_and_loses_no_count(
        steps in prop::collection::vec((any_snapshot(), any::<u16>()), 1..12),
    ) {
        let mut live = Clusters::default();
        let mut requests: Vec<(ClusterName, ActiveRequest, Arc<Cluster>)> = Vec::new();
        for (next, random) in steps {
            let before = live.clone();
            let next = Arc::new(next);
            let Reconciled { clusters, changes } = reconcile(&live, next.clone(), &surroundings(), &Stale::Some(&BTreeSet::new()), &mut || 0);
            live = clusters;
            prop_assert_eq!(seen(&live), seen(&started((*next).clone())));

            for cluster in live.iter() {
                let changed = changes.iter().any(|change| change.after.as_ref().is_some_and(
                    |after| Arc::ptr_eq(after, cluster)));
                match before.get(cluster.name().as_str()) {
                    Some(old) if !changed => prop_assert!(Arc::ptr_eq(old, cluster)),
                    Some(old) => prop_assert!(Arc::ptr_eq(old.state(), cluster.state())),
                    None => prop_assert!(changed),
                }
            }
            for change in &changes {
                let stays = |address: &Address| change.after.iter().any(|after| {
                    after.hosts().iter().any(|host| host.address() == address)
                });
                let same_http = change.before.iter().zip(&change.after).any(
                    |(old, new)| old.policy().http == new.policy().http);
                for host in change.before.iter().flat_map(|before| before.hosts()) {
                    let expected = !(same_http && stays(host.address()));
                    prop_assert_eq!(change.retired.contains(host.address()), expected);
                }
            }

            // One request in four ends, one begins; each holds its cluster as real ones do.
            let mut turn = random;
            requests.retain(|_| {
                turn = turn.wrapping_add(1);
                turn % 4 != 0
            });
            let begun = live.iter().nth(usize::from(random % 2)).and_then(|cluster| {
                let host = cluster.pick(destrier_balance::Preference::default(), u64::from(random) << 48).ok()?;
                Some((cluster.name().clone(), host.state().begin_request(), cluster.clone()))
            });
            requests.extend(begun);
            let mut expected: HashMap<(&ClusterName, &Address), u32> = HashMap::new();
            for (name, request, _) in &requests {
                *expected.entry((name, request.host().address())).or_default() += 1;
            }
            for cluster in live.iter() {
                for host in cluster.hosts() {
                    let key = (cluster.name(), host.address());
                    let expected = expected.get(&key).copied().unwrap_or(0);
                    prop_assert_eq!(host.state().active_requests(), expected, "{:?}", key);
                }
            }
        }
    }
}
