mod steps;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use destrier_balance::Preference;
use destrier_policy::{RoutingPriority, Snapshot};
use tokio::time::{sleep, timeout};

use super::ClusterManager;
use super::retired::Retired;
use crate::cluster::testing::{policy, ports, snapshot, surroundings};
use crate::reconcile::{Reconciled, Stale, reconcile};
use crate::{Clusters, Directory, Limit, StatValue};

fn one(limit: u32, hosts: impl IntoIterator<Item = u16>) -> Arc<Snapshot> {
    let mut policy = policy("a");
    policy.circuit_breakers.thresholds[0].max_requests = limit;
    Arc::new(snapshot([(policy, ports(hosts))]))
}

#[tokio::test]
async fn what_was_published_is_in_force_after_a_flush() {
    let manager = ClusterManager::start().expect("a thread");
    let directory = manager.directory().clone();
    assert!(directory.get("a").is_none());
    let snapshot = one(3, [1]);
    manager.publish(snapshot.clone());
    manager.flush().await;
    let cluster = directory.get("a").expect("published");
    assert_eq!(cluster.hosts().len(), 1);
    let limit = cluster.state().breakers().usage(RoutingPriority::Default, Limit::Requests).limit;
    assert_eq!(limit, 3);
    assert!(Arc::ptr_eq(directory.load().snapshot(), &snapshot));

    manager.publish(one(5, [1, 2]));
    manager.flush().await;
    let limit = cluster.state().breakers().usage(RoutingPriority::Default, Limit::Requests).limit;
    assert_eq!(limit, 5, "the new limit holds for requests of the old cluster as well");
}

#[tokio::test]
async fn of_many_snapshots_the_last_is_in_force() {
    let manager = ClusterManager::start().expect("a thread");
    for hosts in 1..=200 {
        manager.publish(one(1, 1..=hosts));
    }
    manager.flush().await;
    let cluster = manager.directory().get("a").expect("published");
    assert_eq!(cluster.hosts().len(), 200);
}

#[tokio::test]
async fn changes_are_counted() {
    let manager = ClusterManager::start().expect("a thread");
    for (limit, hosts) in [(1, 1..=2), (2, 1..=2), (2, 1..=3), (2, 2..=3)] {
        manager.publish(one(limit, hosts));
        manager.flush().await;
    }
    let mut stats = BTreeMap::new();
    let mut note = |name: &str, value: StatValue<'_>| {
        stats.insert(name.to_owned(), format!("{value:?}"));
    };
    manager.directory().get("a").expect("published").visit_stats(&mut note);
    manager.publish(Arc::default());
    manager.flush().await;
    manager.directory().visit_stats(&mut note);
    for (name, value) in [
        ("membership_change", "Counter(3)"),
        ("cluster_added", "Counter(1)"),
        ("cluster_modified", "Counter(1)"),
        ("cluster_updated", "Counter(3)"),
        ("cluster_removed", "Counter(1)"),
        ("active_clusters", "Gauge(0)"),
    ] {
        assert_eq!(stats.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn what_was_replaced_is_kept_while_it_is_held_and_freed_after() {
    let manager = ClusterManager::start().expect("a thread");
    manager.publish(one(1, [1]));
    manager.flush().await;
    let held = manager.directory().get("a").expect("published");
    let map = Arc::downgrade(&manager.directory().load());
    let cluster = Arc::downgrade(&held);
    manager.publish(one(2, [2]));
    manager.flush().await;
    manager.flush().await;
    assert!(map.upgrade().is_none(), "nobody held the map");
    drop(held);
    let freed = async {
        while cluster.strong_count() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), freed).await.expect("the manager frees it");
}

/// A worker that drops its last hold on a replaced cluster must not be the one that frees it.
#[test]
fn only_the_sweep_frees_what_was_replaced() {
    let Reconciled { clusters, .. } = reconcile(
        &Clusters::default(),
        one(1, [1]),
        &surroundings(),
        &Stale::Some(&BTreeSet::new()),
        &mut || 0,
    );
    let held = clusters.get("a").expect("there").clone();
    let (map, cluster) = (Arc::new(clusters), Arc::downgrade(&held));
    let mut retired = Retired::default();
    retired.keep_clusters(map.clone());
    retired.keep_cluster(held.clone(), Vec::new());
    for held in [Box::new(map) as Box<dyn Any>, Box::new(held)] {
        retired.sweep(&Directory::default());
        assert!(retired.next_sweep().is_some());
        drop(held);
        assert!(cluster.upgrade().is_some());
    }
    retired.sweep(&Directory::default());
    assert!(retired.next_sweep().is_none() && cluster.upgrade().is_none());
}

#[test]
fn the_thread_ends_with_its_handle_after_what_was_queued() {
    let manager = ClusterManager::start().expect("a thread");
    let directory = manager.directory().clone();
    manager.publish(one(1, [1, 2]));
    drop(manager);
    assert_eq!(directory.get("a").expect("published").hosts().len(), 2);
}

/// Readers never miss a cluster that every snapshot has, and never see two of its hosts from different
/// snapshots.
#[tokio::test]
async fn readers_see_whole_snapshots_while_they_change() {
    let manager = ClusterManager::start().expect("a thread");
    manager.publish(one(1, 1..=2));
    manager.flush().await;
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let stop_on_panic = StopOnDrop(&stop);
    thread::scope(|scope| {
        let mut readers = Vec::new();
        for random in 0..4 {
            let directory = manager.directory().clone();
            let (stop, reads) = (&stop, &reads);
            readers.push(scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let cluster = directory.get("a").expect("always there");
                    let request = cluster
                        .pick(Preference::default(), random)
                        .expect("a host")
                        .state()
                        .begin_request();
                    let wanted = cluster.hosts().len() as u16;
                    let ports = cluster.hosts().iter().filter_map(|host| host.address().ip());
                    assert!(ports.map(|ip| ip.port()).eq(1..=wanted));
                    reads.fetch_add(1, Ordering::Relaxed);
                    drop(request);
                }
            }));
        }
        for update in 0..2000u16 {
            let mut next = (*one(u32::from(update), 1..=1 + update % 7)).clone();
            if update % 3 == 0 {
                next.clusters.extend(snapshot([(policy("b"), ports([9]))]).clusters);
            }
            manager.publish(Arc::new(next));
            if update % 100 == 0 {
                // Readers see each of these, and the thread is not only skipping to the newest.
                let seen = reads.load(Ordering::Relaxed);
                let failed = || readers.iter().any(|reader| reader.is_finished());
                while reads.load(Ordering::Relaxed) < seen + 10 && !failed() {
                    thread::yield_now();
                }
            }
        }
        drop(stop_on_panic);
    });
    manager.flush().await;
    let cluster = manager.directory().get("a").expect("still there");
    let active: u32 = cluster.hosts().iter().map(|host| host.state().active_requests()).sum();
    assert_eq!(active, 0);
    assert!(reads.load(Ordering::Relaxed) > 200);
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
