//! Messages that are wrong in themselves.

use anyhow::Result;
use destrier_mock_xds::{Changes, eds_cluster, endpoints, type_url};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    LbConfig, LbPolicy, LeastRequestLbConfig, RingHashLbConfig, RoundRobinLbConfig, SlowStartConfig,
};
use envoy_types::pb::envoy::config::core::v3::RuntimeDouble;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use envoy_types::pb::envoy::r#type::v3::Percent;
use envoy_types::pb::google::protobuf::{Any, UInt32Value, UInt64Value};
use prost::Message;

use super::{GOOD, Siege};

/// What must be seen of a message.
enum Seen {
    /// It is NACKed, and the page for people has these words.
    Refused(&'static [&'static str]),
    /// The stream is given up, for this reason.
    Ends(&'static str),
    /// It is taken or passed over without a word.
    Nothing,
}

fn wrapped(name: &str, type_url: &str, value: Vec<u8>) -> Resource {
    let any = Any { type_url: type_url.into(), value };
    Resource { name: name.into(), resource: Some(any), ..Resource::default() }
}

fn cluster(cluster: &Cluster) -> Resource {
    wrapped(&cluster.name, type_url::CLUSTER, cluster.encode_to_vec())
}

fn assignment(assignment: &ClusterLoadAssignment) -> Resource {
    wrapped(&assignment.cluster_name, type_url::ENDPOINTS, assignment.encode_to_vec())
}

fn message(type_url: &str, nonce: &str, resources: Vec<Resource>) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: type_url.into(),
        nonce: nonce.into(),
        resources,
        ..DeltaDiscoveryResponse::default()
    }
}

fn cds(resources: Vec<Resource>) -> Vec<u8> {
    message(type_url::CLUSTER, "hostile", resources).encode_to_vec()
}

fn eds(change: impl FnOnce(&mut ClusterLoadAssignment)) -> Vec<u8> {
    let mut good = endpoints(GOOD, &[([127, 0, 0, 1], 8080).into()]);
    change(&mut good);
    message(type_url::ENDPOINTS, "hostile", vec![assignment(&good)]).encode_to_vec()
}

fn bad(change: impl FnOnce(&mut Cluster)) -> Vec<u8> {
    let mut cluster_ = eds_cluster("bad");
    change(&mut cluster_);
    cds(vec![cluster(&cluster_)])
}

fn least_request(bias: f64) -> Vec<u8> {
    bad(|cluster| {
        cluster.lb_policy = LbPolicy::LeastRequest.into();
        let bias = RuntimeDouble { default_value: bias, runtime_key: "x".into() };
        let config = LeastRequestLbConfig { active_request_bias: Some(bias), ..<_>::default() };
        cluster.lb_config = Some(LbConfig::LeastRequestLbConfig(config));
    })
}

fn slow_start(percent: f64) -> Vec<u8> {
    bad(|cluster| {
        let slow_start_config = Some(SlowStartConfig {
            min_weight_percent: Some(Percent { value: percent }),
            ..SlowStartConfig::default()
        });
        cluster.lb_config =
            Some(LbConfig::RoundRobinLbConfig(RoundRobinLbConfig { slow_start_config }));
    })
}

fn ring(minimum: u64, maximum: u64) -> Vec<u8> {
    bad(|cluster| {
        cluster.lb_policy = LbPolicy::RingHash.into();
        let config = RingHashLbConfig {
            minimum_ring_size: Some(UInt64Value { value: minimum }),
            maximum_ring_size: Some(UInt64Value { value: maximum }),
            ..RingHashLbConfig::default()
        };
        cluster.lb_config = Some(LbConfig::RingHashLbConfig(config));
    })
}

fn weight(endpoint: &mut ClusterLoadAssignment, weight: u32) {
    for host in endpoint.endpoints.iter_mut().flat_map(|locality| &mut locality.lb_endpoints) {
        host.load_balancing_weight = Some(UInt32Value { value: weight });
    }
}

/// A field of length-delimited bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("a short field");
    [&[number << 3 | 2, length], bytes].concat()
}

fn hostile() -> Vec<(&'static str, Vec<u8>, Seen)> {
    use Seen::{Ends, Nothing, Refused};
    let good = cluster(&eds_cluster("extra"));
    let truncated = {
        let mut body = eds_cluster("cut").encode_to_vec();
        body.truncate(body.len() - 3);
        wrapped("cut", type_url::CLUSTER, body)
    };
    let not_utf8 = {
        let mut body = eds_cluster("words").encode_to_vec();
        // `alt_stat_name`.
        body.extend([0xe2, 0x01, 2, 0xff, 0xfe]);
        wrapped("words", type_url::CLUSTER, body)
    };
    vec![
        ("V01 a truncated resource", cds(vec![truncated]), Refused(&["cut"])),
        ("V01 no message at all", vec![0xff; 40], Ends("malformed message")),
        (
            "V02 another type inside",
            cds(vec![wrapped("other", type_url::ENDPOINTS, Vec::new())]),
            Refused(&["other", "resource.type_url"]),
        ),
        (
            "V02 a type that nobody asked for",
            message("type.googleapis.com/none", "n", vec![good.clone()]).encode_to_vec(),
            Refused(&["messages that nobody asked for"]),
        ),
        (
            "V03 a name given twice",
            cds(vec![good.clone(), good.clone()]),
            Refused(&["extra", "more than once"]),
        ),
        (
            "V03 a name given and removed",
            DeltaDiscoveryResponse {
                removed_resources: vec!["extra".into()],
                ..message(type_url::CLUSTER, "hostile", vec![good])
            }
            .encode_to_vec(),
            Refused(&["extra", "removed_resources"]),
        ),
        (
            "V08 a nonce of a megabyte",
            message(type_url::CLUSTER, &"n".repeat(1 << 20), Vec::new()).encode_to_vec(),
            Ends("a nonce of 1048576 bytes"),
        ),
        ("V08 no nonce", message(type_url::CLUSTER, "", Vec::new()).encode_to_vec(), Nothing),
        (
            "V12 endpoints of an unknown cluster",
            message(type_url::ENDPOINTS, "hostile", vec![assignment(&endpoints("nobody", &[]))])
                .encode_to_vec(),
            Nothing,
        ),
        (
            "V15 a bias that is no number",
            least_request(f64::NAN),
            Refused(&["active_request_bias"]),
        ),
        ("V15 an infinite bias", least_request(f64::INFINITY), Refused(&["active_request_bias"])),
        (
            "V15 a percentage that is no number",
            slow_start(f64::NAN),
            Refused(&["min_weight_percent"]),
        ),
        ("V15 a negative percentage", slow_start(-1.0), Refused(&["min_weight_percent"])),
        ("V16 a weight of nothing", eds(|it| weight(it, 0)), Refused(&["load_balancing_weight"])),
        (
            "V24 a priority beyond all",
            eds(|it| it.endpoints.iter_mut().for_each(|it| it.priority = u32::MAX)),
            Refused(&["priority"]),
        ),
        ("V26 a ring beyond all", ring(9_000_000, 9_000_000), Refused(&["ring_size"])),
        ("V26 a ring that is empty", ring(10, 5), Refused(&["ring_size"])),
        (
            "V27 a negative duration",
            bad(|it| {
                let never =
                    envoy_types::pb::google::protobuf::Duration { seconds: i64::MIN, nanos: 0 };
                it.connect_timeout = Some(never);
            }),
            Refused(&["connect_timeout"]),
        ),
        ("V28 no UTF-8 inside a resource", cds(vec![not_utf8]), Refused(&["words"])),
        (
            "V28 no UTF-8 in the envelope",
            // `system_version_info`.
            [field(1, &[0xff, 0xfe]), field(4, type_url::CLUSTER.as_bytes())].concat(),
            Ends("malformed message"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v01_v02_v03_v08_v12_v15_v16_v24_v26_v27_v28_wrong_messages_harm_no_request() -> Result<()>
{
    let mut siege = Siege::begin().await?;
    for (name, bytes, seen) in hostile() {
        let streams = siege.plane.streams_opened();
        assert_eq!(siege.plane.send_bytes(bytes), 1, "{name}: one stream is open");
        match seen {
            Seen::Refused(words) => siege.home_says(words).await?,
            Seen::Ends(reason) => siege.home_says(&[reason]).await?,
            Seen::Nothing => {}
        }
        siege.is_followed(name).await?;
        let ended = siege.plane.streams_opened() > streams;
        assert_eq!(ended, matches!(seen, Seen::Ends(_)), "{name}: whether the stream was given up");
    }
    siege.end().await
}

/// The same cluster comes and goes, and versions go back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v18_v19_v23_v31_restless_servers_harm_no_request() -> Result<()> {
    let mut siege = Siege::begin().await?;
    let flapping = eds_cluster("flapping");
    for round in 0..100_u32 {
        siege.plane.apply(match round % 2 {
            0 => Changes::new().cluster(&flapping).endpoints(&endpoints("flapping", &[])),
            _ => Changes::new().remove_cluster("flapping"),
        });
        siege
            .plane
            .send_bytes(message("type.googleapis.com/none", "n", Vec::new()).encode_to_vec());
    }
    siege.is_followed("flapping").await?;
    siege.home_says(&["100 messages that nobody asked for"]).await?;
    for version in ["v3", "v2", "v1"] {
        let mut mark = cluster(&eds_cluster("rolled back"));
        mark.version = version.into();
        siege.plane.send_bytes(cds(vec![mark]));
    }
    siege.is_followed("a version that goes back").await?;
    siege.end().await
}
