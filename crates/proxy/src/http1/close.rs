//! Ends a connection so that its last answer arrives.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use destrier_upstream::Stream;
use destrier_upstream::h1::Reader;
use socket2::SockRef;
use tokio::time::Instant;

use crate::alarm::Alarm;

/// What the client may still send meanwhile.
const TOLERATED: usize = 1 << 20;

/// Makes the end a reset: where the end of the connection ends a body, only that tells the client that it
/// did not come whole.
pub(super) fn reset_at_close(stream: &Stream) {
    let socket = match stream {
        Stream::Tcp(socket) => SockRef::from(socket),
        // Has no reset.
        Stream::Unix(_) => return,
    };
    // Fails when the connection has failed: then the client knows.
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// How the client took the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// It closed its side, or went on sending too much.
    Said,
    /// It was silent for the whole patience.
    Unheard,
}

/// Says that nothing more comes and reads what the client still sends, for as long as `patience`
/// (`delayed_close_timeout`): closing a socket with unread bytes resets it, and the reset may overtake the
/// answer.
pub(crate) async fn linger(
    mut reader: Reader,
    mut alarm: Alarm,
    patience: Option<Duration>,
) -> Farewell {
    let Some(patience) = patience else { return Farewell::Said };
    // Fails when the client is gone already.
    if reader.stream().shutdown_write().is_err() {
        return Farewell::Said;
    }
    alarm.set(Some(Instant::now() + patience));
    let mut read = 0;
    poll_fn(|cx| {
        while let Poll::Ready(result) = reader.poll_fill(cx) {
            reader.buffer().clear();
            match result {
                Ok(count) if count > 0 && read < TOLERATED => read += count,
                _ => return Poll::Ready(Farewell::Said),
            }
        }
        alarm.poll(cx).map(|()| Farewell::Unheard)
    })
    .await
}
