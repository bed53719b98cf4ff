use std::time::Duration;

use destrier_policy::{
    ClusterName, ForwardAction, PathMatch, RouteAction, RouteMatch, RoutingPriority, UpgradeConfig,
};
use destrier_upstream::Body;
use http::header::{HeaderName, HeaderValue, UPGRADE};
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response};

use super::RouteRef;
use crate::exchange::Exchange;
use crate::stack::{Handle, LocalReply, Refusal};

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Finds the route of a request and does what it says.
#[derive(Clone, Debug)]
pub(crate) struct Router<S> {
    pub(super) inner: S,
}

/// A request that goes to a cluster.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) request: Request<Body>,
    pub(crate) cluster: ClusterName,
    pub(crate) priority: RoutingPriority,
    /// The route's `timeout`.
    pub(crate) timeout: Option<Duration>,
}

impl<S> Handle<Request<Body>> for Router<S>
where
    S: Handle<Routed, Error = Refusal> + Sync,
{
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let routed = route(exchange, request)?;
        self.inner.handle(exchange, routed).await
    }
}

fn route(exchange: &mut Exchange, mut request: Request<Body>) -> Result<Routed, Refusal> {
    let found = RouteRef::find(&exchange.scope.policy, &request);
    let upgrade = request.headers().get(UPGRADE);
    let stats = &exchange.scope.stats;
    if let Some(upgrade) = upgrade {
        let route = found.as_ref().map(|found| &found.get().action);
        if !is_allowed(upgrade, route, &exchange.scope.policy.upgrades) {
            stats.downstream_rq_ws_on_non_ws_route.inc();
            return Err(LocalReply::upgrade_refused().into());
        }
    }
    // As in Envoy: what the router saw, with or without a route.
    stats.rq_total.inc();
    let Some(found) = found else {
        stats.no_route.inc();
        return Err(LocalReply::no_route().into());
    };
    let route = exchange.route.insert(found).get();
    let action = match &route.action {
        RouteAction::Forward(action) => action,
        RouteAction::Direct(response) => {
            stats.rq_direct_response.inc();
            return Err(LocalReply::direct(response).into());
        }
    };
    let rewrote = rewrite(&route.matcher, action, &mut request);
    if action.idle_timeout.is_some() {
        exchange.timers.idle = action.idle_timeout;
    }
    let routed = Routed {
        // One cluster needs no random number, and `choose` none of it.
        cluster: action.cluster.choose(random_for(action)).clone(),
        priority: action.priority,
        timeout: action.timeout,
        request,
    };
    if rewrote {
        exchange.note_request(&routed.request);
    }
    Ok(routed)
}

fn random_for(action: &ForwardAction) -> u64 {
    match action.cluster {
        destrier_policy::ClusterChoice::One(_) => 0,
        destrier_policy::ClusterChoice::Weighted { .. } => rand::random(),
    }
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

/// `prefix_rewrite`, with the old path in `x-envoy-original-path`. Says whether something changed.
fn rewrite(matcher: &RouteMatch, action: &ForwardAction, request: &mut Request<Body>) -> bool {
    let Some(new) = &action.prefix_rewrite else { return false };
    let path = request.uri().path();
    let matched = match &matcher.path {
        PathMatch::Prefix { value, .. } | PathMatch::SeparatedPrefix { value, .. } => value.len(),
        PathMatch::Exact { .. } | PathMatch::Regex(_) => path.len(),
    };
    let old = request.uri().path_and_query().map_or(path, PathAndQuery::as_str);
    let rest = old.get(matched..).unwrap_or_default();
    // An empty prefix leaves the path without its slash.
    let slash = if new.is_empty() && !rest.starts_with('/') { "/" } else { "" };
    let Ok(path) = PathAndQuery::try_from([slash, new, rest].concat()) else { return false };
    let original = HeaderValue::from_str(old);
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    let Ok(uri) = Uri::from_parts(parts) else { return false };
    *request.uri_mut() = uri;
    if let Ok(original) = original {
        request.headers_mut().insert(ORIGINAL_PATH, original);
    }
    true
}

#[cfg(test)]
mod tests {
    use destrier_policy::{ClusterChoice, StringMatcher};

    use super::*;

    fn action(prefix_rewrite: &str) -> ForwardAction {
        ForwardAction {
            cluster: ClusterChoice::One("c".into()),
            prefix_rewrite: Some(prefix_rewrite.into()),
            timeout: None,
            idle_timeout: None,
            priority: RoutingPriority::Default,
            retry: None,
            hash: Box::default(),
            metadata_match: None,
            upgrades: Box::default(),
        }
    }

    #[test]
    fn rewrites_what_matched() {
        let prefix = |value: &str| PathMatch::Prefix { value: value.into(), ignore_case: false };
        let regex = PathMatch::Regex(StringMatcher::regex("/a.*").expect("valid"));
        for (path, new, old_path, new_path) in [
            (prefix("/old"), "/new", "/old/x?q=1", "/new/x?q=1"),
            (prefix("/old/"), "/", "/old/x", "/x"),
            (prefix("/old"), "", "/old?q", "/?q"),
            (regex, "/b", "/abc?q", "/b?q"),
        ] {
            let matcher = RouteMatch { path, headers: Box::default() };
            let mut request = Request::builder().uri(old_path).body(Body::empty()).expect("valid");
            assert!(rewrite(&matcher, &action(new), &mut request));
            assert_eq!(request.uri(), new_path);
            assert_eq!(request.headers()[ORIGINAL_PATH], old_path);
        }
    }

    #[test]
    fn the_route_overrides_the_manager() {
        let config = |enabled| UpgradeConfig { upgrade_type: "WebSocket".into(), enabled };
        let websocket = HeaderValue::from_static("websocket");
        let mut own = action("");
        assert!(is_allowed(&websocket, None, &[config(true)]));
        assert!(!is_allowed(&websocket, None, &[]));
        own.upgrades = Box::from([config(false)]);
        let route = RouteAction::Forward(Box::new(own));
        assert!(!is_allowed(&websocket, Some(&route), &[config(true)]));
        let other = HeaderValue::from_static("other");
        assert!(!is_allowed(&other, Some(&route), &[config(true)]));
    }
}
