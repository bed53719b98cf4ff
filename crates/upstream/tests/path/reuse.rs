//! Which connections are used again, and for how long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use destrier_upstream::{Body, ForwardError, Limit};
use tokio::io::AsyncWriteExt;

use crate::support::{Bed, Seen, answering, eventually, get, host, ok, post, read, read_head};

/// A host that closes a connection so long after each answer.
async fn fickle(after: Duration) -> (std::net::SocketAddr, Arc<Seen>) {
    host(move |mut stream, seen| async move {
        let mut buffer = Vec::new();
        let mut patience = Duration::from_secs(10);
        while let Ok(Some(_)) =
            tokio::time::timeout(patience, read_head(&mut stream, &mut buffer)).await
        {
            patience = after;
            seen.requests.fetch_add(1, Ordering::SeqCst);
            if stream.write_all(&ok("ok")).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// contract 0a: of requests that come when the host closes 2 ms after its answer, Envoy fails 12 to 24 %.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_closes_idle_connections_fails_no_request() {
    let (address, seen) = fickle(Duration::from_millis(2)).await;
    let bed = Bed::new(&[address], |_| ()).await;
    let clients = (0..4).map(|client| {
        let sender = bed.forward(client);
        tokio::spawn(async move {
            for number in 0..250 {
                assert_eq!(sender.get("/").await, Ok((200, Bytes::from("ok"))), "{number}");
                tokio::time::sleep(Duration::from_micros(1500 + number * 4)).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no request fails");
    }
    assert!(Seen::get(&seen.connections) > 4, "it did close connections");
    bed.quiet().await;
}

/// What is dead already is found so before a byte is written: harmless for any method.
#[tokio::test]
async fn a_dead_idle_connection_is_not_used_for_a_post() {
    let (address, seen) = fickle(Duration::from_millis(1)).await;
    let bed = Bed::new(&[address], |_| ()).await;
    for round in 1..=5 {
        let answer = bed.forward(0).send(post("/", Body::full("x".into()))).await;
        assert_eq!(read(answer.expect("answered")).await, Ok((200, "ok".into())));
        eventually("the host has closed", || Seen::get(&seen.open) == 0).await;
        assert_eq!(Seen::get(&seen.connections), round);
    }
    assert_eq!(Seen::get(&seen.requests), 5, "each was sent once");
}

/// A connection that ends after the request was written: a GET is sent once more, a POST is not.
#[tokio::test]
async fn only_idempotent_requests_are_sent_again() {
    let (address, seen) = host(|mut stream, seen| async move {
        let mut buffer = Vec::new();
        // The second request of each connection is read and not answered.
        for answer in [true, false] {
            if read_head(&mut stream, &mut buffer).await.is_none() {
                return;
            }
            seen.requests.fetch_add(1, Ordering::SeqCst);
            buffer.clear();
            if answer {
                stream.write_all(&ok("ok")).await.expect("it is read");
            }
        }
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let sender = bed.forward(0);
    for _ in 0..4 {
        assert_eq!(sender.get("/").await, Ok((200, Bytes::from("ok"))));
    }
    assert_eq!((Seen::get(&seen.connections), Seen::get(&seen.requests)), (4, 7));
    let error = sender.send(post("/", Body::empty())).await.expect_err("it is not sent again");
    assert_eq!(error, ForwardError::ConnectionTermination);
    assert_eq!(Seen::get(&seen.requests), 8);
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
}

#[tokio::test]
async fn a_connection_serves_so_many_requests_and_no_more() {
    let (address, seen) = answering(ok).await;
    let bed =
        Bed::new(&[address], |policy| policy.http.max_requests_per_connection = Some(2)).await;
    for _ in 0..5 {
        bed.forward(0).get("/").await.expect("answered");
    }
    assert_eq!(Seen::get(&seen.connections), 3);
    assert_eq!(bed.stat("upstream_cx_max_requests"), 2);
    assert_eq!(bed.used(Limit::Connections), 1);
}

#[tokio::test]
async fn unused_connections_are_closed_after_the_idle_timeout() {
    let (address, seen) = answering(ok).await;
    let idle = Some(Duration::from_millis(50));
    let bed = Bed::new(&[address], |policy| policy.http.idle_timeout = idle).await;
    bed.forward(0).get("/").await.expect("answered");
    assert_eq!(bed.used(Limit::Connections), 1);
    eventually("it is closed", || Seen::get(&seen.open) == 0).await;
    assert_eq!(bed.used(Limit::Connections), 0);
    assert_eq!(bed.stat("upstream_cx_idle_timeout"), 1);
    assert_eq!(bed.stat("upstream_cx_destroy_local"), 1);
    assert_eq!(bed.stat("upstream_cx_active"), 0);
}

/// The times in force are those of now, also for connections that are idle already.
#[tokio::test]
async fn a_shorter_idle_timeout_is_in_force_at_once() {
    let (address, seen) = answering(ok).await;
    let bed = Bed::new(&[address], |_| ()).await;
    bed.forward(0).get("/").await.expect("answered");
    bed.publish(|policy| policy.http.idle_timeout = Some(Duration::from_millis(10))).await;
    eventually("it is closed", || Seen::get(&seen.open) == 0).await;
    assert_eq!(bed.stat("upstream_cx_idle_timeout"), 1);
}

#[tokio::test]
async fn a_connection_ends_when_it_has_lived_long_enough() {
    let (address, seen) = answering(ok).await;
    let life = Some(Duration::from_millis(50));
    let bed = Bed::new(&[address], |policy| policy.http.max_connection_duration = life).await;
    bed.forward(0).get("/").await.expect("answered");
    eventually("it is closed", || Seen::get(&seen.open) == 0).await;
    assert_eq!(bed.stat("upstream_cx_max_duration_reached"), 1);
    bed.forward(0).get("/").await.expect("answered");
    assert_eq!(Seen::get(&seen.connections), 2);
}

#[tokio::test]
async fn a_change_of_limits_or_timeouts_reconnects_nothing() {
    let (address, seen) = answering(ok).await;
    let bed = Bed::new(&[address], |_| ()).await;
    for round in 1..20u32 {
        bed.forward(0).get("/").await.expect("answered");
        bed.publish(|policy| {
            policy.connect_timeout = Duration::from_millis(u64::from(round) * 100);
            policy.http.idle_timeout = Some(Duration::from_secs(u64::from(round) * 10));
            policy.http.max_requests_per_connection = Some(1000 * round);
            policy.circuit_breakers.thresholds[0].max_connections = round;
            policy.circuit_breakers.thresholds[0].max_pending_requests = round;
        })
        .await;
    }
    assert_eq!(Seen::get(&seen.connections), 1);
}

#[tokio::test]
async fn connections_to_a_host_that_left_are_closed_when_they_are_idle() {
    let (stays, _) = answering(ok).await;
    let (leaves, seen, gate) = crate::limits::holding().await;
    gate.add_permits(1);
    let bed = Bed::new(&[leaves], |_| ()).await;
    bed.forward(0).get("/").await.expect("answered");
    let busy = [bed.forward(0), bed.forward(0)]
        .map(|sender| tokio::spawn(async move { sender.get("/").await.map(|(status, _)| status) }));
    eventually("they are at the host", || Seen::get(&seen.requests) == 3).await;
    gate.add_permits(1);
    eventually("one is idle", || bed.used(Limit::Requests) == 1).await;
    bed.publish_hosts(&[stays], |_| ()).await;
    eventually("the idle one is closed", || Seen::get(&seen.open) == 1).await;
    gate.add_permits(1);
    for request in busy {
        assert_eq!(request.await.expect("no panic"), Ok(200), "a request in flight finishes");
    }
    eventually("it is closed", || Seen::get(&seen.open) == 0).await;
    assert_eq!(bed.used(Limit::Connections), 0);
}

/// A worker prefers the connection whose registration is its own.
#[tokio::test]
async fn the_own_workers_connection_is_preferred() {
    let (address, seen) = answering(ok).await;
    let bed = Bed::new(&[address], |_| ()).await;
    let (first, second) = (bed.forward(0), bed.forward(1));
    let (a, b) = tokio::join!(first.send(get("/")), second.send(get("/")));
    let (a, b) = (a.expect("answered"), b.expect("answered"));
    drop((a, b));
    assert_eq!(Seen::get(&seen.connections), 2);
    for _ in 0..10 {
        first.get("/").await.expect("answered");
    }
    assert_eq!(Seen::get(&seen.connections), 2);
}
