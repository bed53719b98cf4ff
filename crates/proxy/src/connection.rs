//! What a worker does with a new connection.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::BytesMut;
use destrier_policy::{Address, CodecType};
use destrier_upstream::{Forward, Stream};
use socket2::Socket;
use tokio::time::Instant;

use crate::access_log::TcpLine;
use crate::alarm::Alarm;
use crate::drain::{Drain, OpenPermit};
use crate::scope::{FilterScope, HttpScope, ListenerScope};
use crate::{http1, http2, tcp};

/// A connection on its way to a worker; its socket is not registered with a runtime yet.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    pub(crate) peer: Address,
    pub(crate) local: Address,
    pub(crate) scope: Arc<ListenerScope>,
    pub(crate) permit: OpenPermit,
    pub(crate) drain: Arc<Drain>,
}

/// Who is at both ends, for headers and logs.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Numbers connections, for logs.
    pub(crate) id: u64,
    pub(crate) peer: Address,
    pub(crate) local: Address,
    /// Where the connection was to go before it was redirected to the listener, if that was asked for.
    pub(crate) original: Option<SocketAddr>,
}

/// `%CONNECTION_ID%` of the next connection.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An HTTP connection whose version is known.
pub(crate) struct HttpConnection {
    pub(crate) stream: Stream,
    /// What was read to find the version out.
    pub(crate) buffer: BytesMut,
    pub(crate) ends: Ends,
    pub(crate) scope: Arc<HttpScope>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) forward: Forward,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Proxy,
}

/// How an HTTP connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parting {
    pub(crate) by: Side,
    /// A request was not answered to its end.
    pub(crate) within_request: bool,
}

impl Parting {
    /// With nothing under way.
    pub(crate) fn idle(by: Side) -> Self {
        Self { by, within_request: false }
    }
}

/// What HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection to its end.
pub(crate) async fn serve(accepted: Accepted, forward: Forward) {
    let Accepted { socket, peer, local, scope, permit, drain } = accepted;
    // A connection that cannot be registered is closed; there is nobody to tell.
    let original = scope.original_dst.then(|| original_destination(&socket)).flatten();
    let Ok(stream) = register(socket, &scope.address) else { return };
    let _counted = scope.stats.connection();
    let began = Instant::now();
    let ends = Ends { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), peer, local, original };
    match &scope.filter {
        FilterScope::Http(http) => {
            let buffer = BytesMut::new();
            let journal = (!scope.logs.is_empty()).then(|| ends.clone());
            let http = Arc::clone(http);
            let connection = HttpConnection { stream, buffer, ends, scope: http, drain, forward };
            let stats = Arc::clone(&connection.scope);
            let parting = serve_http(connection).await;
            stats.stats.parted(parting, began.elapsed());
            if let Some(ends) = journal {
                scope.logs.write(&TcpLine::of_connection(&ends, &scope.logs.listener, began));
            }
        }
        FilterScope::Tcp(tcp) => {
            tcp::serve(Arc::new(stream), ends, Arc::clone(tcp), &scope.logs, forward).await;
        }
    }
    scope.stats.lasted(began.elapsed());
    drop(permit);
}

/// Where a connection was to go that the system redirected here (`SO_ORIGINAL_DST`). One that was not
/// redirected has none: its destination is the listener, and to go there would be a loop.
fn original_destination(socket: &Socket) -> Option<SocketAddr> {
    let local = socket.local_addr().ok()?.as_socket()?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let original = match local {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    original.ok()?.as_socket().filter(|original| *original != local)
}

fn register(socket: Socket, listener: &Address) -> io::Result<Stream> {
    match listener {
        Address::Ip(_) => tokio::net::TcpStream::from_std(socket.into()).map(Stream::Tcp),
        Address::Pipe(_) => tokio::net::UnixStream::from_std(socket.into()).map(Stream::Unix),
    }
}

async fn serve_http(mut connection: HttpConnection) -> Parting {
    let scope = Arc::clone(&connection.scope);
    let _counted = scope.stats.connection();
    let version = match scope.policy.codec {
        CodecType::Http1 => Some(Version::Http1),
        CodecType::Http2 => Some(Version::Http2),
        CodecType::Auto => detect(&mut connection).await,
    };
    match version {
        Some(Version::Http1) => http1::serve(connection).await,
        Some(Version::Http2) => http2::serve(connection).await,
        None => Parting::idle(Side::Client),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    Http1,
    Http2,
}

/// Reads until the first bytes tell the version; `None` when the client goes or stays silent.
async fn detect(connection: &mut HttpConnection) -> Option<Version> {
    let HttpConnection { stream, buffer, scope, .. } = connection;
    let mut silence = Alarm::default();
    let patience = scope.policy.idle_timeout.map(|idle| Instant::now() + idle);
    silence.set(patience);
    poll_fn(|cx| {
        loop {
            if let Some(version) = version_of(buffer) {
                return Poll::Ready(Some(version));
            }
            buffer.reserve(http1::READ_SIZE);
            match stream.poll_read(cx, buffer) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return silence.poll(cx).map(|()| None),
            }
        }
    })
    .await
}

fn version_of(read: &[u8]) -> Option<Version> {
    if read.is_empty() {
        return None;
    }
    let common = read.len().min(PREFACE.len());
    if read[..common] != PREFACE[..common] {
        Some(Version::Http1)
    } else if common == PREFACE.len() {
        Some(Version::Http2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_tells_the_version() {
        for (read, version) in [
            (&b""[..], None),
            (b"P", None),
            (b"PO", Some(Version::Http1)),
            (b"GET / HTTP/1.1\r\n", Some(Version::Http1)),
            (b"PRI * HTTP/2.0\r\n", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Some(Version::Http2)),
            (b"PRI * HTTP/1.1\r\n", Some(Version::Http1)),
        ] {
            assert_eq!(version_of(read), version, "{read:?}");
        }
    }

    /// The size of the future that a function returns.
    fn size<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// An idle connection costs what its task needs at most.
    #[test]
    fn a_connection_stays_small() {
        let bytes = size(serve);
        assert!(bytes < 12 << 10, "{bytes} bytes");
    }
}
