//! Messages as istiod sent them, with bytes changed: whatever still decodes is translated or refused, and
//! twice the same.

use destrier_control::{translate_cluster, translate_endpoints};
use destrier_policy::Origin;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use prost::{Message, Name};

use crate::recorded::recorded_resources;

/// How often each resource is damaged.
const DAMAGES: usize = 30;

#[test]
fn a_damaged_message_is_translated_or_refused() {
    let mut random = XorShift(0x9E37_79B9_7F4A_7C15);
    let mut translated = 0;
    let mut refused = 0;
    for resource in recorded_resources() {
        for _ in 0..DAMAGES {
            let mut bytes = resource.value.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            let is_good = if resource.type_url == Cluster::type_url() {
                let Ok(cluster) = Cluster::decode(bytes.as_slice()) else { continue };
                let result = translate_cluster(&cluster, Origin::Dynamic);
                assert_eq!(result, translate_cluster(&cluster, Origin::Dynamic));
                result.is_ok()
            } else {
                let decoded = ClusterLoadAssignment::decode(bytes.as_slice());
                let Ok(assignment) = decoded else { continue };
                let result = translate_endpoints(&assignment);
                assert_eq!(result, translate_endpoints(&assignment));
                result.is_ok()
            };
            *(if is_good { &mut translated } else { &mut refused }) += 1;
        }
    }
    // Otherwise the damage was too little, or too much, to say anything.
    assert!(translated > 1000 && refused > 100, "{translated} translated, {refused} refused");
}

/// Marsaglia's xorshift: the same numbers every time.
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
