//! HTTP/2 load: all workers share one connection, which is renewed when it ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::pace::Pacer;
use super::{Failure, Load, Report};

/// The connection that the workers share.
#[derive(Debug)]
pub(super) struct Client {
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
    request: Request<()>,
}

impl Client {
    pub(super) fn new(load: &Load) -> Self {
        let authority = Authority::try_from(load.host.as_bytes())
            .or_else(|_| Authority::try_from(load.target.to_string()))
            .expect("an address is an authority");
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(authority);
        parts.path_and_query = Some(load.path.clone());
        let mut request = Request::new(());
        *request.method_mut() = load.method.clone();
        *request.uri_mut() = Uri::from_parts(parts).expect("all three parts are there");
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = load.headers.clone();
        Self { sender: Mutex::new(None), request }
    }

    /// A handle to the connection, made now if there is none.
    async fn sender(
        &self,
        load: &Load,
        report: &mut Report,
    ) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let mut shared = self.sender.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = TcpStream::connect(load.target).await.map_err(|_| Failure::Connect)?;
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|_| Failure::Connect)?;
        // Its end is seen by the requests on it.
        tokio::spawn(connection);
        report.connections += 1;
        *shared = Some(sender.clone());
        Ok(sender)
    }
}

/// One worker: one stream at a time.
pub(super) async fn run(load: Load, client: Arc<Client>, pacer: Arc<Pacer>) -> Report {
    let mut report = Report::default();
    while let Some(begin) = pacer.turn().await {
        let exchange = exchange(&load, &client, &mut report);
        match timeout(load.timeout, exchange).await.unwrap_or(Err(Failure::Timeout)) {
            Ok((status, headers)) => {
                report.note_answer(&load, status, &headers, begin.elapsed());
            }
            Err(failure) => report.note_failure(failure),
        }
    }
    report
}

async fn exchange(
    load: &Load,
    client: &Client,
    report: &mut Report,
) -> Result<(StatusCode, HeaderMap), Failure> {
    let mut sender = client.sender(load, report).await?;
    sender.ready().await.map_err(|_| Failure::Closed)?;
    let request = client.request.clone().map(|()| Full::new(load.body.clone()));
    let response = sender.send_request(request).await.map_err(|_| Failure::Closed)?;
    let (head, mut body) = response.into_parts();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        frame.map_err(|_| Failure::Truncated)?;
    }
    Ok((head.status, head.headers))
}
