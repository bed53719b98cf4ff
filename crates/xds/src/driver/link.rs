//! One stream to the control plane, from the first SYN to its end.

use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;
use http::{HeaderMap, uri::PathAndQuery};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Uri},
};

use super::{ControlPlane, Server, codec::BytesCodec, dial::Dial};
use crate::{StreamError, Variant};

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// The stream of the moment.
pub(crate) enum Link {
    /// None, and none is being made.
    Down,
    /// The connection is being made.
    Connecting((Variant, HeaderMap), Pending<Channel, StreamError>),
    /// The request is out, its headers are not answered yet. Messages are sent already: some
    /// servers answer only after the first.
    Opening(mpsc::UnboundedSender<Bytes>, Pending<Streaming<Bytes>, Status>),
    /// Messages go both ways.
    Open(mpsc::UnboundedSender<Bytes>, Box<Streaming<Bytes>>),
}

/// What happened on it.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    Connected,
    Message(Bytes),
    Closed(StreamError),
}

impl Link {
    /// Starts to connect.
    pub(crate) fn connect(server: &Server, variant: Variant) -> Self {
        let endpoint = endpoint(server);
        let timeout = server.connect_timeout;
        let dial =
            server.secure.clone().map(|secure| Dial { to: server.control_plane.clone(), secure });
        let (headers, refused) = match headers(server) {
            Ok(headers) => (headers, None),
            Err(error) => (HeaderMap::new(), Some(error)),
        };
        Self::Connecting(
            (variant, headers),
            Box::pin(async move {
                if let Some(error) = refused {
                    return Err(error);
                }
                let endpoint = endpoint?;
                let connecting = async {
                    match dial {
                        Some(dial) => endpoint.connect_with_connector(dial).await,
                        None => endpoint.connect().await,
                    }
                };
                // tonic's own limit covers the TCP handshake only.
                match tokio::time::timeout(timeout, connecting).await {
                    Ok(Ok(channel)) => Ok(channel),
                    Ok(Err(error)) => Err(StreamError::Connect(with_causes(&error))),
                    Err(_) => Err(StreamError::Connect(format!("no connection in {timeout:?}"))),
                }
            }),
        )
    }

    /// Queues a request. On a stream that has just ended it is lost, as it would be on the wire.
    pub(crate) fn send(&self, request: Bytes) {
        if let Self::Opening(requests, _) | Self::Open(requests, _) = self {
            let _ = requests.send(request);
        }
    }

    /// The next thing that happens; never returns while [`Link::Down`]. Cancel safe.
    pub(crate) async fn next(&mut self, max_message_bytes: usize) -> LinkEvent {
        loop {
            match self {
                Self::Down => return std::future::pending().await,
                Self::Connecting((variant, metadata), channel) => match channel.await {
                    Ok(channel) => {
                        let metadata = std::mem::take(metadata);
                        *self = open(channel, *variant, metadata, max_message_bytes);
                        return LinkEvent::Connected;
                    }
                    Err(error) => return self.close(error),
                },
                Self::Opening(requests, response) => match response.await {
                    Ok(messages) => *self = Self::Open(requests.clone(), Box::new(messages)),
                    Err(status) => return self.close(from_status(&status)),
                },
                Self::Open(_, messages) => match messages.message().await {
                    Ok(Some(message)) => return LinkEvent::Message(message),
                    Ok(None) => return self.close(StreamError::Ended),
                    Err(status) => return self.close(from_status(&status)),
                },
            }
        }
    }

    fn close(&mut self, error: StreamError) -> LinkEvent {
        *self = Self::Down;
        LinkEvent::Closed(error)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "Down",
            Self::Connecting(..) => "Connecting",
            Self::Opening(..) => "Opening",
            Self::Open(..) => "Open",
        })
    }
}

fn open(channel: Channel, variant: Variant, metadata: HeaderMap, max_message_bytes: usize) -> Link {
    let path = PathAndQuery::from_static(match variant {
        Variant::Delta => {
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
        }
        Variant::Sotw => {
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
        }
    });
    let (requests, outgoing) = mpsc::unbounded_channel();
    let response = Box::pin(async move {
        let mut client = Grpc::new(channel).max_decoding_message_size(max_message_bytes);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(UnboundedReceiverStream::new(outgoing));
        *request.metadata_mut() = MetadataMap::from_headers(metadata);
        let response = client.streaming(request, path, BytesCodec).await?;
        // A page of some proxy would be read as a message of gRPC, and the fault named would be another.
        match response.metadata().get("content-type") {
            Some(kind) if !kind.as_bytes().starts_with(b"application/grpc") => {
                Err(Status::unknown(format!("content-type {kind:?}: no gRPC is spoken there")))
            }
            _ => Ok(response.into_inner()),
        }
    });
    Link::Opening(requests, response)
}

/// What goes with the stream.
fn headers(server: &Server) -> Result<HeaderMap, StreamError> {
    let mut headers = server.metadata.clone();
    if let Some(credentials) = &server.credentials {
        let own = credentials.headers();
        headers.extend(own.map_err(|error| StreamError::Connect(format!("credentials: {error}")))?);
    }
    Ok(headers)
}

fn endpoint(server: &Server) -> Result<Endpoint, StreamError> {
    let invalid = |what: &str| StreamError::Connect(format!("{what} is not valid in a URI"));
    let (target, authority) = match &server.control_plane {
        ControlPlane::Tcp { host, port } => {
            let authority = if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            };
            (format!("http://{authority}"), authority)
        }
        ControlPlane::Unix(path) => {
            let path = path.to_str().ok_or_else(|| invalid("the path of the socket"))?;
            (format!("unix:{path}"), "localhost".to_owned())
        }
    };
    let authority = server.authority.as_ref().unwrap_or(&authority);
    let scheme = if server.secure.is_some() { "https" } else { "http" };
    let origin: Uri = format!("{scheme}://{authority}").parse().map_err(|_| invalid(authority))?;
    let endpoint = Endpoint::from_shared(target.clone()).map_err(|_| invalid(&target))?;
    Ok(endpoint
        .origin(origin)
        .connect_timeout(server.connect_timeout)
        .http2_keep_alive_interval(server.keepalive.interval)
        .keep_alive_timeout(server.keepalive.timeout)
        .keep_alive_while_idle(true))
}

fn from_status(status: &Status) -> StreamError {
    StreamError::Status { code: status.code(), message: status.message().to_owned() }
}

/// tonic says "transport error"; what went wrong stands in the causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
