//! What cannot be seen from outside.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use destrier_policy::Origin;
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType},
};
use prost::Message;

use super::*;
use crate::{Rejection, TranslatedCluster, translate_cluster};

fn now() -> Now {
    #[expect(clippy::disallowed_methods, reason = "an instant can be had from nowhere else")]
    let mono = Instant::now();
    Now { mono, wall: SystemTime::UNIX_EPOCH }
}

fn fixed(name: &str) -> ResourceRef {
    let cluster = Cluster {
        name: name.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        ..Default::default()
    };
    let body = cluster.encode_to_vec().into();
    ResourceRef { name: name.into(), version: String::new(), body }
}

fn panics_at_bad(cluster: &Cluster, origin: Origin) -> Result<TranslatedCluster, Vec<Rejection>> {
    assert_ne!(cluster.name, "bad", "no input does this");
    translate_cluster(cluster, origin)
}

#[test]
fn c167_a_panic_costs_one_resource() {
    let now = now();
    let mut assembler =
        Assembler::new(Vec::new(), AssemblerSettings::default(), BTreeSet::new(), now);
    assembler.translators.cluster = panics_at_bad;
    let resources = [fixed("bad"), fixed("good")];
    let change = Change {
        type_url: CLUSTER_TYPE,
        version: "",
        resources: &resources,
        unchanged: &[],
        removed: &[],
        absent: Absent::Unchanged,
    };
    let rejections = assembler.apply(change, now);
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0].resource, "bad");
    assert!(rejections[0].reason.contains("panicked"), "{}", rejections[0]);
    let snapshot = assembler.take_snapshot().expect("it changed");
    assert!(snapshot.clusters.contains_key("good") && !snapshot.clusters.contains_key("bad"));
    // The fault repaired, the very same resource is still refused as known; another is not.
    assembler.translators = Translators::default();
    assert_eq!(assembler.apply(change, now), rejections);
}

#[test]
fn a_deadline_stands_once() {
    let start = now().mono;
    let later = |seconds| Some(start + Duration::from_secs(seconds));
    let mut deadlines = Deadlines::default();
    let (a, b) = (Due::Warming("a".into()), Due::Removal("a".into()));
    deadlines.set(a.clone(), later(2));
    deadlines.set(b.clone(), later(1));
    deadlines.set(a.clone(), later(3));
    assert_eq!((deadlines.len(), deadlines.next()), (2, later(1)));
    deadlines.set(b.clone(), None);
    assert_eq!((deadlines.len(), deadlines.next()), (1, later(3)));
    assert_eq!(deadlines.pop(start), None);
    assert_eq!(deadlines.pop(start + Duration::from_secs(3)), Some(a));
    assert_eq!((deadlines.len(), deadlines.next()), (0, None));
}
