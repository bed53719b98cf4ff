//! What a backend answers.

use std::fmt::Write as _;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, ReusableBoxFuture};

use super::body::{AnswerBody, Reset, Source, broken_off};
use super::connection::ConnState;
use super::{Behaviour, Fault, Shared};

const X_BACKEND: HeaderName = HeaderName::from_static("x-backend");
const X_CONNECTION: HeaderName = HeaderName::from_static("x-connection");

/// Bodies of `/bytes/N` are slices of these, so that large ones cost no copy.
static FILL: &[u8] = &[b'x'; 1024 * 1024];

/// Answers one request as the path and the behaviour say.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    state: Arc<ConnState>,
) -> io::Result<Response<AnswerBody>> {
    let guards = (shared.counts.enter(|counts| &counts.requests), state.enter());
    let behaviour = Arc::clone(&shared.behaviour.borrow());
    let version = request.version();
    if let Some(gate) = &behaviour.gate {
        gate.pass().await;
    }
    if !behaviour.delay.is_zero() {
        sleep(behaviour.delay).await;
    }
    let reset = match version {
        Version::HTTP_2 => Reset::Stream,
        _ => Reset::Connection(Arc::clone(&state)),
    };
    if behaviour.fault == Fault::ResetBeforeHead {
        return match reset {
            Reset::Stream => Err(broken_off()),
            Reset::Connection(state) => {
                state.reset();
                pending().await
            }
        };
    }
    let mut response = compose(request, &behaviour, &shared).await?;
    let headers = response.headers_mut();
    headers.insert(X_BACKEND, shared.name.clone());
    headers.insert(X_CONNECTION, state.number.clone());
    headers.extend(behaviour.headers.clone());
    match behaviour.fault {
        Fault::CloseAfter if version == Version::HTTP_2 => state.close_after(),
        Fault::CloseAfter => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Fault::ResetInBody { after } => {
            *response.body_mut() = cut(response.body(), after, state, reset);
        }
        Fault::None | Fault::ResetBeforeHead => {}
    }
    Ok(response.map(|source| AnswerBody { source, _request: guards }))
}

async fn compose(
    mut request: Request<Incoming>,
    behaviour: &Behaviour,
    shared: &Shared,
) -> io::Result<Response<Source>> {
    let name = &shared.name;
    if request.version() != Version::HTTP_2 && request.headers().contains_key(header::UPGRADE) {
        return Ok(switch(&mut request, shared.kill.clone()));
    }
    let path = request.uri().path();
    let path = path.trim_start_matches('/');
    let (kind, argument) = path.split_once('/').unwrap_or((path, ""));
    let argument = argument.parse::<u64>().ok();
    let mut status = behaviour.status;
    let data = match (kind, argument) {
        ("echo", _) => return Ok(with_status(status, Source::Echo(request.into_body()))),
        ("early", _) => default_body(behaviour, name),
        ("bytes", Some(len)) => fill(len),
        ("status", Some(code)) => {
            status = u16::try_from(code)
                .ok()
                .and_then(|code| StatusCode::from_u16(code).ok())
                .unwrap_or(StatusCode::BAD_REQUEST);
            default_body(behaviour, name)
        }
        ("delay", Some(millis)) => {
            sleep(Duration::from_millis(millis)).await;
            default_body(behaviour, name)
        }
        ("headers", _) => describe(&request),
        _ => default_body(behaviour, name),
    };
    if kind == "early" {
        return Ok(with_status(status, Source::Fixed { data, trailers: None }));
    }
    let grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .cloned()
        .filter(|content_type| content_type.as_bytes().starts_with(b"application/grpc"));
    // An answer before the end of the body would end the connection.
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let Some(content_type) = grpc else {
        return Ok(with_status(status, Source::Fixed { data, trailers: None }));
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(behaviour.grpc_status));
    let mut response = with_status(status, Source::Fixed { data: body, trailers: Some(trailers) });
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    // HTTP/1 says beforehand which trailers come.
    response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("grpc-status"));
    Ok(response)
}

fn with_status(status: StatusCode, source: Source) -> Response<Source> {
    let mut response = Response::new(source);
    *response.status_mut() = status;
    response
}

fn default_body(behaviour: &Behaviour, name: &HeaderValue) -> Bytes {
    match &behaviour.body {
        Some(body) => body.clone(),
        None => Bytes::copy_from_slice(name.as_bytes()),
    }
}

fn fill(len: u64) -> Bytes {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    match FILL.get(..len) {
        Some(fill) => Bytes::from_static(fill),
        None => Bytes::from(vec![b'x'; len]),
    }
}

/// The request's head as text: the first line, then a line for each header.
fn describe(request: &Request<Incoming>) -> Bytes {
    let mut text = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    Bytes::from(text)
}

/// Agrees to switch protocols and echoes what comes then.
fn switch(request: &mut Request<Incoming>, kill: CancellationToken) -> Response<Source> {
    let protocol = request.headers()[header::UPGRADE].clone();
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(kill.run_until_cancelled_owned(async move {
        let Ok(upgraded) = upgraded.await else {
            return;
        };
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        // The client going away is the end of the echo.
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    }));
    let empty = Source::Fixed { data: Bytes::new(), trailers: None };
    let mut response = with_status(StatusCode::SWITCHING_PROTOCOLS, empty);
    response.headers_mut().insert(header::UPGRADE, protocol);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response
}

/// The first bytes of a body, announced as more than that.
fn cut(source: &Source, after: usize, state: Arc<ConnState>, reset: Reset) -> Source {
    let whole = match source {
        Source::Fixed { data, .. } | Source::Cut { data, .. } => data.clone(),
        Source::Echo(_) => Bytes::new(),
    };
    let data = if whole.len() > after { whole.slice(..after) } else { fill(after as u64) };
    let len = whole.len().max(after + 1) as u64;
    // A reset overtakes what is still to be written: it waits until the head and the data are out.
    let bytes = state.written() + data.len() as u64 + 1;
    let sent = ReusableBoxFuture::new(state.wait_written(bytes));
    Source::Cut { data, len, sent, reset }
}
