//! What happens to each request, in the order in which it happens: a layer is a directory here.
//!
//! `trace` counts; `rescue` turns every failure into an answer, the one place that does; `sanitize` makes
//! the headers those of a proxy; `route` chooses; `mutate` does what the route says about headers, path and
//! host; `mirror` sends copies elsewhere; `timeout` waits for the head within the deadlines.
//!
//! The layers have tower's shape (a layer value without state, a service that is generic over its inner
//! one), but not its trait: a handler borrows the [`Exchange`] and the future of an `async fn` has no name,
//! and tower's `Service` would want it boxed. Nothing here is.

mod mirror;
mod mutate;
mod rescue;
mod route;
mod sanitize;
mod timeout;
mod trace;

use std::future::Future;
use std::sync::Arc;

use destrier_policy::ClusterName;
use destrier_upstream::{Body, Cluster, Forward, ForwardError, Target, UpstreamInfo};
use http::{Request, Response};
use tower_layer::Layer;

use crate::exchange::Exchange;

pub(crate) use mutate::{apply_headers, is_one_list};
pub(crate) use rescue::{AnswerForm, ClientLeft, LocalReply, Refusal, grpc_code, reply, want};
pub(crate) use route::{Lot, RouteRef, Routed, authority, authority_of};

/// Answers requests.
pub(crate) trait Handle<R> {
    /// Why there is no answer.
    type Error;

    /// Answers one request; what becomes known on the way goes into the exchange.
    fn handle(
        &self,
        exchange: &mut Exchange,
        request: R,
    ) -> impl Future<Output = Result<Response<Body>, Self::Error>> + Send;
}

/// Sends a request to a cluster: [`Forward`], or what a test puts in its place.
pub(crate) trait Dispatch: Send + Sync {
    /// Returns at the head of the response.
    fn dispatch(
        &self,
        target: Target<'_>,
        request: Request<Body>,
        upstream: &mut UpstreamInfo,
    ) -> impl Future<Output = Result<Response<Body>, ForwardError>> + Send;

    /// The cluster that a request would be sent to.
    fn cluster(&self, name: &ClusterName) -> Option<Arc<Cluster>>;
}

impl Dispatch for Forward {
    fn dispatch(
        &self,
        target: Target<'_>,
        request: Request<Body>,
        upstream: &mut UpstreamInfo,
    ) -> impl Future<Output = Result<Response<Body>, ForwardError>> + Send {
        self.send(target, request, upstream)
    }

    fn cluster(&self, name: &ClusterName) -> Option<Arc<Cluster>> {
        Forward::cluster(self, name)
    }
}

/// All layers over a way to send.
pub(crate) type Stack<D> =
    trace::Trace<rescue::Rescue<sanitize::Sanitize<route::Router<Changing<D>, D>>>>;

/// What happens to a request that is forwarded.
type Changing<D> = mutate::Mutate<Sending<D>, D>;

/// What happens when all is decided.
type Sending<D> = mirror::Mirror<timeout::Timeout<D>, D>;

/// Puts the layers together.
pub(crate) fn stack<D: Dispatch + Clone + 'static>(dispatch: D) -> Stack<D> {
    let timeout = timeout::TimeoutLayer.layer(dispatch.clone());
    let mirror = mirror::MirrorLayer { dispatch: dispatch.clone() }.layer(timeout);
    let mutate = mutate::MutateLayer { dispatch: dispatch.clone() }.layer(mirror);
    let route = route::RouteLayer { dispatch }.layer(mutate);
    let sanitize = sanitize::SanitizeLayer.layer(route);
    let rescue = rescue::RescueLayer.layer(sanitize);
    trace::TraceLayer.layer(rescue)
}
