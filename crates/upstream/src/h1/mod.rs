//! HTTP/1 over sockets: what the listener's side and the cluster's side share, and the client.

mod exchange;
mod incoming;
mod pump;
mod reader;
mod slot;

pub(crate) use exchange::exchange;
pub use incoming::{IncomingBody, Trailers};
pub use reader::Reader;
pub use slot::{ReturnSlot, Returned};
