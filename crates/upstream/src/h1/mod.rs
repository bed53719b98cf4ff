//! HTTP/1 over sockets: what the listener's side and the cluster's side share, and the client.

mod exchange;
mod incoming;
mod reader;
mod slot;

pub use incoming::{IncomingBody, Trailers};
pub use reader::Reader;
pub use slot::{ReturnSlot, Returned};
