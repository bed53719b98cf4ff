//! What the manager does by itself: steps of slow start, exclusions, zones of the local cluster.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use destrier_balance::Preference;
use destrier_policy::{
    ClusterPolicy, EndpointSet, LbPolicy, Locality, LocalityEndpoints, Percent, SlowStart, Snapshot,
};

use crate::cluster::testing::{endpoint, policy, ports, snapshot, surroundings};
use crate::manager::Place;
use crate::manager::thread::Writer;
use crate::{Cluster, Directory, Standing};

/// A writer whose time is what the test says.
struct Rig {
    writer: Writer,
    directory: Directory,
    start: Instant,
}

impl Rig {
    fn new(place: Place) -> Self {
        let directory = Directory::default();
        let (_, queue) = mpsc::channel();
        let writer = Writer::new(directory.clone(), queue, place);
        Self { writer, directory, start: surroundings().now }
    }

    fn publish(&mut self, snapshot: Snapshot, seconds: u64) {
        let now = self.start + Duration::from_secs(seconds);
        self.writer.put_in_force(Some(Arc::new(snapshot)), &BTreeSet::new(), now);
    }

    fn rebuild(&mut self, name: &str, seconds: u64) {
        let now = self.start + Duration::from_secs(seconds);
        self.writer.put_in_force(None, &BTreeSet::from([name.into()]), now);
    }

    fn cluster(&self, name: &str) -> Arc<Cluster> {
        self.directory.get(name).expect("published")
    }

    /// The share of the picks that a host is to get.
    fn share(&self, name: &str, port: u16) -> f64 {
        let cluster = self.cluster(name);
        let shares = cluster.balancer().shares(cluster.hosts().len());
        let is = |host: &crate::Host| host.address().ip().is_some_and(|ip| ip.port() == port);
        let at = cluster.hosts().iter().position(is).expect("the host is there");
        shares[at]
    }
}

fn ramping() -> ClusterPolicy {
    let slow_start = SlowStart {
        window: Duration::from_secs(60),
        aggression: 1.0,
        min_weight_percent: Percent::new(10.0).expect("in range"),
    };
    let mut policy = policy("a");
    policy.common_lb.healthy_panic_threshold = Percent::ZERO;
    ClusterPolicy { lb: LbPolicy::RoundRobin { slow_start: Some(slow_start) }, ..policy }
}

#[test]
fn a_new_host_ramps_up_step_by_step() {
    let mut rig = Rig::new(Place::default());
    rig.publish(snapshot([(ramping(), ports([1, 2]))]), 0);
    assert_eq!(rig.share("a", 1), 0.5, "all are new, so none is throttled");
    rig.publish(snapshot([(ramping(), ports([1, 2, 3]))]), 100);
    let mut shares = vec![rig.share("a", 3)];
    while let Some(due) = rig.writer.next_step() {
        rig.writer.take_steps(due);
        shares.push(rig.share("a", 3));
    }
    assert_eq!(shares.len(), 51, "a step for each fiftieth of the window");
    assert!((shares[0] - 0.1 / 2.1).abs() < 1e-9, "{shares:?}");
    assert!(shares.is_sorted());
    assert!((shares[50] - 1.0 / 3.0).abs() < 1e-9, "{shares:?}");
}

#[test]
fn a_host_that_was_excluded_ramps_up_again() {
    let mut rig = Rig::new(Place::default());
    rig.publish(snapshot([(ramping(), ports([1, 2]))]), 0);
    rig.writer.take_steps(rig.start + Duration::from_secs(60));
    assert_eq!(rig.writer.next_step(), None, "nobody is new any more");

    let cluster = rig.cluster("a");
    cluster.hosts()[0].state().exclude();
    rig.rebuild("a", 100);
    assert_eq!(rig.cluster("a").hosts()[0].standing(), Standing::Excluded);
    assert_eq!(rig.share("a", 2), 1.0);
    cluster.hosts()[0].state().include();
    rig.rebuild("a", 130);
    assert!((rig.share("a", 1) - 0.1 / 1.1).abs() < 1e-9, "{}", rig.share("a", 1));
    rig.writer.take_steps(rig.start + Duration::from_secs(160));
    assert!((rig.share("a", 1) - 0.5 / 1.5).abs() < 1e-9, "{}", rig.share("a", 1));
}

#[test]
fn a_cluster_that_goes_takes_its_steps_with_it() {
    let mut rig = Rig::new(Place::default());
    rig.publish(snapshot([(ramping(), ports([1]))]), 0);
    assert!(rig.writer.next_step().is_some());
    rig.publish(snapshot([]), 1);
    assert_eq!(rig.writer.next_step(), None);
}

/// Endpoints by zone.
fn zoned(zones: &[&[u16]]) -> Arc<EndpointSet> {
    let localities = zones.iter().enumerate().map(|(zone, ports)| LocalityEndpoints {
        locality: Locality::new("r", &format!("z{zone}"), ""),
        priority: 0,
        weight: None,
        endpoints: ports.iter().copied().map(endpoint).collect(),
    });
    Arc::new(EndpointSet { localities: localities.collect(), ..EndpointSet::default() })
}

#[test]
fn requests_stay_in_the_zone_as_the_local_cluster_allows() {
    let place = Place {
        zone: Locality::new("r", "z0", ""),
        local_cluster: Some("me".into()),
        ..Place::default()
    };
    let mut rig = Rig::new(place);
    let upstream = zoned(&[&[1, 2, 3], &[4, 5, 6]]);
    let of = |local| snapshot([(policy("a"), Arc::clone(&upstream)), (policy("me"), local)]);
    rig.publish(of(zoned(&[&[80], &[81]])), 0);
    assert_eq!(rig.share("a", 4), 0.0);
    assert_eq!(rig.cluster("a").hosts()[3].standing(), Standing::Unreached);
    let before = rig.cluster("a");

    // Three of four clients are in the own zone now: two thirds of its requests stay.
    rig.publish(of(zoned(&[&[80, 82, 83], &[81]])), 1);
    assert!((rig.share("a", 1) - 0.6666 / 3.0).abs() < 1e-4, "{}", rig.share("a", 1));
    assert!(Arc::ptr_eq(before.state(), rig.cluster("a").state()));
    assert!(rig.cluster("a").pick(Preference::default(), 1).is_ok());
}
