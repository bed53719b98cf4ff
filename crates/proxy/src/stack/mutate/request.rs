//! What is changed of a request that goes to a cluster.

use std::sync::Arc;

use destrier_policy::{ClusterChoice, ForwardAction, HeaderMutation, RouteAction, WeightedCluster};
use destrier_upstream::Body;
use http::Request;
use http::header::{HeaderName, HeaderValue};

use super::apply::apply;
use super::value::{KeptHead, Known, Message};
use crate::exchange::Exchange;
use crate::stack::route::{Lot, Original, Routed, rewrite_host, rewrite_path, set_host};
use crate::stack::{Dispatch, timeout};

pub(super) const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");

/// In Envoy's order: deadlines, attempts, headers of each level, host, path. Gives back what the answer's
/// headers need of the request.
pub(super) fn change(
    exchange: &mut Exchange,
    routed: &mut Routed,
    dispatch: &impl Dispatch,
) -> Option<Box<KeptHead>> {
    let Routed { request, route, lot, cluster, .. } = routed;
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
    if mutations.is_some() || of_choice.is_some() {
        // Headers may name it; the request is sent to this one.
        exchange.upstream.cluster = dispatch.cluster(cluster);
    }
    let original = match exchange.scope.policy.suppress_envoy_headers {
        true => Original::Untold,
        false => Original::Told,
    };
    if let Some(mutations) = of_choice {
        change_headers(exchange, &mutations.request, request);
    }
    if let Some(host) = host {
        set_host(host, request);
    }
    if let Some(mutations) = mutations {
        change_headers(exchange, &mutations.request, request);
    }
    rewrite_host(action, original, request);
    rewrite_path(action, &route.get().matcher.path, original, request);
    exchange.note_request(request);
    let mut all = mutations.into_iter().chain(of_choice);
    all.any(|mutations| mutations.keeps_request()).then(|| Box::new(KeptHead::of(request)))
}

fn change_headers(
    exchange: &Exchange,
    levels: &[Arc<HeaderMutation>],
    request: &mut Request<Body>,
) {
    if levels.is_empty() {
        return;
    }
    let head = KeptHead::without_headers(request);
    let known = Known { exchange, request: Some(&head), message: Message::Request };
    apply(levels, |parts, headers| known.value(parts, headers), request.headers_mut());
}

/// The choice by weight, where there is one.
pub(super) fn weighted(action: &ForwardAction, mut lot: Lot) -> Option<&WeightedCluster> {
    match &action.cluster {
        ClusterChoice::One(_) => None,
        ClusterChoice::Weighted { .. } => action.cluster.weighted(lot.get()),
    }
}
