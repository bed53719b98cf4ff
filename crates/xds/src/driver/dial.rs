//! A connection that we make ourselves, where it is not plain.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

use super::{ControlPlane, Duplex, Secure};

/// Connects to a control plane and makes the connection secure, for tonic.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) to: ControlPlane,
    pub(crate) secure: Arc<dyn Secure>,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Box<dyn Duplex>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { to, secure } = self.clone();
        Box::pin(async move {
            let stream: Box<dyn Duplex> = match to {
                ControlPlane::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), port)).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                ControlPlane::Unix(path) => Box::new(UnixStream::connect(path).await?),
            };
            secure.secure(stream).await.map(TokioIo::new).map_err(io::Error::other)
        })
    }
}
