//! An HTTP/2 client for single requests.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// The body of a request.
pub(crate) type Body = BoxBody<Bytes, std::convert::Infallible>;

/// A body without trailers.
pub(crate) fn full(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).boxed()
}

/// A body in frames.
pub(crate) fn frames(frames: Vec<Frame<Bytes>>) -> Body {
    let frames = frames.into_iter().map(Ok);
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

/// A connection over HTTP/1.1; its end is seen by the requests on it.
pub(crate) async fn http1(to: SocketAddr) -> Result<http1::SendRequest<Body>> {
    let stream = TokioIo::new(TcpStream::connect(to).await?);
    let (sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A connection over HTTP/2 with prior knowledge; its end is seen by the requests on it.
pub(crate) async fn http2(to: SocketAddr) -> Result<http2::SendRequest<Body>> {
    let stream = TokioIo::new(TcpStream::connect(to).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A request with an absolute target, as HTTP/2 wants it.
pub(crate) fn request(method: &str, path: &str, body: Body) -> Result<Request<Body>> {
    Ok(Request::builder().method(method).uri(format!("http://demo{path}")).body(body)?)
}

/// The whole of an answer: body and trailers.
pub(crate) async fn whole(answer: Response<Incoming>) -> Result<(Bytes, HeaderMap)> {
    let collected = answer.into_body().collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}
