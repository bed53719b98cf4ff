//! The body of a request or response on its way through.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;

use crate::active::Active;
use crate::h1::IncomingBody;
use crate::h2::IncomingStream;
use crate::{BodyError, TcpLease};

/// Implements `http_body::Body<Data = Bytes, Error = BodyError>`; `Send` and `Unpin`. Permits of the
/// request travel in the response's body and come back when it ends or is dropped.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    /// Of a response: what its request holds.
    active: Option<Active>,
    /// Of a response: when the cluster's `max_stream_duration` has passed.
    deadline: Option<Pin<Box<Sleep>>>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    // Large ones are boxed: most bodies come with their heads, and every layer moves a message.
    /// Of a request that was read up to them.
    Trailers(Box<HeaderMap>),
    H1(Box<IncomingBody>),
    Incoming(hyper::body::Incoming),
    Stream(Box<IncomingStream>),
    /// Of a `101`: the connection itself.
    Tunnel(Box<TcpLease>),
    Boxed(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError> + Send>>),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All of it in one piece.
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self::of(Kind::Full(bytes)) }
    }

    /// Any other body, e.g. one that limits or observes another.
    pub fn boxed(body: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self::of(Kind::Boxed(Box::pin(body)))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, active: None, deadline: None }
    }

    /// The whole body when it is at hand without waiting: nothing, or one piece.
    pub(crate) fn at_hand(&self) -> Option<Bytes> {
        match &self.kind {
            Kind::Empty => Some(Bytes::new()),
            Kind::Full(bytes) => Some(bytes.clone()),
            _ if self.is_end_stream() => Some(Bytes::new()),
            _ => None,
        }
    }

    /// Ties what the request holds to the end of this body.
    pub(crate) fn holding(mut self, active: Active) -> Self {
        self.active = Some(active);
        self.release_at_end();
        self
    }

    /// Ends a response that is not complete at that time.
    pub(crate) fn until(mut self, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        self.deadline = deadline.filter(|_| !self.is_end_stream());
        self
    }

    /// What is left of a body whose data was taken.
    pub(crate) fn trailers(trailers: HeaderMap) -> Self {
        Self::of(Kind::Trailers(Box::new(trailers)))
    }

    pub(crate) fn tunnel(lease: TcpLease) -> Self {
        Self::of(Kind::Tunnel(Box::new(lease)))
    }

    pub(crate) fn take_tunnel(&mut self) -> Option<TcpLease> {
        match std::mem::take(&mut self.kind) {
            Kind::Tunnel(mut lease) => {
                lease.hold(self.active.take());
                Some(*lease)
            }
            other => {
                self.kind = other;
                None
            }
        }
    }

    /// Ends the response and what it holds.
    fn overdue(&mut self) -> BodyError {
        if let Some(active) = &self.active {
            active.overdue();
        }
        *self = Self::empty();
        BodyError::MaxDuration
    }

    fn complete(&mut self) {
        if let Some(active) = self.active.take() {
            active.complete();
        }
    }

    /// A permit comes back with the last piece, not when the receiver has let go of the body.
    fn release_at_end(&mut self) {
        if self.active.is_some() && self.is_end_stream() {
            self.complete();
        }
    }
}

/// A body read by the HTTP/1 codec.
impl From<IncomingBody> for Body {
    fn from(body: IncomingBody) -> Self {
        Self::of(Kind::H1(Box::new(body)))
    }
}

/// A response's body over HTTP/2.
impl From<IncomingStream> for Body {
    fn from(body: IncomingStream) -> Self {
        Self::of(Kind::Stream(Box::new(body)))
    }
}

/// A request's body over HTTP/2.
impl From<hyper::body::Incoming> for Body {
    fn from(body: hyper::body::Incoming) -> Self {
        Self::of(Kind::Incoming(body))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(this.overdue())));
        }
        let frame = match &mut this.kind {
            Kind::Empty | Kind::Tunnel(_) => None,
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.kind = Kind::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Kind::Trailers(trailers) => {
                let trailers = std::mem::take(trailers);
                this.kind = Kind::Empty;
                Some(Ok(Frame::trailers(*trailers)))
            }
            Kind::H1(body) => ready!(body.poll_next(cx)),
            Kind::Stream(body) => ready!(body.poll_next(cx)),
            Kind::Incoming(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(Into::into))
            }
            Kind::Boxed(body) => ready!(body.as_mut().poll_frame(cx)),
        };
        match &frame {
            Some(Ok(_)) => this.release_at_end(),
            Some(Err(_)) => this.active = None,
            None => this.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Trailers(_) | Kind::Tunnel(_) => false,
            Kind::H1(body) => body.is_end(),
            Kind::Stream(body) => body.is_end(),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Tunnel(_) => SizeHint::with_exact(0),
            // A known length would leave no room for them.
            Kind::Trailers(_) => SizeHint::default(),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::H1(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.kind {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Trailers(_) => "trailers",
            Kind::H1(_) => "HTTP/1",
            Kind::Stream(_) | Kind::Incoming(_) => "HTTP/2",
            Kind::Tunnel(_) => "tunnel",
            Kind::Boxed(_) => "boxed",
        };
        write!(f, "Body({kind})")
    }
}
