//! HTTP/2 clients and backends, with the frames in hand.

use std::net::SocketAddr;

use ::h2::client::SendRequest;
use ::h2::server::SendResponse;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use super::{Reply, soon};

/// A connection of a client.
pub(crate) struct H2Client {
    send: SendRequest<Bytes>,
    pub(crate) connection: tokio::task::JoinHandle<Result<(), ::h2::Error>>,
}

/// An answer, or how it broke off.
#[derive(Debug, Default)]
pub(crate) struct H2Reply {
    pub(crate) reply: Reply,
    pub(crate) reset: Option<u32>,
}

impl H2Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.expect("the listener accepts");
        let (send, connection) = soon(::h2::client::handshake(stream)).await.expect("h2 is spoken");
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Begins a request; the stream takes its body.
    pub(crate) async fn begin(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> (::h2::client::ResponseFuture, ::h2::SendStream<Bytes>) {
        soon(std::future::poll_fn(|cx| self.send.poll_ready(cx))).await.expect("it is open");
        self.send.send_request(request, end).expect("the request is valid")
    }

    /// A request without a body, and its answer.
    pub(crate) async fn call(&mut self, request: Request<()>) -> H2Reply {
        let (response, _) = self.begin(request, true).await;
        read(response).await
    }

    /// A GET.
    pub(crate) async fn get(&mut self, uri: &str) -> H2Reply {
        let request = Request::builder().uri(uri).body(()).expect("a valid request");
        self.call(request).await
    }
}

/// Reads an answer to its end.
pub(crate) async fn read(response: ::h2::client::ResponseFuture) -> H2Reply {
    let mut read = H2Reply::default();
    let reason = |error: &::h2::Error| error.reason().map_or(u32::MAX, u32::from);
    let (head, mut body) = match soon(response).await {
        Ok(response) => response.into_parts(),
        Err(error) => {
            read.reset = Some(reason(&error));
            return read;
        }
    };
    read.reply.status = head.status.as_u16();
    read.reply.headers = pairs(&head.headers);
    while let Some(data) = soon(body.data()).await {
        match data {
            Ok(data) => {
                body.flow_control().release_capacity(data.len()).expect("it was received");
                read.reply.body.extend_from_slice(&data);
            }
            Err(error) => {
                read.reset = Some(reason(&error));
                return read;
            }
        }
    }
    match soon(body.trailers()).await {
        Ok(trailers) => {
            read.reply.trailers = pairs(&trailers.unwrap_or_default());
            read.reply.whole = true;
        }
        Err(error) => read.reset = Some(reason(&error)),
    }
    read
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// A request as a backend got it.
pub(crate) type Received = (Request<::h2::RecvStream>, SendResponse<Bytes>);

/// A backend; each request goes to `serve`.
pub(crate) async fn backend<F, S>(serve: S) -> SocketAddr
where
    S: Fn(Received) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 is always free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve = serve.clone();
            tokio::spawn(async move {
                let Ok(mut connection) = ::h2::server::handshake(stream).await else { return };
                while let Some(Ok(received)) = connection.accept().await {
                    tokio::spawn(serve(received));
                }
            });
        }
    });
    address
}

/// A backend that answers each request with what it got: the head as headers, body and trailers as they
/// are.
pub(crate) async fn echo() -> SocketAddr {
    backend(|(request, mut respond)| async move {
        let (head, mut body) = request.into_parts();
        let mut response = Response::builder();
        for (name, value) in &head.headers {
            response = response.header(format!("got-{name}"), value);
        }
        let authority = head.uri.authority().map_or("", |authority| authority.as_str());
        let response =
            response.header("got-authority", authority).header("got-path", head.uri.path());
        let mut send = respond
            .send_response(response.body(()).expect("valid"), false)
            .expect("the stream is open");
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            if !data.is_empty() {
                let _ = send.send_data(data, false);
            }
        }
        let mut trailers = body.trailers().await.ok().flatten().unwrap_or_default();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let _ = send.send_trailers(trailers);
    })
    .await
}
