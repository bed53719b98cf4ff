use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use destrier_policy::{ClusterChoice, RouteAction};
use destrier_upstream::{Affinity, Body, Caller, Downstream, ForwardError, Limit, Target};
use http::Response;
use http::header::SET_COOKIE;

use crate::connection::Ends;
use crate::exchange::{Exchange, Protocol};
use crate::stack::{Dispatch, Handle, LocalReply, Lot, Refusal, RouteRef, Routed};
use crate::timers::Expired;

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
        let Routed { request, route, cluster, priority, mut lot } = routed;
        let downstream = match exchange.protocol {
            Protocol::Http10 | Protocol::Http11 => Downstream::Http1,
            Protocol::Http2 => Downstream::Http2,
        };
        let affinity = affinity(&route, &mut lot, &exchange.ends, exchange.client);
        let target = Target { cluster: &cluster, priority, downstream, affinity };
        let answer = {
            let Exchange { timers, progress, upstream, .. } = &mut *exchange;
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
            Ok(Ok(mut answer)) => {
                exchange.host_answered = true;
                let cookies = exchange.upstream.cookies.drain(..);
                answer.headers_mut().extend(cookies.map(|cookie| (SET_COOKIE, cookie)));
                Ok(answer)
            }
            Ok(Err(error)) => {
                if error == ForwardError::NoCluster {
                    exchange.scope.stats.no_cluster.inc();
                    return Err(no_cluster(error, &route));
                }
                if let ForwardError::Overflow(Limit::Pending | Limit::Connections) = error {
                    // One was picked; without a connection none was tried.
                    exchange.upstream.host = None;
                }
                Err(error.into())
            }
            Err(expired) => Err(refuse(exchange, expired).into()),
        }
    }
}

/// `cluster_not_found_response_code`.
fn no_cluster(error: ForwardError, route: &RouteRef) -> Refusal {
    let mut refusal = Refusal::from(error);
    if let (Refusal::Reply(reply), RouteAction::Forward(action)) =
        (&mut refusal, &route.get().action)
    {
        reply.status = action.cluster_not_found;
    }
    refusal
}

/// What the route wants of the host.
fn affinity<'a>(
    route: &'a RouteRef,
    lot: &mut Lot,
    ends: &Ends,
    client: Option<IpAddr>,
) -> Affinity<'a> {
    let RouteAction::Forward(action) = &route.get().action else { return Affinity::default() };
    let metadata = match &action.cluster {
        ClusterChoice::One(_) => &action.metadata_match,
        // That of the route is merged into each.
        ClusterChoice::Weighted { .. } => {
            let choice = action.cluster.weighted(lot.get());
            choice.map_or(&None, |choice| &choice.metadata_match)
        }
    };
    let client = client.or_else(|| ends.peer.ip().map(|peer| peer.ip()));
    Affinity {
        metadata: metadata.as_deref(),
        hash_policies: &action.hash,
        client,
        original_destination: ends.original,
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
        Expired::Duration => {
            stats.downstream_rq_max_duration_reached.inc();
            match exchange.request_ended() {
                true => LocalReply::stream_duration(),
                false => LocalReply::stream_duration().of_request(),
            }
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
