//! The time between a request and its answer.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use destrier_http1::CONTINUE;
use destrier_upstream::{Body, GoOn};
use http::Response;

use super::outbox::Outbox;
use super::reading::Reading;

enum Event<E> {
    Handled(Result<Response<Body>, E>),
    ClientLeft,
    /// The host wants the body.
    GoOn,
}

/// Waits for the answer; `None` when there is none to be written. Meanwhile the client may leave, and one
/// that waits for `100 Continue` of the cluster hears of it.
pub(super) async fn answered<E>(
    mut handling: Pin<&mut impl Future<Output = Result<Response<Body>, E>>>,
    go_on: Option<&GoOn>,
    reading: &mut Reading,
    outbox: &mut Outbox,
) -> Option<Response<Body>> {
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(handled) = handling.as_mut().poll(cx) {
                return Poll::Ready(Event::Handled(handled));
            }
            if go_on.is_some_and(|go_on| go_on.poll_said(cx).is_ready()) {
                return Poll::Ready(Event::GoOn);
            }
            reading.poll_client_left(cx).map(|()| Event::ClientLeft)
        });
        match event.await {
            Event::Handled(answer) => return answer.ok(),
            Event::ClientLeft => return None,
            Event::GoOn => tell_to_go_on(reading, outbox).await.ok()?,
        }
    }
}

/// Writes `100 Continue`.
pub(super) async fn tell_to_go_on(reading: &Reading, outbox: &mut Outbox) -> io::Result<()> {
    outbox.push_bytes(CONTINUE);
    reading.stream.write_all(outbox).await
}
