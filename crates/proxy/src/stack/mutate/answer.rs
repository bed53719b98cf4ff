//! What is changed of an answer, the cluster's or a local one.

use std::borrow::Cow;

use destrier_policy::RouteAction;
use destrier_upstream::{Body, ResponseFlag};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response};
use tokio::time::Instant;

use super::apply::apply;
use super::request::{ATTEMPT_COUNT, weighted};
use super::value::{KeptHead, Known, Message};
use crate::exchange::Exchange;
use crate::stack::LocalReply;
use crate::stack::route::{Lot, RouteRef};

const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// A request that took a route, as far as its answer is changed by that.
pub(super) struct Sent {
    pub(super) route: RouteRef,
    pub(super) lot: Lot,
    pub(super) kept: Option<Box<KeptHead>>,
}

impl Sent {
    /// Changes the answer of a cluster: what Envoy's router adds, what the levels ask for, attempts.
    pub(super) fn change(&self, exchange: &mut Exchange, response: &mut Response<Body>) {
        exchange.details = Cow::Borrowed("via_upstream");
        exchange.status = Some(response.status());
        let message = Message::Response(response.status());
        let headers = response.headers_mut();
        if !exchange.scope.policy.suppress_envoy_headers {
            headers.insert(SERVICE_TIME, service_time(exchange));
        }
        self.change_headers(exchange, message, headers);
        if self.route.virtual_host().attempt_count_in_response {
            headers.insert(ATTEMPT_COUNT, attempts(exchange));
        }
    }

    /// Changes a local answer to a request that was to be sent.
    pub(super) fn change_local(&self, exchange: &mut Exchange, reply: &mut LocalReply) {
        exchange.details = reply.details.clone();
        let changes = self.route.get().mutations.is_some() || self.of_choice().is_some();
        if changes {
            let message = Message::Response(reply.status);
            self.change_headers(exchange, message, reply.headers.get_or_insert_default());
        }
        if self.route.virtual_host().attempt_count_in_response && was_attempted(reply) {
            reply.headers.get_or_insert_default().insert(ATTEMPT_COUNT, attempts(exchange));
        }
    }

    fn of_choice(&self) -> Option<&destrier_policy::HeaderMutations> {
        let RouteAction::Forward(action) = &self.route.get().action else { return None };
        weighted(action, self.lot)?.mutations.as_deref()
    }

    fn change_headers(&self, exchange: &Exchange, message: Message, headers: &mut HeaderMap) {
        let known = Known { exchange, request: self.kept.as_deref(), message };
        let mutations = self.of_choice().into_iter().chain(self.route.get().mutations.as_deref());
        for mutations in mutations {
            apply(&mutations.response, |parts, headers| known.value(parts, headers), headers);
        }
    }
}

/// Changes the answer that a route, or the way to it, makes itself.
pub(crate) fn change_own(
    exchange: &mut Exchange,
    route: &RouteRef,
    request: &Request<Body>,
    reply: &mut LocalReply,
) {
    let Some(mutations) = &route.get().mutations else { return };
    exchange.details = reply.details.clone();
    let kept = mutations.keeps_request().then(|| KeptHead::of(request));
    let message = Message::Response(reply.status);
    let known = Known { exchange, request: kept.as_ref(), message };
    let headers = reply.headers.get_or_insert_default();
    apply(&mutations.response, |parts, headers| known.value(parts, headers), headers);
}

/// Whether Envoy's router says so after it was about to send: not of timers of the connection manager, nor
/// where there was nothing to send to.
fn was_attempted(reply: &LocalReply) -> bool {
    use ResponseFlag as Flag;
    let elsewhere = [Flag::SI, Flag::NC, Flag::UDO, Flag::DPE];
    reply.flag.is_some_and(|flag| !elsewhere.contains(&flag))
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
