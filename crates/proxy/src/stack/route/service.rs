use destrier_policy::{
    ClusterChoice, ClusterName, ForwardAction, Redirect, RouteAction, RoutingPriority,
    UpgradeConfig,
};
use destrier_upstream::Body;
use http::header::{HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};

use super::find::Found;
use super::{Lot, RouteRef, redirect};
use crate::exchange::Exchange;
use crate::stack::{Dispatch, Handle, LocalReply, Refusal, mutate};

/// Finds the route of a request and does what it says.
#[derive(Clone, Debug)]
pub(crate) struct Router<S, D> {
    pub(super) inner: S,
    /// Knows the cluster that a refused request would have gone to.
    pub(super) dispatch: D,
}

/// A request that goes to a cluster.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) request: Request<Body>,
    /// The route that it takes, which forwards it.
    pub(crate) route: RouteRef,
    pub(crate) cluster: ClusterName,
    pub(crate) priority: RoutingPriority,
    /// Decides wherever chance does.
    pub(crate) lot: Lot,
}

impl<S, D> Handle<Request<Body>> for Router<S, D>
where
    S: Handle<Routed, Error = Refusal> + Sync,
    D: Dispatch,
{
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let routed = route(exchange, request, &self.dispatch)?;
        self.inner.handle(exchange, routed).await
    }
}

fn route(
    exchange: &mut Exchange,
    request: Request<Body>,
    dispatch: &impl Dispatch,
) -> Result<Routed, Refusal> {
    let mut lot = Lot::default();
    let found = RouteRef::find(&exchange.scope.policy, &request, &mut lot);
    let stats = &exchange.scope.stats;
    if let Some(upgrade) = request.headers().get(UPGRADE) {
        let route = match &found {
            Some(Found::Route(found)) => Some(&found.get().action),
            Some(Found::NeedsTls) | None => None,
        };
        if !is_allowed(upgrade, route, &exchange.scope.policy.upgrades) {
            stats.downstream_rq_ws_on_non_ws_route.inc();
            let mut reply = LocalReply::upgrade_refused();
            if let Some(Found::Route(found)) = &found {
                exchange.route = Some(found.clone());
                if let RouteAction::Forward(action) = &found.get().action {
                    exchange.upstream.cluster = dispatch.cluster(cluster(action, &mut lot));
                }
                mutate::change_own(exchange, found, &request, &mut reply);
            }
            return Err(reply.into());
        }
    }
    // As in Envoy: what the router saw, with or without a route.
    stats.rq_total.inc();
    let found = match found {
        Some(Found::Route(found)) => found,
        Some(Found::NeedsTls) => {
            stats.rq_direct_response.inc();
            let location = redirect::over_tls(&request);
            return Err(LocalReply::redirect(StatusCode::MOVED_PERMANENTLY, location).into());
        }
        None => {
            stats.no_route.inc();
            return Err(LocalReply::no_route().into());
        }
    };
    exchange.route = Some(found.clone());
    let route = found.get();
    let action = match &route.action {
        RouteAction::Forward(action) => action,
        RouteAction::Redirect(redirect) => {
            let location = redirect::location(redirect, &route.matcher.path, &request);
            let reply = LocalReply::redirect(redirect.status, location);
            return Err(answer(exchange, &found, &request, reply));
        }
        RouteAction::Direct(response) => {
            let mut reply = LocalReply::direct(response);
            // Of these Envoy says that they are here.
            if response.status == StatusCode::CREATED || response.status.is_redirection() {
                let here = redirect::location(&Redirect::default(), &route.matcher.path, &request);
                reply.headers = LocalReply::redirect(response.status, here).headers;
            }
            return Err(answer(exchange, &found, &request, reply));
        }
    };
    if action.idle_timeout.is_some() {
        exchange.timers.idle = action.idle_timeout;
    }
    let cluster = cluster(action, &mut lot).clone();
    let priority = action.priority;
    Ok(Routed { request, route: found, cluster, priority, lot })
}

fn cluster<'a>(action: &'a ForwardAction, lot: &mut Lot) -> &'a ClusterName {
    match &action.cluster {
        ClusterChoice::One(cluster) => cluster,
        ClusterChoice::Weighted { .. } => action.cluster.choose(lot.get()),
    }
}

/// The answer of a route that has one itself.
fn answer(
    exchange: &mut Exchange,
    route: &RouteRef,
    request: &Request<Body>,
    mut reply: LocalReply,
) -> Refusal {
    exchange.scope.stats.rq_direct_response.inc();
    mutate::change_own(exchange, route, request, &mut reply);
    reply.into()
}

/// The route's entry for a protocol overrides that of the connection manager.
fn is_allowed(
    upgrade: &HeaderValue,
    route: Option<&RouteAction>,
    manager: &[UpgradeConfig],
) -> bool {
    let own = match route {
        Some(RouteAction::Forward(action)) => &*action.upgrades,
        _ => &[],
    };
    let entry = |config: &&UpgradeConfig| {
        upgrade.as_bytes().eq_ignore_ascii_case(config.upgrade_type.as_bytes())
    };
    let entry = own.iter().find(entry).or_else(|| manager.iter().find(entry));
    entry.is_some_and(|config| config.enabled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_overrides_the_manager() {
        let config = |enabled| UpgradeConfig { upgrade_type: "WebSocket".into(), enabled };
        let websocket = HeaderValue::from_static("websocket");
        let mut own = ForwardAction::new(ClusterChoice::One("c".into()));
        assert!(is_allowed(&websocket, None, &[config(true)]));
        assert!(!is_allowed(&websocket, None, &[]));
        own.upgrades = Box::from([config(false)]);
        let route = RouteAction::Forward(Box::new(own));
        assert!(!is_allowed(&websocket, Some(&route), &[config(true)]));
        let other = HeaderValue::from_static("other");
        assert!(!is_allowed(&other, Some(&route), &[config(true)]));
    }
}
