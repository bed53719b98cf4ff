//! One wrong document per kind of fault, with the line that the user reads.

use destrier_envoy_json::{UnknownFields, parse_bootstrap};

fn fault(text: &str) -> String {
    let (_, err) = parse_bootstrap(&[text], UnknownFields::Reject).expect_err("a wrong document");
    err.to_string()
}

#[test]
fn faults_name_the_field_and_the_cause() {
    let cluster = |fields: &str| {
        format!("static_resources:\n  clusters:\n  - name: a\n  - name: b\n    {fields}\n")
    };
    for (text, expected) in [
        (
            cluster("conect_timeout: 1s"),
            "static_resources.clusters[1].conect_timeout: unknown field of \
             envoy.config.cluster.v3.Cluster",
        ),
        (
            cluster("connectTimeout: 5"),
            "static_resources.clusters[1].connectTimeout: expected a duration such as \"1.5s\", \
             found the number 5",
        ),
        (
            cluster("connect_timeout: 1m"),
            "static_resources.clusters[1].connect_timeout: expected a duration such as \"1.5s\", \
             found the string \"1m\"",
        ),
        (
            cluster("type: EDSS"),
            "static_resources.clusters[1].type: the string \"EDSS\" is no DiscoveryType: it has \
             STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST",
        ),
        (
            cluster("circuit_breakers: {thresholds: [{max_connections: -1}]}"),
            "static_resources.clusters[1].circuit_breakers.thresholds[0].max_connections: -1 is \
             out of the range of uint32",
        ),
        (
            cluster("circuit_breakers: {thresholds: [{max_connections: many}]}"),
            "static_resources.clusters[1].circuit_breakers.thresholds[0].max_connections: \
             expected an integer (uint32), found the string \"many\"",
        ),
        (
            cluster("circuit_breakers: {thresholds: {}}"),
            "static_resources.clusters[1].circuit_breakers.thresholds: expected a list, found an \
             object",
        ),
        (
            cluster("respect_dns_ttl: 'yes'"),
            "static_resources.clusters[1].respect_dns_ttl: expected a bool, found the string \
             \"yes\"",
        ),
        (
            cluster("outlier_detection: 3"),
            "static_resources.clusters[1].outlier_detection: expected an object \
             (envoy.config.cluster.v3.OutlierDetection), found the number 3",
        ),
        (
            cluster("transport_socket: {name: tls, typed_config: {sni: a}}"),
            "static_resources.clusters[1].transport_socket.typed_config: has no @type, so its \
             type is not known",
        ),
        (
            cluster(
                "transport_socket: {name: x, typed_config: {'@type': \
                 type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, \
                 snii: a}}",
            ),
            "static_resources.clusters[1].transport_socket.typed_config.snii: unknown field of \
             envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        ),
        (
            cluster("connectTimeout: 1s\n    connect_timeout: 2s"),
            "static_resources.clusters[1].connect_timeout: given twice, under both of its names",
        ),
        (
            cluster("maglev_lb_config: {}\n    ring_hash_lb_config: {}"),
            "static_resources.clusters[1].ring_hash_lb_config: excludes maglev_lb_config, which \
             is set too",
        ),
        (
            cluster("metadata: {filter_metadata: {istio: 1}}"),
            "static_resources.clusters[1].metadata.filter_metadata[\"istio\"]: expected an \
             object, found the number 1",
        ),
        ("node: [".to_owned(), "line 1, column 7: unclosed bracket '['"),
        (
            "node: {id: a}\nnode: {id: b}\n".to_owned(),
            "line 2, column 1: duplicate mapping key `node` is not allowed here",
        ),
        (
            "- a".to_owned(),
            "expected an object (envoy.config.bootstrap.v3.Bootstrap), found a list",
        ),
    ] {
        assert_eq!(fault(&text), expected, "{text}");
    }
}

#[test]
fn the_text_at_fault_is_numbered() {
    let texts = ["node: {id: a}", "node: {ids: b}"];
    let (number, err) =
        parse_bootstrap(&texts, UnknownFields::Reject).expect_err("the second is wrong");
    assert_eq!((number, err.path.as_str()), (1, "node.ids"));
}

#[test]
fn unknown_fields_pass_when_allowed_and_are_named() {
    let text = "node: {id: a, nickname: b}\nstatic_resources: {clusters: [{nme: x}]}\nfoo: 1\n";
    let parsed = parse_bootstrap(&[text], UnknownFields::Allow).expect("unknown fields pass");
    assert_eq!(parsed.ignored_fields, ["node.nickname", "static_resources.clusters[0].nme", "foo"]);
    assert_eq!(parsed.message.node.expect("node is known").id, "a");
}
