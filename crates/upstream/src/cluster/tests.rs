use std::collections::BTreeMap;
use std::sync::Arc;

use destrier_balance::LbState;
use destrier_balance::Preference;
use destrier_policy::{
    ClusterPolicy, Discovery, Endpoint, EndpointSet, HealthStatus, LbPolicy, Percent,
};

use super::testing::{
    address, endpoint, endpoints, policy, ports, surroundings, tls_endpoint, with_tls_match,
};
use super::{Cluster, Joined, NoHost};
use crate::{Caller, Standing, StatValue};

fn cluster(policy: ClusterPolicy, endpoints: Arc<EndpointSet>) -> Cluster {
    let lb = Arc::new(LbState::new(0));
    let policy = Arc::new(policy);
    let (state, known, around) = (Arc::default(), Default::default(), &surroundings());
    Joined { policy, endpoints, state, lb, known, before: None, around }.build()
}

fn port(host: &crate::Host) -> u16 {
    host.address().ip().expect("an IP address").port()
}

fn ports_in_use(cluster: &Cluster) -> Vec<u16> {
    cluster.hosts_in_use().map(port).collect()
}

fn with_health(port: u16, health: HealthStatus) -> Endpoint {
    Endpoint { health, ..endpoint(port) }
}

fn stats(cluster: &Cluster) -> BTreeMap<String, u64> {
    let mut stats = BTreeMap::new();
    cluster.visit_stats(&mut |name, value| {
        let number = match value {
            StatValue::Counter(number) | StatValue::Gauge(number) => number,
            StatValue::Histogram(histogram) => histogram.count(),
        };
        assert_eq!(stats.insert(name.to_owned(), number), None, "{name} twice");
    });
    stats
}

#[test]
fn ten_requests_over_two_equal_hosts_are_five_and_five() {
    let cluster = cluster(policy("a"), ports([1, 2]));
    let picks: Vec<u16> =
        (0..10).map(|_| port(cluster.pick(Preference::default(), 0).expect("a host"))).collect();
    assert_eq!(picks.iter().filter(|&&host| host == 1).count(), 5, "{picks:?}");
}

#[test]
fn unhealthy_hosts_get_nothing() {
    use HealthStatus::{Degraded, Draining, Healthy, Timeout, Unhealthy, Unknown};
    let all = [Unhealthy, Healthy, Draining, Unknown, Timeout, Degraded];
    let hosts = (1..).zip(all).map(|(port, health)| with_health(port, health)).collect();
    let cluster = cluster(policy("a"), endpoints(vec![hosts]));
    let standings: Vec<Standing> = cluster.hosts().iter().map(|host| host.standing()).collect();
    let expected = [
        Standing::Unhealthy,
        Standing::InUse,
        Standing::Draining,
        Standing::InUse,
        Standing::Unhealthy,
        // Two of five are healthy: the degraded one helps.
        Standing::InUse,
    ];
    assert_eq!(standings, expected);
    let stats = stats(&cluster);
    assert_eq!(stats["membership_total"], 6);
    assert_eq!(stats["membership_healthy"], 2);
    assert_eq!(stats["membership_degraded"], 1);
    assert_eq!(stats["membership_excluded"], 1);
}

#[test]
fn a_degraded_host_stands_by_while_the_healthy_suffice() {
    let hosts = vec![vec![endpoint(1), endpoint(2), with_health(3, HealthStatus::Degraded)]];
    let mut set = (*endpoints(hosts)).clone();
    set.overprovisioning_factor = 150;
    let cluster = cluster(policy("a"), Arc::new(set));
    assert_eq!(ports_in_use(&cluster), [1, 2]);
    assert_eq!(cluster.hosts()[2].standing(), Standing::DegradedStandby);
}

#[test]
fn in_panic_all_are_used_and_it_is_counted() {
    let down = |port| with_health(port, HealthStatus::Unhealthy);
    let hosts = || endpoints(vec![vec![endpoint(1), down(2), down(3)]]);
    let panicking = cluster(policy("a"), hosts());
    assert_eq!(ports_in_use(&panicking), [1, 2, 3]);
    assert_eq!(panicking.hosts()[1].standing(), Standing::InPanic);
    panicking.pick(Preference::default(), 0).expect("a host");
    assert_eq!(stats(&panicking)["lb_healthy_panic"], 1);

    let mut calm = policy("a");
    calm.common_lb.healthy_panic_threshold = Percent::ZERO;
    assert_eq!(ports_in_use(&cluster(calm, hosts())), [1]);
}

#[test]
fn a_hash_names_a_host_and_its_table_is_shown() {
    let ring = LbPolicy::RingHash {
        minimum_ring_size: 1024,
        maximum_ring_size: 8 << 20,
        hash_function: Default::default(),
        hashing: Default::default(),
    };
    let cluster = cluster(ClusterPolicy { lb: ring, ..policy("a") }, ports([1, 2, 3]));
    let pick = |hash, random| {
        let preference = Preference { hash: Some(hash), ..Preference::default() };
        cluster.pick(preference, random).map(port)
    };
    let first: Vec<_> = (0..100).map(|key: u64| pick(key << 57, 1)).collect();
    let again: Vec<_> = (0..100).map(|key: u64| pick(key << 57, u64::MAX)).collect();
    assert_eq!(first, again);
    assert_eq!(cluster.lb_in_force(), "RING_HASH");
    let stats = stats(&cluster);
    assert_eq!(stats["ring_hash_lb.size"], 1026);
    assert_eq!(stats["ring_hash_lb.max_hashes_per_host"], 342);
}

#[test]
fn the_lowest_numbered_priority_with_a_usable_host_is_in_use() {
    let down = with_health(1, HealthStatus::Unhealthy);
    let hosts = vec![vec![down], vec![endpoint(2), endpoint(3)], vec![endpoint(4)]];
    let cluster = cluster(policy("a"), endpoints(hosts));
    assert_eq!(ports_in_use(&cluster), [2, 3]);
    let standing = |wanted| cluster.hosts().iter().find(|host| port(host) == wanted);
    assert_eq!(standing(4).map(|host| host.standing()), Some(Standing::Standby));
    assert_eq!(cluster.unusable_reason(), None);
}

#[test]
fn hosts_behind_tls_are_passed_over_and_never_spoken_to_in_plain_text() {
    let policy = || with_tls_match(policy("a"));
    let mixed = cluster(policy(), endpoints(vec![vec![tls_endpoint(1), endpoint(2)]]));
    assert_eq!(ports_in_use(&mixed), [2]);

    let tls = cluster(policy(), endpoints(vec![vec![tls_endpoint(1), tls_endpoint(2)]]));
    assert_eq!(tls.pick(Preference::default(), 0).map(port), Err(NoHost::TransportNotInForce));
    let reason = tls.unusable_reason().expect("it is unusable");
    assert_eq!(
        reason,
        "every healthy endpoint is behind a transport socket that is not in force: \
         type.googleapis.com/Tls"
    );
}

#[test]
fn a_tls_host_of_priority_0_does_not_hide_priority_1() {
    let hosts = vec![vec![tls_endpoint(1)], vec![endpoint(2)]];
    let cluster = cluster(with_tls_match(policy("a")), endpoints(hosts));
    assert_eq!(ports_in_use(&cluster), [2]);
}

#[test]
fn why_there_is_no_host_is_said() {
    let empty = cluster(policy("a"), ports([]));
    assert_eq!(empty.pick(Preference::default(), 0).map(port), Err(NoHost::Empty));
    let mut calm = policy("a");
    calm.common_lb.healthy_panic_threshold = Percent::ZERO;
    let down = vec![vec![with_health(1, HealthStatus::Timeout)]];
    let down = cluster(calm, endpoints(down));
    assert_eq!(down.pick(Preference::default(), 0).map(port), Err(NoHost::Unhealthy));
    let original = ClusterPolicy {
        discovery: Discovery::OriginalDst(Default::default()),
        lb: LbPolicy::ClusterProvided,
        ..policy("a")
    };
    let original = cluster(original, ports([]));
    assert_eq!(original.pick(Preference::default(), 0).map(port), Err(NoHost::OriginalDst));
    assert_eq!(original.unusable_reason(), None, "a request may say where it wants to go");
}

#[test]
fn exclusion_is_in_force_for_the_next_pick() {
    let cluster = cluster(policy("a"), ports([1, 2]));
    cluster.hosts()[0].state().exclude();
    assert!((0..10).all(|_| cluster.pick(Preference::default(), 0).map(port) == Ok(2)));
    cluster.hosts()[1].state().exclude();
    assert_eq!(cluster.pick(Preference::default(), 0).map(port), Err(NoHost::Excluded));
    cluster.hosts()[0].state().include();
    assert_eq!(cluster.pick(Preference::default(), 0).map(port), Ok(1));
}

#[test]
fn an_address_that_stands_twice_is_one_host_of_eds_and_two_of_a_static_cluster() {
    let twice = || {
        let heavier = Endpoint { weight: 3, ..endpoint(1) };
        endpoints(vec![vec![endpoint(1), heavier, endpoint(2)]])
    };
    assert_eq!(ports_in_use(&cluster(policy("a"), twice())), [1, 2]);
    let of_static = cluster(ClusterPolicy::new("a".into()), twice());
    assert_eq!(ports_in_use(&of_static), [1, 1, 2]);
    assert!(Arc::ptr_eq(of_static.hosts()[0].state(), of_static.hosts()[1].state()));
    assert_eq!(of_static.hosts()[1].weight(), 3);
}

#[test]
fn a_request_is_active_on_its_host_until_it_is_dropped() {
    let least = LbPolicy::LeastRequest {
        choice_count: 2,
        active_request_bias: 1.0,
        selection: destrier_policy::Selection::FullScan,
        slow_start: None,
    };
    let cluster = cluster(ClusterPolicy { lb: least, ..policy("a") }, ports([1, 2]));
    let first = cluster.pick(Preference::default(), 0).expect("a host").state().begin_request();
    let second = cluster.pick(Preference::default(), 0).expect("a host").state().begin_request();
    assert_ne!(first.host().address(), second.host().address(), "the pick sees the request");
    drop(first);
    let active = |host: &crate::Host| host.state().active_requests();
    assert_eq!(cluster.hosts().iter().map(active).sum::<u32>(), 1);
}

#[test]
fn what_was_counted_is_shown_under_its_names() {
    let cluster = cluster(policy("a"), ports([1]));
    let unused = stats(&cluster);
    assert_eq!(unused["upstream_rq_total"], 0);
    assert_eq!(unused["upstream_rq_completed"], 0);
    assert!(!unused.contains_key("upstream_rq_2xx"), "a class appears with its first answer");

    let counted = cluster.state().stats();
    counted.upstream_rq_total.inc();
    counted.record_code(200, Caller::External);
    counted.record_code(204, Caller::Internal);
    counted.record_code(503, Caller::External);
    counted.record_code(777, Caller::External);
    let stats = stats(&cluster);
    for (name, value) in [
        ("upstream_rq_total", 1),
        ("upstream_rq_completed", 4),
        ("upstream_rq_200", 1),
        ("upstream_rq_2xx", 2),
        ("upstream_rq_5xx", 1),
        ("upstream_rq_unknown", 1),
        ("external.upstream_rq_2xx", 1),
        ("external.upstream_rq_completed", 3),
        ("internal.upstream_rq_204", 1),
        ("internal.upstream_rq_completed", 1),
    ] {
        assert_eq!(stats.get(name), Some(&value), "{name}");
    }
    assert!(!stats.contains_key("internal.upstream_rq_200"));
}

#[test]
fn breakers_are_shown_and_what_remains_only_when_asked_for() {
    let mut policy = policy("a");
    policy.circuit_breakers.thresholds[1].track_remaining = true;
    policy.circuit_breakers.thresholds[1].max_connections = 7;
    let cluster = cluster(policy, ports([1]));
    cluster.state().enforce(cluster.policy());
    let stats = stats(&cluster);
    assert_eq!(stats["circuit_breakers.default.cx_open"], 0);
    assert_eq!(stats["circuit_breakers.high.rq_pending_open"], 0);
    assert_eq!(stats["circuit_breakers.high.remaining_cx"], 7);
    assert!(!stats.contains_key("circuit_breakers.default.remaining_cx"));
}

#[test]
fn a_host_without_traffic_has_no_statistics() {
    let cluster = cluster(policy("a"), ports([1]));
    let state = cluster.hosts()[0].state();
    drop(state.begin_request());
    assert!(state.stats_if_used().is_none());
    state.stats().rq_total.inc();
    let mut seen = Vec::new();
    let stats = state.stats_if_used().expect("something was counted");
    stats.visit(&mut |name, value| seen.push(format!("{name} {value:?}")));
    assert!(seen.is_sorted());
    assert!(seen.contains(&"rq_total Counter(1)".into()), "{seen:?}");
}

#[test]
fn a_response_timeout_is_a_504_of_cluster_and_host() {
    let cluster = cluster(policy("a"), ports([1, 2]));
    cluster.record_response_timeout(Some(&address(2)), Caller::External);
    cluster.record_response_timeout(None, Caller::External);
    let stats = stats(&cluster);
    assert_eq!((stats["upstream_rq_timeout"], stats["external.upstream_rq_504"]), (2, 2));
    let host = cluster.hosts()[1].state().stats_if_used().expect("it was tried");
    assert_eq!((host.rq_timeout.get(), host.rq_error.get()), (1, 1));
    assert!(cluster.hosts()[0].state().stats_if_used().is_none());
}

/// 10,000 clusters of 10 endpoints are to fit into 75 MiB with all that the process has beside them.
#[test]
fn a_cluster_without_traffic_is_small() {
    let cluster = size_of::<Cluster>();
    assert!(cluster <= 160, "{cluster}");
    assert!(size_of::<crate::Host>() <= 48);
    assert!(size_of::<crate::HostState>() <= 56);
    let state = size_of::<crate::ClusterState>();
    assert!(state <= 256, "{state}");
}
