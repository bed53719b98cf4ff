//! Where endpoints come from: names and how they are resolved, and the destination that a client meant.

use std::net::IpAddr;
use std::time::Duration;

use destrier_control::LoadAssignment;
use destrier_policy::{Discovery, DnsFamily, DnsOptions, DnsServers, FailureBackoff, LbPolicy};

use crate::accepted::policy;
use crate::parse::cluster;

#[test]
fn dns_clusters_bring_names() {
    let translated = cluster(
        "type: STRICT_DNS, dns_refresh_rate: 7s, dns_jitter: 0.1s, dns_lookup_family: V4_ONLY,
         respect_dns_ttl: true, wait_for_warm_on_init: false,
         load_assignment: {cluster_name: c, policy: {overprovisioning_factor: 150}, endpoints: [
           {priority: 1, lb_endpoints: [
             {load_balancing_weight: 5, endpoint: {address: {socket_address: {address: a.example, port_value: 80}}}},
             {endpoint: {hostname: h, address: {socket_address: {address: 10.0.0.9, port_value: 81}}}}]}]}",
    )
    .expect("valid");
    let seconds = Duration::from_secs;
    assert_eq!(
        translated.policy.discovery,
        Discovery::StrictDns(DnsOptions {
            refresh_rate: seconds(7),
            failure_backoff: None,
            jitter: Duration::from_millis(100),
            respect_ttl: true,
            family: DnsFamily::V4Only,
            wait_for_warm: false,
            servers: DnsServers::default(),
        })
    );
    let Some(LoadAssignment::Dns(names)) = translated.load_assignment else { panic!("names") };
    let found: Vec<_> = names.names().map(|name| (&*name.name, name.port)).collect();
    assert_eq!(found, [("a.example", 80), ("10.0.0.9", 81)]);

    // Two addresses of the first, one of them twice; the second is its own answer.
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let set = names.resolve(|name| match name.name.parse() {
        Ok(own) => vec![own],
        Err(_) => vec![address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.1")],
    });
    assert_eq!(set.overprovisioning_factor, 150);
    let found: Vec<_> = set
        .iter()
        .map(|(group, host)| {
            (group.priority, host.address.to_string(), &*host.hostname, host.weight)
        })
        .collect();
    assert_eq!(
        found,
        [
            (1, "10.0.0.1:80".to_owned(), "a.example", 5),
            (1, "10.0.0.2:80".to_owned(), "a.example", 5),
            (1, "10.0.0.9:81".to_owned(), "h", 1),
        ]
    );
}

#[test]
fn original_destination_has_its_options() {
    let options = |fields: &str| {
        let policy = policy(&format!("type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, {fields}"));
        assert_eq!(policy.lb, LbPolicy::ClusterProvided);
        let Discovery::OriginalDst(options) = policy.discovery else { panic!("it is one") };
        (options.header.map(|name| name.to_string()), options.port, options.cleanup_interval)
    };
    let config = |fields: &str| options(&format!("original_dst_lb_config: {{{fields}}}"));
    let default = Duration::from_secs(5);
    let usual = Some("x-envoy-original-dst-host".to_owned());
    assert_eq!(options("cleanup_interval: 2s"), (None, None, Duration::from_secs(2)));
    assert_eq!(config("upstream_port_override: 0"), (None, None, default));
    assert_eq!(
        config("use_http_header: true, upstream_port_override: 81"),
        (usual, Some(81), default)
    );
    let own = Some("x-host".to_owned());
    assert_eq!(config("use_http_header: true, http_header_name: X-Host"), (own, None, default));
}

fn dns(fields: &str) -> DnsOptions {
    match policy(&format!("type: STRICT_DNS, {fields}")).discovery {
        Discovery::StrictDns(options) => options,
        other => panic!("it is one of names: {other:?}"),
    }
}

#[test]
fn failures_back_off_to_ten_times_the_base() {
    let of = |fields: &str| dns(&format!("dns_failure_refresh_rate: {{{fields}}}")).failure_backoff;
    let seconds = Duration::from_secs;
    let backoff = |base, max| Some(FailureBackoff { base: seconds(base), max: seconds(max) });
    assert_eq!(of("base_interval: 2s"), backoff(2, 20));
    assert_eq!(of("base_interval: 2s, max_interval: 3s"), backoff(2, 3));
}

#[test]
fn the_newest_way_to_name_dns_servers_counts() {
    let server =
        |port: u16| format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    let old = format!("dns_resolvers: [{}], use_tcp_for_dns_lookups: true", server(1));
    let newer = format!(
        "dns_resolution_config: {{resolvers: [{}], \
         dns_resolver_options: {{no_default_search_domain: true}}}}",
        server(2)
    );
    let cares =
        "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig";
    let typed = |fields: &str| {
        format!(
            "typed_dns_resolver_config: {{name: x, typed_config: {{'@type': {cares}, {fields}}}}}"
        )
    };
    let newest = typed(&format!("resolvers: [{}]", server(3)));
    let fallback = typed(&format!("resolvers: [{}], use_resolvers_as_fallback: true", server(4)));
    let of = |ports: &[u16], tcp_only, search_domains| DnsServers {
        addresses: ports.iter().map(|&port| ([127, 0, 0, 1], port).into()).collect(),
        tcp_only,
        search_domains,
    };
    for (fields, expected) in [
        (old.clone(), of(&[1], true, true)),
        (format!("{old}, {newer}"), of(&[2], false, false)),
        (format!("{old}, {newer}, {newest}"), of(&[3], false, true)),
        (fallback, DnsServers::default()),
    ] {
        assert_eq!(dns(&fields).servers, expected, "{fields}");
    }
}
