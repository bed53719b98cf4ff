//! What may stand between the driver and a control plane: TLS and credentials. How they work is not this
//! crate's affair.

use std::{fmt::Debug, future::Future, pin::Pin};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection that is being secured.
pub type Securing = Pin<Box<dyn Future<Output = Result<Box<dyn Duplex>, String>> + Send>>;

/// Makes a connection secure.
pub trait Secure: Debug + Send + Sync {
    /// Speaks over a stream that has just been connected, with `h2` as the protocol. What it is configured
    /// with may have changed since the last connection. The error is shown as it is.
    fn secure(&self, stream: Box<dyn Duplex>) -> Securing;
}

/// Says who we are in each stream.
pub trait Credentials: Debug + Send + Sync {
    /// The headers of the next stream, read anew for each.
    ///
    /// # Errors
    /// Why there are none; the attempt fails with it.
    fn headers(&self) -> Result<HeaderMap, String>;
}
