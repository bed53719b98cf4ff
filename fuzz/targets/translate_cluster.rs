//! Any cluster or assignment that decodes is translated or refused, and twice the same.
#![no_main]

use destrier_control::{translate_cluster, translate_endpoints};
use destrier_policy::Origin;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|input: &[u8]| {
    if let Ok(cluster) = Cluster::decode(input) {
        let result = translate_cluster(&cluster, Origin::Dynamic);
        // A value that is not equal to itself, such as NaN, would make every push a change.
        assert_eq!(result, translate_cluster(&cluster, Origin::Dynamic));
    }
    if let Ok(assignment) = ClusterLoadAssignment::decode(input) {
        assert_eq!(translate_endpoints(&assignment), translate_endpoints(&assignment));
    }
});
