//! Assignments: what is refused, what is accepted, and the defaults.

use destrier_policy::{Address, HealthStatus, Value};

use crate::parse::{assert_refused, endpoints};

fn locality(fields: &str) -> String {
    format!("endpoints: [{{{fields}}}]")
}

fn entry(fields: &str) -> String {
    locality(&format!("lb_endpoints: [{{{fields}}}]"))
}

fn socket(fields: &str) -> String {
    entry(&format!("endpoint: {{address: {{socket_address: {{{fields}}}}}}}"))
}

#[test]
fn wrong_values_are_refused() {
    let at = "endpoints[0].lb_endpoints[0]";
    let address = "endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}";
    for (fields, path, reason) in [
        ("cluster_name: ''".into(), "cluster_name".into(), "empty"),
        (locality("priority: 129"), "endpoints[0].priority".into(), "129"),
        (
            locality("load_balancing_weight: 0"),
            "endpoints[0].load_balancing_weight".into(),
            "at least 1",
        ),
        (
            entry(&format!("load_balancing_weight: 0, {address}")),
            format!("{at}.load_balancing_weight"),
            "at least 1",
        ),
        (entry(""), format!("{at}.endpoint"), "must be set"),
        (entry("endpoint: {}"), format!("{at}.endpoint.address"), "must be set"),
        (entry("endpoint: {address: {}}"), format!("{at}.endpoint.address"), "must be set"),
        (entry("endpoint_name: x"), format!("{at}.endpoint_name"), "not supported"),
        (
            socket("address: 10.0.0.1, port_value: 65536"),
            format!("{at}.endpoint.address"),
            "65536 is not a port",
        ),
        (socket("address: 10.0.0.1"), format!("{at}.endpoint.address"), "port_value: must be set"),
        (
            socket("address: 10.0.0.1, named_port: http"),
            format!("{at}.endpoint.address"),
            "named_port",
        ),
        (
            socket("address: a.example, port_value: 80"),
            format!("{at}.endpoint.address"),
            "malformed IP address: a.example",
        ),
        (
            socket("address: 10.0.0.1, port_value: 80, protocol: UDP"),
            format!("{at}.endpoint.address"),
            "UDP",
        ),
        (
            entry("endpoint: {address: {pipe: {path: ''}}}"),
            format!("{at}.endpoint.address"),
            "path: must not be empty",
        ),
        (
            entry("endpoint: {address: {envoy_internal_address: {server_listener_name: x}}}"),
            format!("{at}.endpoint.address"),
            "envoy_internal_address",
        ),
        (
            locality("leds_cluster_locality_config: {}"),
            "endpoints[0].leds_cluster_locality_config".into(),
            "LEDS",
        ),
        (
            "policy: {overprovisioning_factor: 0}".into(),
            "policy.overprovisioning_factor".into(),
            "at least 1",
        ),
        (
            "policy: {endpoint_stale_after: 0s}".into(),
            "policy.endpoint_stale_after".into(),
            "greater than zero",
        ),
        (
            "policy: {drop_overloads: [{category: a}, {category: b}]}".into(),
            "policy.drop_overloads".into(),
            "2 categories",
        ),
        (
            "policy: {drop_overloads: [{category: ''}]}".into(),
            "policy.drop_overloads[0].category".into(),
            "empty",
        ),
        (
            "policy: {drop_overloads: [{category: a, drop_percentage: {numerator: 150}}]}".into(),
            "policy.drop_overloads[0].drop_percentage".into(),
            "more than the whole",
        ),
        (
            "policy: {drop_overloads: [{category: a, drop_percentage: {denominator: 9}}]}".into(),
            "policy.drop_overloads[0].drop_percentage".into(),
            "9 is not",
        ),
    ] {
        assert_refused(endpoints(&fields), &fields, &path, reason);
    }
}

#[test]
fn an_assignment_without_anything_has_the_defaults() {
    let set = endpoints("").expect("valid");
    assert!(set.is_empty());
    assert_eq!((set.overprovisioning_factor, set.weighted_priority_health), (140, false));
    assert_eq!((set.endpoint_stale_after, set.drop_overload), (None, None));
    let set = endpoints(&socket("address: '::1', port_value: 80")).expect("valid");
    let (group, endpoint) = set.iter().next().expect("one endpoint");
    assert_eq!((group.priority, group.weight), (0, None));
    assert_eq!(endpoint.address.to_string(), "[::1]:80");
    assert_eq!((endpoint.weight, endpoint.health), (1, HealthStatus::Unknown));
    assert!(endpoint.hostname.is_empty() && endpoint.metadata.0.is_empty());
    assert!(set.notes.is_empty());
}

#[test]
fn what_an_endpoint_says_is_kept() {
    let set = endpoints(&locality(
        "locality: {region: r, zone: z, sub_zone: s}, priority: 128, load_balancing_weight: 7,
         lb_endpoints: [{health_status: DRAINING, load_balancing_weight: 4294967295,
           metadata: {filter_metadata: {envoy.lb: {v: '1', n: [1, null, {a: true}]}}},
           endpoint: {hostname: h, address: {pipe: {path: /run/x.sock}}}}]",
    ))
    .expect("valid");
    let (group, endpoint) = set.iter().next().expect("one endpoint");
    assert_eq!(format!("{:?}", group.locality), "r/z/s");
    assert_eq!((group.priority, group.weight), (128, Some(7)));
    assert!(matches!(&endpoint.address, Address::Pipe(path) if path.ends_with("x.sock")));
    assert_eq!((&*endpoint.hostname, endpoint.weight), ("h", u32::MAX));
    assert_eq!(endpoint.health, HealthStatus::Draining);
    assert_eq!(endpoint.metadata.get("envoy.lb", "v").and_then(Value::as_str), Some("1"));
    assert!(set.notes.is_empty(), "{:?}", set.notes);
}

#[test]
fn a_status_of_a_later_api_is_unknown() {
    let set = endpoints(&entry(
        "health_status: 9, endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}",
    ))
    .expect("valid");
    assert_eq!(set.iter().next().map(|(_, endpoint)| endpoint.health), Some(HealthStatus::Unknown));
}

#[test]
fn the_first_of_an_address_stays_whatever_its_locality() {
    let endpoint = |port: u16, weight: u32| {
        format!(
            "{{load_balancing_weight: {weight},
               endpoint: {{address: {{socket_address: {{address: 10.0.0.1, port_value: {port}}}}}}}}}"
        )
    };
    let set = endpoints(&format!(
        "endpoints: [{{lb_endpoints: [{}, {}]}}, {{priority: 1, lb_endpoints: [{}, {}]}}]",
        endpoint(1, 3),
        endpoint(1, 4),
        endpoint(1, 5),
        endpoint(2, 6),
    ))
    .expect("valid");
    let weights: Vec<Vec<u32>> = set
        .localities
        .iter()
        .map(|group| group.endpoints.iter().map(|endpoint| endpoint.weight).collect())
        .collect();
    assert_eq!(weights, [vec![3], vec![6]]);
}

#[test]
fn overload_is_dropped_by_the_share_given() {
    let set = endpoints(
        "policy: {drop_overloads: [{category: lb, drop_percentage: {numerator: 5, denominator: TEN_THOUSAND}}],
                  overprovisioning_factor: 50, endpoint_stale_after: 3s}",
    )
    .expect("valid");
    let drop = set.drop_overload.expect("set");
    assert_eq!((&*drop.category, drop.share.get()), ("lb", 0.05));
    assert_eq!(set.overprovisioning_factor, 50);
}

#[test]
fn an_endpoint_with_port_0_is_left_out_and_named() {
    let endpoint = |port: u16| {
        format!(
            "{{endpoint: {{address: {{socket_address: {{address: 10.0.0.1, port_value: {port}}}}}}}}}"
        )
    };
    let fields = locality(&format!("lb_endpoints: [{}, {}]", endpoint(0), endpoint(8080)));
    let set = endpoints(&fields).expect("the other one counts");
    let addresses: Vec<_> = set.iter().map(|(_, host)| host.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1:8080"]);
    let notes: Vec<_> = set.notes.iter().map(|note| &*note.field).collect();
    assert_eq!(notes, ["endpoints[].lb_endpoints[].endpoint.address"]);
}
