//! Which route a request takes.

use std::sync::Arc;

use destrier_policy::{HcmPolicy, HeaderMatcher, RequireTls, Route, RouteMatch, VirtualHost};
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Request, Uri};

use super::rewrite::scheme_of;
use crate::stack::is_one_list;

/// A route, held together with the table that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct RouteRef {
    policy: Arc<HcmPolicy>,
    host: usize,
    route: usize,
}

/// What a table has for a request.
pub(super) enum Found {
    /// The first route of the request's virtual host that matches.
    Route(RouteRef),
    /// The virtual host serves over TLS alone (`require_tls`).
    NeedsTls,
}

/// The random number of a request: one for all decisions about it, made when the first is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lot(Option<u64>);

impl Lot {
    /// The number.
    pub(crate) fn get(&mut self) -> u64 {
        *self.0.get_or_insert_with(rand::random)
    }
}

impl RouteRef {
    /// The route.
    pub(crate) fn get(&self) -> &Route {
        &self.virtual_host().routes[self.route]
    }

    /// Its virtual host.
    pub(crate) fn virtual_host(&self) -> &VirtualHost {
        &self.policy.routes.virtual_hosts[self.host]
    }

    /// What is to be done with a request, if the table says so.
    pub(super) fn find<B>(
        policy: &Arc<HcmPolicy>,
        request: &Request<B>,
        lot: &mut Lot,
    ) -> Option<Found> {
        let table = &policy.routes;
        let host = table.virtual_host_index(authority(request).unwrap_or_default())?;
        let virtual_host = &table.virtual_hosts[host];
        if virtual_host.require_tls != RequireTls::None && needs_tls(virtual_host, request) {
            return Some(Found::NeedsTls);
        }
        let mut routes = virtual_host.routes.iter();
        let route = routes.position(|route| matches(&route.matcher, request, lot))?;
        Some(Found::Route(Self { policy: Arc::clone(policy), host, route }))
    }
}

fn needs_tls<B>(host: &VirtualHost, request: &Request<B>) -> bool {
    let is = |name, value: &[u8]| {
        request.headers().get(name).is_some_and(|told: &HeaderValue| told.as_bytes() == value)
    };
    let internal = || is("x-envoy-internal", b"true");
    !is("x-forwarded-proto", b"https") && (host.require_tls == RequireTls::All || !internal())
}

/// The host that a request is for: of an absolute target, else the `host` header.
pub(crate) fn authority<B>(request: &Request<B>) -> Option<&str> {
    authority_of(request.uri(), request.headers())
}

/// The same, of a head that is no whole request.
pub(crate) fn authority_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST).and_then(|host| host.to_str().ok()),
    }
}

fn matches<B>(matcher: &RouteMatch, request: &Request<B>, lot: &mut Lot) -> bool {
    matcher.path.matches(request.uri().path())
        && matcher.headers.iter().all(|header| header_matches(header, request))
        && matcher.query.iter().all(|parameter| parameter.matches(request.uri().query()))
        && matcher.share.is_none_or(|share| share.hits(lot.get()))
}

fn header_matches<B>(matcher: &HeaderMatcher, request: &Request<B>) -> bool {
    let pseudo = matcher.name.starts_with(':');
    if pseudo || &*matcher.name == "host" {
        let value = match &*matcher.name {
            ":method" => Some(request.method().as_str()),
            ":path" => request.uri().path_and_query().map(|path| path.as_str()),
            ":authority" | "host" => authority(request),
            ":scheme" => Some(scheme_of(request.uri(), request.headers())),
            _ => None,
        };
        return matcher.matches(value.map(str::as_bytes));
    }
    let all = request.headers().get_all(&*matcher.name);
    let values = all.iter().map(HeaderValue::as_bytes);
    match all.iter().nth(1) {
        Some(_) if is_one_list(&matcher.name) => {
            let values: Vec<_> = values.collect();
            matcher.matches(Some(&values.join(&b',')))
        }
        _ => matcher.matches_any(values),
    }
}

#[cfg(test)]
mod tests {
    use destrier_policy::{
        DirectResponse, HeaderMatch, PathMatch, QueryMatch, QueryMatcher, RouteAction, RouteTable,
        Share, StringMatcher,
    };
    use http::StatusCode;

    use super::*;

    fn prefix(path: &str) -> RouteMatch {
        RouteMatch::path(PathMatch::Prefix { value: path.into(), ignore_case: false })
    }

    fn route(name: &str, path: &str, headers: Vec<HeaderMatcher>) -> Route {
        let matcher = RouteMatch { headers: headers.into(), ..prefix(path) };
        let answer = DirectResponse { status: StatusCode::OK, body: Arc::default() };
        Route { name: name.into(), ..Route::new(matcher, RouteAction::Direct(answer)) }
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
            VirtualHost::new("other".into(), Box::from(["other".into()]), Box::default()),
            VirtualHost::new(
                "all".into(),
                Box::from(["*".into()]),
                Box::from([
                    route("list", "/", vec![exact("accept", "1,2")]),
                    route("post", "/a", vec![exact(":method", "POST")]),
                    Route {
                        matcher: RouteMatch {
                            query: Box::from([QueryMatcher {
                                name: "q".into(),
                                condition: QueryMatch::String(StringMatcher::exact("1")),
                            }]),
                            ..prefix("/a")
                        },
                        ..route("query", "/", vec![])
                    },
                    Route {
                        matcher: RouteMatch {
                            share: Some(Share { parts: 25, of: 100 }),
                            ..prefix("/share")
                        },
                        ..route("few", "/", vec![])
                    },
                    Route {
                        matcher: RouteMatch {
                            share: Some(Share { parts: 26, of: 100 }),
                            ..prefix("/share")
                        },
                        ..route("more", "/", vec![])
                    },
                    route("https", "/s", vec![exact(":scheme", "https")]),
                    route("a", "/a", vec![]),
                ]),
            ),
            VirtualHost {
                require_tls: RequireTls::ExternalOnly,
                ..VirtualHost::new(
                    "tls".into(),
                    Box::from(["tls".into()]),
                    Box::from([route("in", "/", vec![exact("host", "tls")])]),
                )
            },
        ]);
        let table = RouteTable::new("t".into(), hosts, false).expect("no domain twice");
        let policy = Arc::new(HcmPolicy::new("p".into(), Arc::new(table)));
        match RouteRef::find(&policy, request, &mut Lot(Some(25))) {
            Some(Found::Route(found)) => Some(found.get().name.to_string()),
            Some(Found::NeedsTls) => Some("TLS".into()),
            None => None,
        }
    }

    #[test]
    fn the_first_that_matches_wins() {
        let request = |method: &str, uri: &str, accepted: &[&str]| {
            let mut builder = Request::builder().method(method).uri(uri).header(HOST, "h");
            for value in accepted {
                builder = builder.header("accept", *value);
            }
            builder.body(()).expect("a valid request")
        };
        assert_eq!(found(&request("GET", "/a?b", &[])).as_deref(), Some("a"));
        assert_eq!(found(&request("POST", "/a", &[])).as_deref(), Some("post"));
        assert_eq!(found(&request("GET", "/z", &["1", "2"])).as_deref(), Some("list"));
        assert_eq!(found(&request("GET", "/z", &["1"])), None);
        assert_eq!(found(&request("GET", "http://other/a", &[])), None);
        assert_eq!(found(&request("GET", "/a?q=1", &[])).as_deref(), Some("query"));
        assert_eq!(found(&request("GET", "/a?q=2", &[])).as_deref(), Some("a"));
        assert_eq!(found(&request("GET", "/share", &[])).as_deref(), Some("more"));
        assert_eq!(found(&request("GET", "https://h/s", &[])).as_deref(), Some("https"));
        assert_eq!(found(&request("GET", "/s", &[])), None);
    }

    #[test]
    fn a_host_may_serve_over_tls_alone() {
        let request = |headers: &[(&str, &str)]| {
            let mut builder = Request::builder().uri("/").header(HOST, "tls");
            for (name, value) in headers {
                builder = builder.header(*name, *value);
            }
            found(&builder.body(()).expect("a valid request"))
        };
        assert_eq!(request(&[]).as_deref(), Some("TLS"));
        assert_eq!(request(&[("x-forwarded-proto", "http")]).as_deref(), Some("TLS"));
        assert_eq!(request(&[("x-forwarded-proto", "https")]).as_deref(), Some("in"));
        assert_eq!(request(&[("x-envoy-internal", "true")]).as_deref(), Some("in"));
    }
}
