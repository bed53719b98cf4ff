//! Raw TCP: a server that follows a script, and the connection that both sides speak through.

mod conn;
pub mod h2;
mod peer;

pub use conn::{Ending, RawConn, RawRequest, RawResponse};
pub use peer::RawPeer;
