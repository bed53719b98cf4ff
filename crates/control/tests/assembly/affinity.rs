//! What keeps clients to their hosts: hash policies and the subsets that are asked for.

use destrier_policy::{
    ClusterChoice, ForwardAction, HashPolicy, HashSource, HashedHeader, MadeCookie, MetadataMatch,
    RegexRewrite, RouteAction,
};
use http::HeaderName;

use crate::listener::{faults, hcm, hcm_text, tcp, tcp_text};

fn route(fields: &str) -> String {
    format!("{{ match: {{ prefix: / }}, route: {{ {fields} }} }}")
}

#[track_caller]
fn action(fields: &str) -> ForwardAction {
    let manager = hcm("", &route(fields));
    match manager.routes.virtual_hosts[0].routes[0].action.clone() {
        RouteAction::Forward(action) => *action,
        other => panic!("it forwards: {other:?}"),
    }
}

#[test]
fn hash_policies_are_translated_in_order() {
    let action = action(
        r#"cluster: a, hash_policy: [
             { header: { header_name: X-User, regex_rewrite: {
               pattern: { regex: "^(.*)@.*$" }, substitution: "\\1" } }, terminal: true },
             { header: { header_name: ":authority" } },
             { cookie: { name: s, ttl: 1.5s, path: /p, attributes: [ { name: Secure } ] } },
             { cookie: { name: t } },
             { connection_properties: { source_ip: false } },
             { connection_properties: { source_ip: true } },
             { query_parameter: { name: Q } },
             { filter_state: { key: k }, terminal: true } ]"#,
    );
    let plain = |source| HashPolicy { source, terminal: false };
    let last = |source| HashPolicy { source, terminal: true };
    let name = HashedHeader::Name(HeaderName::from_static("x-user"));
    let rewrite = RegexRewrite::new("^(.*)@.*$", r"\1").ok();
    let attributes = Box::from([("Secure".into(), "".into())]);
    let made = Some(MadeCookie { max_age: 1, path: "/p".into(), attributes });
    let expected = [
        last(HashSource::Header { name, rewrite }),
        plain(HashSource::Header { name: HashedHeader::Authority, rewrite: None }),
        plain(HashSource::Cookie { name: "s".into(), made }),
        plain(HashSource::Cookie { name: "t".into(), made: None }),
        plain(HashSource::SourceIp),
        plain(HashSource::QueryParameter { name: "Q".into() }),
        last(HashSource::FilterState),
    ];
    assert_eq!(*action.hash, expected);
}

#[test]
fn faults_of_hash_policies_are_named() {
    for (policy, path) in [
        ("{}", ""),
        ("{ header: {} }", ".header.header_name"),
        ("{ header: { header_name: 'a b' } }", ".header.header_name"),
        (
            r#"{ header: { header_name: a, regex_rewrite: {
                 pattern: { regex: "a" }, substitution: "\\1" } } }"#,
            ".header.regex_rewrite",
        ),
        ("{ cookie: { name: '' } }", ".cookie.name"),
        ("{ cookie: { name: s, ttl: -1s } }", ".cookie.ttl"),
        (r#"{ cookie: { name: s, path: "a\nb" } }"#, ".cookie.path"),
        ("{ cookie: { name: s, attributes: [ {} ] } }", ".cookie.attributes[0].name"),
        ("{ query_parameter: {} }", ".query_parameter.name"),
        ("{ filter_state: {} }", ".filter_state.key"),
    ] {
        let text = hcm_text("", &route(&format!("cluster: a, hash_policy: [ {policy} ]")));
        let found = faults(&text, "");
        assert_eq!(found.len(), 1, "{policy}: {found:?}");
        let end = format!("route.hash_policy[0]{path}");
        assert!(found[0].ends_with(&end), "{policy}: {found:?}");
    }
}

fn metadata(fields: &str) -> String {
    format!(
        "metadata_match: {{ filter_metadata: {{ envoy.lb: {{ {fields} }}, other: {{ x: y }} }} }}"
    )
}

fn asked(metadata: Option<&MetadataMatch>) -> String {
    let fields = metadata.into_iter().flat_map(|metadata| &metadata.0);
    let fields = fields.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?")));
    fields.collect::<Vec<_>>().join(",")
}

#[test]
fn the_subset_of_a_choice_is_merged_over_that_of_its_route() {
    for (of_route, of_choice, merged) in [
        ("stage: canary", "stage: prod", "stage=prod"),
        ("version: a", "stage: prod", "stage=prod,version=a"),
        ("version: a, stage: prod", "stage: canary", "stage=canary,version=a"),
        ("", "version: a", "version=a"),
        ("version: a", "", "version=a"),
        ("", "", ""),
    ] {
        let (of_route, of_choice) = (metadata(of_route), metadata(of_choice));
        let clusters =
            format!("weighted_clusters: {{ clusters: [ {{ name: a, weight: 1, {of_choice} }} ] }}");
        let route = action(&format!("{clusters}, {of_route}"));
        let proxy = tcp(&format!("{clusters}, {of_route}"));
        for choice in [route.cluster, proxy.cluster] {
            let ClusterChoice::Weighted { clusters, .. } = choice else { panic!("by weight") };
            assert_eq!(asked(clusters[0].metadata_match.as_deref()), merged);
        }
    }
    let fields = format!("cluster: a, {}", metadata("stage: prod"));
    assert_eq!(asked(action(&fields).metadata_match.as_deref()), "stage=prod");
    assert_eq!(asked(tcp(&fields).metadata_match.as_deref()), "stage=prod");
}

#[test]
fn a_tcp_proxy_hashes_the_address_of_its_client() {
    let of = |policies: &str| tcp(&format!("cluster: a, hash_policy: [ {policies} ]")).hash;
    assert_eq!(
        *of("{ source_ip: {} }"),
        [HashPolicy { source: HashSource::SourceIp, terminal: false }]
    );
    assert!(of("").is_empty());
    let two = "cluster: a, hash_policy: [ { source_ip: {} }, { source_ip: {} } ]";
    assert_eq!(faults(&tcp_text(two), ""), ["~.hash_policy"]);
    assert_eq!(faults(&tcp_text("cluster: a, hash_policy: [ {} ]"), ""), ["~.hash_policy[0]"]);
}
