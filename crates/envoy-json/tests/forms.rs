//! The JSON forms of single types, and what becomes of types that nobody knows.

use destrier_envoy_json::{Defaults, Parsed, Pool, UnknownFields, merge, parse_bootstrap};
use envoy_types::pb::envoy::admin::v3::Memory;
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::{DataSource, TransportSocket};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use serde_json::{Value, json};

fn read<M: Message + Default + Name>(value: Value) -> M {
    Pool::new().from_value(value, UnknownFields::Reject).expect("a valid document")
}

#[test]
fn both_spellings_and_all_forms_of_numbers_are_read() {
    let snake = json!({
        "name": "a", "connect_timeout": "0.25s", "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": 7}]},
        "metadata": {"filter_metadata": {"istio": {"a": [1, "x", null, {"b": true}]}}},
        "ring_hash_lb_config": {"minimum_ring_size": "1024"},
        "dns_jitter": null,
    });
    let camel = json!({
        "name": "a", "connectTimeout": "0.250s", "lbPolicy": 1,
        "circuitBreakers": {"thresholds": [{"maxConnections": "7"}]},
        "metadata": {"filterMetadata": {"istio": {"a": [1.0, "x", null, {"b": true}]}}},
        "ringHashLbConfig": {"minimumRingSize": 1.024e3},
    });
    let (snake, camel): (Cluster, Cluster) = (read(snake), read(camel));
    assert_eq!(snake, camel);
    assert_eq!(
        Pool::new().to_value(&snake),
        json!({
            "name": "a", "connect_timeout": "0.250s", "lb_policy": "LEAST_REQUEST",
            "circuit_breakers": {"thresholds": [{"max_connections": 7}]},
            "metadata": {"filter_metadata": {"istio": {"a": [1, "x", null, {"b": true}]}}},
            "ring_hash_lb_config": {"minimum_ring_size": "1024"},
        })
    );
}

#[test]
fn bytes_are_base64_of_either_alphabet() {
    let (standard, url): (DataSource, DataSource) =
        (read(json!({"inline_bytes": "+/8="})), read(json!({"inlineBytes": "-_8"})));
    assert_eq!(standard, url);
    assert_eq!(Pool::new().to_value(&url), json!({"inline_bytes": "+/8="}));
}

#[test]
fn an_any_of_a_type_that_nobody_knows_is_kept_and_named() {
    let pool = Pool::new();
    let value = json!({"static_resources": {"clusters": [{"transport_socket": {
        "name": "x", "typed_config": {"@type": "type.googleapis.com/istio.Unknown", "a": {"b": 1}},
    }}]}});
    let Parsed { message, unknown_types, .. } =
        pool.parse::<Bootstrap>(&value, UnknownFields::Reject).expect("unknown types pass");
    let found: Vec<_> = unknown_types.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(found, ["static_resources.clusters[0].transport_socket.typed_config"]);
    assert_eq!(unknown_types[0].type_url, "type.googleapis.com/istio.Unknown");
    let printed = pool.to_value(&message);
    let printed = &printed["static_resources"]["clusters"][0]["transport_socket"]["typed_config"];
    assert_eq!(
        *printed,
        json!({"@type": "type.googleapis.com/istio.Unknown", "value": "eyJhIjp7ImIiOjF9fQ=="})
    );
    let again: Any = read(printed.clone());
    assert_eq!(again.value, br#"{"a":{"b":1}}"#);
}

#[test]
fn an_any_of_the_wrong_bytes_is_printed_in_base64() {
    let type_url = Cluster::type_url();
    assert_eq!(
        Pool::new().any_to_value(&type_url, &[0xff]),
        json!({"@type": type_url, "value": "/w=="})
    );
}

#[test]
fn any_in_any_ends_somewhere() {
    let mut any = Any::default();
    for _ in 0..5_000 {
        any = Any { type_url: Any::type_url(), value: any.encode_to_vec() };
    }
    let printed = Pool::new().to_value(&any).to_string();
    assert!(printed.contains("\"value\":\""), "the rest stands in base64");
}

#[test]
fn a_typed_struct_is_shown_by_its_fields() {
    let value = json!({"name": "x", "typed_config": {
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": "type.googleapis.com/istio.Config",
        "value": {"discovery": [{"headers": {}}]},
    }});
    let parsed =
        Pool::new().parse::<TransportSocket>(&value, UnknownFields::Reject).expect("it is known");
    assert_eq!(parsed.unknown_types, []);
    assert_eq!(Pool::new().to_value(&parsed.message), value);
}

#[test]
fn well_known_types_in_an_any_stand_in_value() {
    let value = json!({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "2s"});
    let any: Any = read(value.clone());
    assert_eq!(Pool::new().to_value(&any), value);
}

#[test]
fn defaults_are_printed_only_when_asked_for() {
    let memory = Memory { allocated: 5, ..Memory::default() };
    let pool = Pool::new();
    assert_eq!(pool.to_value(&memory), json!({"allocated": "5"}));
    let all = pool.to_value_with(&memory, Defaults::Print);
    assert_eq!((&all["allocated"], &all["heap_size"]), (&json!("5"), &json!("0")));
}

#[test]
fn an_overlay_merges_messages_replaces_scalars_and_appends_lists() {
    let file = "
node: {id: a, cluster: c, metadata: {x: 1, y: 2}}
static_resources: {clusters: [{name: one}]}
";
    let overlay = "
node: {id: b, metadata: {y: 3}}
staticResources: {clusters: [{name: two}]}
";
    let parsed = parse_bootstrap(&[file, overlay, ""], UnknownFields::Reject).expect("both valid");
    assert_eq!(
        Pool::new().to_value(&parsed.message),
        json!({
            "node": {"id": "b", "cluster": "c", "metadata": {"x": 1, "y": 3}},
            "static_resources": {"clusters": [{"name": "one"}, {"name": "two"}]},
        })
    );
}

#[test]
fn merging_appends() {
    let mut base = Cluster { name: "a".to_owned(), ..Cluster::default() };
    merge(&mut base, &Cluster { alt_stat_name: "b".to_owned(), ..Cluster::default() })
        .expect("both are shallow");
    assert_eq!((base.name.as_str(), base.alt_stat_name.as_str()), ("a", "b"));
}

#[test]
fn deep_documents_are_refused_and_do_not_overflow() {
    let nested = |levels: usize| {
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let text = format!("node: {{metadata: {{deep: {deep}}}}}");
        parse_bootstrap(&[&text], UnknownFields::Reject)
    };
    nested(40).expect("prost decodes as much");
    let (_, err) = nested(60).expect_err("prost would not decode it");
    assert!(err.to_string().starts_with("node.metadata[\"deep\"][0][0][0]"), "{err}");
    for levels in [5_000, 100_000] {
        let (_, err) = nested(levels).expect_err("nested too deep");
        assert!(err.position.is_some(), "the parser of YAML refuses it: {err}");
    }
}

#[test]
fn explicit_defaults_count_only_where_set_and_unset_differ() {
    let cluster: Cluster = read(json!({
        "name": "", "type": "STATIC", "respect_dns_ttl": false,
        "per_connection_buffer_limit_bytes": 0,
    }));
    assert_eq!(
        Pool::new().to_value(&cluster),
        json!({"type": "STATIC", "per_connection_buffer_limit_bytes": 0})
    );
    let any: Any = read(json!({"@type": Cluster::type_url(), "name": "", "type": 0}));
    assert_eq!(any.value, [0x10, 0x00], "as canonical as if prost had written it");
}
