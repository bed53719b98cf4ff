//! Bootstraps: what they become, and what refuses them.

use std::path::Path;
use std::time::Duration;

use destrier_control::{
    AdsProtocol, AdsTarget, Assembler, BootstrapPlan, ClustersFrom, NodeOn, Now, Rejection,
    RemovedEndpoints, Settings, Wildcard, translate_bootstrap,
};
use destrier_envoy_json::{UnknownFields, parse_bootstrap};
use destrier_policy::{Address, DataSource, FieldStanding, Identity, Origin, SanKind};

fn translate(text: &str) -> Result<BootstrapPlan, Vec<Rejection>> {
    let parsed = parse_bootstrap(&[text], UnknownFields::Reject);
    translate_bootstrap(&parsed.map_err(|(_, why)| why.to_string()).expect("a bootstrap").message)
}

#[track_caller]
fn plan(text: &str) -> BootstrapPlan {
    translate(text).expect("it is good")
}

#[track_caller]
fn faults(text: &str) -> Vec<String> {
    let rejections = translate(text).expect_err("it is refused");
    rejections.into_iter().map(|rejection| rejection.field_path).collect()
}

/// As pilot-agent writes it, in short.
pub(crate) const ISTIO: &str = r#"
node: { id: "sidecar~10.9.9.9~probe.demo~demo.svc.cluster.local", cluster: probe.demo,
        metadata: { NAMESPACE: demo }, locality: { region: r, zone: z } }
layered_runtime: { layers: [
  { name: global config, static_layer: { re2.max_program_size.error_level: "32768",
      destrier.deletion_grace: 90s, destrier: { xds_wildcard: explicit } } },
  { name: admin, admin_layer: {} } ] }
stats_config: { use_all_default_tags: false, stats_tags: [ { tag_name: cluster_name, regex: "^cluster" } ] }
stats_sinks: [ { name: x, typed_config: { "@type": type.googleapis.com/envoy.config.metrics.v3.StatsdSink } } ]
admin: { access_log_path: /dev/null, address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }
dynamic_resources:
  lds_config: { ads: {}, initial_fetch_timeout: 0s, resource_api_version: V3 }
  cds_config: { ads: {}, initial_fetch_timeout: 0s, resource_api_version: V3 }
  ads_config: { api_type: DELTA_GRPC, set_node_on_first_message_only: true, transport_api_version: V3,
    grpc_services: [ { envoy_grpc: { cluster_name: xds-grpc } } ] }
static_resources:
  clusters:
  - { name: prometheus_stats, type: STATIC, connect_timeout: 0.25s, load_assignment: {
      cluster_name: prometheus_stats, endpoints: [ { lb_endpoints: [ { endpoint: { address: {
        socket_address: { address: 127.0.0.1, port_value: 15000 } } } } ] } ] } }
  - name: xds-grpc
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {
          connection_keepalive: { interval: 30s, timeout: 10s } } }
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } }
    load_assignment: { cluster_name: xds-grpc, endpoints: [ { lb_endpoints: [ { endpoint: {
      address: { pipe: { path: ./etc/istio/proxy/XDS } } } } ] } ] }
  listeners:
  - address: { socket_address: { address: 0.0.0.0, port_value: 15090 } }
    filter_chains: [ { filters: [ { name: x, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
      stat_prefix: stats, tracing: {},
      route_config: { virtual_hosts: [ { name: backend, domains: [ "*" ], routes: [
        { match: { prefix: /stats/prometheus }, route: { cluster: prometheus_stats } } ] } ] },
      http_filters: [ { name: x, typed_config: {
        "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } } ] } } ] } ]
"#;

#[test]
fn a_bootstrap_of_istio_is_understood() {
    let plan = plan(ISTIO);
    assert_eq!(plan.node.as_ref().map(|node| &*node.cluster), Some("probe.demo"));
    assert_eq!(plan.admin, Some(Address::Ip("127.0.0.1:15000".parse().expect("an address"))));
    let names: Vec<_> =
        plan.clusters.iter().map(|found| found.cluster.policy.name.as_str()).collect();
    assert_eq!(names, ["prometheus_stats", "xds-grpc"]);
    assert!(plan.clusters.iter().all(|found| found.cluster.policy.origin == Origin::Static));
    assert_eq!(&*plan.listeners[0].policy.name, "0.0.0.0:15090");
    let referenced: Vec<_> = plan.referenced_clusters().map(|name| name.as_str()).collect();
    assert_eq!(referenced, ["prometheus_stats"]);
    assert_eq!(plan.clusters_from, ClustersFrom::ControlPlane { initial_fetch_timeout: None });
    assert_eq!(plan.stats.stats_tags.len(), 1);
    assert_eq!(plan.settings.deletion_grace, Duration::from_secs(90));
    assert_eq!(plan.settings.xds_wildcard, Wildcard::Explicit);

    let ads = &plan.ads.as_ref().expect("it has one");
    let server = &ads.servers[0];
    assert_eq!((ads.protocol, ads.node), (AdsProtocol::Delta, NodeOn::FirstMessage));
    assert_eq!(server.target, AdsTarget::Unix(Path::new("./etc/istio/proxy/XDS").into()));
    assert_eq!((&*server.authority, server.connect_timeout), ("xds-grpc", Duration::from_secs(1)));
    let keepalive = server.keepalive.as_ref().expect("the cluster sets it");
    assert_eq!(keepalive.interval, Some(Duration::from_secs(30)));
    assert_eq!(server.tcp_keepalive.and_then(|it| it.time), Some(Duration::from_secs(300)));
}

#[test]
fn what_is_not_in_force_is_named() {
    let plan = plan(ISTIO);
    let notes: Vec<_> =
        plan.not_in_force.iter().map(|note| (&*note.field, note.standing)).collect();
    for expected in [
        ("stats_sinks", FieldStanding::Tolerated),
        ("dynamic_resources.lds_config", FieldStanding::Later),
        ("admin.access_log_path", FieldStanding::Tolerated),
    ] {
        assert!(notes.contains(&expected), "{expected:?} in {notes:?}");
    }
    let tracing = notes.iter().find(|(field, _)| field.ends_with(".tracing")).expect("it is named");
    assert!(tracing.0.starts_with("static_resources.listeners"), "{tracing:?}");
}

#[test]
fn an_empty_bootstrap_is_valid() {
    let plan = plan("{}");
    assert!(plan.node.is_none() && plan.admin.is_none() && plan.ads.is_none());
    assert_eq!(plan.clusters_from, ClustersFrom::Bootstrap);
    assert_eq!(plan.settings, Settings::default());
    assert!(plan.not_in_force.is_empty());
}

#[test]
fn static_clusters_are_in_the_first_snapshot() {
    let plan = plan(ISTIO);
    #[expect(clippy::disallowed_methods, reason = "an instant can be had from nowhere else")]
    let now = Now { mono: std::time::Instant::now(), wall: std::time::SystemTime::UNIX_EPOCH };
    let referenced = plan.referenced_clusters().cloned().collect();
    let mut assembler =
        Assembler::new(plan.clusters.clone(), plan.assembler_settings(), referenced, now);
    let snapshot = assembler.take_snapshot().expect("the first one");
    assert_eq!(snapshot.clusters.len(), 2);
    assert!(!assembler.is_initialized(now), "clusters are expected");
    // The control plane has no say over them.
    let body = plan.clusters[0].body.clone();
    let resources = [destrier_control::ResourceRef {
        name: "prometheus_stats".into(),
        version: String::new(),
        body,
    }];
    let rejections = assembler.apply(
        destrier_control::Change {
            type_url: destrier_control::CLUSTER_TYPE,
            version: "",
            resources: &resources,
            unchanged: &[],
            removed: &["xds-grpc".into()],
            absent: destrier_control::Absent::Unchanged,
        },
        now,
    );
    assert_eq!(rejections, []);
    assert!(assembler.take_snapshot().is_none());
    assert_eq!(assembler.resources().clusters["xds-grpc"].origin, Origin::Static);
}

fn with_ads(service: &str, clusters: &str) -> String {
    format!(
        r#"{{ dynamic_resources: {{ ads_config: {{ api_type: GRPC, grpc_services: [ {service} ] }} }},
             static_resources: {{ clusters: [ {clusters} ] }} }}"#
    )
}

#[test]
fn a_control_plane_is_found_by_address_name_or_socket() {
    let cluster = |kind: &str, address: &str| {
        format!(
            r#"{{ name: x, type: {kind}, load_assignment: {{ cluster_name: x, endpoints: [ {{
                 lb_endpoints: [ {{ endpoint: {{ address: {{ {address} }} }} }} ] }} ] }} }}"#
        )
    };
    let ip = "socket_address: { address: 127.0.0.1, port_value: 15010 }";
    let name = "socket_address: { address: istiod.test, port_value: 15010 }";
    let dns = AdsTarget::Dns { host: "istiod.test".into(), port: 15010 };
    for (kind, address, target) in [
        ("STATIC", ip, AdsTarget::Ip("127.0.0.1:15010".parse().expect("an address"))),
        ("STATIC", "pipe: { path: /run/xds }", AdsTarget::Unix(Path::new("/run/xds").into())),
        ("STRICT_DNS", name, dns.clone()),
        ("LOGICAL_DNS", name, dns),
    ] {
        let text = with_ads("{ envoy_grpc: { cluster_name: x } }", &cluster(kind, address));
        let ads = plan(&text).ads.expect("it has one");
        assert_eq!(ads.servers[0].target, target);
        assert_eq!((ads.protocol, ads.node), (AdsProtocol::StateOfTheWorld, NodeOn::EveryMessage));
    }
    let ads =
        plan(&with_ads("{ google_grpc: { target_uri: \"unix:///run/xds\", stat_prefix: x } }", ""));
    let ads = ads.ads.expect("it has one").servers.remove(0);
    assert_eq!(ads.target, AdsTarget::Unix(Path::new("/run/xds").into()));
    assert_eq!(ads.cluster, None);
}

#[test]
fn faults_are_named_by_their_path_in_the_bootstrap() {
    let eds = "{ name: e, type: EDS, eds_cluster_config: { eds_config: { ads: {} } } }";
    let service = "dynamic_resources.ads_config.grpc_services[0]";
    for (text, path) in [
        (
            with_ads("{ envoy_grpc: { cluster_name: nobody } }", ""),
            &*format!("{service}.envoy_grpc.cluster_name"),
        ),
        (
            with_ads("{ envoy_grpc: { cluster_name: e } }", eds),
            &*format!("{service}.envoy_grpc.cluster_name"),
        ),
        (
            with_ads("{ google_grpc: { target_uri: istiod, stat_prefix: x } }", ""),
            &*format!("{service}.google_grpc.target_uri"),
        ),
        (
            with_ads(
                r#"{ google_grpc: { target_uri: "istiod:15012", stat_prefix: x,
                     channel_credentials: { google_default: {} } } }"#,
                "",
            ),
            &*format!("{service}.google_grpc.channel_credentials.google_default"),
        ),
        (
            with_ads(
                r#"{ google_grpc: { target_uri: "istiod:15012", stat_prefix: x,
                     channel_credentials: { ssl_credentials: { cert_chain: { filename: a.pem } } } } }"#,
                "",
            ),
            &*format!("{service}.google_grpc.channel_credentials.ssl_credentials.private_key"),
        ),
        (
            with_ads(
                r#"{ google_grpc: { target_uri: "istiod:15010", stat_prefix: x,
                     call_credentials: [ { access_token: secret } ] } }"#,
                "",
            ),
            &*format!("{service}.google_grpc.call_credentials"),
        ),
        (
            with_ads(
                r#"{ google_grpc: { target_uri: "istiod:15012", stat_prefix: x,
                     channel_credentials: { ssl_credentials: {} },
                     call_credentials: [ { google_iam: {} } ] } }"#,
                "",
            ),
            &*format!("{service}.google_grpc.call_credentials[0].google_iam"),
        ),
        (
            with_tls("{ sni: x, common_tls_context: { tls_certificates: [ { certificate_chain: { filename: a } } ] } }"),
            "static_resources.clusters[0].transport_socket.typed_config.common_tls_context.tls_certificates[0].private_key",
        ),
        (
            with_tls(
                r#"{ common_tls_context: { validation_context: { match_typed_subject_alt_names: [
                     { san_type: DNS, matcher: { exact: istiod } } ] } } }"#,
            ),
            "static_resources.clusters[0].transport_socket.typed_config.common_tls_context.validation_context.match_typed_subject_alt_names",
        ),
        (
            with_tls(
                r#"{ common_tls_context: { validation_context: {
                     verify_certificate_hash: [ aa ] } } }"#,
            ),
            "static_resources.clusters[0].transport_socket.typed_config.common_tls_context.validation_context.verify_certificate_hash",
        ),
        (
            "{ dynamic_resources: { ads_config: { api_type: REST } } }".into(),
            "dynamic_resources.ads_config.api_type",
        ),
        (
            "{ dynamic_resources: { cds_config: { path_config_source: { path: /x.pb_text } } } }"
                .into(),
            "dynamic_resources.cds_config.path_config_source.path",
        ),
        (
            "{ dynamic_resources: { lds_config: { path: '' } } }".into(),
            "dynamic_resources.lds_config.path",
        ),
        (
            r#"{ dynamic_resources: { cds_config: { path_config_source: { path: /x,
                 watched_directory: { path: / }, poll_interval: 1s } } } }"#
                .into(),
            "dynamic_resources.cds_config.path_config_source.poll_interval",
        ),
        (
            "{ dynamic_resources: { cds_config: { ads: {} } } }".into(),
            "dynamic_resources.ads_config",
        ),
        (
            format!("{{ static_resources: {{ clusters: [ {eds} ] }} }}"),
            "static_resources.clusters[0].eds_cluster_config",
        ),
        (
            "{ static_resources: { clusters: [ { name: a, type: STATIC }, { name: a, type: STATIC } ] } }".into(),
            "static_resources.clusters[1].name",
        ),
        (
            "{ static_resources: { clusters: [ { name: a, connect_timeout: 0s } ] } }".into(),
            "static_resources.clusters[0].connect_timeout",
        ),
        (
            "{ static_resources: { listeners: [ { name: a, filter_chains: [ { filters: [] } ] } ] } }".into(),
            "static_resources.listeners[0].address",
        ),
        (
            "{ cluster_manager: { local_cluster_name: me } }".into(),
            "cluster_manager.local_cluster_name",
        ),
        (
            "{ admin: { address: { socket_address: { address: nowhere, port_value: 1 } } } }".into(),
            "admin.address",
        ),
        (
            "{ admin: { allow_paths: [ { exact: /ready } ] } }".into(),
            "admin.allow_paths",
        ),
    ] {
        assert_eq!(faults(&text).first().map(String::as_str), Some(path), "{text}");
    }
}

fn with_setting(setting: &str) -> String {
    format!("{{ layered_runtime: {{ layers: [ {{ name: x, static_layer: {{ {setting} }} }} ] }} }}")
}

#[test]
fn settings_of_our_own_are_checked() {
    let text = with_setting(
        "destrier.deletion_grace: 1.5s, destrier.xds_max_message_bytes: 1000,
         destrier.eds_removed_endpoints: clear, envoy.some.flag: true, other: { destrier.x: 1 }",
    );
    let settings = plan(&text).settings;
    assert_eq!(settings.deletion_grace, Duration::from_millis(1500));
    assert_eq!(settings.xds_max_message_bytes, 1000);
    assert_eq!(settings.removed_endpoints, RemovedEndpoints::Clear);
    for (setting, key) in [
        ("destrier.no_such_key: 1", "destrier.no_such_key"),
        ("destrier: { deletion_grace: 60 }", "destrier.deletion_grace"),
        ("destrier.deletion_grace: -1s", "destrier.deletion_grace"),
        ("destrier.deletion_grace: 1e300s", "destrier.deletion_grace"),
        ("destrier.xds_max_message_bytes: 1.5", "destrier.xds_max_message_bytes"),
        ("destrier.xds_max_message_bytes: \"1\"", "destrier.xds_max_message_bytes"),
        ("destrier.xds_wildcard: all", "destrier.xds_wildcard"),
        ("destrier: 1", "destrier"),
    ] {
        let path = format!("layered_runtime.layers[0].static_layer[{key}]");
        assert_eq!(faults(&with_setting(setting)), [path], "{setting}");
    }
}

/// A control plane behind TLS: the context stands in the cluster's `transport_socket`.
fn with_tls(context: &str) -> String {
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let context = context.replacen('{', &format!("{{ '@type': {kind}, "), 1);
    let cluster = format!(
        r#"{{ name: x, type: STRICT_DNS, transport_socket: {{ name: tls, typed_config: {context} }},
             load_assignment: {{ cluster_name: x, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{
               address: {{ socket_address: {{ address: istiod.test, port_value: 15012 }} }} }} }} ] }} ] }} }}"#
    );
    with_ads("{ envoy_grpc: { cluster_name: x } }", &cluster)
}

#[test]
fn tls_to_the_control_plane_is_read_from_the_cluster() {
    let file = |path: &str| DataSource::File(Path::new(path).into());
    let text = with_tls(
        r#"{ sni: istiod.test, common_tls_context: {
               tls_certificates: [ { certificate_chain: { filename: /c.pem },
                                     private_key: { environment_variable: KEY } } ],
               validation_context: { trusted_ca: { inline_string: ca },
                 match_typed_subject_alt_names: [
                   { san_type: URI, matcher: { prefix: "spiffe://a/" } } ] } } }"#,
    );
    let plan = plan(&text);
    let server = &plan.ads.as_ref().expect("it has one").servers[0];
    assert_eq!(server.target, AdsTarget::Dns { host: "istiod.test".into(), port: 15012 });
    let tls = server.tls.as_ref().expect("it speaks TLS");
    assert_eq!(tls.sni.as_deref(), Some("istiod.test"));
    assert_eq!(tls.trusted_ca, Some(DataSource::Inline(b"ca".as_slice().into())));
    let identity = Identity {
        certificate_chain: file("/c.pem"),
        private_key: DataSource::Environment("KEY".into()),
    };
    assert_eq!(tls.identity, Some(identity));
    assert_eq!(tls.names[0].kind, SanKind::Uri);
    assert!(tls.names[0].value.matches(b"spiffe://a/b"));
    assert_eq!(tls.host, None);
}

#[test]
fn google_grpc_has_credentials_for_the_channel_and_for_calls() {
    let text = with_ads(
        r#"{ google_grpc: { target_uri: "istiod.test:15012", stat_prefix: x,
               channel_credentials: { ssl_credentials: { root_certs: { filename: /ca.pem } } },
               call_credentials: [
                 { from_plugin: { name: envoy.grpc_credentials.file_based_metadata, typed_config: {
                     '@type': type.googleapis.com/envoy.config.grpc_credential.v3.FileBasedMetadataConfig,
                     secret_data: { filename: /token }, header_prefix: 'Bearer ' } } },
                 { access_token: fixed } ] },
             initial_metadata: [ { key: X-Cluster, value: one } ] }"#,
        "",
    );
    let plan = plan(&text);
    let server = &plan.ads.as_ref().expect("it has one").servers[0];
    let tls = server.tls.as_ref().expect("it speaks TLS");
    assert_eq!(
        (tls.host.as_deref(), tls.sni.as_deref()),
        (Some("istiod.test"), Some("istiod.test"))
    );
    assert_eq!(tls.trusted_ca, Some(DataSource::File(Path::new("/ca.pem").into())));
    let [token, fixed] = &server.credentials[..] else { panic!("{:?}", server.credentials) };
    assert_eq!((token.header.as_str(), &*token.prefix), ("authorization", "Bearer "));
    assert_eq!(token.secret, DataSource::File(Path::new("/token").into()));
    assert_eq!(fixed.secret, DataSource::Inline(b"fixed".as_slice().into()));
    assert_eq!(server.metadata["x-cluster"], "one");
}

#[test]
fn control_planes_stand_in_an_order() {
    let text = with_ads(
        "{ google_grpc: { target_uri: 'a.test:1', stat_prefix: x } },
         { google_grpc: { target_uri: 'b.test:2', stat_prefix: x } }",
        "",
    );
    let ports: Vec<u16> = plan(&text)
        .ads
        .expect("it has one")
        .servers
        .iter()
        .map(|server| match &server.target {
            AdsTarget::Dns { port, .. } => *port,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ports, [1, 2]);
}
