//! An HTTP/2 connection: its beginning and the task that drives it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Weak;
use std::task::Poll;

use bytes::Bytes;
use destrier_policy::{Http2Keepalive, HttpOptions};
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::sync::Notify;

use super::socket::Socket;
use crate::{ClusterState, ForwardError, Stream};

/// Frames of this size are taken.
const MAX_FRAME_SIZE: u32 = 16 << 10;
/// Bytes of a stream that may wait in h2 for the socket.
const MAX_SEND_BUFFER: usize = 1 << 20;

/// What a connection needs to make progress; to be run on the runtime that opened it.
pub(crate) struct Driver {
    connection: Connection<Socket, Bytes>,
    keepalive: Option<(PingPong, Http2Keepalive)>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// From here.
    Closed,
    /// The host closed it, or the network broke.
    Ended,
    /// The host closed it after GOAWAY.
    GoneAway,
    /// What came is not HTTP/2.
    Broken,
}

/// Speaks the preface and waits for the host's SETTINGS: before them nobody knows how many streams it
/// takes.
///
/// # Errors
/// What came instead.
pub(crate) async fn handshake(
    stream: Stream,
    http: &HttpOptions,
    cluster: Weak<ClusterState>,
) -> Result<(SendRequest<Bytes>, Driver), ForwardError> {
    let options = &http.http2;
    let handshake = Builder::new()
        // A larger one is not kept: its stream is reset.
        .max_header_list_size(http.max_response_headers_kb.saturating_mul(1024))
        .initial_window_size(options.initial_stream_window_size)
        .initial_connection_window_size(options.initial_connection_window_size)
        .max_frame_size(MAX_FRAME_SIZE)
        .max_send_buffer_size(MAX_SEND_BUFFER)
        // Until SETTINGS come there is no room for a stream.
        .initial_max_send_streams(0)
        .enable_push(false)
        .handshake::<_, Bytes>(Socket::new(stream, cluster))
        .await;
    let (send, mut connection) = handshake.map_err(|error| begin_error(&error))?;
    {
        let mut driving = pin!(&mut connection);
        poll_fn(|cx| match driving.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(ForwardError::ConnectionTermination)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(begin_error(&error))),
            Poll::Pending if send.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
    }
    let ping_pong = options.keepalive.clone().and_then(|k| Some((connection.ping_pong()?, k)));
    Ok((send, Driver { connection, keepalive: ping_pong }))
}

fn begin_error(error: &h2::Error) -> ForwardError {
    if error.is_io() || (error.is_go_away() && error.is_remote()) {
        ForwardError::ConnectionTermination
    } else {
        ForwardError::Protocol(error.to_string())
    }
}

impl Driver {
    /// Until the connection ends or `close` is notified.
    pub(crate) async fn run(self, close: &Notify) -> Parting {
        let Self { mut connection, keepalive } = self;
        tokio::select! {
            ended = &mut connection => match ended {
                Ok(()) => Parting::Ended,
                Err(error) if error.is_io() => Parting::Ended,
                Err(error) if error.is_go_away() && error.is_remote() => Parting::GoneAway,
                Err(_) => Parting::Broken,
            },
            () = close.notified() => Parting::Closed,
            () = stay_alive(keepalive) => Parting::Closed,
        }
    }
}

/// Pings at the interval; ends when an answer is overdue (`connection_keepalive`).
async fn stay_alive(keepalive: Option<(PingPong, Http2Keepalive)>) {
    let Some((mut ping_pong, Http2Keepalive { interval: Some(interval), timeout })) = keepalive
    else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(interval).await;
        match tokio::time::timeout(timeout, ping_pong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection itself says what happened.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
    }
}
