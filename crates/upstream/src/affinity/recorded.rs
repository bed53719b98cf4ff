//! Hosts that Envoy 1.40 chose: every file of `tests/data/hash-policies`. (One more recording, by
//! `:authority` alone, does not say which authority its client sent, and is of no use here.)

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use destrier_balance::{LbState, Preference};
use destrier_policy::{
    Address, ClusterPolicy, ConsistentHashing, Endpoint, EndpointSet, HashFunction, HashPolicy,
    HashSource, HashedHeader, LbPolicy, MadeCookie, RegexRewrite,
};
use http::{HeaderName, HeaderValue, Request};
use serde_json::Value as Json;

use super::{Affinity, Hashed};
use crate::cluster::testing::{endpoint, endpoints, policy, surroundings};
use crate::cluster::{Cluster, Joined};

fn read(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hash-policies").join(name);
    let text = fs::read_to_string(&path).expect("the file is readable");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(json: &Json) -> &str {
    json.as_str().expect("a text")
}

fn list(json: &Json) -> &[Json] {
    json.as_array().expect("a list")
}

fn hash_policies(json: &Json) -> Box<[HashPolicy]> {
    let policies = json.as_array().into_iter().flatten().map(|policy| HashPolicy {
        source: source(policy),
        terminal: policy["terminal"] == Json::Bool(true),
    });
    policies.collect()
}

fn source(policy: &Json) -> HashSource {
    if let Some(header) = policy.get("header") {
        let name = match text(&header["header_name"]) {
            ":path" => HashedHeader::Path,
            name => HashedHeader::Name(HeaderName::try_from(name).expect("a name")),
        };
        let rewrite = header.get("regex_rewrite").map(|rewrite| {
            let pattern = text(&rewrite["pattern"]["regex"]);
            RegexRewrite::new(pattern, text(&rewrite["substitution"])).expect("it is valid")
        });
        HashSource::Header { name, rewrite }
    } else if let Some(cookie) = policy.get("cookie") {
        let made = cookie.get("ttl").map(|ttl| made_cookie(text(ttl), cookie));
        HashSource::Cookie { name: text(&cookie["name"]).into(), made }
    } else if let Some(parameter) = policy.get("query_parameter") {
        HashSource::QueryParameter { name: text(&parameter["name"]).into() }
    } else if policy.get("filter_state").is_some() {
        HashSource::FilterState
    } else {
        let by_address = ["source_ip", "connection_properties"];
        assert!(by_address.iter().any(|name| policy.get(name).is_some()), "{policy}");
        HashSource::SourceIp
    }
}

fn made_cookie(ttl: &str, cookie: &Json) -> MadeCookie {
    let seconds: f64 = ttl.trim_end_matches('s').parse().expect("a duration");
    let attributes = cookie["attributes"].as_array().into_iter().flatten();
    let attributes = attributes
        .map(|attribute| (text(&attribute["name"]).into(), text(&attribute["value"]).into()));
    MadeCookie {
        max_age: seconds as u64,
        path: cookie["path"].as_str().unwrap_or_default().into(),
        attributes: attributes.collect(),
    }
}

fn lb(json: &Json) -> LbPolicy {
    let typed = &json["load_balancing_policy"]["policies"][0]["typed_extension_config"];
    let typed = &typed["typed_config"];
    let hashing = ConsistentHashing {
        hash_policy: hash_policies(&typed["consistent_hashing_lb_config"]["hash_policy"]),
        ..ConsistentHashing::default()
    };
    let kind = typed["@type"].as_str().or(json["lb_policy"].as_str()).expect("a policy");
    if kind.to_lowercase().contains("maglev") {
        return LbPolicy::Maglev { table_size: 65_537, hashing };
    }
    let config = &json["ring_hash_lb_config"];
    LbPolicy::RingHash {
        minimum_ring_size: config["minimum_ring_size"].as_u64().unwrap_or(1024),
        maximum_ring_size: 8 << 20,
        hash_function: match config["hash_function"].as_str() {
            Some("MURMUR_HASH_2") => HashFunction::MurmurHash2,
            _ => HashFunction::XxHash,
        },
        hashing,
    }
}

fn hosts(json: &Json) -> Arc<EndpointSet> {
    let hosts = list(&json[0]["lb_endpoints"]).iter().map(|host| {
        let address = &host["endpoint"]["address"]["socket_address"];
        let ip = text(&address["address"]).parse().expect("an address");
        let port = address["port_value"].as_u64().expect("a port") as u16;
        Endpoint { address: SocketAddr::new(ip, port).into(), ..endpoint(port) }
    });
    endpoints(vec![hosts.collect()])
}

/// A cluster of a recording, and the host that a request gets in it.
struct Recorded {
    cluster: Cluster,
    route: Box<[HashPolicy]>,
}

impl Recorded {
    fn new(cluster: &Json, file: &Json, route: &Json) -> Self {
        let policy = ClusterPolicy { lb: lb(cluster), ..policy("c") };
        let joined = Joined {
            policy: Arc::new(policy),
            endpoints: hosts(&file["endpoints"]),
            state: Arc::default(),
            lb: Arc::new(LbState::new(0)),
            known: Default::default(),
            before: None,
            around: &surroundings(),
        };
        Self { cluster: joined.build(), route: hash_policies(route) }
    }

    fn hash(&self, request: Option<&Request<()>>, client: &str, random: u64) -> Hashed {
        let client = Some(client.parse().expect("an address"));
        let affinity = Affinity { hash_policies: &self.route, client, ..Affinity::default() };
        affinity.hash(&self.cluster.policy().lb, request, || random)
    }

    fn host(&self, hash: Option<u64>) -> String {
        let preference = Preference { hash, ..Preference::default() };
        let host = self.cluster.pick(preference, 0).expect("all are healthy");
        let Address::Ip(address) = host.address() else { panic!("it is an IP address") };
        address.to_string()
    }
}

fn request(path: &str, headers: &Json) -> Request<()> {
    let mut builder = Request::builder().uri(path);
    for header in list(headers) {
        // White space around it is not part of a value on the wire.
        let value = text(&header[1]).trim_matches([' ', '\t']);
        let value = HeaderValue::from_str(value).expect("a header's value");
        builder = builder.header(text(&header[0]), value);
    }
    builder.body(()).expect("a valid request")
}

#[test]
fn requests_reach_the_recorded_hosts() {
    let mut checked = 0;
    for name in [
        "combined-header-query",
        "combined-query-header",
        "combined-same-twice",
        "combined-three",
        "cookie-present-ttl",
        "cookie-present",
        "filter-state-absent",
        "header-multi-value",
        "header-path",
        "header-regex-rewrite",
        "header-single",
        "query-parameter-case",
        "query-parameter",
        "source-ip",
        "terminal-first",
        "terminal-middle-absent",
        "terminal-second",
    ] {
        let file = read(&format!("{name}.json"));
        for kind in ["ring", "maglev"] {
            let recorded =
                Recorded::new(&file["clusters"][kind], &file, &file["route_hash_policy"]);
            for recording in list(&file["requests"]) {
                let request = request(text(&recording["path"]), &recording["headers"]);
                let client = recording["source"].as_str().unwrap_or("127.0.0.1");
                let hashed = recorded.hash(Some(&request), client, 0);
                assert!(hashed.hash.is_some() && hashed.cookies.is_empty(), "{name} {recording}");
                assert_eq!(recorded.host(hashed.hash), recording[kind], "{name} {recording}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 2 * 582);
}

#[test]
fn connections_reach_the_recorded_hosts() {
    for name in ["tcp-source-ip-maglev", "tcp-source-ip-ring-murmur2", "tcp-source-ip-ring"] {
        let file = read(&format!("{name}.json"));
        let recorded = Recorded::new(&file["cluster"], &file, &file["tcp_proxy_hash_policy"]);
        let picks = file["picks"].as_object().expect("an object");
        assert_eq!(picks.len(), 300);
        for (client, host) in picks {
            let hashed = recorded.hash(None, client, 0);
            assert_eq!(recorded.host(hashed.hash), *host, "{name} {client}");
        }
    }
}

#[test]
fn the_policies_of_a_cluster_outrank_those_of_the_route() {
    for kind in ["ring", "maglev"] {
        for name in ["typed-hash-policy", "typed-hash-policy-over-route"] {
            let file = read(&format!("{kind}-{name}.json"));
            let recorded = Recorded::new(&file["cluster"], &file, &file["route_hash_policy"]);
            for (key, host) in file["picks"].as_object().expect("an object") {
                let headers = serde_json::json!([["x-key", key], ["x-other", "route"]]);
                let hashed = recorded.hash(Some(&request("/", &headers)), "127.0.0.1", 0);
                assert_eq!(recorded.host(hashed.hash), *host, "{kind} {name} {key}");
            }
        }
    }
}

#[test]
fn made_cookies_are_as_recorded_and_so_are_the_hosts_they_choose() {
    let file = read("no-hash-and-generated-cookie.json");
    let mut made = 0;
    for (name, case) in file["generated"].as_object().expect("an object") {
        let recorded = Recorded::new(&file["cluster"], &file, &case["route_hash_policy"]);
        for answer in list(&case["answers"]) {
            let cookies: Vec<&str> = list(&answer["set_cookie"]).iter().map(text).collect();
            // The one value of all cookies, in quotes.
            let value = cookies.first().and_then(|cookie| cookie.split('"').nth(1)).unwrap_or("0");
            let random = u64::from_str_radix(value, 16).expect("hexadecimal digits");
            let request = request("/", &answer["headers"]);
            let hashed = recorded.hash(Some(&request), "127.0.0.1", random);
            assert_eq!(hashed.cookies, cookies, "{name} {answer}");
            assert_eq!(recorded.host(hashed.hash), answer["pick"], "{name} {answer}");
            made += cookies.len();
        }
    }
    assert_eq!(made, 37);
}

#[test]
fn what_gives_no_hash_is_left_to_chance() {
    let none = |policies: Json, headers: Json| {
        let cluster = serde_json::json!({"lb_policy": "RING_HASH"});
        let file = read("no-hash-and-generated-cookie.json");
        let recorded = Recorded::new(&cluster, &file, &policies);
        let hashed = recorded.hash(Some(&request("/?ID=1", &headers)), "127.0.0.1", 7);
        assert_eq!(hashed, Hashed::default(), "{policies} {headers}");
    };
    let json = |text: &str| serde_json::from_str::<Json>(text).expect("it is JSON");
    for (policies, headers) in [
        ("[]", "[]"),
        (r#"[{"cookie": {"name": "s"}}]"#, r#"[["cookie", "s =abc"]]"#),
        (r#"[{"cookie": {"name": "s"}}]"#, r#"[["cookie", "s="]]"#),
        (r#"[{"cookie": {"name": "s"}}]"#, r#"[["cookie", "s=\"\""]]"#),
        (r#"[{"header": {"header_name": "x-user"}}]"#, "[]"),
        (r#"[{"query_parameter": {"name": "id"}}]"#, "[]"),
        (r#"[{"filter_state": {"key": "k"}}]"#, "[]"),
    ] {
        none(json(policies), json(headers));
    }
}
