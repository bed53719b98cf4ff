use std::borrow::Cow;
use std::sync::Arc;

use destrier_policy::{
    ClusterChoice, ForwardAction, HeaderMutation, HeaderMutations, RouteAction, WeightedCluster,
};
use destrier_upstream::Body;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use tokio::time::Instant;

use super::apply::apply;
use super::value::{KeptHead, Known, Message};
use crate::exchange::Exchange;
use crate::stack::route::{Lot, Original, RouteRef, Routed, rewrite_host, rewrite_path, set_host};
use crate::stack::{Handle, LocalReply, Refusal, timeout};

const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Changes both messages of a forwarded request.
#[derive(Clone, Debug)]
pub(crate) struct Mutate<S> {
    pub(super) inner: S,
}

impl<S> Handle<Routed> for Mutate<S>
where
    S: Handle<Routed, Error = Refusal> + Sync,
{
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        mut routed: Routed,
    ) -> Result<Response<Body>, Refusal> {
        let kept = change_request(exchange, &mut routed);
        let sent = Sent { route: routed.route.clone(), lot: routed.lot, kept };
        match self.inner.handle(exchange, routed).await {
            Ok(mut response) => {
                change_response(exchange, &sent, &mut response);
                Ok(response)
            }
            Err(Refusal::Reply(mut reply)) => {
                // A request that was about to be sent is an attempt, whatever became of it.
                if sent.route.virtual_host().attempt_count_in_response
                    && exchange.upstream.cluster.is_some()
                {
                    let headers = reply.headers.get_or_insert_default();
                    headers.insert(ATTEMPT_COUNT, attempts(exchange));
                }
                Err(Refusal::Reply(reply))
            }
            Err(Refusal::ClientLeft) => Err(Refusal::ClientLeft),
        }
    }
}

/// What the answer of a request that was sent is changed by.
struct Sent {
    route: RouteRef,
    lot: Lot,
    kept: Option<Box<KeptHead>>,
}

/// Adds what a route adds to its own answer.
pub(crate) fn local_reply(
    exchange: &Exchange,
    route: &RouteRef,
    request: &Request<Body>,
    reply: &mut LocalReply,
) {
    let Some(mutations) = &route.get().mutations else { return };
    let kept = mutations.keeps_request().then(|| KeptHead::of(request));
    let message = Message::Response(reply.status);
    let known = Known { exchange, request: kept.as_ref(), message };
    apply(&mutations.response, &known, reply.headers.get_or_insert_default());
}

/// In Envoy's order: deadlines, attempts, headers of each level, host, path. Gives back what the answer's
/// headers need of the request.
fn change_request(exchange: &mut Exchange, routed: &mut Routed) -> Option<Box<KeptHead>> {
    let Routed { request, route, lot, .. } = routed;
    let RouteAction::Forward(action) = &route.get().action else { return None };
    timeout::settle(exchange, action, request.headers_mut());
    let counted = route.virtual_host().attempt_count_in_request;
    if counted {
        request.headers_mut().insert(ATTEMPT_COUNT, HeaderValue::from_static("1"));
    }
    let (choice, mutations) = (weighted(action, *lot), route.get().mutations.as_deref());
    let of_choice = choice.and_then(|choice| choice.mutations.as_deref());
    let host = choice.and_then(|choice| choice.host_rewrite.as_ref());
    let rewritten = action.path_rewrite.is_some() || action.host_rewrite.is_some();
    if !(counted || rewritten || mutations.is_some() || of_choice.is_some() || host.is_some()) {
        return None;
    }
    let original = match exchange.scope.policy.suppress_envoy_headers {
        true => Original::Untold,
        false => Original::Told,
    };
    if let Some(mutations) = of_choice {
        apply_to_request(exchange, &mutations.request, request);
    }
    if let Some(host) = host {
        set_host(host, request);
    }
    if let Some(mutations) = mutations {
        apply_to_request(exchange, &mutations.request, request);
    }
    rewrite_host(action, original, request);
    rewrite_path(action, &route.get().matcher.path, original, request);
    exchange.note_request(request);
    let keeps = |mutations: Option<&HeaderMutations>| {
        mutations.is_some_and(HeaderMutations::keeps_request)
    };
    (keeps(mutations) || keeps(of_choice)).then(|| Box::new(KeptHead::of(request)))
}

fn apply_to_request(
    exchange: &Exchange,
    levels: &[Arc<HeaderMutation>],
    request: &mut Request<Body>,
) {
    if levels.is_empty() {
        return;
    }
    let head = KeptHead::without_headers(request);
    let known = Known { exchange, request: Some(&head), message: Message::Request };
    apply(levels, &known, request.headers_mut());
}

/// What Envoy's router adds to an answer, then what the levels ask for.
fn change_response(exchange: &mut Exchange, sent: &Sent, response: &mut Response<Body>) {
    let status = response.status();
    let headers = response.headers_mut();
    exchange.details = Cow::Borrowed("via_upstream");
    if !exchange.scope.policy.suppress_envoy_headers {
        headers.insert(SERVICE_TIME, service_time(exchange));
    }
    let Sent { route, lot, kept } = sent;
    if route.virtual_host().attempt_count_in_response {
        headers.insert(ATTEMPT_COUNT, attempts(exchange));
    }
    let RouteAction::Forward(action) = &route.get().action else { return };
    let message = Message::Response(status);
    let known = Known { exchange, request: kept.as_deref(), message };
    let of_choice = weighted(action, *lot).and_then(|choice| choice.mutations.as_deref());
    for mutations in of_choice.into_iter().chain(route.get().mutations.as_deref()) {
        apply(&mutations.response, &known, headers);
    }
}

/// Counted from the end of the request.
fn service_time(exchange: &mut Exchange) -> HeaderValue {
    let answered = *exchange.answered.get_or_insert_with(Instant::now);
    let asked = exchange.progress.as_ref().and_then(|progress| progress.ended_at());
    let taken = answered.saturating_duration_since(asked.unwrap_or(exchange.timers.started));
    HeaderValue::from(taken.as_millis() as u64)
}

fn attempts(exchange: &Exchange) -> HeaderValue {
    HeaderValue::from(exchange.upstream.attempts.max(1))
}

/// The choice by weight, where there is one.
fn weighted<'a>(action: &'a ForwardAction, mut lot: Lot) -> Option<&'a WeightedCluster> {
    match &action.cluster {
        ClusterChoice::One(_) => None,
        ClusterChoice::Weighted { .. } => action.cluster.weighted(lot.get()),
    }
}
