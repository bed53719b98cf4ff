//! Connections of their own.

use bytes::BytesMut;
use destrier_upstream::{ForwardError, Limit};

use crate::limits::limits;
use crate::support::{Bed, Seen, eventually, host};

#[tokio::test]
async fn a_connection_for_each_client_within_the_limits() {
    let (address, seen) = host(async |mut stream, _| {
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let bed = Bed::new(&[address], limits(2, 1, 1)).await;
    let first = bed.forward(0).connect().await.expect("there is room");
    let second = bed.forward(1).connect().await.expect("requests are not counted");
    let sender = bed.forward(2);
    let third = tokio::spawn(async move { sender.connect().await });
    eventually("the third waits", || bed.used(Limit::Pending) == 1).await;
    let fourth = bed.forward(3).connect().await.expect_err("no further one may wait");
    assert_eq!(fourth, ForwardError::Overflow(Limit::Pending));

    first.stream().write_all(&mut &b"ping"[..]).await.expect("it is open");
    first.stream().shutdown_write().expect("it is open");
    let mut read = BytesMut::with_capacity(64);
    while std::future::poll_fn(|cx| first.stream().poll_read(cx, &mut read)).await.expect("open")
        > 0
    {}
    assert_eq!(read, "ping", "what was sent before the half-close comes back");

    drop(first);
    let third = third.await.expect("no panic").expect("it is its turn");
    assert_eq!((bed.used(Limit::Connections), Seen::get(&seen.connections)), (2, 3));
    drop((second, third));
    assert_eq!(bed.used(Limit::Connections), 0);
    eventually("the host sees their ends", || Seen::get(&seen.open) == 0).await;
}
