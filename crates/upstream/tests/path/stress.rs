//! Limits under load from many threads: never one more than allowed, and nothing is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use destrier_policy::ClusterPolicy;
use destrier_upstream::Limit;
use tokio::runtime::Builder;

use crate::http2::{Habits, STEADY, answer, http2, streams};
use crate::limits::limits;
use crate::support::{Bed, Seen, answering, ok, post};

/// Runs `work` on so many threads, each with a runtime of its own, as workers are.
fn on_workers<F>(workers: usize, work: impl Fn(usize) -> F + Sync)
where
    F: Future<Output = ()>,
{
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let work = &work;
            scope.spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build();
                runtime.expect("the system gives a runtime").block_on(work(worker));
            });
        }
    });
}

/// One connection, three hosts, four workers: each request finds its host's connection, or takes the
/// permit of another's, or waits.
#[test]
fn one_connection_for_three_hosts_and_four_workers() {
    const REQUESTS: usize = 10_000;
    let hosts = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let hosts = hosts.expect("the system gives a runtime");
    let (bed, seen) = hosts.block_on(async {
        let (a, b, c) = tokio::join!(answering(ok), answering(ok), answering(ok));
        let bed = Bed::new(&[a.0, b.0, c.0], limits(1, 1024, 1024)).await;
        (bed, [a.1, b.1, c.1])
    });
    let next = AtomicUsize::new(0);
    let peak = AtomicUsize::new(0);
    on_workers(4, async |worker| {
        let sender = bed.forward(worker);
        while next.fetch_add(1, Ordering::Relaxed) < REQUESTS {
            let (status, _) = sender.get("/").await.expect("all succeed");
            assert_eq!(status, 200);
            peak.fetch_max(bed.used(Limit::Connections) as usize, Ordering::Relaxed);
        }
    });
    let requests: usize = seen.iter().map(|seen| Seen::get(&seen.requests)).sum();
    assert_eq!(requests, REQUESTS, "each was sent once");
    assert_eq!(peak.into_inner(), 1);
    assert!(bed.used(Limit::Connections) <= 1);
    assert_eq!((bed.used(Limit::Requests), bed.used(Limit::Pending)), (0, 0));
}

/// Requests that are given up at any moment leave nothing behind.
#[test]
fn permits_come_back_from_requests_that_are_given_up() {
    give_up_at_random(20_000, async |()| answering(ok).await, |_| ());
}

#[test]
fn permits_come_back_from_streams_that_are_given_up() {
    let host = async |()| {
        let serve = async |_, respond| answer(respond, "ok").await;
        streams(Habits { max_streams: 3, ..STEADY }, serve).await
    };
    give_up_at_random(5_000, host, http2);
}

fn give_up_at_random(
    requests: usize,
    host: impl AsyncFnOnce(()) -> (SocketAddr, Arc<Seen>),
    change: impl FnOnce(&mut ClusterPolicy),
) {
    let hosts = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let hosts = hosts.expect("the system gives a runtime");
    let (bed, seen) = hosts.block_on(async {
        let (address, seen) = host(()).await;
        let bed = Bed::new(&[address], |policy| {
            limits(4, 8, 16)(policy);
            change(policy);
        })
        .await;
        (bed, seen)
    });
    let next = AtomicUsize::new(0);
    on_workers(4, async |worker| {
        let sender = bed.forward(worker);
        while next.fetch_add(1, Ordering::Relaxed) < requests {
            let patience = Duration::from_micros(rand::random_range(0..400));
            if rand::random() {
                let _ = tokio::time::timeout(patience, sender.get("/")).await;
            } else {
                let (pieces, body) = crate::uploads::fed();
                let _ = tokio::time::timeout(patience, sender.send(post("/", body))).await;
                drop(pieces);
            }
        }
    });
    assert!(Seen::get(&seen.requests) > 0);
    hosts.block_on(bed.quiet());
    assert!(bed.used(Limit::Connections) <= 4);
    // Every permit is there: so many requests pass at once.
    hosts.block_on(async {
        let sends: Vec<_> = (0..4).map(|worker| bed.forward(worker)).collect();
        let answers = futures_util::future::join_all(sends.iter().map(|s| s.get("/"))).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    });
}
