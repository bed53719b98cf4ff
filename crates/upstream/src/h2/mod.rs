//! HTTP/2 towards hosts, on the `h2` crate itself: the request's own task begins the stream, reads the
//! answer and its body; only a request body that is not at hand has a task.

mod connection;
mod exchange;
mod incoming;
mod pump;
mod socket;

pub(crate) use connection::{Driver, Parting, handshake};
pub(crate) use exchange::exchange;
pub(crate) use incoming::IncomingStream;
