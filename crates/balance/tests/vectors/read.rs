//! Clusters and endpoints in Envoy's JSON form, as the vectors have them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use destrier_policy::{
    Address, CommonLb, ConsistentHashing, Endpoint, EndpointSet, HashFunction, HealthStatus,
    LbPolicy, Locality, LocalityEndpoints, LocalityLb, Metadata, MetadataMatch, Percent, Selection,
    SubsetFallback, SubsetPolicy, SubsetSelector, Value,
};
use serde_json::Value as Json;

/// Every file of a folder under `data`, by name.
pub(crate) fn files(folder: &str) -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("readable");
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        let json = serde_json::from_str(&text);
        (name, json.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    paths.into_iter().map(read).collect()
}

/// What a cluster says about balancing.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) lb: LbPolicy,
    pub(crate) common: CommonLb,
    pub(crate) subsets: Option<SubsetPolicy>,
    pub(crate) is_eds: bool,
}

pub(crate) fn cluster(json: &Json) -> Cluster {
    let mut common = CommonLb::default();
    let config = &json["common_lb_config"];
    if let Some(threshold) = config["healthy_panic_threshold"]["value"].as_f64() {
        common.healthy_panic_threshold = Percent::new(threshold).expect("a percentage");
    }
    if config.get("locality_weighted_lb_config").is_some() {
        common.locality = LocalityLb::Weighted;
    }
    let subsets = json.get("lb_subset_config").map(subset_policy);
    let is_eds = json["type"] == "EDS";
    if let Some(typed) = json.get("load_balancing_policy") {
        return Cluster { is_eds, ..self::typed(typed, common) };
    }
    let hashing = hashing(&config["consistent_hashing_lb_config"]);
    let lb = match json["lb_policy"].as_str().unwrap_or("ROUND_ROBIN") {
        "RING_HASH" => ring(&json["ring_hash_lb_config"], hashing),
        "MAGLEV" => maglev(&json["maglev_lb_config"], hashing),
        name => by_counts(name),
    };
    Cluster { lb, common, subsets, is_eds }
}

fn typed(policies: &Json, mut common: CommonLb) -> Cluster {
    let config = &policies["policies"][0]["typed_extension_config"]["typed_config"];
    let name = config["@type"].as_str().and_then(|url| url.rsplit('.').next()).expect("typed");
    if config.get("locality_weighted_lb_config").is_some() {
        common.locality = LocalityLb::Weighted;
    }
    let hashing = hashing(&config["consistent_hashing_lb_config"]);
    let lb = match name {
        "Subset" => {
            let inner = typed(&config["subset_lb_policy"], common);
            return Cluster { subsets: Some(subset_policy(config)), ..inner };
        }
        "RingHash" => ring(config, hashing),
        "Maglev" => maglev(config, hashing),
        "RoundRobin" => by_counts("ROUND_ROBIN"),
        other => panic!("an unknown policy: {other}"),
    };
    Cluster { lb, common, subsets: None, is_eds: false }
}

fn by_counts(name: &str) -> LbPolicy {
    match name {
        "ROUND_ROBIN" => LbPolicy::RoundRobin { slow_start: None },
        "RANDOM" => LbPolicy::Random,
        "LEAST_REQUEST" => LbPolicy::LeastRequest {
            choice_count: 2,
            active_request_bias: 1.0,
            selection: Selection::NChoices,
            slow_start: None,
        },
        other => panic!("an unknown policy: {other}"),
    }
}

fn hashing(json: &Json) -> ConsistentHashing {
    ConsistentHashing {
        use_hostname_for_hashing: json["use_hostname_for_hashing"] == Json::Bool(true),
        hash_balance_factor: json["hash_balance_factor"].as_u64().map(|factor| factor as u32),
        hash_policy: Box::default(),
    }
}

fn ring(json: &Json, hashing: ConsistentHashing) -> LbPolicy {
    LbPolicy::RingHash {
        minimum_ring_size: json["minimum_ring_size"].as_u64().unwrap_or(1024),
        maximum_ring_size: json["maximum_ring_size"].as_u64().unwrap_or(8_388_608),
        hash_function: match json["hash_function"].as_str() {
            Some("MURMUR_HASH_2") => HashFunction::MurmurHash2,
            None | Some("XX_HASH" | "DEFAULT_HASH") => HashFunction::XxHash,
            Some(other) => panic!("an unknown hash function: {other}"),
        },
        hashing,
    }
}

fn maglev(json: &Json, hashing: ConsistentHashing) -> LbPolicy {
    let table_size = json["table_size"].as_u64().unwrap_or(65_537);
    LbPolicy::Maglev { table_size, hashing }
}

fn subset_policy(json: &Json) -> SubsetPolicy {
    let flag = |name: &str| json[name] == Json::Bool(true);
    let selectors = list(&json["subset_selectors"]).map(|selector| SubsetSelector {
        keys: keys(&selector["keys"]),
        fallback: fallback(selector, SubsetFallback::NotDefined),
        single_host_per_subset: selector["single_host_per_subset"] == Json::Bool(true),
    });
    let default_subset = json.get("default_subset").map(value);
    SubsetPolicy {
        fallback: fallback(json, SubsetFallback::None),
        default_subset: match default_subset {
            Some(Value::Struct(fields)) => fields,
            _ => Default::default(),
        },
        selectors: selectors.collect(),
        locality_weight_aware: flag("locality_weight_aware"),
        scale_locality_weight: flag("scale_locality_weight"),
        panic_mode_any: flag("panic_mode_any"),
        list_as_any: flag("list_as_any"),
        metadata_fallback_list: json["metadata_fallback_policy"] == "FALLBACK_LIST",
        allow_redundant_keys: flag("allow_redundant_keys"),
    }
}

fn fallback(json: &Json, unset: SubsetFallback) -> SubsetFallback {
    match json["fallback_policy"].as_str() {
        None | Some("NOT_DEFINED") => unset,
        Some("NO_FALLBACK") => SubsetFallback::None,
        Some("ANY_ENDPOINT") => SubsetFallback::AnyEndpoint,
        Some("DEFAULT_SUBSET") => SubsetFallback::DefaultSubset,
        Some("KEYS_SUBSET") => SubsetFallback::Keys(keys(&json["fallback_keys_subset"])),
        Some(other) => panic!("an unknown fallback: {other}"),
    }
}

fn keys(json: &Json) -> Box<[String]> {
    let mut keys: Vec<String> =
        list(json).map(|key| key.as_str().expect("a key").to_owned()).collect();
    keys.sort();
    keys.into()
}

/// `endpoints` of an assignment, with its `policy`.
pub(crate) fn endpoints(json: &Json, policy: Option<&Json>) -> EndpointSet {
    let localities = list(json).map(|group| LocalityEndpoints {
        locality: Locality::new(
            text(&group["locality"]["region"]),
            text(&group["locality"]["zone"]),
            text(&group["locality"]["sub_zone"]),
        ),
        priority: group["priority"].as_u64().unwrap_or(0) as u32,
        weight: group["load_balancing_weight"].as_u64().map(|weight| weight as u32),
        endpoints: list(&group["lb_endpoints"]).map(endpoint).collect(),
    });
    let factor = policy.and_then(|policy| policy["overprovisioning_factor"].as_u64());
    EndpointSet {
        localities: localities.collect(),
        overprovisioning_factor: factor.unwrap_or(140) as u32,
        ..EndpointSet::default()
    }
}

fn endpoint(json: &Json) -> Endpoint {
    let socket = &json["endpoint"]["address"]["socket_address"];
    let ip = text(&socket["address"]).parse().expect("an IP address");
    let port = socket["port_value"].as_u64().expect("a port") as u16;
    let namespaces = json["metadata"]["filter_metadata"].as_object();
    let fields = |json: &Json| match value(json) {
        Value::Struct(fields) => fields,
        other => panic!("not a struct: {other:?}"),
    };
    let namespaces = namespaces.into_iter().flatten();
    let metadata = namespaces.map(|(name, json)| (name.clone(), fields(json))).collect();
    Endpoint {
        address: Address::Ip(std::net::SocketAddr::new(ip, port)),
        hostname: text(&json["endpoint"]["hostname"]).into(),
        weight: json["load_balancing_weight"].as_u64().unwrap_or(1) as u32,
        health: match json["health_status"].as_str() {
            None | Some("UNKNOWN") => HealthStatus::Unknown,
            Some("HEALTHY") => HealthStatus::Healthy,
            Some("UNHEALTHY") => HealthStatus::Unhealthy,
            Some("DRAINING") => HealthStatus::Draining,
            Some("TIMEOUT") => HealthStatus::Timeout,
            Some("DEGRADED") => HealthStatus::Degraded,
            Some(other) => panic!("an unknown health: {other}"),
        },
        metadata: Arc::new(Metadata(metadata)),
    }
}

/// What a route asks, from the fields of its `metadata_match`.
pub(crate) fn metadata_match(json: &Json) -> MetadataMatch {
    let fields = json.as_object().expect("a struct");
    let mut fields: Vec<(Box<str>, Value)> =
        fields.iter().map(|(key, json)| (key.as_str().into(), value(json))).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    MetadataMatch(fields.into())
}

pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Number(number.as_f64().expect("a double")),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(list) => Value::List(list.iter().map(value).collect()),
        Json::Object(fields) => {
            Value::Struct(fields.iter().map(|(key, json)| (key.clone(), value(json))).collect())
        }
    }
}

pub(crate) fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

/// Picks by key: an index into the distinct hosts of the endpoints in their order, or `None` where no
/// host was found.
pub(crate) fn picks(json: &Json) -> impl Iterator<Item = (&str, Option<usize>)> {
    let picks = json.as_object().into_iter().flatten();
    picks.map(|(key, host)| (key.as_str(), host.as_u64().map(|host| host as usize)))
}

/// The addresses of the endpoints, each once, in their order: what picks refer to.
pub(crate) fn addresses(endpoints: &EndpointSet) -> Vec<Address> {
    let mut addresses = Vec::new();
    for (_, endpoint) in endpoints.iter() {
        if !addresses.contains(&endpoint.address) {
            addresses.push(endpoint.address.clone());
        }
    }
    addresses
}
