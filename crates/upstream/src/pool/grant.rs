//! What a pool gives to a request, and by which rules.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::ClusterPolicy;
use h2::client::SendRequest;
use tokio::time::Instant;

use super::host::Life;
use crate::ForwardError;
use crate::h1::Reader;

/// What of the policy concerns connections, as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuning {
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_duration: Option<Duration>,
    pub(super) max_requests: Option<u32>,
    pub(super) max_streams: u32,
}

/// What a waiting request gets.
#[derive(Debug)]
pub(super) enum Grant {
    /// A connection of its own.
    Exclusive(Reader, Box<Life>),
    /// Room for a stream.
    Stream(StreamGrant),
    /// The connection it waited for could not be opened.
    Failed(ForwardError),
}

/// Room for a stream on an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct StreamGrant {
    pub(super) id: u64,
    pub(super) send: SendRequest<Bytes>,
    pub(super) local: Option<SocketAddr>,
    /// The connection had streams before.
    pub(super) reused: bool,
    /// The connection takes no further one (`max_requests_per_connection`).
    pub(super) last: bool,
}

/// What a waiting request learns.
#[derive(Debug)]
pub(super) enum Step {
    Granted(Grant),
    /// Open a connection, which will serve so many requests, and wait on.
    Open(u32),
}

/// Why an unused connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// `idle_timeout`.
    Idle,
    /// `max_connection_duration`.
    Duration,
    /// The host had closed it.
    Ended,
}

impl Tuning {
    pub(super) fn of(policy: &ClusterPolicy) -> Self {
        Self {
            idle_timeout: policy.http.idle_timeout,
            max_duration: policy.http.max_connection_duration,
            max_requests: policy.http.max_requests_per_connection,
            max_streams: policy.http.http2.max_concurrent_streams,
        }
    }

    /// When an unused connection will have outlived its time; far away when it never will.
    pub(super) fn ends(&self, since: Instant, life: &Life) -> Instant {
        const FAR: Duration = Duration::from_secs(86_400);
        let end = |start: Instant, limit: Option<Duration>| start + limit.unwrap_or(FAR).min(FAR);
        end(since, self.idle_timeout).min(end(life.opened, self.max_duration))
    }

    /// Whether an unused connection has outlived its time.
    pub(super) fn expiry(&self, since: Instant, life: &Life, now: Instant) -> Option<Expiry> {
        let beyond = |start: Instant, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.saturating_duration_since(start) >= limit)
        };
        if beyond(life.opened, self.max_duration) {
            Some(Expiry::Duration)
        } else if beyond(since, self.idle_timeout) {
            Some(Expiry::Idle)
        } else {
            None
        }
    }
}
