use destrier_http1::{remove_hop_by_hop_request, remove_hop_by_hop_response};
use destrier_policy::{HostForm, PathForm, UnderscorePolicy};
use destrier_upstream::Body;
use http::header::{CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::uri::{Authority, PathAndQuery, Uri};
use http::{Method, Request, Response, StatusCode, Version};

use super::path::{self, PathOutcome};
use super::{forwarded, host};
use crate::exchange::Exchange;
use crate::stack::{AnswerForm, Handle, LocalReply, Refusal, authority};

/// Refuses what is no request to a proxy and rewrites the headers of both messages.
#[derive(Clone, Debug)]
pub(crate) struct Sanitize<S> {
    pub(super) inner: S,
}

impl<S> Handle<Request<Body>> for Sanitize<S>
where
    S: Handle<Request<Body>, Error = Refusal> + Sync,
{
    type Error = Refusal;

    async fn handle(
        &self,
        exchange: &mut Exchange,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        if let Err(reply) =
            check(exchange, &request).and_then(|()| normalize(exchange, &mut request))
        {
            exchange.endless =
                request.method() == Method::CONNECT && request.version() != Version::HTTP_2;
            exchange.note_request(&request);
            return Err(reply.into());
        }
        let headers = request.headers_mut();
        if exchange.scope.policy.headers_with_underscores == UnderscorePolicy::DropHeader {
            drop_underscores(headers);
        }
        let upgrade = take_upgrade(headers);
        remove_hop_by_hop_request(headers);
        if !exchange.scope.policy.proxy_100_continue
            && headers
                .get(EXPECT)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        {
            headers.remove(EXPECT);
        }
        forwarded::rewrite(exchange, headers);
        let switches = upgrade.is_some();
        exchange.endless = switches;
        if let Some(upgrade) = upgrade {
            put_upgrade(headers, upgrade);
        }
        exchange.note_request(&request);
        let mut response = match self.inner.handle(exchange, request).await {
            // What the client sends next may be no HTTP.
            Err(Refusal::Reply(reply)) if switches => return Err(reply.closing().into()),
            answer => answer?,
        };
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        let upgrade = if switching { headers.remove(UPGRADE) } else { None };
        remove_hop_by_hop_response(headers);
        if let Some(upgrade) = upgrade {
            headers.insert(UPGRADE, upgrade);
        }
        Ok(response)
    }
}

fn check(exchange: &Exchange, request: &Request<Body>) -> Result<(), LocalReply> {
    let uri = request.uri();
    if request.headers().get(HOST).is_none() && uri.authority().is_none() {
        return Err(LocalReply::missing_host());
    }
    if request.method() == Method::CONNECT {
        return Err(LocalReply::no_route_to_connect());
    }
    let is_absolute = uri.scheme().is_some() && request.version() != Version::HTTP_2;
    if is_absolute || !uri.path().starts_with('/') {
        exchange.scope.stats.downstream_rq_non_relative_path.inc();
        return Err(LocalReply::not_a_path());
    }
    Ok(())
}

/// One spelling for each path and host.
fn normalize(exchange: &Exchange, request: &mut Request<Body>) -> Result<(), LocalReply> {
    let policy = &exchange.scope.policy;
    if policy.path != PathForm::default() {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let (new, refusal) = match path::bring_into_form(path, policy.path) {
            PathOutcome::Same => (None, None),
            PathOutcome::Forward(new) => (Some(new), None),
            PathOutcome::Redirect(new) if AnswerForm::of(request) == AnswerForm::Http => {
                exchange.scope.stats.downstream_rq_redirected_with_normalized_path.inc();
                let reply = LocalReply::normal_path(&new);
                (Some(new), Some(reply))
            }
            PathOutcome::Redirect(new) | PathOutcome::Refuse(new) => {
                (Some(new), Some(LocalReply::no_normal_path()))
            }
            PathOutcome::Reject => return Err(LocalReply::no_normal_path()),
        };
        // The log tells it of a refused request, too.
        if let Some(new) = new {
            set_path(request, new).map_err(|_| LocalReply::no_normal_path())?;
        }
        if let Some(reply) = refusal {
            return Err(reply);
        }
    }
    if policy.host != HostForm::default()
        && let Some(host) = authority(request)
    {
        let port = exchange.ends.local.ip().map(|local| local.port());
        if let Some(new) = host::bring_into_form(host, policy.host, port) {
            // What was a host is one without its port as well.
            let _ = set_host(request, new);
        }
    }
    Ok(())
}

fn set_path(request: &mut Request<Body>, path: String) -> Result<(), http::Error> {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path)?);
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

fn set_host(request: &mut Request<Body>, host: String) -> Result<(), http::Error> {
    if request.uri().authority().is_none() {
        request.headers_mut().insert(HOST, HeaderValue::try_from(host)?);
        return Ok(());
    }
    let mut parts = request.uri().clone().into_parts();
    parts.authority = Some(Authority::try_from(host)?);
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// The protocol that the client asks for; h2c is not one, as in Envoy.
fn take_upgrade(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let upgrade = headers.remove(UPGRADE)?;
    let asks = headers.get_all(CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    if !asks || upgrade.as_bytes().eq_ignore_ascii_case(b"h2c") {
        headers.remove(HTTP2_SETTINGS);
        return None;
    }
    Some(upgrade)
}

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

fn put_upgrade(headers: &mut HeaderMap, upgrade: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, upgrade);
}

fn drop_underscores(headers: &mut HeaderMap) {
    let doomed: Vec<_> =
        headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}
