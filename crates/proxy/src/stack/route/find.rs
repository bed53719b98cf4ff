//! Which route a request takes.

use std::sync::Arc;

use destrier_policy::{HcmPolicy, HeaderMatch, HeaderMatcher, Route, RouteMatch};
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Request};

/// A route, held together with the table that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct RouteRef {
    policy: Arc<HcmPolicy>,
    host: usize,
    route: usize,
}

impl RouteRef {
    /// The route.
    pub(crate) fn get(&self) -> &Route {
        &self.policy.routes.virtual_hosts[self.host].routes[self.route]
    }

    /// The first route of the request's virtual host that matches.
    pub(super) fn find<B>(policy: &Arc<HcmPolicy>, request: &Request<B>) -> Option<Self> {
        let table = &policy.routes;
        let host = table.virtual_host_index(authority(request).unwrap_or_default())?;
        let mut routes = table.virtual_hosts[host].routes.iter();
        let route = routes.position(|route| matches(&route.matcher, request))?;
        Some(Self { policy: Arc::clone(policy), host, route })
    }
}

/// The host that a request is for: of an absolute target, else the `host` header.
pub(crate) fn authority<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(HOST).and_then(|host| host.to_str().ok()),
    }
}

fn matches<B>(matcher: &RouteMatch, request: &Request<B>) -> bool {
    matcher.path.matches(request.uri().path())
        && matcher.headers.iter().all(|header| header_matches(header, request))
}

fn header_matches<B>(matcher: &HeaderMatcher, request: &Request<B>) -> bool {
    let pseudo = matcher.name.starts_with(':');
    let value = match &*matcher.name {
        ":method" => Some(request.method().as_str()),
        ":path" => request.uri().path_and_query().map(|path| path.as_str()),
        ":authority" => authority(request),
        ":scheme" => Some("http"),
        _ => None,
    };
    if pseudo {
        return matcher.matches(value.map(str::as_bytes));
    }
    with_value(request.headers(), &matcher.name, |value| match (&matcher.condition, value) {
        // Presence needs no value.
        (HeaderMatch::Present { .. }, Some(_)) => matcher.matches(Some(b"")),
        (_, value) => matcher.matches(value),
    })
}

/// Several headers of one name are one list.
fn with_value<T>(headers: &HeaderMap, name: &str, f: impl FnOnce(Option<&[u8]>) -> T) -> T {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (first, None) => f(first),
        (Some(first), Some(second)) => {
            let all: Vec<_> = [first, second].into_iter().chain(values).collect();
            f(Some(&all.join(&b',')))
        }
        (None, Some(_)) => f(None),
    }
}

#[cfg(test)]
mod tests {
    use destrier_policy::{
        DirectResponse, PathMatch, RouteAction, RouteTable, StringMatcher, VirtualHost,
    };
    use http::StatusCode;

    use super::*;

    fn route(name: &str, path: &str, headers: Vec<HeaderMatcher>) -> Route {
        Route {
            name: name.into(),
            matcher: RouteMatch {
                path: PathMatch::Prefix { value: path.into(), ignore_case: false },
                headers: headers.into(),
            },
            action: RouteAction::Direct(DirectResponse {
                status: StatusCode::OK,
                body: Arc::from(&b""[..]),
            }),
        }
    }

    fn exact(name: &str, value: &str) -> HeaderMatcher {
        HeaderMatcher {
            name: name.into(),
            condition: HeaderMatch::String(StringMatcher::exact(value)),
            invert: false,
            missing_is_empty: false,
        }
    }

    fn found(request: &Request<()>) -> Option<String> {
        let hosts = Box::from([
            VirtualHost {
                name: "other".into(),
                domains: Box::from(["other".into()]),
                routes: Box::default(),
            },
            VirtualHost {
                name: "all".into(),
                domains: Box::from(["*".into()]),
                routes: Box::from([
                    route("list", "/", vec![exact("x", "1,2")]),
                    route("post", "/a", vec![exact(":method", "POST")]),
                    route("a", "/a", vec![]),
                ]),
            },
        ]);
        let table = RouteTable::new("t".into(), hosts, false).expect("no domain twice");
        let policy = Arc::new(HcmPolicy::new("p".into(), Arc::new(table)));
        RouteRef::find(&policy, request).map(|found| found.get().name.to_string())
    }

    #[test]
    fn the_first_that_matches_wins() {
        let request = |method: &str, uri: &str, x: &[&str]| {
            let mut builder = Request::builder().method(method).uri(uri).header(HOST, "h");
            for value in x {
                builder = builder.header("x", *value);
            }
            builder.body(()).expect("a valid request")
        };
        assert_eq!(found(&request("GET", "/a?b", &[])).as_deref(), Some("a"));
        assert_eq!(found(&request("POST", "/a", &[])).as_deref(), Some("post"));
        assert_eq!(found(&request("GET", "/z", &["1", "2"])).as_deref(), Some("list"));
        assert_eq!(found(&request("GET", "/z", &["1"])), None);
        assert_eq!(found(&request("GET", "http://other/a", &[])), None);
    }
}
