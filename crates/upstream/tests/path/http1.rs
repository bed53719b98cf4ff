//! Requests and answers over HTTP/1.

use bytes::Bytes;
use destrier_policy::HttpOptions;
use destrier_upstream::{Body, BodyError, ForwardError, Limit};
use http::{Method, Request, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;

use crate::support::{Bed, Seen, answering, eventually, get, ok, post};

#[tokio::test]
async fn requests_in_turn_use_one_connection() {
    let (address, seen) = answering(ok).await;
    let bed = Bed::new(&[address], |_| ()).await;
    let sender = bed.forward(0);
    for path in ["/a", "/b", "/c"] {
        assert_eq!(sender.get(path).await, Ok((200, Bytes::from(path))));
    }
    assert_eq!(Seen::get(&seen.connections), 1);
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 1);
    assert_eq!(bed.stat("upstream_rq_200"), 3);
    assert_eq!(bed.stat("upstream_cx_total"), 1);
    assert_eq!(bed.stat("upstream_rq_pending_total"), 1);
    let request = "GET /a HTTP/1.1\r\nhost: test\r\n\r\n".len() as u64;
    assert_eq!(bed.stat("upstream_cx_tx_bytes_total"), 3 * request);
    assert_eq!(bed.stat("upstream_cx_rx_bytes_total"), 3 * ok("/a").len() as u64);
}

/// Answers without a body leave the connection usable, whatever their headers say.
#[tokio::test]
async fn head_204_and_304_have_no_body() {
    let (address, seen) = answering(|path| {
        match path {
            "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".into(),
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n".into(),
            _ => "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n".to_owned(),
        }
        .into_bytes()
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let sender = bed.forward(0);
    let mut head = get("/head");
    *head.method_mut() = Method::HEAD;
    let answer = sender.send(head).await.expect("it is answered");
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "10");
    assert!(answer.body().is_end_stream());
    assert_eq!(sender.get("/204").await, Ok((204, Bytes::new())));
    assert_eq!(sender.get("/304").await, Ok((304, Bytes::new())));
    assert_eq!(Seen::get(&seen.connections), 1);
}

#[tokio::test]
async fn chunked_answers_and_such_that_end_with_the_connection() {
    let (address, seen) = answering(|path| match path {
        "/chunked" => {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n"
                .to_vec()
        }
        _ => ok("after"),
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let sender = bed.forward(0);
    let answer = sender.send(get("/chunked")).await.expect("it is answered");
    assert!(!answer.headers().contains_key(header::TRANSFER_ENCODING));
    let body = answer.into_body().collect().await.expect("it is whole");
    assert_eq!(body.trailers(), None, "trailers are dropped unless enabled");
    assert_eq!(body.to_bytes(), "abcde");
    assert_eq!(sender.get("/after").await, Ok((200, Bytes::from("after"))));
    assert_eq!(Seen::get(&seen.connections), 1);

    bed.publish(|policy| policy.http.http1.enable_trailers = true).await;
    let answer = sender.send(get("/chunked")).await.expect("it is answered");
    let body = answer.into_body().collect().await.expect("it is whole");
    assert_eq!(
        body.trailers().map(|trailers| trailers["x-t"].clone()),
        Some("1".parse().expect("valid"))
    );

    let (address, _) = closing(b"HTTP/1.0 200 OK\r\n\r\nto the end").await;
    let bed = Bed::new(&[address], |_| ()).await;
    assert_eq!(bed.forward(0).get("/").await, Ok((200, Bytes::from("to the end"))));
    eventually("the connection is gone", || bed.used(Limit::Connections) == 0).await;
}

/// A host that answers once with these bytes and closes.
async fn closing(bytes: &'static [u8]) -> (std::net::SocketAddr, std::sync::Arc<Seen>) {
    crate::support::host(move |mut stream, seen| async move {
        let mut buffer = Vec::new();
        if crate::support::read_head(&mut stream, &mut buffer).await.is_some() {
            seen.requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await;
        }
    })
    .await
}

#[tokio::test]
async fn interim_answers_are_dropped() {
    let (address, _) = answering(|_| {
        let mut bytes =
            b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n".to_vec();
        bytes.extend(ok("final"));
        bytes
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    assert_eq!(bed.forward(0).get("/").await, Ok((200, Bytes::from("final"))));
}

/// local-replies.json: upstream-garbage, upstream-cl-te, upstream-two-content-lengths,
/// upstream-big-header, upstream-many-headers, reset-before-headers.
#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let big = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(100 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(150));
    for malformed in [
        "this is not HTTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n1",
        &big,
        &many,
    ] {
        let (address, _) = closing(malformed.to_owned().leak().as_bytes()).await;
        let bed = Bed::new(&[address], |_| ()).await;
        let error = bed.forward(0).get("/").await.expect_err("it is no answer");
        assert!(matches!(error, ForwardError::Protocol(_)), "{error:?}");
        assert_eq!(error.status(), 502);
        bed.quiet().await;
        assert_eq!(bed.used(Limit::Connections), 0);
        assert_eq!(bed.stat("upstream_cx_protocol_error"), 1);
        assert_eq!(bed.stat("upstream_cx_destroy_local_with_active_rq"), 1);
        assert_eq!(bed.stat("upstream_rq_502"), 1);
    }
    let (address, seen) = closing(b"").await;
    let bed = Bed::new(&[address], |_| ()).await;
    assert_eq!(bed.forward(0).get("/").await, Err(ForwardError::ConnectionTermination));
    assert_eq!(Seen::get(&seen.requests), 1, "a new connection's end is not tried again");
    assert_eq!(bed.stat("upstream_cx_destroy_remote_with_active_rq"), 1);
    assert_eq!(bed.stat("upstream_rq_503"), 1);
}

#[tokio::test]
async fn limits_of_the_head_are_those_of_the_policy() {
    let (address, _) =
        answering(|_| b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\ncontent-length: 0\r\n\r\n".to_vec())
            .await;
    let limited = |http: &mut HttpOptions| http.max_headers_count = 2;
    let bed = Bed::new(&[address], |policy| limited(&mut policy.http)).await;
    let error = bed.forward(0).get("/").await.expect_err("there are three");
    assert!(matches!(error, ForwardError::Protocol(_)), "{error:?}");
}

/// local-replies.json: reset-after-headers.
#[tokio::test]
async fn a_cut_body_is_never_ended_cleanly() {
    for cut in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n",
    ] {
        let (address, _) = closing(cut).await;
        let bed = Bed::new(&[address], |_| ()).await;
        let answer = bed.forward(0).send(get("/")).await.expect("the head is whole");
        let mut body = answer.into_body();
        let first = body.frame().await.expect("there is some").expect("it is good");
        assert_eq!(first.into_data().expect("it is data"), "01234");
        let error = body.frame().await.expect("it does not just end").expect_err("it is cut");
        assert!(matches!(error, BodyError::Ended(_)), "{error:?}");
        assert_eq!(error.details(), "upstream_reset_after_response_started{protocol_error}");
        bed.quiet().await;
        assert_eq!(bed.used(Limit::Connections), 0);
    }
}

#[tokio::test]
async fn a_connection_is_not_reused_after_close_or_with_bytes_behind() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong",
    ] {
        let (address, seen) = answering(move |_| answer.to_vec()).await;
        let bed = Bed::new(&[address], |_| ()).await;
        for _ in 0..2 {
            assert_eq!(bed.forward(0).get("/").await, Ok((200, Bytes::from("ok"))));
            eventually("it is closed", || bed.used(Limit::Connections) == 0).await;
        }
        assert_eq!(Seen::get(&seen.connections), 2);
    }
}

/// local-replies.json: connect-refused, no-hosts, cluster-not-found.
#[tokio::test]
async fn failures_to_reach_a_host() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let bed = Bed::new(&[address], |_| ()).await;
    let error = bed.forward(0).get("/").await.expect_err("nobody listens");
    assert_eq!(
        error.details(),
        "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
    );
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
    for stat in [
        "upstream_cx_connect_fail",
        "upstream_cx_destroy",
        "upstream_cx_destroy_remote",
        "upstream_cx_http1_total",
        "upstream_cx_total",
        "upstream_rq_503",
        "upstream_rq_pending_failure_eject",
        "upstream_rq_pending_total",
    ] {
        assert_eq!(bed.stat(stat), 1, "{stat}");
    }
    assert_eq!(bed.stat("upstream_rq_total"), 0);
    assert_eq!(bed.stat("upstream_cx_active"), 0);

    bed.publish_hosts(&[], |_| ()).await;
    assert_eq!(bed.forward(0).get("/").await, Err(ForwardError::NoHealthyUpstream));
    assert_eq!(bed.stat("upstream_cx_none_healthy"), 1);
}

#[tokio::test]
async fn a_switch_of_protocols_hands_over_the_connection() {
    let (address, _) = crate::support::host(|mut stream, _| async move {
        let mut buffer = Vec::new();
        let head = crate::support::read_head(&mut stream, &mut buffer).await.expect("a head");
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: echo\r\n"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.expect("it is read");
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let request = Request::get("/").header("host", "test").header("upgrade", "echo");
    let request = request.body(Body::empty()).expect("the parts are valid");
    let mut answer = bed.forward(0).send(request).await.expect("it switches");
    assert_eq!(answer.status(), 101);
    let mut lease = destrier_upstream::Forward::take_upgrade(&mut answer).expect("it is there");
    drop(answer);
    assert_eq!(lease.take_leftover(), "hello");
    assert_eq!((bed.used(Limit::Requests), bed.used(Limit::Connections)), (1, 1));
    lease.stream().write_all(&mut &b"ping"[..]).await.expect("it is open");
    let mut read = bytes::BytesMut::with_capacity(16);
    std::future::poll_fn(|cx| lease.stream().poll_read(cx, &mut read)).await.expect("it answers");
    assert_eq!(read, "ping");
    drop(lease);
    assert_eq!((bed.used(Limit::Requests), bed.used(Limit::Connections)), (0, 0));
}

#[tokio::test]
async fn the_host_of_an_http2_request_becomes_a_header() {
    let (address, _) = crate::support::host(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while let Some(head) = crate::support::read_head(&mut stream, &mut buffer).await {
            let answer = ok(&head);
            tokio::io::AsyncWriteExt::write_all(&mut stream, &answer).await.expect("it is read");
        }
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let request = Request::get("http://example.test/p?q").body(Body::empty()).expect("valid");
    let (_, head) = crate::support::read(bed.forward(0).send(request).await.expect("answered"))
        .await
        .expect("whole");
    assert_eq!(head, "GET /p?q HTTP/1.1\r\nhost: example.test\r\n\r\n");
    let (_, head) = crate::support::read(
        bed.forward(0).send(post("/", Body::empty())).await.expect("answered"),
    )
    .await
    .expect("whole");
    assert_eq!(head, "POST / HTTP/1.1\r\ncontent-length: 0\r\nhost: test\r\n\r\n");
}

/// A large answer goes through bit by bit: the host is stopped by a receiver that does not read.
#[tokio::test]
async fn an_answer_is_not_read_ahead_of_its_receiver() {
    const SIZE: usize = 64 << 20;
    let (address, seen) = crate::support::host(|mut stream, seen| async move {
        let mut buffer = Vec::new();
        crate::support::read_head(&mut stream, &mut buffer).await.expect("a head");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
            .await
            .expect("it is read");
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..SIZE / piece.len() {
            tokio::io::AsyncWriteExt::write_all(&mut stream, &piece).await.expect("it is read");
            seen.requests.fetch_add(piece.len(), std::sync::atomic::Ordering::SeqCst);
        }
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let mut answer = bed.forward(0).send(get("/")).await.expect("it is answered");
    let mut before = usize::MAX;
    // What the sockets hold is a few megabytes at most.
    while std::mem::replace(&mut before, Seen::get(&seen.requests)) != Seen::get(&seen.requests) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(before < SIZE / 2, "{before} bytes were written without a reader");
    let mut read = 0;
    while let Some(frame) = answer.body_mut().frame().await {
        read += frame.expect("it is good").into_data().expect("it is data").len();
    }
    assert_eq!(read, SIZE);
}
