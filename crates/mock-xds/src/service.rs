//! ADS over gRPC, on bytes.
//!
//! The generated server takes messages, and a script has to send bytes that are none; so the
//! service is written out here, once for both methods.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Status, Streaming};

use crate::recording::Variant;
use crate::server::Shared;
use crate::stream;

/// The AggregatedDiscoveryService.
#[derive(Clone)]
pub(crate) struct Ads(pub(crate) Arc<Shared>);

impl NamedService for Ads {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl Service<http::Request<Body>> for Ads {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let method = request.uri().path().rsplit('/').next();
        let variant = match method {
            Some("DeltaAggregatedResources") => Variant::Delta,
            Some("StreamAggregatedResources") => Variant::Sotw,
            _ => {
                let status = Status::unimplemented("ADS has two methods");
                return Box::pin(async move { Ok(status.into_http()) });
            }
        };
        Box::pin(async move {
            let limit = shared.lock().behaviour.max_request_bytes;
            let mut grpc = Grpc::new(BytesCodec).apply_max_message_size_config(Some(limit), None);
            Ok(grpc.streaming(Method { shared, variant }, request).await)
        })
    }
}

struct Method {
    shared: Arc<Shared>,
    variant: Variant,
}

impl StreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = UnboundedReceiverStream<Result<Bytes, Status>>;
    type Future = BoxFuture<tonic::Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (shared, variant) = (Arc::clone(&self.shared), self.variant);
        Box::pin(async move {
            let responses = stream::open(shared, variant, request.into_inner()).await?;
            Ok(tonic::Response::new(UnboundedReceiverStream::new(responses)))
        })
    }
}

struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}
