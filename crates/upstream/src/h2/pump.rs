//! Sends a request's body that is not at hand, while the response is read elsewhere.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body_util::BodyExt;
use tokio_util::task::AbortOnDropHandle;

use crate::{Body, BodyError};

/// The task; dropped before its end it resets the stream.
#[derive(Debug)]
pub(super) struct Pump(Option<AbortOnDropHandle<Result<(), BodyError>>>);

impl Pump {
    /// Starts on the current runtime with what was read already.
    pub(super) fn start(stream: SendStream<Bytes>, first: Bytes, body: Box<Body>) -> Self {
        Self(Some(AbortOnDropHandle::new(tokio::spawn(run(stream, first, body)))))
    }

    /// Ready when the request's own body failed; never when all is well.
    pub(super) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Some(task) = &mut self.0 else { return Poll::Pending };
        let done = ready!(pin!(task).poll(cx));
        self.0 = None;
        match done {
            Ok(Err(error)) => Poll::Ready(error),
            Ok(Ok(())) => Poll::Pending,
            Err(_) => Poll::Ready(BodyError::Aborted("the task that sends the body failed")),
        }
    }
}

async fn run(
    mut stream: SendStream<Bytes>,
    first: Bytes,
    mut body: Box<Body>,
) -> Result<(), BodyError> {
    let sent = send_all(&mut stream, first, &mut body).await;
    if sent.is_err() {
        // The host must not take the part for the whole.
        stream.send_reset(Reason::CANCEL);
    }
    sent
}

/// That the host takes no more is no failure of the body: the response says what it is.
async fn send_all(
    stream: &mut SendStream<Bytes>,
    first: Bytes,
    body: &mut Body,
) -> Result<(), BodyError> {
    if !first.is_empty() && !send_data(stream, first).await {
        return Ok(());
    }
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                if !send_data(stream, data).await {
                    return Ok(());
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    let _ = stream.send_trailers(trailers);
                    return Ok(());
                }
            }
        }
    }
    let _ = stream.send_data(Bytes::new(), true);
    Ok(())
}

/// Sends as the host's windows allow. False when the stream takes no more.
async fn send_data(stream: &mut SendStream<Bytes>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(capacity)) = capacity else { return false };
        let piece = data.split_to(capacity.min(data.len()));
        if !piece.is_empty() && stream.send_data(piece, false).is_err() {
            return false;
        }
    }
    true
}
