//! Writes a request's body that is not at hand, while the response is read elsewhere.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use destrier_http1::{BodyLength, CHUNK_END, ChunkHead, LAST_CHUNK, write_last_chunk};
use http_body_util::BodyExt;
use tokio_util::task::AbortOnDropHandle;

use super::Trailers;
use crate::{Body, BodyError, ClusterState, Stream};

/// The task; aborted when dropped.
#[derive(Debug)]
pub(super) struct Pump {
    stream: Arc<Stream>,
    task: Option<AbortOnDropHandle<Pumped>>,
    all: bool,
}

/// How it went.
#[derive(Clone, Debug)]
pub(super) enum Pumped {
    /// The whole message was written.
    All,
    /// The socket took no more: the response, or its absence, says why.
    Refused,
    /// The body itself failed.
    BodyFailed(BodyError),
}

impl Pump {
    /// Starts on the current runtime with what was read already.
    pub(super) fn start(writer: Writer, first: Bytes, body: Box<Body>) -> Self {
        let stream = writer.stream.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(writer.write(first, body)));
        Self { stream, task: Some(task), all: false }
    }

    /// Ready once, when the task is done; `All` again and again.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Pumped> {
        if self.all {
            return Poll::Ready(Pumped::All);
        }
        let Some(task) = &mut self.task else { return Poll::Pending };
        let done = ready!(pin!(task).poll(cx)).unwrap_or_else(|_| {
            Pumped::BodyFailed(BodyError::Aborted("the task that sends the body failed"))
        });
        self.task = None;
        self.all = matches!(done, Pumped::All);
        Poll::Ready(done)
    }

    /// Closes the socket under the task.
    pub(super) fn cut(self) {
        self.stream.cut();
    }
}

/// Where to and how a body is written.
pub(super) struct Writer {
    pub(super) stream: Arc<Stream>,
    pub(super) cluster: Arc<ClusterState>,
    pub(super) length: BodyLength,
    pub(super) trailers: Trailers,
}

impl Writer {
    async fn write(self, first: Bytes, mut body: Box<Body>) -> Pumped {
        let mut left = match self.length {
            BodyLength::Length(length) => Some(length),
            _ => None,
        };
        let mut next = (!first.is_empty()).then_some(first);
        loop {
            if let Some(data) = next.take().filter(|data| !data.is_empty()) {
                if let Some(left) = &mut left {
                    let Some(rest) = left.checked_sub(data.len() as u64) else {
                        return Pumped::BodyFailed(BodyError::Malformed("too long".to_owned()));
                    };
                    *left = rest;
                }
                if !self.write_data(data, left.is_some()).await {
                    return Pumped::Refused;
                }
            }
            if left == Some(0) {
                return Pumped::All;
            }
            match body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => next = Some(data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return self.end(left, Some(trailers)).await;
                    }
                },
                Some(Err(error)) => return Pumped::BodyFailed(error),
                None => return self.end(left, None).await,
            }
        }
    }

    /// One vectored write, chunked or plain.
    async fn write_data(&self, mut data: Bytes, plain: bool) -> bool {
        if plain {
            return self.write_all(&mut data).await;
        }
        let head = ChunkHead::new(data.len());
        self.write_all(&mut head.as_bytes().chain(data).chain(CHUNK_END)).await
    }

    async fn write_all(&self, bytes: &mut impl Buf) -> bool {
        let whole = bytes.remaining();
        let written = self.stream.write_all(bytes).await;
        let sent = (whole - bytes.remaining()) as u64;
        self.cluster.stats().upstream_cx_tx_bytes_total.add(sent);
        written.is_ok()
    }

    async fn end(&self, left: Option<u64>, trailers: Option<http::HeaderMap>) -> Pumped {
        let mut last = BytesMut::new();
        match (left, trailers) {
            (Some(0), _) => return Pumped::All,
            (Some(_), _) => {
                return Pumped::BodyFailed(BodyError::Ended("shorter than announced".to_owned()));
            }
            (None, Some(trailers)) if self.trailers == Trailers::Keep => {
                write_last_chunk(&mut last, &trailers);
            }
            (None, _) => last.extend_from_slice(LAST_CHUNK),
        }
        if self.write_all(&mut last).await { Pumped::All } else { Pumped::Refused }
    }
}
