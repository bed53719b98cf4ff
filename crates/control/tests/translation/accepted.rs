//! Clusters that are accepted, and what they mean: defaults, and the edges that Envoy 1.40 accepts too.

use std::path::Path;
use std::time::Duration;

use destrier_control::LoadAssignment;
use destrier_policy::{
    AssignmentSource, ClusterPolicy, ConsistentHashing, Discovery, FieldStanding, HashFunction,
    LbPolicy, LocalityLb, Percent, Selection, SlowStart, TransportSocket, UpstreamProtocol,
};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, Filter};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::parse::{cluster, message, yaml};

const LB: &str = "type.googleapis.com/envoy.extensions.load_balancing_policies";
const HTTP: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

pub(crate) fn policy(fields: &str) -> ClusterPolicy {
    cluster(fields).unwrap_or_else(|faults| panic!("{fields}: {faults:#?}")).policy
}

fn notes(policy: &ClusterPolicy, standing: FieldStanding) -> Vec<&str> {
    policy.notes.iter().filter(|note| note.standing == standing).map(|note| &*note.field).collect()
}

#[test]
fn an_empty_cluster_has_the_defaults_of_the_vocabulary() {
    let translated = cluster("").expect("valid");
    let mut expected = ClusterPolicy::new("c".into());
    expected.origin = destrier_policy::Origin::Dynamic;
    assert_eq!(translated.policy, expected);
    assert_eq!(translated.load_assignment, Some(LoadAssignment::Static(Default::default())));
}

#[test]
fn eds_asks_for_the_service_name_or_the_clusters() {
    let eds =
        |config: &str| policy(&format!("type: EDS, eds_cluster_config: {{{config}}}")).discovery;
    let expected = |service_name: &str, seconds: Option<u64>| Discovery::Eds {
        service_name: service_name.into(),
        source: AssignmentSource::Ads,
        initial_fetch_timeout: seconds.map(Duration::from_secs),
    };
    assert_eq!(eds("eds_config: {ads: {}}"), expected("c", Some(15)));
    assert_eq!(eds("eds_config: {self: {}}"), expected("c", Some(15)));
    assert_eq!(
        eds("service_name: s, eds_config: {ads: {}, initial_fetch_timeout: 3s}"),
        expected("s", Some(3))
    );
    assert_eq!(eds("eds_config: {ads: {}, initial_fetch_timeout: 0s}"), expected("c", None));
    for source in ["path: /eds.yaml", "path_config_source: {path: /eds.yaml}"] {
        let Discovery::Eds { source: from, .. } = eds(&format!("eds_config: {{{source}}}")) else {
            panic!("it is an EDS cluster");
        };
        assert_eq!(from, AssignmentSource::File(Path::new("/eds.yaml").into()), "{source}");
    }
}

#[test]
fn endpoints_of_an_eds_cluster_do_not_stand_in_it() {
    let translated = cluster(
        "type: EDS, eds_cluster_config: {eds_config: {ads: {}}}, load_assignment: {cluster_name: c}",
    );
    assert_eq!(translated.map(|translated| translated.load_assignment), Ok(None));
}

#[test]
fn a_static_cluster_keeps_an_address_that_stands_twice() {
    let endpoint = "{endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}}";
    let translated = cluster(&format!(
        "load_assignment: {{cluster_name: other, endpoints: [{{lb_endpoints: [{endpoint}, {endpoint}]}}]}}"
    ))
    .expect("valid");
    let Some(LoadAssignment::Static(set)) = translated.load_assignment else {
        panic!("a static assignment")
    };
    assert_eq!(set.len(), 2);
}

#[test]
fn balancing_has_envoys_defaults() {
    let least = |active_request_bias| LbPolicy::LeastRequest {
        choice_count: 2,
        active_request_bias,
        selection: Selection::NChoices,
        slow_start: None,
    };
    assert_eq!(policy("lb_policy: LEAST_REQUEST").lb, least(1.0));
    let bias = |bias: &str| {
        let config =
            format!("least_request_lb_config: {{active_request_bias: {{default_value: {bias}}}}}");
        policy(&format!("lb_policy: LEAST_REQUEST, {config}")).lb
    };
    assert_eq!((bias("0"), bias("-1")), (least(0.0), least(1.0)));
    assert_eq!(policy("lb_policy: RANDOM").lb, LbPolicy::Random);
    // The config of another policy is ignored, wrong or not.
    let round_robin = LbPolicy::RoundRobin { slow_start: None };
    assert_eq!(policy("maglev_lb_config: {table_size: 8}").lb, round_robin);
    let window = "round_robin_lb_config: {slow_start_config: {slow_start_window";
    assert_eq!(policy(&format!("{window}: 0s}}}}")).lb, round_robin);
    assert_eq!(
        policy(&format!("{window}: 9s, aggression: {{runtime_key: '('}}}}}}")).lb,
        LbPolicy::RoundRobin {
            slow_start: Some(SlowStart {
                window: Duration::from_secs(9),
                aggression: 0.0,
                min_weight_percent: Percent::new(10.0).expect("in range"),
            })
        }
    );
}

#[test]
fn hashing_has_its_sizes() {
    let ring = policy("lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 0}");
    assert_eq!(
        ring.lb,
        LbPolicy::RingHash {
            minimum_ring_size: 0,
            maximum_ring_size: 8 << 20,
            hash_function: HashFunction::XxHash,
            hashing: ConsistentHashing::default(),
        }
    );
    assert!(ring.notes.is_empty(), "{:?}", ring.notes);
    let table = |size: u64| {
        policy(&format!("lb_policy: MAGLEV, maglev_lb_config: {{table_size: {size}}}")).lb
    };
    for size in [2, 65_537, 5_000_011] {
        assert!(matches!(table(size), LbPolicy::Maglev { table_size, .. } if table_size == size));
    }
    let hashing = policy(
        "type: STRICT_DNS, lb_policy: MAGLEV, common_lb_config: {consistent_hashing_lb_config:
           {use_hostname_for_hashing: true, hash_balance_factor: 100}}",
    );
    assert_eq!(
        hashing.lb,
        LbPolicy::Maglev {
            table_size: 65_537,
            hashing: ConsistentHashing {
                use_hostname_for_hashing: true,
                hash_balance_factor: Some(100),
                hash_policy: Box::default(),
            },
        }
    );
}

#[test]
fn the_two_enums_of_hash_functions_number_differently() {
    for (number, expected) in [(0, HashFunction::XxHash), (1, HashFunction::MurmurHash2)] {
        let config =
            format!("lb_policy: RING_HASH, ring_hash_lb_config: {{hash_function: {number}}}");
        assert!(
            matches!(policy(&config).lb, LbPolicy::RingHash { hash_function, .. } if hash_function == expected)
        );
    }
    for (number, expected) in
        [(0, HashFunction::XxHash), (1, HashFunction::XxHash), (2, HashFunction::MurmurHash2)]
    {
        let config = typed(&[&format!("ring_hash.v3.RingHash, hash_function: {number}")]);
        assert!(
            matches!(policy(&config).lb, LbPolicy::RingHash { hash_function, .. } if hash_function == expected)
        );
    }
}

fn typed(configs: &[&str]) -> String {
    let policies: Vec<_> = configs
        .iter()
        .map(|config| {
            format!(
                "{{typed_extension_config: {{name: x, typed_config: {{'@type': {LB}.{config}}}}}}}"
            )
        })
        .collect();
    format!("load_balancing_policy: {{policies: [{}]}}", policies.join(", "))
}

#[test]
fn of_typed_policies_the_first_supported_one_holds() {
    let lb = policy(&typed(&[
        "pick_first.v3.PickFirst",
        "least_request.v3.LeastRequest, selection_method: FULL_SCAN, choice_count: 3",
        "random.v3.Random",
    ]))
    .lb;
    let expected = LbPolicy::LeastRequest {
        choice_count: 3,
        active_request_bias: 1.0,
        selection: Selection::FullScan,
        slow_start: None,
    };
    assert_eq!(lb, expected);
    let both = format!(
        "{}, lb_policy: RANDOM, common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}",
        typed(&["round_robin.v3.RoundRobin"])
    );
    assert_eq!(policy(&both).lb, LbPolicy::RoundRobin { slow_start: None });
    assert_eq!(policy(&both).common_lb.healthy_panic_threshold, Percent::ZERO);
    let zones =
        policy(&typed(&["random.v3.Random, locality_lb_config: {zone_aware_lb_config: {}}"]));
    assert_eq!(
        zones.common_lb.locality,
        LocalityLb::ZoneAware {
            routing_enabled: Percent::HUNDRED,
            min_cluster_size: 6,
            fail_traffic_on_panic: false,
        }
    );
    let maglev = policy(&typed(&["maglev.v3.Maglev, locality_weighted_lb_config: {}"]));
    assert_eq!(maglev.common_lb.locality, LocalityLb::Weighted);
}

/// A typed policy with others within.
fn nest(outer: &str, field: &str, inner: &str) -> String {
    format!(
        "{outer}, {field}: {{policies: [{{typed_extension_config: {{name: x, typed_config: {{'@type': {LB}.{inner}}}}}}}]}}"
    )
}

#[test]
fn typed_policies_may_stand_in_others() {
    let random = "random.v3.Random";
    let localities = nest("wrr_locality.v3.WrrLocality", "endpoint_picking_policy", random);
    let subsets =
        nest("subset.v3.Subset, allow_redundant_keys: true", "subset_lb_policy", &localities);
    let named = nest(
        "override_host.v3.OverrideHost, override_host_sources: [{header: X-Host}]",
        "fallback_policy",
        &subsets,
    );
    let policy = policy(&typed(&[&named]));
    assert_eq!(policy.lb, LbPolicy::Random);
    assert_eq!(policy.common_lb.locality, LocalityLb::Weighted);
    assert!(policy.subsets.is_some_and(|subsets| subsets.allow_redundant_keys));
    assert_eq!(*policy.common_lb.override_headers, ["x-host".into()]);
    assert!(policy.notes.is_empty(), "{:?}", policy.notes);
}

#[test]
fn typed_policies_may_not_stand_in_others_without_end() {
    let nested = (0..9).fold("random.v3.Random".to_owned(), |inner, _| {
        nest("wrr_locality.v3.WrrLocality", "endpoint_picking_policy", &inner)
    });
    let faults = cluster(&typed(&[&nested])).expect_err("nine within each other");
    assert!(faults[0].to_string().contains("within each other"), "{faults:?}");
    let twice = nest("subset.v3.Subset", "subset_lb_policy", "subset.v3.Subset");
    let faults = cluster(&typed(&[&twice])).expect_err("a subset in a subset");
    assert!(faults[0].to_string().contains("subset within a subset"), "{faults:?}");
}

#[test]
fn subsets_may_be_odd() {
    let subsets = policy(
        "common_lb_config: {locality_weighted_lb_config: {}},
         lb_subset_config: {fallback_policy: DEFAULT_SUBSET, locality_weight_aware: true,
           subset_selectors: [{}, {keys: [b, a, b], single_host_per_subset: true}, {keys: [b, a]},
             {keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]}]}",
    )
    .subsets
    .expect("set");
    let keys: Vec<_> = subsets.selectors.iter().map(|selector| selector.keys.join(" ")).collect();
    assert_eq!(keys, ["", "a b", "a b", "a b"]);
}

#[test]
fn limits_default_and_the_first_of_a_priority_holds() {
    let breakers = policy(
        "circuit_breakers: {thresholds: [{max_connections: 0}, {max_connections: 9},
            {priority: HIGH, max_requests: 7, retry_budget: {}}],
          per_host_thresholds: [{max_connections: 3, track_remaining: true}]}",
    )
    .circuit_breakers;
    let [default, high] = &breakers.thresholds;
    assert_eq!((default.max_connections, default.max_requests, default.max_retries), (0, 1024, 3));
    assert_eq!((high.max_connections, high.max_requests), (1024, 7));
    let budget = high.retry_budget.as_ref().expect("set");
    assert_eq!((budget.budget_percent.get(), budget.min_retry_concurrency), (20.0, 3));
    assert!(budget.budget_interval.is_zero());
    assert_eq!(breakers.per_host_max_connections, Some(3));
}

#[test]
fn ejection_defaults() {
    let outlier = policy("outlier_detection: {}").outlier.expect("set");
    assert_eq!(outlier.interval, Duration::from_secs(10));
    assert_eq!(outlier.consecutive_5xx.threshold, 5);
    assert_eq!(outlier.consecutive_5xx.enforcing, Percent::HUNDRED);
    assert_eq!(outlier.consecutive_gateway_failure.enforcing, Percent::ZERO);
    assert_eq!(outlier.max_ejection_percent.get(), 10.0);
    assert!(outlier.successful_active_health_check_uneject_host && !outlier.always_eject_one_host);
    let longer = policy(
        "outlier_detection: {base_ejection_time: 400s, consecutive_5xx: 0,
        success_rate_stdev_factor: 0, success_rate_minimum_hosts: 0}",
    );
    let longer = longer.outlier.expect("set");
    assert_eq!(longer.max_ejection_time, Duration::from_secs(400));
    assert_eq!(longer.consecutive_5xx.threshold, 0);
}

#[test]
fn sockets_that_are_known_wait_and_raw_ones_do_not() {
    let socket = |config: &str| {
        format!(
            "transport_socket: {{name: x, typed_config: {{'@type':
            type.googleapis.com/envoy.extensions.transport_sockets.{config}}}}}"
        )
    };
    let raw = policy(&socket("raw_buffer.v3.RawBuffer"));
    assert_eq!((&raw.transport, raw.notes.len()), (&TransportSocket::Raw, 0));
    for known in [
        "tls.v3.UpstreamTlsContext, sni: a",
        "internal_upstream.v3.InternalUpstreamTransport",
        "quic.v3.QuicUpstreamTransport",
        "proxy_protocol.v3.ProxyProtocolUpstreamTransport, transport_socket: {name: x}",
    ] {
        let policy = policy(&socket(known));
        assert!(!policy.transport.is_in_force(), "{known}");
        assert_eq!(notes(&policy, FieldStanding::Later), ["transport_socket"], "{known}");
    }
    let matches = policy(&format!(
        "transport_socket_matches: [
           {{name: tls, match: {{tlsMode: istio}}, {}}},
           {{name: tls, match: {{}}, {}}}]",
        socket("tls.v3.UpstreamTlsContext"),
        socket("raw_buffer.v3.RawBuffer"),
    ));
    let in_force: Vec<_> =
        matches.transport_matches.iter().map(|candidate| candidate.socket.is_in_force()).collect();
    assert_eq!(in_force, [false, true]);
    assert_eq!(
        notes(&matches, FieldStanding::Later),
        ["transport_socket_matches[].transport_socket"]
    );
}

#[test]
fn metadata_exchange_is_known_by_the_type_within_its_typed_struct() {
    /// `udpa.type.v1.TypedStruct`.
    #[derive(Clone, PartialEq, Message)]
    struct TypedStruct {
        #[prost(string, tag = "1")]
        type_url: String,
    }
    let with_filter = |type_url: &str| {
        let value = TypedStruct { type_url: type_url.into() }.encode_to_vec();
        let config = Any { type_url: "type.googleapis.com/udpa.type.v1.TypedStruct".into(), value };
        let mut cluster: Cluster = message(yaml("{name: c}"));
        let name = "any.name".into();
        cluster.filters = vec![Filter { name, typed_config: Some(config), ..Filter::default() }];
        destrier_control::translate_cluster(&cluster, destrier_policy::Origin::Static)
    };
    let known = "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange";
    let policy = with_filter(known).expect("tolerated").policy;
    assert_eq!(notes(&policy, FieldStanding::Tolerated), ["filters[].typed_config"]);
    let other = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
    assert_eq!(with_filter(other).map_err(|faults| faults.len()), Err(1));
}

#[test]
fn http_options_of_either_form() {
    let options = |fields: &str| {
        policy(&format!(
            "typed_extension_protocol_options: {{x: {{'@type': type.googleapis.com/{HTTP}, {fields}}}}},
             http2_protocol_options: {{max_concurrent_streams: 5}}"
        ))
        .http
    };
    // The typed form wins.
    let typed = options("explicit_http_config: {http_protocol_options: {enable_trailers: true}}");
    assert_eq!(typed.protocol, UpstreamProtocol::Http1);
    assert!(typed.http1.enable_trailers);
    assert_eq!(typed.http2.max_concurrent_streams, 1024);
    let downstream = options(
        "use_downstream_protocol_config: {http2_protocol_options: {connection_keepalive:
           {interval: 30s, timeout: 5s}}},
         common_http_protocol_options: {idle_timeout: 0s, max_requests_per_connection: 0,
           max_connection_duration: 0s, max_stream_duration: 1s}",
    );
    assert_eq!(downstream.protocol, UpstreamProtocol::UseDownstream);
    assert_eq!((downstream.idle_timeout, downstream.max_connection_duration), (None, None));
    assert_eq!(downstream.max_requests_per_connection, None);
    assert_eq!(downstream.max_stream_duration, Some(Duration::from_secs(1)));
    let keepalive = downstream.http2.keepalive.expect("set");
    assert_eq!(keepalive.timeout, Duration::from_secs(5));

    let legacy = |fields: &str| policy(fields).http.protocol;
    assert_eq!(legacy("http2_protocol_options: {}"), UpstreamProtocol::Http2);
    let selection = "protocol_selection: USE_DOWNSTREAM_PROTOCOL, http2_protocol_options: {}";
    assert_eq!(legacy(selection), UpstreamProtocol::UseDownstream);
    assert_eq!(policy("max_requests_per_connection: 3").http.max_requests_per_connection, Some(3));
}

#[test]
fn a_field_of_a_later_part_is_named_once() {
    let policy = policy(
        "outlier_detection: {interval: 1s, consecutive_5xx: 3}, preconnect_policy: {},
         circuit_breakers: {thresholds: [{max_retries: 1}, {priority: HIGH, max_retries: 2}]}",
    );
    assert_eq!(
        notes(&policy, FieldStanding::Later),
        ["circuit_breakers.thresholds[].max_retries", "outlier_detection"]
    );
    assert_eq!(notes(&policy, FieldStanding::Tolerated), ["preconnect_policy"]);
}
