//! Listeners: what they become, and what refuses them.

use std::time::Duration;

use destrier_control::{Rejection, TranslatedListener, translate_listener};
use destrier_envoy_json::{UnknownFields, parse_bootstrap};
use destrier_policy::{
    ClusterChoice, CodecType, FieldStanding, HashPolicy, HashSource, HashedHeader, HcmPolicy,
    HeaderMatch, ListenerFilter, PathMatch, PathRewrite, RouteAction, RoutingPriority,
    TcpProxyPolicy,
};
use http::HeaderName;

const HCM: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP: &str = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const ROUTER: &str = r#"{ typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }"#;

/// A listener of one filter, in YAML; `beside` are more fields of the listener.
pub(crate) fn translate(filter: &str, beside: &str) -> Result<TranslatedListener, Vec<Rejection>> {
    let text = format!(
        r#"{{ static_resources: {{ listeners: [ {{
          name: in, address: {{ socket_address: {{ address: 127.0.0.1, port_value: 8080 }} }},
          filter_chains: [ {{ filters: [ {{ name: x, typed_config: {filter} }} ] }} ], {beside}
        }} ] }} }}"#
    );
    let parsed = parse_bootstrap(&[&text], UnknownFields::Reject);
    let bootstrap = parsed.map_err(|(_, error)| error.to_string()).expect("a bootstrap").message;
    translate_listener(&bootstrap.static_resources.expect("it is there").listeners[0])
}

pub(crate) fn hcm_text(fields: &str, routes: &str) -> String {
    format!(
        r#"{{ "@type": {HCM}, stat_prefix: web, http_filters: [ {ROUTER} ], {fields}
          route_config: {{ name: r, virtual_hosts: [ {{ name: v, domains: [ "*" ], routes: [ {routes} ] }} ] }} }}"#
    )
}

pub(crate) const TO_A: &str = "{ match: { prefix: / }, route: { cluster: a } }";

#[track_caller]
pub(crate) fn hcm(fields: &str, routes: &str) -> HcmPolicy {
    let listener = translate(&hcm_text(fields, routes), "").expect("it is good");
    match listener.policy.filter {
        ListenerFilter::Http(manager) => (*manager).clone(),
        ListenerFilter::Tcp(_) => panic!("it is a connection manager"),
    }
}

/// Where the faults of a connection manager are, relative to it.
#[track_caller]
pub(crate) fn faults(filter: &str, beside: &str) -> Vec<String> {
    let rejections = translate(filter, beside).expect_err("it is refused");
    let inside = "filter_chains[0].filters[0].typed_config";
    let paths = rejections.into_iter().map(|rejection| rejection.field_path);
    paths
        .map(|path| path.strip_prefix(inside).map_or(path.clone(), |rest| format!("~{rest}")))
        .collect()
}

#[test]
fn a_connection_manager_has_envoys_defaults() {
    let manager = hcm("", TO_A);
    let defaults = HcmPolicy::new("web".into(), manager.routes.clone());
    assert_eq!(manager, defaults);
    let RouteAction::Forward(action) = &manager.routes.virtual_hosts[0].routes[0].action else {
        panic!("it forwards");
    };
    assert_eq!(action.cluster, ClusterChoice::One("a".into()));
    assert_eq!(action.timeout, Some(Duration::from_secs(15)));
    assert_eq!(action.priority, RoutingPriority::Default);
}

#[test]
fn a_connection_manager_obeys_its_fields() {
    let manager = hcm(
        "codec_type: HTTP2, request_headers_timeout: 3s, stream_idle_timeout: 0s, request_timeout: 4s,
         common_http_protocol_options: { idle_timeout: 7s, max_headers_count: 9 },
         max_request_headers_kb: 96, use_remote_address: true, generate_request_id: false,
         server_name: me, upgrade_configs: [ { upgrade_type: websocket } ],
         http_protocol_options: { accept_http_10: true },
         http2_protocol_options: { max_concurrent_streams: 5 },",
        TO_A,
    );
    assert_eq!(manager.codec, CodecType::Http2);
    assert_eq!(manager.request_headers_timeout, Some(Duration::from_secs(3)));
    assert_eq!(manager.stream_idle_timeout, None);
    assert_eq!(manager.request_timeout, Some(Duration::from_secs(4)));
    assert_eq!(manager.idle_timeout, Some(Duration::from_secs(7)));
    assert_eq!((manager.max_headers_count, manager.max_request_headers_kb), (9, 96));
    assert!(manager.use_remote_address && !manager.generate_request_id);
    assert_eq!(&*manager.server_name, "me");
    assert_eq!(&*manager.upgrades[0].upgrade_type, "websocket");
    assert!(manager.http1.accept_http_10);
    assert_eq!(manager.http2.max_concurrent_streams, 5);
}

#[test]
fn routes_are_translated() {
    let manager = hcm(
        "",
        r#"{ name: one, match: { safe_regex: { regex: "/a.*" }, headers: [
               { name: X-Kind, string_match: { prefix: k, ignore_case: true } },
               { name: ":method", exact_match: GET, invert_match: true } ] },
             route: { weighted_clusters: { clusters: [
               { name: a, weight: 1 }, { name: b, weight: 3 } ] },
               timeout: 0s, priority: HIGH, prefix_rewrite: /b,
               retry_policy: { retry_on: "5xx, reset", num_retries: 4 },
               hash_policy: [ { header: { header_name: X-User } } ] } },
           { match: { path: /d, case_sensitive: false }, direct_response: { status: 204 } },
           { match: { path_separated_prefix: /e }, direct_response: { status: 200, body: { inline_string: hi } } }"#,
    );
    let [one, two, three] = &*manager.routes.virtual_hosts[0].routes else {
        panic!("there are three")
    };
    let PathMatch::Regex(_) = &one.matcher.path else { panic!("it is an expression") };
    assert!(one.matcher.path.matches("/abc") && !one.matcher.path.matches("/b/a"));
    assert_eq!(&*one.matcher.headers[0].name, "x-kind");
    assert!(one.matcher.headers[0].matches(Some(b"KIND")));
    assert!(
        one.matcher.headers[1].matches(Some(b"PUT"))
            && !one.matcher.headers[1].matches(Some(b"GET"))
    );
    let RouteAction::Forward(action) = &one.action else { panic!("it forwards") };
    let ClusterChoice::Weighted { total: 4, clusters } = &action.cluster else {
        panic!("by weight")
    };
    assert_eq!(clusters.len(), 2);
    assert_eq!((action.timeout, action.priority), (None, RoutingPriority::High));
    assert_eq!(action.path_rewrite, Some(PathRewrite::Prefix("/b".into())));
    let retry = action.retry.as_ref().expect("it has one");
    assert_eq!((retry.num_retries, retry.retry_on.len()), (4, 2));
    assert_eq!(retry.backoff_max, Duration::from_millis(250));
    let name = HashedHeader::Name(HeaderName::from_static("x-user"));
    let header = HashPolicy { source: HashSource::Header { name, rewrite: None }, terminal: false };
    assert_eq!(*action.hash, [header]);
    assert!(two.matcher.path.matches("/D"));
    let RouteAction::Direct(answer) = &three.action else { panic!("it answers itself") };
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"hi"[..]));
}

#[test]
fn a_virtual_host_lends_its_retry_policy() {
    let text = format!(
        r#"{{ "@type": {HCM}, stat_prefix: web, http_filters: [ {ROUTER} ], route_config: {{
          virtual_hosts: [ {{ name: v, domains: [ "*" ], retry_policy: {{ retry_on: 5xx, num_retries: 7 }},
            routes: [ {{ match: {{ prefix: /own, grpc: {{}} }}, route: {{ cluster: a, retry_policy: {{ num_retries: 2 }} }} }},
                      {TO_A} ] }} ] }} }}"#
    );
    let listener = translate(&text, "").expect("it is good");
    let ListenerFilter::Http(manager) = listener.policy.filter else { panic!("it is one") };
    let routes = &manager.routes.virtual_hosts[0].routes;
    let retries: Vec<_> = routes
        .iter()
        .map(|route| match &route.action {
            RouteAction::Forward(action) => action.retry.as_ref().map(|retry| retry.num_retries),
            RouteAction::Redirect(_) | RouteAction::Direct(_) => None,
        })
        .collect();
    assert_eq!(retries, [Some(2), Some(7)]);
    let HeaderMatch::String(grpc) = &routes[0].matcher.headers[0].condition else {
        panic!("by content type")
    };
    assert!(grpc.matches(b"application/grpc+proto") && !grpc.matches(b"application/grpcx"));
    let notes: Vec<_> = listener.notes.iter().map(|note| (&*note.field, note.standing)).collect();
    assert!(notes.iter().any(|(field, standing)| {
        field.ends_with("retry_policy") && *standing == FieldStanding::Later
    }));
}

#[test]
fn what_would_open_a_door_is_refused() {
    let with = |fields: &str| hcm_text(fields, TO_A);
    let route = |route: &str| hcm_text("", route);
    for (filter, path) in [
        (with("codec_type: HTTP3,"), "~.codec_type"),
        (
            route("{ match: { safe_regex: { regex: \"a)|(b\" } }, route: { cluster: a } }"),
            "~.route_config.virtual_hosts[0].routes[0].match.safe_regex",
        ),
        (
            route(
                "{ match: { prefix: / }, route: { weighted_clusters: { clusters: [ { name: a } ] } } }",
            ),
            "~.route_config.virtual_hosts[0].routes[0].route.weighted_clusters.clusters",
        ),
        (
            format!(
                r#"{{ "@type": {HCM}, stat_prefix: x, http_filters: [ {ROUTER} ], rds: {{ route_config_name: r, config_source: {{ ads: {{}} }} }} }}"#
            ),
            "~.rds",
        ),
    ] {
        assert_eq!(faults(&filter, ""), [path], "{filter}");
    }
}

/// A connection manager with a filter in front of the router.
fn with_filter(filter: &str) -> String {
    format!(
        r#"{{ "@type": {HCM}, stat_prefix: web, http_filters: [ {filter}, {ROUTER} ],
          route_config: {{ virtual_hosts: [ {{ name: v, domains: [ "*" ], routes: [ {TO_A} ] }} ] }} }}"#
    )
}

#[test]
fn filters_are_known_by_type_alone() {
    const PREFIX: &str = "type.googleapis.com/envoy.extensions.filters.http";
    for tolerated in [
        format!(r#"{{ name: x, typed_config: {{ "@type": {PREFIX}.grpc_stats.v3.FilterConfig }} }}"#),
        format!(r#"{{ name: x, typed_config: {{ "@type": {PREFIX}.fault.v3.HTTPFault }} }}"#),
        format!(r#"{{ name: x, typed_config: {{ "@type": {PREFIX}.cors.v3.Cors }} }}"#),
        r#"{ name: x, typed_config: { "@type": type.googleapis.com/udpa.type.v1.TypedStruct,
             type_url: type.googleapis.com/io.istio.http.peer_metadata.Config } }"#.to_owned(),
        r#"{ name: x, is_optional: true, typed_config: { "@type": type.googleapis.com/made.up.Filter } }"#.to_owned(),
        r#"{ name: x, disabled: true, typed_config: { "@type": type.googleapis.com/made.up.Filter } }"#.to_owned(),
    ] {
        let result = translate(&with_filter(&tolerated), "");
        assert!(result.is_ok(), "{tolerated}: {result:?}");
    }
    for refused in [
        format!(
            r#"{{ name: envoy.filters.http.router, typed_config: {{ "@type": {PREFIX}.rbac.v3.RBAC }} }}"#
        ),
        format!(
            r#"{{ name: x, typed_config: {{ "@type": {PREFIX}.fault.v3.HTTPFault,
               abort: {{ http_status: 503, percentage: {{ numerator: 1 }} }} }} }}"#
        ),
        r#"{ name: x, typed_config: { "@type": type.googleapis.com/made.up.Filter } }"#.to_owned(),
        r#"{ name: envoy.filters.http.grpc_stats }"#.to_owned(),
    ] {
        assert_eq!(
            faults(&with_filter(&refused), ""),
            ["~.http_filters[0].typed_config"],
            "{refused}"
        );
    }
    let no_router = hcm_text("", TO_A).replace(ROUTER, "");
    assert_eq!(faults(&no_router, ""), ["~.http_filters"]);
}

#[test]
fn what_a_listener_cannot_be_is_refused() {
    let tls = r#"{ "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext }"#;
    let web = hcm_text("", TO_A);
    let transport = format!(
        r#"default_filter_chain: {{ transport_socket: {{ name: x, typed_config: {tls} }},
           filters: [ {{ typed_config: {web} }} ] }}"#
    );
    let both = faults(&web, &transport);
    assert_eq!(both, ["filter_chains"], "which of the two would hold?");
    assert_eq!(faults(&web, "use_original_dst: true"), ["use_original_dst"]);
    assert_eq!(faults(&web, "bind_to_port: false"), ["bind_to_port"]);
    let proxy_protocol = r#"listener_filters: [ { name: x, typed_config: {
        "@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol } } ]"#;
    assert_eq!(faults(&web, proxy_protocol), ["listener_filters[0].typed_config"]);
    let original = r#"listener_filters: [ { name: x, typed_config: {
        "@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst } } ]"#;
    let original_dst = |beside| translate(&web, beside).expect("it is good").policy.original_dst;
    assert!(original_dst(original) && !original_dst(""));
    let inspector = r#"listener_filters: [ { name: x, typed_config: {
        "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector } } ]"#;
    assert!(translate(&web, inspector).is_ok());
    let rbac = r#"{ "@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: x }"#;
    assert_eq!(faults(rbac, ""), ["~"]);
}

#[track_caller]
pub(crate) fn tcp_text(fields: &str) -> String {
    format!(r#"{{ "@type": {TCP}, stat_prefix: t, {fields} }}"#)
}

pub(crate) fn tcp(fields: &str) -> TcpProxyPolicy {
    match translate(&tcp_text(fields), "").expect("it is good").policy.filter {
        ListenerFilter::Tcp(proxy) => (*proxy).clone(),
        ListenerFilter::Http(_) => panic!("it is a TCP proxy"),
    }
}

#[test]
fn a_tcp_proxy_is_translated() {
    let plain = tcp("cluster: a");
    assert_eq!(plain.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!((plain.max_connect_attempts, plain.max_downstream_connection_duration), (1, None));
    let full =
        tcp("weighted_clusters: { clusters: [ { name: a, weight: 1 }, { name: b, weight: 2 } ] },
         idle_timeout: 0s, max_downstream_connection_duration: 9s, max_connect_attempts: 3");
    assert_eq!(full.cluster.names().count(), 2);
    assert_eq!((full.idle_timeout, full.max_connect_attempts), (None, 3));
    assert_eq!(full.max_downstream_connection_duration, Some(Duration::from_secs(9)));
    let tunnel = format!(
        r#"{{ "@type": {TCP}, stat_prefix: t, cluster: a, tunneling_config: {{ hostname: "h:1" }} }}"#
    );
    assert_eq!(faults(&tunnel, ""), ["~.tunneling_config"]);
    let nowhere = format!(r#"{{ "@type": {TCP}, stat_prefix: t }}"#);
    assert_eq!(faults(&nowhere, ""), ["~.cluster"]);
}
