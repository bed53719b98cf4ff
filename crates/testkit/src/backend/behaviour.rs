//! What a backend does.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::Gate;

/// What a backend does with a request, and with a connection that has none.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The status of every answer but of `/status/N`. Default 200.
    pub status: StatusCode,
    /// The body of answers whose path asks for no other; the backend's name by default.
    pub body: Option<Bytes>,
    /// Headers that every answer has besides.
    pub headers: HeaderMap,
    /// The `grpc-status` in the trailers of gRPC answers. Default 0.
    pub grpc_status: u16,
    /// How long an answer is held back. Default none.
    pub delay: Duration,
    /// Holds each answer until it is opened.
    pub gate: Option<Gate>,
    /// What goes wrong.
    pub fault: Fault,
    /// Closes a connection that had no request for a random time of this range, as servers with a short
    /// keep-alive do. Default never.
    pub idle: Option<RangeInclusive<Duration>>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            status: StatusCode::OK,
            body: None,
            headers: HeaderMap::new(),
            grpc_status: 0,
            delay: Duration::ZERO,
            gate: None,
            fault: Fault::None,
            idle: None,
        }
    }
}

/// What goes wrong with an answer, after the delay and the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// HTTP/1: `connection: close`. HTTP/2: the connection goes away after the streams it has.
    CloseAfter,
    /// HTTP/1: a TCP reset instead of an answer. HTTP/2: the stream is reset.
    ResetBeforeHead,
    /// The head and this many bytes of the body come, then the reset. The body is at least one byte
    /// longer than that. Bytes that the peer is slow to take may be lost to the reset.
    ResetInBody {
        /// How many bytes of the body come.
        after: usize,
    },
}
