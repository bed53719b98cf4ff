use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use destrier_upstream::{Body, Caller, Downstream, ForwardError, Limit, Preference, Target};
use http::Response;
use http::header::{HeaderName, HeaderValue};

use crate::exchange::{Exchange, Protocol};
use crate::stack::{Dispatch, Handle, LocalReply, Refusal, Routed};
use crate::timers::Expired;

const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// Sends within the deadlines of the exchange. They hold for the body of the answer as well, where whoever
/// writes it out watches them.
#[derive(Clone, Debug)]
pub(crate) struct Timeout<D> {
    pub(super) inner: D,
}

impl<D: Dispatch> Handle<Routed> for Timeout<D> {
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        routed: Routed,
    ) -> Result<Response<Body>, Refusal> {
        let Routed { mut request, cluster, priority, timeout } = routed;
        if let Some(timeout) = timeout {
            request.headers_mut().insert(EXPECTED_TIMEOUT, milliseconds(timeout));
        }
        let downstream = match exchange.protocol {
            Protocol::Http10 | Protocol::Http11 => Downstream::Http1,
            Protocol::Http2 => Downstream::Http2,
        };
        let target =
            Target { cluster: &cluster, priority, downstream, preference: Preference::default() };
        let answer = {
            let Exchange { timers, progress, upstream, .. } = &mut *exchange;
            timers.response = timeout;
            let mut sending = pin!(self.inner.dispatch(target, request, upstream));
            poll_fn(|cx| {
                if let Poll::Ready(answer) = sending.as_mut().poll(cx) {
                    return Poll::Ready(Ok(answer));
                }
                if let Some(progress) = progress {
                    progress.register(cx);
                }
                timers.poll(cx, progress.as_deref()).map(Err)
            })
            .await
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error == ForwardError::NoCluster {
                    exchange.scope.stats.no_cluster.inc();
                }
                if error == ForwardError::Overflow(Limit::Pending) {
                    // One was picked; without a connection none was tried.
                    exchange.upstream.host = None;
                }
                Err(error.into())
            }
            Err(expired) => Err(refuse(exchange, expired).into()),
        }
    }
}

fn milliseconds(timeout: Duration) -> HeaderValue {
    match timeout.as_millis() as u64 {
        // The default needs no text made.
        15_000 => HeaderValue::from_static("15000"),
        other => HeaderValue::from(other),
    }
}

fn refuse(exchange: &Exchange, expired: Expired) -> LocalReply {
    let stats = &exchange.scope.stats;
    match expired {
        Expired::Request => {
            stats.downstream_rq_timeout.inc();
            LocalReply::request_timeout()
        }
        Expired::Idle => {
            stats.downstream_rq_idle_timeout.inc();
            LocalReply::stream_idle()
        }
        Expired::Response => {
            let upstream = &exchange.upstream;
            if let Some(cluster) = &upstream.cluster {
                cluster.record_response_timeout(upstream.host.as_ref(), Caller::External);
            }
            LocalReply::response_timeout()
        }
    }
}
