//! Hosts that answer as a script wants it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use destrier_testkit::h2::{Frame, RawH2, kind};
use destrier_testkit::{RawConn, RawPeer};
use tokio::net::TcpStream;

use super::scripts::SHORT;
use crate::support::Backend;

/// How a host ends a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    AtOnce,
    Closes,
    Resets,
    Stays,
}

/// A host that reads a request, answers these bytes, and ends in this way.
pub(super) async fn answering(answer: impl AsRef<[u8]>, end: End) -> SocketAddr {
    let answer = Bytes::copy_from_slice(answer.as_ref());
    let backend = Backend::start(move |mut peer| {
        let answer = answer.clone();
        async move {
            if end == End::AtOnce {
                return;
            }
            let _ = peer.request().await;
            peer.send(&answer).await;
            match end {
                End::Stays => peer.closed().await,
                End::Resets => {
                    // What was sent must be read before the reset, which discards it.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    peer.reset();
                }
                End::Closes | End::AtOnce => {}
            }
        }
    })
    .await;
    backend.address
}

pub(super) async fn silent() -> SocketAddr {
    answering("", End::Stays).await
}

/// A host that answers later than 250 ms.
pub(super) async fn late() -> SocketAddr {
    let backend = Backend::start(|mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(SHORT).await;
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlate\n").await;
        }
    })
    .await;
    backend.address
}

/// A host that sends this to whoever connects.
pub(super) async fn babbling(bytes: impl AsRef<[u8]>) -> SocketAddr {
    let bytes = Bytes::copy_from_slice(bytes.as_ref());
    let backend = Backend::start(move |mut peer| {
        let bytes = bytes.clone();
        async move {
            peer.send(&bytes).await;
            peer.closed().await;
        }
    })
    .await;
    backend.address
}

/// An HTTP/2 host that answers each request with these frames, and then ends the connection or not.
pub(super) async fn frames<A>(answer: A, end: End) -> SocketAddr
where
    A: Fn(u32) -> Vec<Frame> + Clone + Send + 'static,
{
    let any = ([127, 0, 0, 1], 0).into();
    let serve = move |conn: RawConn| {
        let answer = answer.clone();
        async move {
            let mut raw = RawH2::accept(conn, &[]).await?;
            while let Some(request) = raw.find(|frame| frame.kind == kind::HEADERS).await? {
                raw.send(&answer(request.stream)).await?;
                if end == End::Closes {
                    break;
                }
            }
            Ok(())
        }
    };
    let peer = RawPeer::start(any, serve).expect("port 0 is always free");
    let address = peer.addr();
    // It ends with the runtime of the test.
    std::mem::forget(peer);
    address
}

/// Where nobody answers: a queue of one that is full, so that the system drops requests to connect.
pub(super) async fn unanswered() -> (SocketAddr, impl Send) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).expect("port 0 is always free");
    socket.listen(0).expect("it is bound");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    let address = address.expect("it is bound");
    let queued = TcpStream::connect(address).await.expect("there is one place");
    (address, (socket, queued))
}
