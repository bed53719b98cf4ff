use destrier_http1::{remove_hop_by_hop_request, remove_hop_by_hop_response};
use destrier_policy::UnderscorePolicy;
use destrier_upstream::Body;
use http::header::{CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode};

use super::{forwarded, response};
use crate::exchange::Exchange;
use crate::stack::{Handle, LocalReply, Refusal};

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
        if let Err(reply) = check(&request) {
            exchange.note_request(&request);
            return Err(reply.into());
        }
        let headers = request.headers_mut();
        if exchange.scope.policy.headers_with_underscores == UnderscorePolicy::DropHeader {
            drop_underscores(headers);
        }
        let upgrade = take_upgrade(headers);
        remove_hop_by_hop_request(headers);
        headers.remove(EXPECT);
        forwarded::rewrite(exchange, headers);
        if let Some(upgrade) = upgrade {
            put_upgrade(headers, upgrade);
        }
        exchange.note_request(&request);
        let mut response = self.inner.handle(exchange, request).await?;
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        let upgrade = if switching { headers.remove(UPGRADE) } else { None };
        remove_hop_by_hop_response(headers);
        response::rewrite(exchange, headers);
        if let Some(upgrade) = upgrade {
            headers.insert(UPGRADE, upgrade);
        }
        Ok(response)
    }
}

fn check(request: &Request<Body>) -> Result<(), LocalReply> {
    let uri = request.uri();
    if request.headers().get(HOST).is_none() && uri.authority().is_none() {
        return Err(LocalReply::missing_host());
    }
    if request.method() == Method::CONNECT {
        return Err(LocalReply::no_route_to_connect());
    }
    if !uri.path().starts_with('/') {
        return Err(LocalReply::not_a_path());
    }
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
