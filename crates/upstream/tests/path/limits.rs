//! Circuit breakers through real pools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use destrier_policy::{ClusterPolicy, Thresholds};
use destrier_upstream::{ForwardError, Limit};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{Bed, Seen, answering, eventually, get, host, ok, read, read_head};

/// A host that answers when it is let.
pub(crate) async fn holding() -> (std::net::SocketAddr, Arc<Seen>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let (address, seen) = host(move |mut stream, seen| {
        let gate = held.clone();
        async move {
            let mut buffer = Vec::new();
            while read_head(&mut stream, &mut buffer).await.is_some() {
                seen.requests.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.expect("it stays open").forget();
                if stream.write_all(&ok("ok")).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, seen, gate)
}

pub(crate) fn limits(connections: u32, pending: u32, requests: u32) -> impl Fn(&mut ClusterPolicy) {
    move |policy| {
        policy.circuit_breakers.thresholds[0] = Thresholds {
            max_connections: connections,
            max_pending_requests: pending,
            max_requests: requests,
            ..Thresholds::default()
        };
    }
}

/// Sends so many requests at once, waits until `refused` of them are and gives the rest.
async fn burst(bed: &Bed, count: usize, refused: usize) -> JoinSet<Result<u16, ForwardError>> {
    let mut requests = JoinSet::new();
    let failed = Arc::new(AtomicUsize::new(0));
    for worker in 0..count {
        let (sender, failed) = (bed.forward(worker), failed.clone());
        requests.spawn(async move {
            let answer = sender.get("/").await.map(|(status, _)| status);
            failed.fetch_add(usize::from(answer.is_err()), Ordering::SeqCst);
            answer
        });
    }
    eventually("some are refused", || failed.load(Ordering::SeqCst) >= refused).await;
    requests
}

async fn outcome(requests: JoinSet<Result<u16, ForwardError>>, limit: Limit) -> (usize, usize) {
    let answers = requests.join_all().await;
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(*error, ForwardError::Overflow(limit));
    }
    let good = answers.iter().filter(|answer| **answer == Ok(200)).count();
    (good, answers.len() - good)
}

/// contract 0a: three connections and two waiting pass, the rest is refused, whatever the worker.
#[tokio::test]
async fn a_cold_burst_passes_connections_and_pending() {
    let (address, seen, gate) = holding().await;
    let bed = Bed::new(&[address], limits(3, 2, 1024)).await;
    let requests = burst(&bed, 10, 5).await;
    eventually("three are at the host", || Seen::get(&seen.requests) == 3).await;
    assert_eq!(bed.used(Limit::Connections), 3);
    assert_eq!(bed.used(Limit::Pending), 2);
    assert_eq!(bed.stat("upstream_rq_pending_active"), 2);
    gate.add_permits(10);
    assert_eq!(outcome(requests, Limit::Pending).await, (5, 5));
    assert_eq!(Seen::get(&seen.peak), 3);
    assert_eq!(bed.stat("upstream_rq_pending_overflow"), 5);
    assert_eq!(bed.stat("upstream_cx_overflow"), 2);
    bed.quiet().await;
}

/// contract 9.9, C1.
#[tokio::test]
async fn one_connection_and_one_pending() {
    let (address, _, gate) = holding().await;
    let bed = Bed::new(&[address], limits(1, 1, 1024)).await;
    let requests = burst(&bed, 5, 3).await;
    gate.add_permits(5);
    assert_eq!(outcome(requests, Limit::Pending).await, (2, 3));
    bed.quiet().await;
}

/// contract 9.9, C2: a request that needs a connection waits for it, so none may when none may wait.
#[tokio::test]
async fn without_pending_requests_nothing_opens_a_connection() {
    let (address, seen) = answering(ok).await;
    let bed = Bed::new(&[address], limits(10, 0, 10)).await;
    assert_eq!(bed.forward(0).get("/").await, Err(ForwardError::Overflow(Limit::Pending)));
    assert_eq!(Seen::get(&seen.connections), 0);
    bed.publish(limits(10, 1, 10)).await;
    bed.forward(0).get("/").await.expect("it may wait");
    bed.publish(limits(10, 0, 10)).await;
    bed.forward(0).get("/").await.expect("there is an idle connection");
}

/// contract 9.9, C3.
#[tokio::test]
async fn requests_in_flight() {
    let (address, seen, gate) = holding().await;
    let bed = Bed::new(&[address], limits(1024, 1024, 2)).await;
    let requests = burst(&bed, 5, 3).await;
    assert_eq!(bed.used(Limit::Requests), 2);
    gate.add_permits(5);
    assert_eq!(outcome(requests, Limit::Requests).await, (2, 3));
    assert_eq!(bed.stat("upstream_rq_active_overflow"), 3);
    assert_eq!(bed.stat("upstream_rq_total"), 2);
    assert_eq!(Seen::get(&seen.requests), 2);
    bed.quiet().await;
    // The permit is held to the end of the body, and comes back when it is dropped.
    gate.add_permits(10);
    let held = [bed.forward(0).send(get("/")).await, bed.forward(0).send(get("/")).await];
    assert_eq!(bed.forward(0).get("/").await, Err(ForwardError::Overflow(Limit::Requests)));
    drop(held);
    bed.forward(0).get("/").await.expect("there is room again");
}

#[tokio::test]
async fn priorities_have_limits_of_their_own() {
    let (address, _, gate) = holding().await;
    let bed = Bed::new(&[address], |policy| {
        limits(1, 1, 1)(policy);
        policy.circuit_breakers.thresholds[1].max_requests = 0;
    })
    .await;
    gate.add_permits(10);
    assert_eq!(bed.forward(0).high().get("/").await, Err(ForwardError::Overflow(Limit::Requests)));
    bed.forward(0).get("/").await.expect("the other priority has room");
}

#[tokio::test]
async fn a_raised_limit_wakes_who_waits() {
    let (address, seen, gate) = holding().await;
    let bed = Bed::new(&[address], limits(1, 10, 100)).await;
    let requests = burst(&bed, 5, 0).await;
    eventually("four wait", || bed.used(Limit::Pending) == 4).await;
    bed.publish(limits(3, 10, 100)).await;
    eventually("three are at the host", || Seen::get(&seen.requests) == 3).await;
    assert_eq!(bed.used(Limit::Pending), 2);
    gate.add_permits(5);
    assert_eq!(outcome(requests, Limit::Pending).await, (5, 0));
    assert_eq!(Seen::get(&seen.peak), 3);
}

/// A lowered limit throws nobody out, and holds for all that comes.
#[tokio::test]
async fn a_lowered_limit_holds_for_what_comes() {
    let (address, seen, gate) = holding().await;
    let bed = Bed::new(&[address], limits(3, 10, 100)).await;
    let first = burst(&bed, 3, 0).await;
    eventually("three are at the host", || Seen::get(&seen.requests) == 3).await;
    bed.publish(limits(1, 10, 100)).await;
    let second = burst(&bed, 3, 0).await;
    eventually("three wait", || bed.used(Limit::Pending) == 3).await;
    gate.add_permits(6);
    assert_eq!(outcome(first, Limit::Pending).await, (3, 0));
    assert_eq!(outcome(second, Limit::Pending).await, (3, 0));
    assert_eq!(Seen::get(&seen.connections), 3);
}

/// design 6: the least recently used idle connection of another host is closed and its permit handed on.
#[tokio::test]
async fn an_idle_connection_of_another_host_makes_room() {
    let (a, seen_a) = answering(ok).await;
    let (b, seen_b) = answering(ok).await;
    let bed = Bed::new(&[a, b], limits(1, 1, 100)).await;
    for round in 1..=10 {
        bed.forward(0).get("/").await.expect("answered");
        assert_eq!(Seen::get(&seen_a.connections) + Seen::get(&seen_b.connections), round);
        assert_eq!(bed.used(Limit::Connections), 1);
    }
}

/// Requests that wait for a host that does not answer the handshake fail together, after one timeout.
#[tokio::test]
async fn who_waits_for_a_dead_host_waits_no_longer_than_the_connect_timeout() {
    // A full backlog: the handshake is not answered.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("the system gives a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("valid");
    socket.bind(&any.into()).expect("loopback is there");
    socket.listen(0).expect("it listens");
    let address = socket.local_addr().expect("bound").as_socket().expect("IPv4");
    let mut fill = Vec::new();
    for _ in 0..4 {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(50), connect).await {
            Ok(stream) => fill.push(stream),
            Err(_) => break,
        }
    }
    let bed = Bed::new(&[address], |policy| {
        limits(1, 10, 100)(policy);
        policy.connect_timeout = Duration::from_millis(200);
    })
    .await;
    let begun = tokio::time::Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..5 {
        let sender = bed.forward(0);
        requests.spawn(async move { sender.get("/").await });
    }
    for answer in requests.join_all().await {
        assert_eq!(answer, Err(ForwardError::ConnectTimeout));
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(bed.stat("upstream_cx_connect_timeout"), 1);
    assert_eq!(bed.stat("upstream_rq_pending_failure_eject"), 5);
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
}

#[tokio::test]
async fn drop_overload_is_in_force() {
    let (address, seen) = answering(ok).await;
    let bed = Bed::new(&[address], |_| ()).await;
    bed.publish_dropping(100.0).await;
    let error = bed.forward(0).get("/").await.expect_err("all are dropped");
    assert_eq!(error, ForwardError::DropOverload);
    assert_eq!(Seen::get(&seen.requests), 0);
    assert_eq!(bed.stat("upstream_rq_503"), 1);
    bed.publish_dropping(0.0).await;
    let answer = bed.forward(0).send(get("/")).await.expect("none is dropped");
    assert_eq!(read(answer).await.map(|(status, _)| status), Ok(200));
}
